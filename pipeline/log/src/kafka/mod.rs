//! The log in Kafka: an idempotent producer, readers that start where the store says, and a group that only says who owns
//! which shard.
//!
//! Three kinds of client, so that none can stall another: one producer; one consumer in the group, which never fetches;
//! and one consumer for each shard that is read, which belongs to no group, so that it may stop polling when its buffer
//! is full, for as long as it takes.

mod admin;
mod cursors;
mod errors;
mod fetcher;
mod group;
mod options;
mod producer;
mod reader;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::consumer::{BaseConsumer, Consumer};
use shoptide_schemas::topic::ALL_TOPICS;
use shoptide_schemas::{Topic, USER_TOPICS};

use crate::slots::closed;
use crate::{Log, LogError, Membership, NewRecord, Position, Queue, ReadMax, Record, Watermarks};
use cursors::Cursors;
use errors::unavailable;
use producer::Producer;

pub use admin::{TopicsOptions, TopicsReport, create_topics};
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
    partitions: u32,
    /// In no group; asked for metadata and watermarks only.
    asker: BaseConsumer,
    closed: AtomicBool,
}

/// Names of topics in the cluster.
pub(crate) struct Names(BTreeMap<Topic, String>);

impl Names {
    fn new(prefix: &str) -> Self {
        Self(ALL_TOPICS.into_iter().map(|topic| (topic, format!("{prefix}{}", topic.name()))).collect())
    }

    fn of(&self, topic: Topic) -> &str {
        self.0.get(&topic).map_or("", String::as_str)
    }

    fn topic(&self, name: &str) -> Option<Topic> {
        self.0.iter().find(|(_, known)| *known == name).map(|(topic, _)| *topic)
    }
}

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
        let (asker, partitions) = blocking(move || {
            let partitions = admin::check(&asker, &names)?;
            Ok((asker, partitions))
        })
        .await?;
        admin::check_settings(&options, &Names::new(&options.prefix)).await?;
        let names = Names::new(&options.prefix);
        let core = Arc::new(Core { names, partitions, asker, closed: AtomicBool::new(false), options });
        let producer = Producer::new(Arc::clone(&core))?;
        Ok(Arc::new(Self { cursors: Cursors::new(Arc::clone(&core)), producer, core }))
    }
}

impl Core {
    fn partitions_of(&self, topic: Topic) -> u32 {
        if topic.is_user() { self.partitions } else { 1 }
    }

    fn check_open(&self) -> Result<(), LogError> {
        if self.closed.load(Ordering::Acquire) { Err(closed()) } else { Ok(()) }
    }

    fn check_partition(&self, topic: Topic, partition: u32) -> Result<(), LogError> {
        let count = self.partitions_of(topic);
        if partition < count {
            return Ok(());
        }
        Err(LogError::Unusable(format!("partition is {partition}, but {topic} has {count}, counted from 0")))
    }

    /// Asks the partition's leader; blocks for at most [`ASK`].
    fn watermarks(&self, topic: Topic, partition: u32) -> Result<Watermarks, LogError> {
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        let (first, next) =
            self.asker.fetch_watermarks(self.names.of(topic), number, ASK).map_err(unavailable)?;
        Ok(Watermarks { first, next })
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
        self.core.partitions_of(topic)
    }

    async fn watermarks(&self, topic: Topic, partition: u32) -> Result<Watermarks, LogError> {
        self.core.check_open()?;
        self.core.check_partition(topic, partition)?;
        let core = Arc::clone(&self.core);
        blocking(move || core.watermarks(topic, partition)).await
    }

    async fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: i64,
        max: ReadMax,
    ) -> Result<Vec<Record>, LogError> {
        self.core.check_open()?;
        self.core.check_partition(topic, partition)?;
        self.cursors.read(topic, partition, from, max).await
    }

    async fn join(&self) -> Result<Box<dyn Membership>, LogError> {
        self.core.check_open()?;
        Ok(Box::new(group::Member::join(Arc::clone(&self.core))?))
    }

    async fn wait_beyond(&self, topic: Topic, partition: u32, next: i64, within_ms: u64) -> bool {
        if self.core.check_partition(topic, partition).is_err() {
            return false;
        }
        // Looked at once, however short the wait.
        if let Ok(marks) = self.watermarks(topic, partition).await
            && next < marks.next
        {
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
fn subscribed(names: &Names) -> Vec<&str> {
    USER_TOPICS.into_iter().chain([Topic::Catalogue]).map(|topic| names.of(topic)).collect()
}
