//! How log, store, cache, catalogue and shards are at this moment, asked within the patience of a probe.

use std::time::Duration;

use shoptide_schemas::Topic;
use shoptide_store::CacheState;

use crate::app::App;
use crate::questions::Unanswered;

/// A probe that waits longer counts as failed by most orchestrators.
const PROBE_PATIENCE: Duration = Duration::from_millis(800);
/// The cache answers in a millisecond or is away; its own time-outs are shorter than this.
const CACHE_PATIENCE: Duration = Duration::from_millis(300);
/// Records of the catalogue topic that the live catalogue may lag: a large import is not an outage, its beginning is.
const CATALOGUE_LAG_MAX: i64 = 10_000;

/// How one part is.
pub(crate) struct Check {
    pub part: &'static str,
    /// For machines.
    pub state: &'static str,
    /// `ok`, or what is wrong. Nothing of the configuration: anybody may ask.
    pub message: String,
    /// Whether the process is of no use without it.
    pub blocks: bool,
}

impl Check {
    fn ok(part: &'static str) -> Self {
        Self { part, state: "ok", message: "ok".to_owned(), blocks: true }
    }

    fn bad(part: &'static str, state: &'static str, message: String) -> Self {
        Self { part, state, message, blocks: true }
    }

    pub fn is_ok(&self) -> bool {
        self.state == "ok"
    }
}

/// All parts.
pub(crate) async fn checks(app: &App) -> Vec<Check> {
    let ((log, catalogue), store, cache) = tokio::join!(of_log(app), of_store(app), of_cache(app));
    let shards = of_shards(&app.context.live.shards_down());
    [Some(cache), catalogue, Some(log), Some(shards), Some(store)].into_iter().flatten().collect()
}

/// The log, and how far the live catalogue is behind it if that can be said.
async fn of_log(app: &App) -> (Check, Option<Check>) {
    let log = app.context.log.clone();
    let asked = app.questions.ask(PROBE_PATIENCE, async move { log.watermarks(Topic::Catalogue, 0).await });
    let bad = |state, message: String| (Check::bad("log", state, message), None);
    match asked.await {
        Ok(Ok(marks)) => {
            let lag = marks.next.saturating_sub(app.context.live.catalogue().offset());
            let catalogue = if CATALOGUE_LAG_MAX < lag {
                let message = format!("the live catalogue is {lag} records behind the log");
                Check::bad("catalogue", "behind", message)
            } else {
                Check::ok("catalogue")
            };
            (Check::ok("log"), Some(catalogue))
        }
        Ok(Err(_)) | Err(Unanswered::Failed) => bad("away", "the log cannot be reached".to_owned()),
        Err(Unanswered::Silent) => {
            bad("silent", format!("the log was silent for {} ms", PROBE_PATIENCE.as_millis()))
        }
        Err(Unanswered::Crowded) => bad("crowded", "too many questions wait for the store".to_owned()),
    }
}

async fn of_store(app: &App) -> Check {
    let truth = app.context.truth.clone();
    let asked = app.questions.ask(PROBE_PATIENCE, async move { truth.ping().await });
    match asked.await {
        Ok(Ok(())) => Check::ok("store"),
        Ok(Err(error)) => {
            app.complain(&error);
            Check::bad("store", "away", "the store cannot be reached".to_owned())
        }
        Err(Unanswered::Failed) => {
            Check::bad("store", "failed", "the question to the store failed".to_owned())
        }
        Err(Unanswered::Silent) => {
            let message = format!("the store was silent for {} ms", PROBE_PATIENCE.as_millis());
            Check::bad("store", "silent", message)
        }
        Err(Unanswered::Crowded) => {
            Check::bad("store", "crowded", "too many questions wait for the store".to_owned())
        }
    }
}

/// Everything is answered without the cache, so it never blocks.
async fn of_cache(app: &App) -> Check {
    let cache = &app.context.cache;
    let probed = tokio::time::timeout(CACHE_PATIENCE, shoptide_live::probe(&**cache)).await;
    let state = match (cache.health().state, probed) {
        (CacheState::Ok | CacheState::Connecting, Ok(false) | Err(_)) => CacheState::Away,
        (state, _) => state,
    };
    let state = if state == CacheState::Connecting { CacheState::Away } else { state };
    Check { part: "cache", state: state.name(), message: state.advice().to_owned(), blocks: false }
}

fn of_shards(down: &[u32]) -> Check {
    match down {
        [] => Check::ok("shards"),
        [one] => Check::bad("shards", "stopped", format!("shard {one} has stopped on an error")),
        many => {
            let names: Vec<String> = many.iter().map(u32::to_string).collect();
            Check::bad("shards", "stopped", format!("shards {} have stopped on an error", names.join(", ")))
        }
    }
}
