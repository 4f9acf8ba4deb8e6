//! The log in Kafka: an idempotent producer, readers that start where the store says, and a group that only says who owns
//! which shard.
//!
//! Three kinds of client, so that none can stall another: one producer; one consumer in the group, which never fetches;
//! and one consumer for each shard that is read, which belongs to no group, so that it may stop polling when its buffer
//! is full, for as long as it takes.

mod admin;
mod cursors;
mod ends;
mod errors;
mod fetcher;
mod group;
mod grow;
mod names;
mod options;
mod producer;
mod reader;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rdkafka::consumer::BaseConsumer;
use shoptide_schemas::{Topic, USER_TOPICS};
use tokio::sync::watch;

use crate::generation::{first_offset, generation_of};
use crate::slots::closed;
use crate::{Log, LogError, Membership, NewRecord, Position, Queue, ReadMax, Record, Watermarks};
use cursors::Cursors;
use errors::unavailable;
use names::Names;
use producer::Producer;

pub use admin::{TopicsOptions, TopicsReport, create_topics};
pub use grow::{Generation, generations, grow_topics, partition_ends, seal_topics};
pub use options::{Codec, KafkaOptions, SaslMechanism, Security};

/// How long a broker may take to say where a partition begins and ends, or which partitions there are.
const ASK: Duration = Duration::from_secs(5);

/// The log in Kafka.
pub struct KafkaLog {
    core: Arc<Core>,
    producer: Producer,
    cursors: Cursors,
}

/// What producer, readers and members share.
pub(crate) struct Core {
    options: KafkaOptions,
    names: Names,
    shape: RwLock<Shape>,
    /// The generation that the truth folds, for members.
    stands: watch::Sender<u32>,
    /// When the topics were last looked at because an append was refused.
    looked: tokio::sync::Mutex<Option<Instant>>,
    /// In no group; asked for metadata and watermarks only.
    asker: BaseConsumer,
    closed: AtomicBool,
}

/// Which generations of the user topics there are.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shape {
    /// Partitions of the user topics, by generation.
    counts: Vec<u32>,
    /// Appends go here: the newest whose predecessor is sealed.
    written: u32,
    /// The truth folds this one.
    folded: u32,
}

/// Refused appends ask for new topics at most so often.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

impl KafkaLog {
    /// Connects and checks the topics. What is dangerous but works is said in the log.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] if no broker answers; [`LogError::Unusable`] naming the topic or option that is wrong and
    /// what to do.
    pub async fn open(options: KafkaOptions) -> Result<Arc<Self>, LogError> {
        options.check()?;
        let names = Names::new(&options.prefix);
        let asker: BaseConsumer = options.client("asker").create().map_err(errors::of_client)?;
        let asked = names.clone();
        let (asker, counts) = blocking(move || {
            let counts = admin::check(&asker, &asked)?;
            Ok((asker, counts))
        })
        .await?;
        admin::check_settings(&options, &names, &counts).await?;
        let written = grow::written(&options, &names, &counts).await?;
        // Until somebody who knows the truth says otherwise.
        let shape = RwLock::new(Shape { counts, written, folded: written });
        let (stands, looked) = (watch::Sender::new(written), tokio::sync::Mutex::default());
        let core =
            Arc::new(Core { names, shape, stands, looked, asker, closed: AtomicBool::new(false), options });
        let producer = Producer::new(Arc::clone(&core))?;
        Ok(Arc::new(Self { cursors: Cursors::new(Arc::clone(&core)), producer, core }))
    }
}

impl Core {
    fn shape(&self) -> Shape {
        self.shape.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The generation of a topic that the truth folds.
    fn folded(&self, topic: Topic) -> u32 {
        if topic.is_user() { self.shape.read().unwrap_or_else(PoisonError::into_inner).folded } else { 1 }
    }

    /// Partitions in a generation; none if there is no such generation.
    fn partitions_in(&self, topic: Topic, generation: u32) -> u32 {
        if !topic.is_user() {
            return u32::from(generation == 1);
        }
        let shape = self.shape.read().unwrap_or_else(PoisonError::into_inner);
        let place = usize::try_from(generation.saturating_sub(1)).ok();
        place.and_then(|place| shape.counts.get(place).copied()).unwrap_or(0)
    }

    /// Looks for generations that were made since.
    async fn look_again(self: &Arc<Self>) -> Result<(), LogError> {
        let mut looked = self.looked.lock().await;
        if looked.is_some_and(|at| at.elapsed() < LOOK_AGAIN) {
            return Ok(());
        }
        let core = Arc::clone(self);
        let counts = blocking(move || admin::check(&core.asker, &core.names)).await?;
        let written = grow::written(&self.options, &self.names, &counts).await?;
        let mut shape = self.shape.write().unwrap_or_else(PoisonError::into_inner);
        if shape.written < written {
            tracing::info!(generation = written, "events go to a larger generation of topics from now on");
        }
        (shape.written, shape.counts) = (shape.written.max(written), counts);
        *looked = Some(Instant::now());
        Ok(())
    }

    fn check_open(&self) -> Result<(), LogError> {
        if self.closed.load(Ordering::Acquire) { Err(closed()) } else { Ok(()) }
    }

    fn check_partition(&self, topic: Topic, partition: u32, generation: u32) -> Result<(), LogError> {
        let count = self.partitions_in(topic, generation);
        if partition < count {
            return Ok(());
        }
        let of = if generation == 1 { String::new() } else { format!(" of generation {generation}") };
        Err(LogError::Unusable(format!(
            "partition is {partition}, but {topic}{of} has {count}, counted from 0"
        )))
    }

    /// Asks the partition's leader; blocks for at most twice [`ASK`].
    fn watermarks(&self, topic: Topic, partition: u32, generation: u32) -> Result<Watermarks, LogError> {
        let name = self.names.of(topic, generation);
        let (low, high) = ends::ends(&self.asker, &name, partition).map_err(unavailable)?;
        let base = first_offset(generation);
        Ok(Watermarks { first: base.saturating_add(low), next: base.saturating_add(high) })
    }
}

/// Runs what may block for seconds away from the runtime's workers.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => {
            Err(LogError::Unavailable { reason: format!("a question to Kafka was given up: {error}") })
        }
    }
}

#[async_trait]
impl Log for KafkaLog {
    async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Position>, LogError> {
        self.core.check_open()?;
        self.producer.append(records).await
    }

    fn partitions(&self, topic: Topic) -> u32 {
        self.core.partitions_in(topic, self.core.folded(topic))
    }

    fn partitions_at(&self, topic: Topic, offset: i64) -> u32 {
        self.core.partitions_in(topic, generation_of(offset))
    }

    async fn stand_in(&self, generation: u32) -> Result<(), LogError> {
        let shape = self.core.shape();
        if shape.folded == generation {
            return Ok(());
        }
        if self.core.partitions_in(USER_TOPICS[0], generation) == 0 {
            self.core.look_again().await?;
        }
        if self.core.partitions_in(USER_TOPICS[0], generation) == 0 {
            return Err(LogError::Unusable(format!(
                "the truth folds generation {generation} of the topics, but Kafka has {}: is this another cluster?",
                self.core.shape().counts.len()
            )));
        }
        self.core.shape.write().unwrap_or_else(PoisonError::into_inner).folded = generation;
        self.core.stands.send_replace(generation);
        Ok(())
    }

    async fn watermarks(&self, topic: Topic, partition: u32) -> Result<Watermarks, LogError> {
        self.watermarks_at(topic, partition, first_offset(self.core.folded(topic))).await
    }

    async fn watermarks_at(&self, topic: Topic, partition: u32, offset: i64) -> Result<Watermarks, LogError> {
        self.core.check_open()?;
        let generation = generation_of(offset);
        self.core.check_partition(topic, partition, generation)?;
        let core = Arc::clone(&self.core);
        blocking(move || core.watermarks(topic, partition, generation)).await
    }

    async fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: i64,
        max: ReadMax,
    ) -> Result<Vec<Record>, LogError> {
        self.core.check_open()?;
        self.core.check_partition(topic, partition, generation_of(from))?;
        self.cursors.read(topic, partition, from, max).await
    }

    async fn join(&self) -> Result<Box<dyn Membership>, LogError> {
        self.core.check_open()?;
        Ok(Box::new(group::Member::join(Arc::clone(&self.core))?))
    }

    async fn wait_beyond(&self, topic: Topic, partition: u32, next: i64, within_ms: u64) -> bool {
        let generation = generation_of(next);
        if self.core.check_open().is_err() || self.core.check_partition(topic, partition, generation).is_err()
        {
            return false;
        }
        // Looked at once, however short the wait.
        let core = Arc::clone(&self.core);
        let marks = blocking(move || core.watermarks(topic, partition, generation)).await;
        if marks.is_ok_and(|marks| next < marks.next) {
            return true;
        }
        let within = Duration::from_millis(within_ms);
        tokio::time::timeout(within, self.cursors.wait_beyond(topic, partition, next)).await.unwrap_or(false)
    }

    fn queue(&self) -> Queue {
        self.producer.queue()
    }

    async fn close(&self) {
        self.producer.close().await;
        self.core.closed.store(true, Ordering::Release);
        self.cursors.clear();
    }
}

/// The topics that a group subscribes to: with `range`, partition p of each goes to the same member, and the catalogue's
/// only one to whoever has shard 0.
fn subscribed(names: &Names, generation: u32) -> Vec<String> {
    USER_TOPICS.into_iter().chain([Topic::Catalogue]).map(|topic| names.of(topic, generation)).collect()
}
