//! One process: a runtime of its own that is stepped by the simulation, put to sleep, or dropped.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use futures::FutureExt;
use shoptide_config::Config;
use shoptide_jobs::train::{TrainContext, TrainParams, Workers, train_once};
use shoptide_live::{Live, Metrics, ModelFiles};
use shoptide_models::als::AlsParams;
use shoptide_models::list::ListParams;
use shoptide_serve::{ServeContext, ServeOptions, router};
use shoptide_stream::{StreamContext, StreamOptions, run};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::cache::SimCache;
use crate::log::SimLog;
use crate::shop;
use crate::truth::SimTruth;
use crate::world::World;

/// Names the configuration in every list.
pub const RULES_VERSION: u64 = 7;

/// What every process of every run is given.
pub struct Setup {
    pub lists: ListParams,
    pub train: TrainParams,
    pub workers: Workers,
}

impl Setup {
    pub fn new() -> Self {
        let config = Config::load(None, std::iter::empty()).unwrap();
        let train = TrainParams {
            als: AlsParams::new(2, 1, 1.0, 0.1, 0.1, 0.0, 1).unwrap(),
            config_hash: "simulation".to_owned(),
            full_every_ms: 3_600_000,
            refresh_every_ms: 1_000,
            first_after_events: 1,
            full_after_changed_share: 1e9,
            models_kept_min: 2,
            fulls_kept_min: 1,
            ..TrainParams::of(&config)
        };
        Self { lists: config.list_params(), train, workers: Workers::new(1).unwrap() }
    }
}

/// What is there once a process is up.
#[derive(Clone)]
pub struct Up {
    pub router: Router,
    pub train: TrainContext,
}

pub struct Process {
    pub id: u32,
    pub runtime: Option<Runtime>,
    pub up: Arc<Mutex<Option<Up>>>,
    stop: watch::Sender<bool>,
    ended: Arc<AtomicBool>,
    /// Asleep until then; its own clock stands still meanwhile.
    pub asleep_until: Option<i64>,
    slept: Duration,
}

impl Process {
    pub fn boot(
        setup: &Setup,
        log: SimLog,
        truth: SimTruth,
        cache: SimCache,
        models: PathBuf,
        list_every_ms: u64,
    ) -> Self {
        let id = log.process;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (stop, stopped) = watch::channel(false);
        let (up, ended) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
        let world = log.world.clone();
        let life = live_on(Parts {
            lists: setup.lists.clone(),
            list_every_ms,
            train: setup.train.clone(),
            workers: setup.workers.clone(),
            log,
            truth,
            cache,
            models,
            up: up.clone(),
            stopped,
        });
        let done = ended.clone();
        runtime.spawn(async move {
            if let Err(panic) = std::panic::AssertUnwindSafe(life).catch_unwind().await {
                let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                world.violated(format!("a process panicked: {text}"));
            }
            done.store(true, Ordering::Relaxed);
        });
        Self { id, runtime: Some(runtime), up, stop, ended, asleep_until: None, slept: Duration::ZERO }
    }

    /// Lets its time pass by `by`, and everything that can run in it run.
    pub fn step(&mut self, world: &World, by: Duration, rounds: u64) {
        if self.asleep_until.is_some() {
            self.slept += by;
            return;
        }
        let by = by + std::mem::take(&mut self.slept);
        world.runs(self.id);
        let Some(runtime) = &self.runtime else { return };
        runtime.block_on(async {
            tokio::time::advance(by).await;
            for _ in 0..rounds {
                tokio::task::yield_now().await;
            }
        });
    }

    pub fn tell_stop(&self) {
        self.stop.send_replace(true);
    }

    pub fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    pub fn up(&self) -> Option<Up> {
        self.up.lock().unwrap().clone()
    }

    /// Trains and publishes a model, unless the process ends before that.
    pub fn train(&self, world: &Arc<World>) {
        let (Some(up), Some(runtime)) = (self.up(), &self.runtime) else { return };
        let (world, id) = (world.clone(), self.id);
        runtime.spawn(async move {
            let trained = train_once(&up.train).await;
            world.note(id, || match &trained {
                Ok(trained) => format!("published model {}", trained.model.version()),
                Err(error) => format!("training failed: {error}"),
            });
            world.saw(if trained.is_ok() { "model published" } else { "training failed" });
        });
    }
}

struct Parts {
    lists: ListParams,
    /// As in the configuration.
    list_every_ms: u64,
    train: TrainParams,
    workers: Workers,
    log: SimLog,
    truth: SimTruth,
    cache: SimCache,
    models: PathBuf,
    up: Arc<Mutex<Option<Up>>>,
    stopped: watch::Receiver<bool>,
}

/// As `shoptide up` does.
async fn live_on(parts: Parts) {
    let parts_every = parts.list_every_ms;
    let Parts { lists, train, workers, log, truth, cache, models, up, mut stopped, .. } = parts;
    let world = log.world.clone();
    let (log, truth, cache) = (Arc::new(log), Arc::new(truth), Arc::new(cache));
    let time = world.clone();
    let clock: shoptide_stream::Clock = Arc::new(move || time.now_ms());
    let metrics = Arc::new(Metrics::new().unwrap());
    let live = loop {
        let begun = Live::start(log.clone(), truth.clone(), models.clone(), metrics.clone()).await;
        match begun {
            Ok(live) => break live,
            Err(_) => tokio::select! {
                biased;
                _ = stopped.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(Duration::from_millis(500)) => {}
            },
        }
    };
    let serve = ServeContext {
        log: log.clone(),
        truth: truth.clone(),
        cache: cache.clone(),
        live: live.clone(),
        lists: lists.clone(),
        // An index has threads of its own, which a seed does not decide.
        options: ServeOptions { search: false, chat: false, ..ServeOptions::default() },
        clock: clock.clone(),
        language_model: None,
    };
    let train = TrainContext {
        log: log.clone(),
        truth: truth.clone(),
        live: live.clone(),
        files: ModelFiles::new(models),
        params: Arc::new(train),
        workers,
        clock: clock.clone(),
        progress: Default::default(),
    };
    *up.lock().unwrap() = Some(Up { router: router(serve), train });
    let context = StreamContext {
        log,
        truth,
        cache,
        live: live.clone(),
        lists: Arc::new(lists),
        rules_version: RULES_VERSION,
        options: StreamOptions {
            batch_records_max: 16,
            batch_bytes_max: 1 << 20,
            users_cached_max: 6,
            users_cached_bytes_max: 1 << 20,
            list_versions_behind_max: 10,
            sweep_lists_per_s: 2_000,
            list_every_ms: parts_every,
            // No chat is simulated.
            chats_kept_ms: 0,
        },
        clock,
        inspect: Some(shop::poison()),
    };
    // An error here ends the process, as it ends `shoptide stream`; the simulation starts another.
    let outcome = run(context, stopped).await;
    world.note(0, || format!("a stream ended: {outcome:?}"));
    live.stop();
}
