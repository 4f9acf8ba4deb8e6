//! The group of stream processes: a consumer that only says which shards are whose. It fetches nothing, so it never stalls
//! and is never stalled, and what it commits is for people who watch lag: the truth's offsets count.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc as blocking_mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use shoptide_schemas::{Topic, USER_TOPICS};
use tokio::sync::watch;

use super::errors::{needs_a_person, of_client};
use super::fetcher::number;
use super::reader::Reader;
use super::{Core, subscribed};
use crate::generation::{first_offset, generation_of};
use crate::{LogError, Membership, Rebalance, ShardReader};

/// Without a word for this long a member counts as gone, and its shards go to others.
const SESSION_MS: &str = "10000";
const HEARTBEAT_MS: &str = "3000";
/// The library's own bound on silence of the polling thread, which does nothing but poll.
const POLL_MAX_MS: &str = "60000";
/// Longest time between looks at the stop flag.
const POLL: Duration = Duration::from_millis(100);
/// Between two commits of offsets for lag tools.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// How long leaving may take; a broker that is down must not hold the process.
const LEAVE: Duration = Duration::from_secs(2);

/// What the group last said: shards, counted up at every change so that none is missed even if the set is the same.
#[derive(Debug, Clone, Default)]
struct Assignment {
    number: u64,
    shards: BTreeSet<u32>,
    failure: Option<String>,
}

/// Offsets that are in the store, on their way to lag tools.
#[derive(Default)]
pub(super) struct Progress(Mutex<BTreeMap<(Topic, u32), i64>>);

impl Progress {
    pub(super) fn note(&self, shard: u32, next: &[(Topic, i64)]) {
        let mut offsets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        offsets.extend(next.iter().map(|(topic, offset)| ((*topic, shard), *offset)));
    }

    fn take(&self) -> BTreeMap<(Topic, u32), i64> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A member of the group. Dropping it leaves the group.
pub(super) struct Member {
    core: Arc<Core>,
    assignment: watch::Receiver<Assignment>,
    told: Option<Assignment>,
    progress: Arc<Progress>,
    stop: Arc<AtomicBool>,
    left: Mutex<blocking_mpsc::Receiver<()>>,
}

struct Context {
    core: Arc<Core>,
    assignment: watch::Sender<Assignment>,
    /// The generation whose topics are subscribed to.
    subscribed: AtomicU32,
}

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "the group's consumer has trouble with Kafka");
    }
}

impl ConsumerContext for Context {
    /// Runs on the polling thread, and must not wait for anything.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let assigned = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        // Asked before the answer below clears it.
        let lost = !assigned && consumer.assignment_lost();
        // Owned, but not fetched here: readers begin where the store says.
        let done = if assigned { consumer.assign(&TopicPartitionList::new()) } else { consumer.unassign() };
        if let Err(error) = done {
            tracing::error!(%error, "a rebalance was not taken over");
        }
        if lost {
            // No broker has heard of us for a session: an outage of all, or our own. Whether somebody else has the shards now is
            // not known, and his epoch would fence us; stopping would only add the time of a new session to the outage.
            tracing::warn!("the group's session was lost, its shards go on until it says whose they are");
            return;
        }
        let generation = self.subscribed.load(Ordering::Acquire);
        let of_first = self.core.names.of(USER_TOPICS[0], generation);
        let elements = list.elements();
        let ours = elements.iter().filter(|e| assigned && e.topic() == of_first);
        let shards: BTreeSet<u32> = ours.filter_map(|e| u32::try_from(e.partition()).ok()).collect();
        // `range` gives partition p of every user topic to one member; any other assignor in the group would not.
        let mut failure = None;
        if assigned {
            for topic in USER_TOPICS {
                let name = self.core.names.of(topic, generation);
                let of_topic = elements.iter().filter(|e| e.topic() == name);
                let of_topic: BTreeSet<u32> =
                    of_topic.filter_map(|e| u32::try_from(e.partition()).ok()).collect();
                if of_topic != shards {
                    failure = Some(format!(
                        "the group gave shards {shards:?} of {of_first} but {of_topic:?} of {name}: \
                         every member must use the assignor `range` and the same topics"
                    ));
                }
            }
        }
        tracing::info!(?shards, assigned, "the group was rebalanced");
        self.assignment.send_modify(|present| {
            *present = Assignment { number: present.number + 1, shards, failure };
        });
    }

    fn commit_callback(&self, result: Result<(), KafkaError>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(%error, "lag tools did not hear of this process's progress");
        }
    }

    fn main_queue_min_poll_interval(&self) -> rdkafka::util::Timeout {
        rdkafka::util::Timeout::After(POLL)
    }
}

impl Member {
    pub(super) fn join(core: Arc<Core>) -> Result<Self, LogError> {
        let (tell, assignment) = watch::channel(Assignment::default());
        let mut config = core.options.client("stream");
        config
            .set("group.id", &core.options.group)
            .set("partition.assignment.strategy", "range")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("session.timeout.ms", SESSION_MS)
            .set("heartbeat.interval.ms", HEARTBEAT_MS)
            .set("max.poll.interval.ms", POLL_MAX_MS);
        let context = Context { core: Arc::clone(&core), assignment: tell, subscribed: AtomicU32::new(0) };
        let consumer: BaseConsumer<Context> = config.create_with_context(context).map_err(of_client)?;
        let stands = core.stands.subscribe();
        subscribe(&core, &consumer, *stands.borrow()).map_err(of_client)?;
        let (stop, progress) = (Arc::new(AtomicBool::new(false)), Arc::new(Progress::default()));
        let (tell_left, left) = blocking_mpsc::sync_channel(1);
        let (stopped, noted, shared) = (Arc::clone(&stop), Arc::clone(&progress), Arc::clone(&core));
        std::thread::Builder::new()
            .name("kafka-group".to_owned())
            .spawn(move || {
                run(&shared, &consumer, stands, &stopped, &noted);
                // Leaves the group, which may take as long as a session while no broker answers.
                drop(consumer);
                // Nobody waits any more if that took too long.
                let _ = tell_left.try_send(());
            })
            .map_err(|e| LogError::Unusable(format!("no thread for the group: {e}")))?;
        Ok(Self { core, assignment, told: None, progress, stop, left: Mutex::new(left) })
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // So that the others hear of it now and not when the session ends.
        let left = self.left.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = left.recv_timeout(LEAVE);
    }
}

/// Whatever was assigned of another generation is given back by this.
fn subscribe(core: &Core, consumer: &BaseConsumer<Context>, generation: u32) -> Result<(), KafkaError> {
    let names = subscribed(&core.names, generation);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    consumer.context().subscribed.store(generation, Ordering::Release);
    consumer.subscribe(&names)
}

fn run(
    core: &Core,
    consumer: &BaseConsumer<Context>,
    mut stands: watch::Receiver<u32>,
    stop: &AtomicBool,
    progress: &Progress,
) {
    let mut committed = Instant::now();
    let mut trouble: Option<RDKafkaErrorCode> = None;
    while !stop.load(Ordering::Acquire) && core.check_open().is_ok() {
        let generation = *stands.borrow_and_update();
        if generation != consumer.context().subscribed.load(Ordering::Acquire) {
            tracing::info!(generation, "the group goes on with a larger generation of topics");
            // Tried again at the next turn.
            if let Err(error) = subscribe(core, consumer, generation) {
                consumer.context().subscribed.store(0, Ordering::Release);
                tracing::error!(%error, generation, "the topics of the generation cannot be subscribed to");
            }
        }
        match consumer.poll(POLL) {
            // Nothing is assigned here, so nothing is fetched.
            Some(Ok(_)) | None => trouble = None,
            Some(Err(error)) => {
                let code = error.rdkafka_error_code();
                let fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
                if fatal || code.is_some_and(needs_a_person) {
                    let reason = format!("the group cannot be joined: {error}");
                    consumer.context().assignment.send_modify(|present| {
                        *present = Assignment {
                            number: present.number + 1,
                            shards: BTreeSet::new(),
                            failure: Some(reason),
                        };
                    });
                    if fatal {
                        return;
                    }
                }
                if trouble != code {
                    tracing::warn!(%error, "the group has trouble, the library tries again");
                    trouble = code;
                }
            }
        }
        if COMMIT_EVERY <= committed.elapsed() {
            committed = Instant::now();
            commit(core, consumer, progress);
        }
    }
}

/// For lag tools only: lost offsets cost nothing, so nothing waits and nothing is tried again.
fn commit(core: &Core, consumer: &BaseConsumer<Context>, progress: &Progress) {
    let ours = consumer.context().assignment.borrow().shards.clone();
    let mut list = TopicPartitionList::new();
    for ((topic, shard), next) in progress.take() {
        let (generation, subscribed) =
            (generation_of(next), consumer.context().subscribed.load(Ordering::Acquire));
        let offset = Offset::Offset(next.saturating_sub(first_offset(generation)));
        if ours.contains(&shard)
            && (generation == subscribed || !topic.is_user())
            && let Err(error) =
                list.add_partition_offset(&core.names.of(topic, generation), number(shard), offset)
        {
            tracing::debug!(%error, %topic, shard, "an offset cannot be committed");
        }
    }
    if 0 < list.count()
        && let Err(error) = consumer.commit(&list, CommitMode::Async)
    {
        tracing::debug!(%error, "lag tools did not hear of this process's progress");
    }
}

#[async_trait]
impl Membership for Member {
    async fn next(&mut self) -> Result<Rebalance, LogError> {
        loop {
            if self.core.check_open().is_err() {
                return Ok(Rebalance::Closed);
            }
            let present = self.assignment.borrow_and_update().clone();
            let told = self.told.as_ref();
            if told.is_none_or(|told| told.number != present.number) {
                // Whoever had the same shards before may have lost them for a moment: everything is given back first.
                if let Some(told) = self.told.take()
                    && !told.shards.is_empty()
                {
                    return Ok(Rebalance::Revoked(told.shards.into_iter().collect()));
                }
                if let Some(reason) = present.failure {
                    return Err(LogError::Unusable(reason));
                }
                let shards: Vec<u32> = present.shards.iter().copied().collect();
                self.told = Some(present);
                if !shards.is_empty() {
                    return Ok(Rebalance::Assigned(shards));
                }
            }
            if self.assignment.changed().await.is_err() {
                return Ok(Rebalance::Closed);
            }
        }
    }

    async fn open(&self, shard: u32, from: &[(Topic, i64)]) -> Result<Box<dyn ShardReader>, LogError> {
        let reader = Reader::open(&self.core, shard, from, Arc::clone(&self.progress)).await?;
        Ok(Box::new(reader))
    }
}
