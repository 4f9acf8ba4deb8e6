//! The process that carries out the parts of queries.

use futures::future::BoxFuture;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use ballista_core::JobId;
use ballista_core::config::TaskSchedulingPolicy;
use ballista_core::error::BallistaError;
use ballista_core::utils::{GrpcServerConfig, create_grpc_server, create_grpc_server_incoming};
use ballista_executor::ArrowFlightServerProvider;
use ballista_executor::execution_engine::{DefaultExecutionEngine, ExecutionEngine, QueryStageExecutor};
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_executor::flight_service::BallistaFlightService;
use ballista_executor::health::ExecutorHealth;
use datafusion::common::exec_err;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::cluster::MESSAGE_BYTES_MAX;
use super::jobs::{UntilEnded, yielding};
use super::pool::Connections;
use super::remote::{SchedulerAt, wait_for};
use super::work_dir::WorkDir;
use super::{Cluster, ScaleError};

/// Seconds after which what passed between the parts of a query goes, if its end was not heard of.
const PARTS_KEPT_S: u64 = 3_600;
/// Seconds between looks at that.
const SWEEP_EVERY_S: u64 = 60;
/// Between looks at whether the scheduler answers.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What an executor may use.
#[derive(Debug, Clone)]
pub struct ExecutorOptions {
    /// `http://host:port`.
    pub scheduler: String,
    /// Where others fetch from it; port 0 takes a free one.
    pub bind: SocketAddr,
    /// The name under which others reach it, if that is not the address.
    pub host: Option<String>,
    /// Parts of queries at a time.
    pub vcores: usize,
    /// For sorting, joining and grouping; what needs more spills. Factors of a half-step are beside it.
    pub memory_bytes: u64,
    /// A folder for what passes between parts and for what spills.
    pub work_dir: PathBuf,
    /// Bytes in that folder above which no further part is begun.
    pub work_bytes_max: u64,
    /// How long the scheduler may be away, at the start and later.
    pub patience: Duration,
}

/// An executor that runs.
pub struct Executor {
    address: SocketAddr,
    health: ExecutorHealth,
    patience: Duration,
    scheduler: String,
    task: JoinHandle<Result<(), ScaleError>>,
    work: Arc<WorkDir>,
}

impl Executor {
    /// Waits for the scheduler and begins to ask it for work.
    ///
    /// # Errors
    /// [`ScaleError::Refused`] if the address or the folder cannot be used, [`ScaleError::Away`] without a scheduler.
    pub fn start<'a>(
        cluster: &'a Cluster,
        options: &'a ExecutorOptions,
    ) -> BoxFuture<'a, Result<Self, ScaleError>> {
        // Boxed here, so that what stands below it is compiled once, not in each program and test.
        Box::pin(Self::begin(cluster, options))
    }

    async fn begin(cluster: &Cluster, options: &ExecutorOptions) -> Result<Self, ScaleError> {
        let at = SchedulerAt::parse(&options.scheduler)?;
        if options.vcores == 0 || options.memory_bytes < options.vcores as u64 {
            return Err(ScaleError::Refused(
                "an executor needs at least one vcore and memory for it".to_owned(),
            ));
        }
        wait_for(&at, options.patience).await?;
        let listener = create_grpc_server_incoming(options.bind, &GrpcServerConfig::default())
            .map_err(|e| ScaleError::Refused(format!("cannot listen on {}: {e}", options.bind)))?;
        let address = listener
            .local_addr()
            .map_err(|e| ScaleError::Refused(format!("cannot listen on {}: {e}", options.bind)))?;

        let host = match address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let result_bytes_max = usize::try_from(options.memory_bytes).unwrap_or(usize::MAX) / options.vcores;
        let defaults = ExecutorProcessConfig::default();
        let work = Arc::new(WorkDir::claim(&options.work_dir, &defaults.executor_id)?);
        let folder = work
            .path()
            .to_str()
            .ok_or_else(|| ScaleError::Refused("the work folder's name is not UTF-8".to_owned()))?
            .to_owned();

        let listener = Mutex::new(Some(listener));
        let flight: Arc<ArrowFlightServerProvider> = Arc::new(move |folder, _, mut stop, config| {
            let listener = listener.lock().ok().and_then(|mut listener| listener.take());
            tokio::spawn(async move {
                let listener = listener.ok_or_else(|| BallistaError::Internal("served twice".to_owned()))?;
                let service = FlightServiceServer::new(BallistaFlightService::new(folder))
                    .max_decoding_message_size(MESSAGE_BYTES_MAX)
                    .max_encoding_message_size(MESSAGE_BYTES_MAX);
                let server = create_grpc_server(&config).add_service(service);
                server
                    .serve_with_incoming_shutdown(listener, stop.recv())
                    .await
                    .map_err(BallistaError::TonicError)
            })
        });

        let (own, runtime) = (cluster.clone(), cluster.runtime(Some((work.path(), options.work_bytes_max)))?);
        let health = ExecutorHealth::new();
        let config = ExecutorProcessConfig {
            bind_host: host.clone(),
            // Without a name, and listening everywhere, it is known by the address that the scheduler sees.
            external_host: options
                .host
                .clone()
                .or_else(|| (!address.ip().is_unspecified()).then(|| host.clone())),
            port: address.port(),
            scheduler_host: at.host.clone(),
            scheduler_port: at.port,
            vcores: options.vcores,
            task_scheduling_policy: TaskSchedulingPolicy::PullStaged,
            work_dir: Some(folder),
            job_data_ttl_seconds: PARTS_KEPT_S,
            job_data_clean_up_interval_seconds: SWEEP_EVERY_S,
            grpc_max_decoding_message_size: MESSAGE_BYTES_MAX as u32,
            grpc_max_encoding_message_size: MESSAGE_BYTES_MAX as u32,
            memory_pool_size: Some(options.memory_bytes),
            override_execution_engine: Some(Arc::new(Bounded {
                engine: DefaultExecutionEngine::with_client_pool(Arc::new(Connections::default())),
                scheduler: format!("http://{}:{}", at.host, at.port),
                work: work.clone(),
                bytes_max: options.work_bytes_max,
            })),
            override_function_registry: Some(Arc::new(cluster.registry(result_bytes_max))),
            override_runtime_producer: Some(Arc::new(move |_: &SessionConfig| Ok(runtime.clone()))),
            override_config_producer: Some(Arc::new(move || own.config())),
            override_logical_codec: Some(cluster.logical_codec()),
            override_physical_codec: Some(cluster.physical_codec()),
            override_arrow_flight_service: Some(flight),
            health: health.clone(),
            ..defaults
        };
        let task = tokio::spawn(async move { Ok(start_executor_process(Arc::new(config)).await?) });
        let scheduler = options.scheduler.clone();
        Ok(Self { address, health, patience: options.patience, scheduler, task, work })
    }

    /// Where others fetch from it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs until a signal (SIGTERM, Ctrl-C) or until the scheduler has been away for too long. After a signal it takes no more
    /// work, tells the scheduler, and finishes what it has begun: give it a bound.
    ///
    /// # Errors
    /// [`ScaleError::Away`] without a scheduler, else why it ended.
    pub async fn run(&mut self) -> Result<(), ScaleError> {
        tokio::select! {
            ended = &mut self.task => ended.map_err(|e| ScaleError::Failed(format!("the executor ended: {e}")))?,
            () = too_long_away(&self.health, self.patience) => Err(ScaleError::Away(format!(
                "the scheduler at {} has not answered for {} s",
                self.scheduler,
                self.patience.as_secs()
            ))),
        }
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.task.abort();
        // Tasks of its own that end with the process hold on to the folder.
        self.work.remove();
    }
}

async fn too_long_away(health: &ExecutorHealth, patience: Duration) {
    let mut heard = Instant::now();
    let mut away = false;
    while heard.elapsed() < patience {
        sleep(LOOK_EVERY).await;
        if health.is_ready() {
            heard = Instant::now();
        }
        let now_away = !health.is_ready();
        if now_away != away {
            away = now_away;
            if away {
                tracing::warn!("the scheduler does not answer")
            } else {
                tracing::info!("the scheduler answers")
            }
        }
    }
}

/// Begins no part of a query while the folder is over its bound.
struct Bounded {
    engine: DefaultExecutionEngine,
    scheduler: String,
    work: Arc<WorkDir>,
    bytes_max: u64,
}

impl ExecutionEngine for Bounded {
    fn create_query_stage_exec(
        &self,
        job: JobId,
        stage: usize,
        task: usize,
        outputs: Vec<usize>,
        plan: Arc<dyn ExecutionPlan>,
        folder: &str,
        config: &SessionConfig,
    ) -> datafusion::error::Result<Arc<dyn QueryStageExecutor>> {
        let bytes = self.work.bytes();
        if self.bytes_max < bytes {
            return exec_err!(
                "the executor's work folder holds {bytes} bytes, at most {} are allowed: ask for less, or give it more",
                self.bytes_max
            );
        }
        let plan = yielding(plan)?;
        let part =
            self.engine.create_query_stage_exec(job.clone(), stage, task, outputs, plan, folder, config)?;
        Ok(Arc::new(UntilEnded::new(part, job, self.scheduler.clone())))
    }
}
