//! A shop inside this process: events put into a log, folded by the fold that ships, trained by the trainer that ships.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use shoptide_config::Config;
use shoptide_jobs::import::{LogSink, Outgoing, Sink};
use shoptide_jobs::shop::{Shop, ShopOptions, ShopParams};
use shoptide_jobs::train::{TrainContext, TrainParams, Workers};
use shoptide_live::fold::replay;
use shoptide_live::fold::state_of;
use shoptide_live::{Live, Metrics, ModelFiles};
use shoptide_log::{Log, MemoryLog, MemoryLogOptions};
use shoptide_models::state::UserState;
use shoptide_schemas::{Topic, USER_TOPICS, UserId};
use shoptide_store::{SqliteTruth, SqliteTruthOptions, Truth};

/// Lines of one append.
const BATCH: usize = 1_000;
/// Records that may wait in memory: a batch of all topics and more.
const QUEUE: usize = 20_000;
/// Users of one page.
const PAGE: usize = 500;

/// Milliseconds since 1970.
pub fn clock() -> Arc<dyn Fn() -> i64 + Send + Sync> {
    Arc::new(|| jiff::Timestamp::now().as_millisecond())
}

/// The defaults with some keys set, as `als.alpha=0.2`.
///
/// # Errors
/// For a key that is none, or a value out of its bounds.
pub fn config(set: &[String]) -> anyhow::Result<Config> {
    let mut pairs = Vec::with_capacity(set.len());
    for one in set {
        let (key, value) = one.split_once('=').with_context(|| format!("{one}: expected key=value"))?;
        pairs.push((format!("SHOPTIDE_{}", key.replace('.', "__").to_uppercase()), value.to_owned()));
    }
    Ok(Config::load(None, pairs.into_iter())?)
}

/// The generated shop, its newest event now.
///
/// # Errors
/// If a number is out of its bounds.
pub fn generated(seed: u64, users: u64, items: u64, events: u64) -> anyhow::Result<Shop> {
    let demo = ShopOptions::demo(seed, clock()());
    Ok(Shop::new(ShopParams::new(ShopOptions { users, items, events, ..demo })?))
}

/// Catalogue and events of a generated shop, in the order a producer sends them.
pub fn everything(shop: &Shop) -> impl Iterator<Item = Outgoing> + '_ {
    shop.catalogue().map(Outgoing::Item).chain(shop.events().map(Outgoing::Event))
}

/// What training takes from the configuration.
pub fn train_params(config: &Config) -> TrainParams {
    TrainParams::of(config)
}

/// Events in a log, folded into a truth that copies are made of: each training begins without a model.
pub struct Folded {
    pub log: Arc<dyn Log>,
    pub accepted: u64,
    folder: tempfile::TempDir,
}

/// File of the folded truth in its folder.
const FOLDED: &str = "folded.db";

impl Folded {
    /// Sends everything to a log in memory and folds each shard.
    ///
    /// # Errors
    /// If log or store fail.
    pub async fn of(outgoing: impl Iterator<Item = Outgoing>, partitions: u32) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("shoptide-bench-").tempdir()?;
        let options = MemoryLogOptions { partitions, clock: clock(), queue_records_max: QUEUE };
        let log: Arc<dyn Log> = MemoryLog::new(options);
        let accepted = send(&mut LogSink::new(log.clone()), outgoing).await?;
        let truth = SqliteTruth::open(SqliteTruthOptions::new(folder.path().join(FOLDED))).await?;
        for shard in 0..partitions {
            let mut topics = USER_TOPICS.to_vec();
            topics.extend((shard == 0).then_some(Topic::Catalogue));
            let (mut bases, mut until) = (Vec::new(), BTreeMap::new());
            for topic in topics {
                let marks = log.watermarks(topic, shard).await?;
                bases.push((topic, marks.first));
                until.insert(topic.code(), marks.next);
            }
            replay(&*log, &*truth, shard, &bases, &until, None).await?;
        }
        truth.close().await;
        Ok(Self { log, accepted, folder })
    }

    /// A copy of the truth, with what a trainer needs.
    ///
    /// # Errors
    /// If it cannot be copied or read.
    pub async fn open(&self, config: &Config) -> anyhow::Result<Opened> {
        let folder = tempfile::Builder::new().prefix("copy-").tempdir_in(self.folder.path())?;
        let file = folder.path().join("truth.db");
        std::fs::copy(self.folder.path().join(FOLDED), &file).context("copying the truth")?;
        let truth: Arc<dyn Truth> = SqliteTruth::open(SqliteTruthOptions::new(file)).await?;
        let (models, metrics) = (folder.path().join("models"), Arc::new(Metrics::new()?));
        let live = Live::start(self.log.clone(), truth.clone(), models.clone(), metrics).await?;
        let context = TrainContext {
            log: self.log.clone(),
            truth,
            live,
            files: ModelFiles::new(models),
            params: Arc::new(train_params(config)),
            workers: Workers::all_cores()?,
            clock: clock(),
            progress: Default::default(),
        };
        Ok(Opened { context, _folder: folder })
    }
}

/// A folded truth that may be trained on.
pub struct Opened {
    pub context: TrainContext,
    _folder: tempfile::TempDir,
}

impl Opened {
    /// Every user's state.
    ///
    /// # Errors
    /// If a stored part is damaged.
    pub async fn users(&self) -> anyhow::Result<Vec<(UserId, UserState)>> {
        let truth = &self.context.truth;
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = truth.users_after(after.clone(), PAGE).await?;
            let Some(last) = page.last().cloned() else { return Ok(all) };
            for (shard, user) in page {
                for row in truth.users(shard, std::slice::from_ref(&user)).await? {
                    let state = state_of(&row.parts)?;
                    all.push((row.user, state));
                }
            }
            after = Some(last);
        }
    }

    /// Lets go of files and followers.
    pub async fn close(self) {
        self.context.live.stop();
        self.context.truth.close().await;
    }
}

/// Sends everything; returns how much was accepted.
///
/// # Errors
/// If the sink fails.
pub async fn send(sink: &mut dyn Sink, outgoing: impl Iterator<Item = Outgoing>) -> anyhow::Result<u64> {
    let mut rest = outgoing.peekable();
    let mut accepted = 0;
    while rest.peek().is_some() {
        accepted += sink.send(rest.by_ref().take(BATCH).collect()).await?.accepted;
    }
    Ok(accepted)
}

/// The folder of real data, if there is one.
pub fn data(file: &str) -> Result<std::path::PathBuf, String> {
    let folder = std::env::var_os("SHOPTIDE_DATA").ok_or("SHOPTIDE_DATA is not set")?;
    let path = Path::new(&folder).join(file);
    if path.exists() { Ok(path) } else { Err(format!("{} is not there", path.display())) }
}
