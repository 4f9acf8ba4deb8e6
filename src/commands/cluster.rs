//! `scheduler` and `executor`: the processes of a cluster that answers SQL over the lake and trains on it; and what others
//! need to ask it.

#[cfg(not(feature = "scale"))]
use crate::app::Refused;
#[cfg(feature = "scale")]
pub use built::{als, executor, open_lake, scheduler};

#[cfg(not(feature = "scale"))]
pub async fn scheduler(_: crate::args::Scheduler) -> anyhow::Result<std::process::ExitCode> {
    Err(not_built())
}

#[cfg(not(feature = "scale"))]
pub async fn executor(_: crate::args::Executor) -> anyhow::Result<std::process::ExitCode> {
    Err(not_built())
}

#[cfg(not(feature = "scale"))]
pub async fn als(_: crate::args::Als) -> anyhow::Result<std::process::ExitCode> {
    Err(not_built())
}

#[cfg(not(feature = "scale"))]
pub fn not_built() -> anyhow::Error {
    Refused(
        "a cluster needs a binary with the feature scale: cargo build --release --features scale".to_owned(),
    )
    .into()
}

#[cfg(feature = "scale")]
mod built {
    use std::process::ExitCode;
    use std::time::Duration;

    use anyhow::Context;
    use shoptide_lake::{Lake, LakeOptions};
    use shoptide_query::functions;
    use shoptide_query::scale::als::{AlsJob, run};
    use shoptide_query::scale::{self, Cluster, ClusterShop, ScaleError, SchedulerOptions, interactions_sql};

    use crate::app::{Refused, Signals};
    use crate::args::{Als, Executor, LakeAt, Scheduler};
    use crate::commands::load_config;
    use crate::outln;

    /// After a signal a process of a cluster has this long for what it has begun; then it ends all the same.
    const STOP_MAX: Duration = Duration::from_secs(8);
    const MIB: u64 = 1 << 20;

    /// The lake that a cluster reads.
    pub struct LakeOfCluster {
        pub lake: Lake,
        pub cluster: Cluster,
    }

    /// Opens the lake that `at` names, else that of the data directory.
    pub async fn open_lake(at: &LakeAt) -> anyhow::Result<LakeOfCluster> {
        let options = match &at.lake {
            Some(url) => LakeOptions { url: url.clone(), ..LakeOptions::default() },
            None => LakeOptions::local(at.place.data_dir.join("lake")),
        };
        let lake = Lake::open(&options).await.map_err(|e| Refused(format!("the lake: {e}")))?;
        let cluster = Cluster::new(lake.store(), functions::all(), at.held_mib * MIB);
        Ok(LakeOfCluster { lake, cluster })
    }

    /// Refusals are told by their exit code.
    fn told(error: ScaleError) -> anyhow::Error {
        match error {
            ScaleError::Refused(what) => Refused(what).into(),
            other => other.into(),
        }
    }

    pub async fn scheduler(args: Scheduler) -> anyhow::Result<ExitCode> {
        let mut signals = Signals::catch()?;
        let lake = open_lake(&args.lake).await?;
        let options = SchedulerOptions { bind: args.bind };
        let mut scheduler = scale::Scheduler::start(&lake.cluster, &options).await.map_err(told)?;
        outln!("scheduler at {}", scheduler.url())?;
        tokio::select! {
            () = signals.next() => Ok(ExitCode::SUCCESS),
            ended = scheduler.run() => ended.map_err(told).map(|()| ExitCode::FAILURE),
        }
    }

    pub async fn executor(args: Executor) -> anyhow::Result<ExitCode> {
        let mut signals = Signals::catch()?;
        let lake = open_lake(&args.lake).await?;
        let options = scale::ExecutorOptions {
            scheduler: args.scheduler,
            bind: args.bind,
            host: args.host,
            vcores: match args.vcores {
                0 => std::thread::available_parallelism().map_or(1, usize::from),
                n => usize::from(n),
            },
            memory_bytes: args.memory_mib * MIB,
            work_dir: args.work_dir.unwrap_or_else(std::env::temp_dir),
            work_bytes_max: args.work_mib * MIB,
            patience: Duration::from_secs(args.patience_s),
        };
        let mut executor = tokio::select! {
            started = scale::Executor::start(&lake.cluster, &options) => started.map_err(told)?,
            () = signals.next() => return Ok(ExitCode::SUCCESS),
        };
        outln!("executor at {}", executor.address())?;
        let stopped = async {
            signals.next().await;
            tokio::time::sleep(STOP_MAX).await;
        };
        tokio::select! {
            ended = executor.run() => ended.map_err(told).map(|()| ExitCode::SUCCESS),
            () = stopped => {
                tracing::warn!("what was begun is left unfinished: the scheduler gives it to others");
                Ok(ExitCode::SUCCESS)
            }
        }
    }

    pub async fn als(args: Als) -> anyhow::Result<ExitCode> {
        let config = load_config(args.lake.place.config.as_deref())?;
        let lake = open_lake(&args.lake).await?;
        let snapshot = lake.lake.snapshot().await.context("the lake")?;
        let patience = Duration::from_secs(args.patience_s);
        let shop =
            ClusterShop::open(&lake.cluster, &args.scheduler, patience, &snapshot).await.map_err(told)?;
        let token = tempfile::Builder::new().prefix("").rand_bytes(12).tempfile()?;
        let token = token.path().file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let job = AlsJob {
            interactions_sql: interactions_sql(&config.tastes),
            params: config.als,
            run: format!("commit-{:020}-{token}", snapshot.commit),
        };
        let json = args.json;
        let mut observe = |what: &str, seconds: f64| {
            if !json {
                eprintln!("{what}: {seconds:.2} s");
            }
        };
        let work = shop.unless_alone(run(&lake.cluster, shop.session(), &job, &mut observe));
        let mut signals = Signals::catch()?;
        let report = tokio::select! {
            report = work => report.map_err(told),
            () = signals.next() => {
                Err(anyhow::anyhow!("ended; scale/{} of the lake has no report and is not used", job.run))
            }
        };
        if report.is_err() {
            shop.cancel().await;
        }
        let report = report?;
        if json {
            outln!("{}", serde_json::to_string(&report)?)?;
        } else {
            outln!(
                "{} users, {} items, {} interactions: factors and report in scale/{} of the lake",
                report.users.rows,
                report.items.rows,
                report.interactions,
                report.run
            )?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
