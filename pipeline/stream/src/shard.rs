//! One shard's life: take over, then read, fold, rank, commit, publish, until told to stop. On any doubt about the store
//! everything in memory is dropped and the shard taken over again.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use shoptide_faults::{Break, Point};
use shoptide_live::Live;
use shoptide_live::fold::{Room, ShardFold, SumError, sum_ratings};
use shoptide_log::{LogError, Membership, ReadMax, ShardReader};
use shoptide_models::catalogue::{Catalogue, CatalogueBuilder, CatalogueItem};
use shoptide_schemas::{Topic, USER_TOPICS};
use shoptide_store::{Commit, OffsetMove};
use tokio::sync::{mpsc, oneshot, watch};

use crate::late::Late;
use crate::lists::Ranker;
use crate::outbox::Relay;
use crate::publish::Publisher;
use crate::rested::Rested;
use crate::sweep::Sweep;
use crate::{StreamContext, StreamError};

/// Pauses after a dependency failed, doubled from the first to the last.
pub(crate) const RETRY_FIRST: Duration = Duration::from_millis(100);
pub(crate) const RETRY_LAST: Duration = Duration::from_secs(5);
/// How long a fenced shard waits for the group to say that it is no longer ours. Its lists are behind meanwhile, by at most 2 s.
const RETAKE: Duration = Duration::from_secs(1);

/// What became of taking a shard over.
pub(crate) enum Started {
    Runs(Handle),
    /// It stands still and is noted as down; a person must look.
    Stands(StreamError),
    /// The stop came before log and store answered.
    Stopping,
}

/// A running shard.
pub(crate) struct Handle {
    stop: watch::Sender<bool>,
    done: oneshot::Receiver<()>,
}

impl Handle {
    /// Asks the shard to end after its present batch.
    pub(crate) fn tell(&self) {
        self.stop.send_replace(true);
    }

    /// Asks, and waits for it.
    pub(crate) async fn stop(self) {
        self.tell();
        // An error means that the thread is gone already.
        let _ = self.done.await;
    }
}

/// One shard and all it holds.
pub(crate) struct Shard {
    pub(crate) context: StreamContext,
    pub(crate) fold: ShardFold,
    pub(crate) ranker: Ranker,
    pub(crate) sweep: Sweep,
    pub(crate) rested: Rested,
    pub(crate) stopped: watch::Receiver<bool>,
    pub(crate) relay: Relay,
    /// Before the next try if a commit is refused again.
    pub(crate) commit_pause: Duration,
    pub(crate) publisher: Publisher,
    pub(crate) late: Late,
}

/// Where a shard that was taken over again stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stand {
    /// Where it was.
    Before,
    /// Behind the commit whose outcome was in doubt.
    Advanced,
}

/// Takes a shard over and runs it on a thread of its own: ranking is work for a core, not for the runtime's workers.
/// `fallen` hears of a panic, some seconds later.
pub(crate) async fn start(
    context: StreamContext,
    membership: &mut dyn Membership,
    number: u32,
    mut stopping: watch::Receiver<bool>,
    fallen: mpsc::Sender<u32>,
) -> Result<Started, StreamError> {
    let (stop, stopped) = watch::channel(false);
    let (tell_done, done) = oneshot::channel();
    let mut pause = RETRY_FIRST;
    let (taken, reader) = loop {
        match begin(&context, &mut *membership, number).await {
            Ok(begun) => break begun,
            Err(error) if error.passes() => {
                tracing::warn!(shard = number, %error, "the shard cannot be taken over, retrying");
                if !rested(&mut stopping, &mut pause).await {
                    return Ok(Started::Stopping);
                }
            }
            // The log does not hold what the store needs next, or the store what it held. The other shards run on; this one waits for a person.
            Err(
                error @ (StreamError::Log(LogError::Truncated { .. } | LogError::Unusable(_))
                | StreamError::Damaged { .. }),
            ) => {
                stopped_on(&context.live, number, &error);
                return Ok(Started::Stands(error));
            }
            Err(error) => return Err(error),
        }
    };
    let runtime = tokio::runtime::Handle::current();
    let mut shard = Shard {
        ranker: Ranker::new(&context),
        sweep: Sweep::new(&context),
        rested: Rested::new(context.options.chats_kept_ms),
        publisher: Publisher::new(&context, taken.published, taken.fold.positions()),
        late: Late::new(context.options.list_every_ms),
        context,
        fold: taken.fold,
        stopped,
        relay: Relay::new(),
        commit_pause: RETRY_FIRST,
    };
    let live = shard.context.live.clone();
    live.note_shard(number, true);
    let (spawner, told_to_stop) = (runtime.clone(), shard.stopped.clone());
    let life = async move {
        let again = match AssertUnwindSafe(shard.run(reader)).catch_unwind().await {
            Ok(Ok(())) => None,
            // An owner of before us who was slow to take it over: the group, which knows whose it is, gave him nothing since.
            Ok(Err(error)) if error.was_taken() => {
                live.note_shard(number, false);
                tracing::warn!(shard = number, %error, "another owner had the shard, it is taken over again if it stays ours");
                Some(RETAKE)
            }
            Ok(Err(error)) => {
                stopped_on(&live, number, &error);
                None
            }
            // All it held is gone with it; what it did not commit is in the log.
            Err(_) => {
                live.note_shard(number, false);
                tracing::error!(shard = number, "the shard panicked, it will be taken over again");
                Some(RETRY_LAST)
            }
        };
        if let Some(pause) = again {
            spawner.spawn(async move {
                tokio::time::sleep(pause).await;
                // Told to stop, or followed by another: it is not this one's to give back.
                if !*told_to_stop.borrow() && told_to_stop.has_changed().is_ok() {
                    // Nobody listens any more if the process is ending.
                    let _ = fallen.send(number).await;
                }
            });
        }
        // Nobody waits any more if the process is ending.
        let _ = tell_done.send(());
    };
    if shoptide_faults::simulated() {
        runtime.spawn(life);
        return Ok(Started::Runs(Handle { stop, done }));
    }
    std::thread::Builder::new()
        .name(format!("shard-{number}"))
        .spawn(move || runtime.block_on(life))
        .map_err(|e| StreamError::Thread { shard: number, reason: e.to_string() })?;
    Ok(Started::Runs(Handle { stop, done }))
}

/// Notes that a shard stands still until a person has looked.
pub(crate) fn stopped_on(live: &Live, shard: u32, error: &StreamError) {
    live.note_shard(shard, false);
    if matches!(error, StreamError::Log(LogError::Truncated { .. })) {
        live.note_truncated(shard);
    }
    tracing::error!(shard, %error, "the shard stopped, a person must look");
}

async fn begin(
    context: &StreamContext,
    membership: &mut dyn Membership,
    number: u32,
) -> Result<(Taken, Box<dyn ShardReader>), StreamError> {
    let taken = take_over(context, number).await?;
    let mut from = offsets(&taken.fold);
    if shoptide_faults::broken(Break::GroupOffsets) {
        for (topic, offset) in &mut from {
            *offset = context.log.watermarks(*topic, number).await?.next;
        }
    }
    let reader = membership.open(number, &from).await?;
    Ok((taken, reader))
}

/// Resolves when the shard is to stop, or nobody is left who could say so.
async fn told(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// Waits and doubles the pause. False if the wait ended because of a stop.
pub(crate) async fn rested(stopped: &mut watch::Receiver<bool>, pause: &mut Duration) -> bool {
    let rest = tokio::time::sleep(*pause);
    *pause = (*pause * 2).min(RETRY_LAST);
    // A closed channel is a stop as well.
    tokio::select! { biased; _ = stopped.wait_for(|stop| *stop) => false, () = rest => true }
}

fn offsets(fold: &ShardFold) -> Vec<(Topic, i64)> {
    let topic = |code: u8| Topic::from_code(i64::from(code));
    fold.positions().iter().filter_map(|(code, offset)| Some((topic(*code)?, *offset))).collect()
}

/// A shard that was taken over.
pub(crate) struct Taken {
    pub(crate) fold: ShardFold,
    /// By topic code: how far its last owner had told the cache.
    pub(crate) published: BTreeMap<u8, i64>,
}

/// Raises the epoch and reads where the shard stands. Shard 0 also owns the catalogue.
pub(crate) async fn take_over(context: &StreamContext, shard: u32) -> Result<Taken, StreamError> {
    // Raising an epoch in a generation that is left already would fence whoever folds the next.
    context.log.stand_in(context.truth.generation().await?).await?;
    let mut topics = USER_TOPICS.to_vec();
    topics.extend((shard == 0).then_some(Topic::Catalogue));
    let mut bases = Vec::with_capacity(topics.len());
    for topic in topics {
        bases.push((topic, context.log.watermarks(topic, shard).await?.first));
    }
    let rows = context.truth.assign(shard, &bases).await?;
    let epoch = rows.iter().map(|r| r.epoch).max().unwrap_or(0);
    let positions: BTreeMap<u8, i64> = rows.iter().map(|r| (r.topic.code(), r.next_off)).collect();
    if context.truth.rated_from(shard).await?.is_none() {
        // A store from before there were sums: once, and nobody folds meanwhile.
        let stands = positions.get(&Topic::Feedback.code()).copied().unwrap_or(0);
        context.truth.commit(summed(context, shard, epoch, stands).await?).await?;
        tracing::info!(shard, "the ratings of the shard are summed up");
    }
    let catalogue = if shard == 0 { Some(stored_catalogue(context).await?) } else { None };
    let stands = rows.iter().find(|row| row.topic.is_user()).map_or(0, |row| row.next_off);
    let partitions = context.log.partitions_at(USER_TOPICS[0], stands);
    let room = Room {
        users_max: context.options.users_cached_max,
        bytes_max: context.options.users_cached_bytes_max,
    };
    let fold = ShardFold::new(shard, epoch, partitions, positions, catalogue.as_ref(), room)
        .with_inspect(context.inspect.clone());
    Ok(Taken { fold, published: rows.iter().map(|r| (r.topic.code(), r.published_off)).collect() })
}

async fn summed(context: &StreamContext, shard: u32, epoch: i64, stands: i64) -> Result<Commit, StreamError> {
    let summed = sum_ratings(&*context.truth, shard, epoch, stands).await;
    summed.map_err(|error| match error {
        SumError::Store(error) => error.into(),
        SumError::Codec(error) => StreamError::Damaged { shard, reason: error.to_string() },
    })
}

async fn stored_catalogue(context: &StreamContext) -> Result<Catalogue, StreamError> {
    let (rows, offset) = context.truth.catalogue().await?;
    let mut builder = CatalogueBuilder::default();
    for row in rows {
        let item = CatalogueItem::decode(&row.data)
            .map_err(|e| StreamError::Damaged { shard: 0, reason: format!("item {}: {e}", row.num) })?;
        builder.put(row.item, item, row.num);
    }
    Ok(builder.finish(offset.map_or(0, |o| o.next_off)))
}

impl Shard {
    async fn run(&mut self, mut reader: Box<dyn ShardReader>) -> Result<(), StreamError> {
        let max = ReadMax {
            records: self.context.options.batch_records_max,
            bytes: self.context.options.batch_bytes_max,
        };
        let lag = self.context.live.metrics().lag.with_label_values(&[&self.fold.shard().to_string()]);
        let mut model = self.context.live.watch_model();
        let mut stopped = self.stopped.clone();
        let mut pause = RETRY_FIRST;
        self.sweep.begin(&self.fold, &self.context);
        loop {
            // A commit may have been left in doubt, and memory with it: no list is made of that any more.
            if self.is_stopped() {
                return Ok(());
            }
            // A log that never runs dry must not hide a publish, nor starve the sweep for ever.
            if model.has_changed().unwrap_or(false) {
                model.mark_unchanged();
                self.sweep.begin(&self.fold, &self.context);
            }
            if self.sweep.overdue() {
                self.sweep_step().await?;
            }
            if self.rested.overdue() {
                self.forget_step().await;
            }
            let (due, relay_due, publish_due) = (self.sweep.due(), self.relay.due(), self.publisher.due());
            let (late_due, rested_due) = (self.late.due(), self.rested.due());
            tokio::select! {
                biased;
                () = told(&mut stopped) => return Ok(()),
                () = tokio::time::sleep_until(relay_due), if self.relay.busy() => {
                    self.relay.step(&self.context, self.fold.shard()).await;
                }
                () = tokio::time::sleep_until(publish_due), if self.publisher.busy() => self.publish_step().await?,
                () = tokio::time::sleep_until(late_due.unwrap_or(due)), if late_due.is_some() => {
                    self.late_step().await?;
                }
                batch = reader.next(max) => match batch {
                    Ok(batch) => {
                        pause = RETRY_FIRST;
                        if !batch.records.is_empty() {
                            self.process(&batch.records).await?;
                            shoptide_faults::pass(Point::W5Offsets).await;
                            let stored = self.fold.positions().iter();
                            let stored: Vec<(Topic, i64)> = stored
                                .filter_map(|(code, next)| Some((Topic::from_code((*code).into())?, *next)))
                                .collect();
                            reader.stored(&stored);
                        }
                        lag.set(i64::try_from(reader.lag()).unwrap_or(i64::MAX));
                    }
                    Err(error @ (LogError::Unavailable { .. } | LogError::Overloaded { .. })) => {
                        tracing::warn!(shard = self.fold.shard(), %error, "the log cannot be read, retrying");
                        rested(&mut self.stopped, &mut pause).await;
                    }
                    // Truncated or unusable: stop and page a person, never jump.
                    Err(error) => return Err(error.into()),
                },
                changed = model.changed() => if changed.is_ok() {
                    shoptide_faults::turn(self.fold.shard()).await;
                    self.sweep.begin(&self.fold, &self.context);
                },
                () = tokio::time::sleep_until(due), if self.sweep.busy() => self.sweep_step().await?,
                () = tokio::time::sleep_until(rested_due), if self.rested.busy() => self.forget_step().await,
            }
        }
    }

    /// Drops what is in memory and takes the shard over again, with bounded pauses until the store answers.
    /// `steps`: those of a commit whose outcome is in doubt. `None` if the shard was told to stop meanwhile.
    ///
    /// # Errors
    /// [`StreamError::Moved`] if the shard stands anywhere else than before or behind those steps: somebody else folded
    /// (or the store lost its tail), and the reader no longer reads what the store needs next.
    pub(crate) async fn take_over_again(
        &mut self,
        steps: &[OffsetMove],
    ) -> Result<Option<Stand>, StreamError> {
        let mut pause = RETRY_FIRST;
        while !self.is_stopped() {
            match take_over(&self.context, self.fold.shard()).await {
                Ok(Taken { fold, .. }) => {
                    let before = self.fold.positions().clone();
                    let mut advanced = before.clone();
                    advanced.extend(steps.iter().map(|step| (step.topic.code(), step.to)));
                    let stands = fold.positions().clone();
                    self.fold = fold;
                    self.ranker.retake(&self.context, &mut self.fold);
                    self.publisher.look_again();
                    return match stands {
                        stands if stands == before => Ok(Some(Stand::Before)),
                        stands if stands == advanced => Ok(Some(Stand::Advanced)),
                        _ => Err(StreamError::Moved { shard: self.fold.shard() }),
                    };
                }
                Err(error) if error.passes() => {
                    tracing::warn!(shard = self.fold.shard(), %error, "the shard cannot be taken over, retrying");
                    rested(&mut self.stopped, &mut pause).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Whether the shard was told to stop, or nobody is left who could tell it.
    pub(crate) fn is_stopped(&self) -> bool {
        *self.stopped.borrow() || self.stopped.has_changed().is_err()
    }

    pub(crate) fn metrics(&self) -> &Arc<shoptide_live::Metrics> {
        self.context.live.metrics()
    }
}
