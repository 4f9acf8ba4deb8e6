//! The roles of a process: opened in order, run together, stopped in order and within a bound.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use shoptide_config::{Config, CorsOrigins};
use shoptide_jobs::schedule::Scheduler;
use shoptide_jobs::segments::SegmentContext;
use shoptide_jobs::train::{self, TrainAsker, TrainContext, TrainHandle, TrainParams, Workers};
use shoptide_live::fold::Inspect;
use shoptide_live::{Live, Metrics};
use shoptide_log::Log;
use shoptide_serve::{ApiKey, Cors, ServeContext, ServeOptions};
use shoptide_store::{Cache, Truth};
use shoptide_stream::{StreamContext, StreamOptions};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::data_dir::{DataDir, system_clock};
use crate::{assistant, schedules, services};

/// Everything ends within 5 s of a signal. Each step has its share, one after the other: the demo's last batch 1 s, open
/// requests 1.1 s, stream and trainer together 1.8 s, the files 0.6 s, the runtime 0.2 s.
const DRAIN_MAX: Duration = Duration::from_millis(1_000);
const API_STOP: Duration = Duration::from_millis(1_100);
const FOLD_STOP: Duration = Duration::from_millis(1_800);
const FILES_STOP: Duration = Duration::from_millis(600);

/// The start is refused: bad arguments, a taken port, no data. Exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// What this process does.
#[derive(Debug, Clone, Copy)]
pub struct Roles {
    pub stream: bool,
    pub serve: bool,
    pub jobs: bool,
}

impl Roles {
    pub const ALL: Roles = Roles { stream: true, serve: true, jobs: true };
    pub const STREAM: Roles = Roles { stream: true, serve: false, jobs: false };
    pub const SERVE: Roles = Roles { stream: false, serve: true, jobs: false };
    pub const JOBS: Roles = Roles { stream: false, serve: false, jobs: true };

    /// As metrics name this process.
    fn name(self) -> &'static str {
        match (self.stream, self.serve, self.jobs) {
            (true, false, false) => "stream",
            (false, true, false) => "serve",
            (false, false, true) => "jobs",
            _ => "up",
        }
    }

    /// Where a process with these roles listens, if it does.
    pub fn address(self, config: &Config) -> Option<SocketAddr> {
        if self.serve { Some(config.serve.address()) } else { config.serve.status_address }
    }
}

/// One of them.
enum Role {
    Stream,
    Serve,
    Jobs,
    Schedules,
}

/// What commands that run beside the roles look at.
#[derive(Clone)]
pub struct Parts {
    pub log: Arc<dyn Log>,
    pub truth: Arc<dyn Truth>,
    pub live: Arc<Live>,
    pub trainer: Option<TrainAsker>,
}

/// A running process.
pub struct App {
    parts: Parts,
    pub address: Option<SocketAddr>,
    trainer: Option<TrainHandle>,
    /// Of the schedules, if there are any.
    schedules: Option<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    stream: Option<JoinHandle<Result<(), shoptide_stream::StreamError>>>,
    serve: Option<JoinHandle<Result<(), shoptide_serve::ServeError>>>,
}

/// Binds the port, with an error that says what to do.
pub async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => "it is taken; choose another with --port, or 0 for any free one",
            std::io::ErrorKind::PermissionDenied => "it is not allowed; ports from 1024 on are",
            _ => "check serve.host and serve.port, or serve.status_address",
        };
        Refused(format!("cannot listen on {address}: {error}; {hint}")).into()
    })
}

/// What looks at each event before it is folded, live and in a replay alike: something that panics, if a test has asked for it.
pub fn inspect() -> Option<Inspect> {
    let mark = shoptide_faults::poison()?;
    Some(Arc::new(move |event| assert!(!event.id.as_bytes().starts_with(mark.as_bytes()), "poison")))
}

impl App {
    /// Opens log and store and starts the roles.
    pub async fn start(
        config: &Config,
        data: &DataDir,
        roles: Roles,
        listener: Option<TcpListener>,
    ) -> anyhow::Result<App> {
        // Only who serves answers messages.
        let language_model = match roles.serve {
            true => assistant::language_model(&config.assistant)?,
            false => None,
        };
        let log = services::open_log(config, data).await?;
        let truth = services::open_truth(config, data).await?;
        let clock = system_clock();
        // Beside a stream in the same process the cache is told of every list; alone it must look again.
        let ttl = if roles.stream { config.store.cache_ttl } else { Duration::from_secs(1) };
        let cache = services::open_cache(config, config.store.cache_entries_max, ttl).await?;
        let metrics = Arc::new(Metrics::new().context("metrics")?);
        metrics.build_info.with_label_values(&[env!("CARGO_PKG_VERSION"), roles.name()]).set(1);
        let live = Live::start(log.clone(), truth.clone(), data.model_files(config), metrics).await?;
        live.watch(log.clone(), truth.clone(), cache.clone());
        let (stop, stopped) = watch::channel(false);
        let stream = roles.stream.then(|| {
            let context = StreamContext {
                log: log.clone(),
                truth: truth.clone(),
                cache: cache.clone(),
                live: live.clone(),
                lists: Arc::new(config.list_params()),
                rules_version: config.rules_version(),
                options: stream_options(config),
                clock: clock.clone(),
                inspect: inspect(),
            };
            tokio::spawn(shoptide_stream::run(context, stopped.clone()))
        });
        let (mut trainer, mut schedules) = (None, None);
        if roles.jobs {
            let context = train_context(config, data, &log, &truth, &live)?;
            let started = train::start(context.clone(), stopped.clone());
            let parts = schedules::parts(config, data, context, Some(started.asker()));
            schedules = Scheduler::new(parts).map(|it| tokio::spawn(it.run(stopped.clone())));
            trainer = Some(started);
        }
        let mut address = None;
        let serve = match listener {
            Some(listener) => {
                address = Some(listener.local_addr().context("the listener's address")?);
                let context = ServeContext {
                    language_model,
                    ..serve_context(config, log.clone(), truth.clone(), cache, live.clone())
                };
                let mut stopped = stopped.clone();
                let shutdown = async move {
                    // A closed channel is a stop as well.
                    let _ = stopped.wait_for(|stop| *stop).await;
                };
                // Without the API the listener is for monitors alone.
                Some(match roles.serve {
                    true => tokio::spawn(shoptide_serve::serve(listener, context, shutdown)),
                    false => tokio::spawn(shoptide_serve::serve_status(listener, context, shutdown)),
                })
            }
            None => None,
        };
        let parts = Parts { log, truth, live, trainer: trainer.as_ref().map(TrainHandle::asker) };
        Ok(App { parts, address, trainer, schedules, stop, stream, serve })
    }

    pub fn parts(&self) -> Parts {
        self.parts.clone()
    }

    /// Resolves when a role has ended by itself, which none should.
    pub async fn role_failed(&mut self) -> anyhow::Error {
        let stream = async {
            match &mut self.stream {
                Some(task) => ended("the stream", task.await),
                None => std::future::pending().await,
            }
        };
        let serve = async {
            match &mut self.serve {
                Some(task) => ended("the API", task.await),
                None => std::future::pending().await,
            }
        };
        let trainer = async {
            match &mut self.trainer {
                Some(trainer) => ended("the trainer", trainer.ended().await.map(Ok::<_, std::fmt::Error>)),
                None => std::future::pending().await,
            }
        };
        let schedules = async {
            match &mut self.schedules {
                Some(task) => ended("the schedules", task.await.map(Ok::<_, std::fmt::Error>)),
                None => std::future::pending().await,
            }
        };
        let (role, error) = tokio::select! {
            error = schedules => (Role::Schedules, error),
            error = stream => (Role::Stream, error),
            error = serve => (Role::Serve, error),
            error = trainer => (Role::Jobs, error),
        };
        // What has ended must not be waited for again.
        match role {
            Role::Stream => self.stream = None,
            Role::Serve => self.serve = None,
            Role::Jobs => self.trainer = None,
            Role::Schedules => self.schedules = None,
        }
        error
    }

    /// Ends all roles: no new requests, the present batches committed, log and store closed. Nothing that was accepted is
    /// lost, whatever is cut off: it is in the log.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        let serve = async {
            if let Some(serve) = self.serve {
                // How it ended was of interest while it ran.
                let _ = serve.await;
            }
        };
        within(API_STOP, "the API", serve).await;
        let stream = async {
            if let Some(stream) = self.stream {
                let _ = stream.await;
            }
        };
        let trainer = async {
            if let Some(trainer) = self.trainer {
                trainer.join().await;
            }
        };
        let schedules = async {
            if let Some(schedules) = self.schedules {
                let _ = schedules.await;
            }
        };
        tokio::join!(
            within(FOLD_STOP, "the stream", stream),
            within(FOLD_STOP, "the trainer", trainer),
            within(FOLD_STOP, "the schedules", schedules)
        );
        self.parts.live.stop();
        let (log, truth) = (self.parts.log.close(), self.parts.truth.close());
        tokio::join!(within(FILES_STOP, "the log", log), within(FILES_STOP, "the store", truth));
    }
}

fn ended<E: std::error::Error + Send + Sync + 'static>(
    what: &str,
    result: Result<Result<(), E>, tokio::task::JoinError>,
) -> anyhow::Error {
    match result {
        Ok(Ok(())) => anyhow::anyhow!("{what} ended"),
        Ok(Err(error)) => anyhow::Error::new(error).context(format!("{what} ended")),
        Err(error) => anyhow::Error::new(error).context(format!("{what} ended")),
    }
}

async fn within(bound: Duration, task: &'static str, ends: impl Future<Output = ()>) {
    if tokio::time::timeout(bound, ends).await.is_err() {
        tracing::warn!(task, "did not end in time and is left");
    }
}

/// Ctrl-C and SIGTERM, caught from the moment this is made: neither ends the process by itself any more.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// # Errors
    /// If the system does not let signals be caught.
    pub fn catch() -> anyhow::Result<Self> {
        let caught = |kind| signal(kind).context("signals cannot be caught");
        Ok(Self { terminate: caught(SignalKind::terminate())?, interrupt: caught(SignalKind::interrupt())? })
    }

    /// Resolves at the next of them.
    pub async fn next(&mut self) {
        tokio::select! { _ = self.terminate.recv() => {}, _ = self.interrupt.recv() => {} }
    }
}

fn stream_options(config: &Config) -> StreamOptions {
    StreamOptions {
        batch_records_max: config.stream.batch_records_max,
        batch_bytes_max: config.stream.batch_bytes_max,
        users_cached_max: config.stream.users_cached_max,
        users_cached_bytes_max: config.stream.users_cached_bytes_max,
        list_versions_behind_max: config.stream.list_versions_behind_max,
        sweep_lists_per_s: config.stream.sweep_lists_per_s,
        list_every_ms: config.stream.list_every_ms,
        chats_kept_ms: i64::from(config.stream.chats_kept_days) * shoptide_schemas::time::DAY_MS,
    }
}

/// What the trainer needs, from the configuration.
pub fn train_context(
    config: &Config,
    data: &DataDir,
    log: &Arc<dyn Log>,
    truth: &Arc<dyn Truth>,
    live: &Arc<Live>,
) -> anyhow::Result<TrainContext> {
    Ok(TrainContext {
        log: log.clone(),
        truth: truth.clone(),
        live: live.clone(),
        files: data.model_files(config),
        params: Arc::new(TrainParams::of(config)),
        workers: Workers::all_cores()?,
        clock: system_clock(),
        progress: Default::default(),
    })
}

/// What a run of segments works with, from the configuration.
pub fn segment_context(
    config: &Config,
    truth: &Arc<dyn Truth>,
    live: &Arc<Live>,
) -> anyhow::Result<SegmentContext> {
    Ok(SegmentContext {
        truth: truth.clone(),
        catalogue: live.catalogue(),
        taste: config.tastes.clone(),
        params: config.segments.params,
        popular_items: config.segments.popular_items,
        runs_kept: config.segments.runs_kept,
        workers: Workers::all_cores()?,
        clock: system_clock(),
        progress: Default::default(),
    })
}

/// What the API needs, from the configuration.
pub fn serve_context(
    config: &Config,
    log: Arc<dyn Log>,
    truth: Arc<dyn Truth>,
    cache: Arc<dyn Cache>,
    live: Arc<Live>,
) -> ServeContext {
    let key = |secret: &Option<shoptide_config::Secret>| {
        secret.as_ref().map(|s| ApiKey::new(s.expose().as_bytes()))
    };
    let options = ServeOptions {
        write_key: key(&config.serve.write_key),
        read_key: key(&config.serve.read_key),
        cors: match &config.serve.cors_origins {
            CorsOrigins::Nobody => Cors::Nobody,
            CorsOrigins::Anybody => Cors::Anybody,
            CorsOrigins::Only(origins) => Cors::Only(origins.clone()),
        },
        connections_max: config.serve.connections_max,
        header_timeout: config.serve.header_timeout,
        body_timeout: config.serve.body_timeout,
        request_timeout: config.serve.request_timeout,
        drain: config.serve.drain.min(DRAIN_MAX),
        shown_default: config.list.shown_default,
        shown_max: config.list.length,
        currency: config.shop.currency,
        cache_fill: true,
        metrics: config.serve.metrics,
        search: true,
        chat: true,
    };
    ServeContext {
        log,
        truth,
        cache,
        live,
        lists: config.list_params(),
        options,
        clock: system_clock(),
        language_model: None,
    }
}
