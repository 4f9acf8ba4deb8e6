//! The trainer's loop: refresh every few seconds, full on schedule, on growth or on demand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shoptide_config::Promote;
use shoptide_live::{LiveError, load_version};
use shoptide_log::NewRecord;
use shoptide_models::segments::ServedSegments;
use shoptide_models::snapshot::{Lineage, Snapshot};
use shoptide_schemas::catalogue::WireCatalogue;
use shoptide_schemas::wire::WireTime;
use shoptide_schemas::{ItemId, Topic};
use shoptide_store::StoreError;
use tokio::sync::{mpsc, oneshot, watch};

use super::gate::{self, Served};
use super::publish::{forget_old, publish, put_candidate, put_links};
use super::report::{GateReport, Origin, Report, Source, Verdict};
use super::tables::Tables;
use super::versions::{RENUMBER_MAX, report_of};
use super::{Mode, TrainContext, TrainError, TrainOptions, TrainParams, delta, full};
use crate::segments;

/// Requests for a training that may wait; more is a mistake of the caller.
const ASKS_MAX: usize = 8;
/// A refresh may take at most this share of the trainer's time: the next waits for the rest.
const IDLE_FOR_EACH_BUSY: u32 = 4;
/// Unlisted items of one append.
const SEEN_RECORDS: usize = 500;
/// A full training follows when the acts have grown by this factor since the last: early versions know too little.
const GROWTH: f64 = 1.5;
/// First and longest pause after a failure.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(30);

/// What became of a training.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is what is served now.
    Published,
    /// It waits under this number; why, in sentences.
    Candidate { number: u64, why: Vec<String> },
}

/// What a training came to.
#[derive(Debug, Clone)]
pub struct Trained {
    pub model: Arc<Snapshot>,
    pub seconds: f64,
    pub users: usize,
    pub outcome: Outcome,
    /// What the gate saw, where it looked.
    pub gate: Option<GateReport>,
}

type Answer = oneshot::Sender<Result<Trained, TrainError>>;

/// Asks a running trainer.
#[derive(Clone)]
pub struct TrainAsker(mpsc::Sender<Answer>);

/// A running trainer.
pub struct TrainHandle {
    asker: TrainAsker,
    task: tokio::task::JoinHandle<()>,
}

impl TrainAsker {
    /// Trains in full now.
    ///
    /// # Errors
    /// [`TrainError`], also if the trainer has ended.
    pub async fn train_now(&self) -> Result<Trained, TrainError> {
        let ended = || TrainError::Numbers("the trainer has ended".to_owned());
        let (answer, trained) = oneshot::channel();
        self.0.send(answer).await.map_err(|_| ended())?;
        trained.await.map_err(|_| ended())?
    }
}

impl TrainHandle {
    pub fn asker(&self) -> TrainAsker {
        self.asker.clone()
    }

    /// Resolves when the trainer has ended, which it should only after its `stop` turned true. Not to be called again then.
    pub async fn ended(&mut self) -> Result<(), tokio::task::JoinError> {
        (&mut self.task).await
    }

    /// Waits for the trainer to end after its `stop` turned true.
    pub async fn join(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the trainer ended badly");
        }
    }
}

/// Starts the trainer as a task.
pub fn start(context: TrainContext, stop: watch::Receiver<bool>) -> TrainHandle {
    let (asks, asked) = mpsc::channel(ASKS_MAX);
    TrainHandle { asker: TrainAsker(asks), task: tokio::spawn(run(context, asked, stop)) }
}

/// Loads, trains once in full, publishes unless the gate refuses.
///
/// # Errors
/// [`TrainError`].
pub async fn train_once(context: &TrainContext) -> Result<Trained, TrainError> {
    train_as(context, TrainOptions::default()).await
}

/// Loads, trains once as asked for, publishes unless the gate refuses.
///
/// # Errors
/// [`TrainError`]; [`TrainError::Nothing`] too if only items were to be trained and none was acted on.
pub async fn train_as(context: &TrainContext, options: TrainOptions) -> Result<Trained, TrainError> {
    let mut trainer = Trainer::load(context.clone()).await?;
    trainer.read().await?;
    trainer.once(options).await
}

/// As [`train_as`], from the event lake and what the log has beyond it instead of the truth's parts. The same cut gives the same
/// bytes either way.
///
/// # Errors
/// [`TrainError`]; [`TrainError::Lake`] if the lake has a gap or a damaged file.
#[cfg(feature = "lake")]
pub async fn train_from_lake(
    context: &TrainContext,
    lake: &shoptide_lake::Lake,
    options: TrainOptions,
) -> Result<Trained, TrainError> {
    let mut trainer = Trainer::load(context.clone()).await?;
    trainer.folded = Some(super::lake::fold_lake(context, lake).await?);
    trainer.read().await?;
    trainer.once(options).await
}

async fn run(context: TrainContext, mut asked: mpsc::Receiver<Answer>, mut stop: watch::Receiver<bool>) {
    let every = Duration::from_millis(context.params.refresh_every_ms);
    let (mut trainer, mut pause, mut next): (Option<Trainer>, _, _) =
        (None, RETRY_FIRST, Instant::now() + every);
    loop {
        let ask = tokio::select! {
            biased;
            _ = stop.wait_for(|stopped| *stopped) => return,
            ask = asked.recv() => match ask { Some(ask) => Some(ask), None => return },
            () = tokio::time::sleep_until(next.into()) => None,
        };
        let began = Instant::now();
        let result = step(&context, &mut trainer, ask.is_some()).await;
        next = Instant::now() + every.max(began.elapsed() * IDLE_FOR_EACH_BUSY);
        match (result, ask) {
            (Ok(trained), Some(answer)) => {
                pause = RETRY_FIRST;
                // The asker may have gone.
                let _ = answer.send(trained.ok_or(TrainError::Nothing));
            }
            (Err(error), Some(answer)) => {
                trainer = None;
                let _ = answer.send(Err(error));
            }
            (Ok(_), None) => pause = RETRY_FIRST,
            (Err(TrainError::Nothing), None) => {}
            (Err(error), None) => {
                tracing::warn!(%error, "training failed, it will be tried again from the store");
                context.live.metrics().model_failures.with_label_values(&["train"]).inc();
                // Another trainer may have published: begin again with what is there.
                trainer = None;
                next = Instant::now() + pause;
                pause = (pause * 2).min(RETRY_LAST);
            }
        }
    }
}

async fn step(
    context: &TrainContext,
    held: &mut Option<Trainer>,
    asked: bool,
) -> Result<Option<Trained>, TrainError> {
    let mut trainer = match held.take() {
        // Somebody promoted or went back: what this trainer would go on from is not served any more.
        Some(trainer) if context.truth.model_pointer().await?.unwrap_or(0) == trainer.published => trainer,
        _ => Trainer::load(context.clone()).await?,
    };
    trainer.tables.advance(&*context.truth).await?;
    trainer.announce_unlisted().await?;
    let trained = if asked || trainer.wants_full() {
        Some(trainer.full(TrainOptions::default()).await?)
    } else {
        trainer.delta().await?
    };
    *held = Some(trainer);
    Ok(trained)
}

fn metric(model: &Snapshot, name: &str) -> u64 {
    model.meta().metrics.get(name).copied().unwrap_or(0.0) as u64
}

/// What the trainer remembers between two versions.
struct Trainer {
    context: TrainContext,
    tables: Tables,
    model: Option<Arc<Snapshot>>,
    /// The published version; without a model its file is gone, and the next one begins a new chain.
    published: u64,
    /// What was read instead of the truth.
    #[cfg(feature = "lake")]
    folded: Option<super::lake::FoldedLake>,
    /// What is said of the full version that the published one is built on.
    root: Report,
    root_version: u64,
    full_at: Instant,
    /// Acts counted by the last full training, published or not.
    full_deeds: u64,
    /// The configuration of the last full training that was not published: it is not tried again every few seconds.
    refused: Option<String>,
    deeds_before: u64,
    changed_items: u64,
}

impl Trainer {
    async fn load(context: TrainContext) -> Result<Self, TrainError> {
        let pointer = context.truth.model_pointer().await?;
        let model = match pointer {
            Some(version) => {
                match load_version(&*context.truth, &context.files, version, context.live.model().as_ref())
                    .await
                {
                    Ok(model) => Some(model),
                    Err(LiveError::Model(error)) if error.is_lost() => {
                        tracing::error!(%error, version, "the published model is lost, the next begins a new chain");
                        None
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            None => None,
        };
        let tables = match &model {
            Some(model) => {
                let topic = |name: &str| Topic::from_name(name);
                let cut =
                    model.meta().cut.iter().filter_map(|(t, shard, next)| Some((*shard, topic(t)?, *next)));
                Tables::with_items(
                    model.item_ids(),
                    cut.collect(),
                    model.meta().now_ms,
                    metric(model, "tombstones"),
                )
            }
            None => Tables::default(),
        };
        let (root_version, root) = report_of(&*context.truth, pointer).await?;
        let (_, candidates) = context.truth.candidates().await?;
        // One from before what is served was trained says nothing of now.
        let last = candidates.last().filter(|row| Some(root_version) <= row.parent);
        let last: Option<Lineage> = last.and_then(|row| serde_json::from_slice(&row.lineage).ok());
        let deeds = |m: &Lineage| m.metrics.get("full_deeds").copied().unwrap_or(0.0) as u64;
        let full_deeds = model.as_ref().map(|m| m.meta()).into_iter().chain(&last).map(deeds).max();
        Ok(Self {
            context,
            tables,
            model,
            published: pointer.unwrap_or(0),
            #[cfg(feature = "lake")]
            folded: None,
            root,
            root_version,
            full_at: Instant::now(),
            full_deeds: full_deeds.unwrap_or(0),
            refused: last.map(|lineage| lineage.config_hash),
            deeds_before: 0,
            changed_items: 0,
        })
    }

    /// Reads what is to be trained on.
    async fn read(&mut self) -> Result<(), TrainError> {
        self.context.progress.begin("reading users", 0);
        #[cfg(feature = "lake")]
        if let Some(folded) = &self.folded {
            return self.tables.fill(&*self.context.truth, &folded.rows, &folded.cut).await;
        }
        self.tables.advance(&*self.context.truth).await
    }

    /// Where it was read.
    fn source(&self) -> Source {
        #[cfg(feature = "lake")]
        if let Some(folded) = &self.folded {
            return Source::Lake { commit: folded.commit };
        }
        Source::Truth
    }

    fn wants_full(&mut self) -> bool {
        let deeds = self.tables.deeds;
        let params = &self.context.params;
        let still = std::mem::replace(&mut self.deeds_before, deeds) == deeds;
        let Some(model) = &self.model else {
            // A small shop's first events need not wait for a crowd, only for a quiet moment.
            return params.first_after_events <= deeds || (0 < deeds && still);
        };
        let changed = self.changed_items as f64 / self.tables.item_ids().len().max(1) as f64;
        // A delta of other parameters than its parent's would be neither's; but what was refused once is not tried on and on.
        let shaped_anew = self.refused.as_ref() != Some(&params.config_hash)
            && (model.meta().config_hash != params.config_hash || model.side().params() != &params.als);
        self.tables.lost
            || shaped_anew
            || self.full_deeds as f64 * GROWTH < deeds as f64
            || (params.full_after_changed_share < changed && self.full_at.elapsed() > Duration::from_secs(60))
            || (Duration::from_millis(params.full_every_ms) <= self.full_at.elapsed()
                && 0 < self.changed_items)
    }

    /// One training as asked for.
    async fn once(&mut self, options: TrainOptions) -> Result<Trained, TrainError> {
        match (options.mode, &self.model) {
            // An erasure ends the chain: there is nothing to go on from.
            (Mode::Items, Some(_)) if !self.tables.lost => self.delta().await?.ok_or(TrainError::Nothing),
            _ => self.full(options).await,
        }
    }

    async fn full(&mut self, options: TrainOptions) -> Result<Trained, TrainError> {
        let began = Instant::now();
        let new_chain = std::mem::take(&mut self.tables.lost) || self.model.is_none();
        if new_chain && 1 < self.tables.reads + u32::from(self.model.is_some()) {
            // The index of the old chain names items that only the erased may have touched; and the first version's must
            // not depend on how often the tables were read before it.
            self.tables = Tables::default();
            self.read().await?;
            self.tables.lost = false;
        }
        let version = self.published + 1;
        let parent = self.model.clone().filter(|_| !new_chain);
        let segments = self.segments(None).await?;
        let (tables, params) = (std::mem::take(&mut self.tables), self.context.params.clone());
        let progress = self.context.progress.clone();
        let served_params = params.shaped_as(&self.root.config);
        // Training is work for the cores, not for the runtime's workers.
        let (tables, trained, links) = self
            .context
            .workers
            .run(move || {
                let trained = (|| {
                    let warm = options.mode != Mode::Full;
                    let model =
                        full::train(&tables, &params, version, parent.as_deref(), warm, segments, &progress)?;
                    let judged = params.gate.promote != Promote::Always;
                    let Some(served) = parent.as_deref().filter(|_| judged) else { return Ok((model, None)) };
                    let params_of = TrainParams { als: *served.side().params(), ..served_params };
                    let served = Served { model: served, params: params_of };
                    let gate = gate::judge(&tables, &params, &params.gate, &served, &progress)?;
                    Ok::<_, TrainError>((full::measured(model, &gate)?, Some(gate)))
                })();
                let links = tables.links();
                (tables, trained, links)
            })
            .await?;
        self.tables = tables;
        let (model, gate) = trained?;
        let model = Arc::new(model);
        let seconds = began.elapsed().as_secs_f64();
        self.context.live.metrics().train.with_label_values(&["full"]).observe(seconds);
        let why = if new_chain { Vec::new() } else { self.why_not(options, gate.as_ref()) };
        let report = Report {
            origin: Origin::Trained,
            source: self.source(),
            mode: if metric(&model, "warm") == 1 { Mode::Warm } else { Mode::Full }.name().to_owned(),
            gate: gate.clone(),
            why: why.clone(),
            config: self.context.params.shaping.clone(),
        };
        (self.full_at, self.full_deeds, self.changed_items) = (Instant::now(), self.tables.deeds, 0);
        let users = self.tables.n_users();
        if !why.is_empty() {
            let number = put_candidate(&self.context.shelf(), &model, Some(self.published), &report).await?;
            for why in &why {
                tracing::warn!(candidate = number, why, "trained in full and not published");
            }
            self.refused = Some(self.context.params.config_hash.clone());
            put_links(&self.context, self.published, links).await?;
            forget_old(&self.context, None, self.tables.tombstones).await?;
            return Ok(Trained { model, seconds, users, outcome: Outcome::Candidate { number, why }, gate });
        }
        let model = self.publish_full(model, &report).await?;
        let version = model.version();
        self.context.live.adopt(model.clone());
        self.tables.take_touched();
        put_links(&self.context, version, links).await?;
        tracing::info!(version, seconds, users, items = model.n_items(), "trained in full");
        (self.model, self.published) = (Some(model.clone()), version);
        (self.root, self.root_version, self.refused) = (report, version, None);
        forget_old(&self.context, new_chain.then_some(version), self.tables.tombstones).await?;
        Ok(Trained { model, seconds, users, outcome: Outcome::Published, gate })
    }

    /// Publishes a full version. A training takes a minute where there is much, and another process may have refreshed items of the
    /// same chain meanwhile: then it comes behind those. Whatever else was published first wins.
    async fn publish_full(&self, model: Arc<Snapshot>, report: &Report) -> Result<Arc<Snapshot>, TrainError> {
        let shelf = self.context.shelf();
        let mut model = model;
        for _ in 0..RENUMBER_MAX {
            let error = match publish(&shelf, &model, None, Some(report)).await {
                Ok(()) => return Ok(model),
                Err(error @ TrainError::Store(StoreError::Unusable(_))) => error,
                Err(error) => return Err(error),
            };
            let pointer = shelf.truth.model_pointer().await?;
            let (root, _) = report_of(&*shelf.truth, pointer).await?;
            let Some(pointer) =
                pointer.filter(|p| model.version() <= *p && root == self.root_version && root != 0)
            else {
                return Err(error);
            };
            let mut parts = model.parts().clone();
            parts.version = pointer + 1;
            model = Arc::new(Snapshot::new(parts)?);
        }
        let message = "the trainer that runs publishes faster than this training could follow".to_owned();
        Err(StoreError::Unavailable { store: "the models", reason: message }.into())
    }

    /// Why a training that could follow what is served is not published; nothing if it is.
    fn why_not(&self, options: TrainOptions, gate: Option<&GateReport>) -> Vec<String> {
        let mut why: Vec<String> = Vec::new();
        if let Some(gate) = gate.filter(|gate| gate.verdict == Verdict::Refused) {
            why.extend(gate.why.iter().cloned());
        }
        if options.candidate {
            why.push("it was asked for as a candidate".to_owned());
        }
        if self.context.params.gate.promote == Promote::ByHand {
            why.push("gate.promote is \"by_hand\"".to_owned());
        }
        if let Origin::RolledBack { to } = self.root.origin {
            // A rollback that the next hour undoes is none.
            why.push(format!("somebody rolled back to version {to}; `shoptide models promote` ends that"));
        }
        why
    }

    async fn delta(&mut self) -> Result<Option<Trained>, TrainError> {
        let Some(parent) = self.model.clone() else { return Ok(None) };
        let segments = self.segments(Some(parent.segments())).await?;
        let touched = self.tables.take_touched();
        if touched.is_empty() && segments.run == parent.segments().run {
            return Ok(None);
        }
        let began = Instant::now();
        self.changed_items += touched.len() as u64;
        // Another configuration may have been refused: the chain that is served goes on with its own factors.
        let params = TrainParams { als: *parent.side().params(), ..(*self.context.params).clone() };
        let tables = std::mem::take(&mut self.tables);
        let from = parent.clone();
        let (tables, model) = self
            .context
            .workers
            .run(move || {
                let model = delta::refresh(&tables, &params, &from, &touched, segments);
                (tables, model)
            })
            .await?;
        self.tables = tables;
        let seconds = began.elapsed().as_secs_f64();
        let model = Arc::new(model?);
        publish(&self.context.shelf(), &model, Some(&parent), None).await?;
        self.context.live.adopt(model.clone());
        self.context.live.metrics().train.with_label_values(&["delta"]).observe(seconds);
        tracing::debug!(version = model.version(), seconds, "items refreshed");
        (self.model, self.published) = (Some(model.clone()), model.version());
        forget_old(&self.context, None, self.tables.tombstones).await?;
        let users = self.tables.n_users();
        Ok(Some(Trained { model, seconds, users, outcome: Outcome::Published, gate: None }))
    }

    /// The segments of the run that counts, in the index of the tables. `known`: those of the parent, if its index is the same.
    async fn segments(&self, known: Option<&Arc<ServedSegments>>) -> Result<Arc<ServedSegments>, TrainError> {
        let run = self.context.truth.segment_run().await?.unwrap_or(0);
        if let Some(known) = known.filter(|known| known.run == run) {
            return Ok(known.clone());
        }
        let number = |id: &[u8]| self.tables.number_of(id);
        Ok(Arc::new(segments::served(&*self.context.truth, &number).await?))
    }

    /// Tells the catalogue of items that only events have named, so that lists can number them.
    async fn announce_unlisted(&self) -> Result<(), TrainError> {
        let catalogue = self.context.live.catalogue();
        let ids = self.tables.item_ids().iter().map(|id| ItemId::from_trusted(id));
        let unlisted: Vec<ItemId> = ids.filter(|id| catalogue.number(id).is_none()).collect();
        let now_ms = (self.context.clock)();
        for some in unlisted.chunks(SEEN_RECORDS) {
            let record = |id: &ItemId| {
                let wire = WireCatalogue {
                    event_id: Some(format!("seen:{:016x}", xxhash_rust::xxh3::xxh3_64(id.as_bytes()))),
                    event_type: Some("item_seen".to_owned()),
                    item_id: Some(id.to_string()),
                    occurred_at: Some(WireTime::Ms(now_ms)),
                    ..WireCatalogue::default()
                };
                let value = serde_json::to_vec(&wire).ok()?;
                Some(NewRecord {
                    topic: Topic::Catalogue,
                    key: id.as_bytes().to_vec().into(),
                    value: value.into(),
                })
            };
            let records = some.iter().filter_map(record).collect();
            self.context.log.append(records).await?;
        }
        Ok(())
    }
}
