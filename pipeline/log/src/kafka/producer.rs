//! Appending: acknowledged by all in-sync replicas, in order within a partition, in a bounded queue.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use shoptide_schemas::Topic;
use shoptide_schemas::partition::partition_of;
use shoptide_schemas::topic::ALL_TOPICS;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::errors::{of_client, unavailable};
use super::{Core, grow};
use crate::embedded::{QUEUE_UNIT_BYTES, take_room};
use crate::generation::first_offset;
use crate::slots::closed;
use crate::{LogError, NewRecord, Position, Queue};

/// How long the library tries to deliver a record. Longer than an outage of one broker, which takes seconds.
const DELIVERY_MS: &str = "15000";
/// How long an append waits for its answer: a producer of events is told within five seconds to come back.
const ANSWER: Duration = Duration::from_millis(4_500);
/// How long closing waits for the answers to come: everything must have ended after five seconds.
const FLUSH: Duration = Duration::from_secs(2);
/// Largest record: an event has at most 64 KiB, an outbox record of a merged user more.
const MESSAGE_BYTES_MAX: &str = "1048576";

type Client = ThreadedProducer<Reports>;

pub(super) struct Producer {
    core: Arc<Core>,
    /// Replaced after an error that ends the library's idempotent session.
    client: RwLock<Option<Arc<Client>>>,
    queue: Arc<Semaphore>,
}

/// Hears what became of each record.
struct Reports;

/// One append on its way.
struct Batch(Mutex<BatchState>);

struct BatchState {
    /// Its room in the queue, until the last of its records is answered for.
    room: Option<OwnedSemaphorePermit>,
    positions: Vec<Position>,
    left: usize,
    failure: Option<KafkaError>,
    tell: Option<oneshot::Sender<Result<Vec<Position>, KafkaError>>>,
}

/// One record of an append.
struct Ticket {
    index: usize,
    /// First offset of the generation that it goes to.
    base: i64,
    batch: Arc<Batch>,
}

impl Batch {
    fn answered(&self, index: usize, result: Result<i64, KafkaError>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(offset) => {
                if let Some(position) = state.positions.get_mut(index) {
                    position.offset = offset;
                }
            }
            Err(error) => state.failure = Some(error),
        }
        state.left = state.left.saturating_sub(1);
        if state.left == 0
            && let Some(tell) = state.tell.take()
        {
            let positions = std::mem::take(&mut state.positions);
            // Before the answer: whoever hears it may append again at once.
            drop(state.room.take());
            // Nobody waits any more for an append that took too long.
            let _ = tell.send(match state.failure.take() {
                Some(error) => Err(error),
                None => Ok(positions),
            });
        }
    }
}

impl ClientContext for Reports {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "the producer has trouble with Kafka");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<Ticket>) {
        let offset = match result {
            Ok(message) => Ok(ticket.base.saturating_add(message.offset())),
            Err((error, _)) => Err(error.clone()),
        };
        ticket.batch.answered(ticket.index, offset);
    }
}

impl Producer {
    pub(super) fn new(core: Arc<Core>) -> Result<Self, LogError> {
        let client = connect(&core)?;
        let queue = Arc::new(Semaphore::new(core.options.queue_records_max));
        Ok(Self { core, client: RwLock::new(Some(client)), queue })
    }

    pub(super) fn queue(&self) -> Queue {
        let max = self.core.options.queue_records_max;
        Queue { waiting: max.saturating_sub(self.queue.available_permits()), max }
    }

    pub(super) async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Position>, LogError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let units = |r: &NewRecord| (r.key.len() + r.value.len()).div_ceil(QUEUE_UNIT_BYTES).max(1);
        let room =
            take_room(&self.queue, self.core.options.queue_records_max, records.iter().map(units).sum())?;
        let client = self.client().ok_or_else(closed)?;
        let answered = self.send(&client, &records, room);
        match tokio::time::timeout(ANSWER, answered).await {
            Ok(Ok(Ok(positions))) => Ok(positions),
            Ok(Ok(Err(error))) => {
                self.renew(&client);
                Err(self.refused(error).await)
            }
            Ok(Err(_gone)) => Err(closed()),
            Err(_elapsed) => {
                let reason = format!("Kafka did not acknowledge within {} ms", ANSWER.as_millis());
                Err(LogError::Unavailable { reason })
            }
        }
    }

    /// A sealed topic takes nothing of any size: a larger generation has taken its place, or is about to.
    async fn refused(&self, error: KafkaError) -> LogError {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::MessageSizeTooLarge) {
            return unavailable(error);
        }
        let before = self.core.shape().written;
        if let Err(error) = self.core.look_again().await {
            return error;
        }
        // Every record here is shorter than what an open topic takes, unless somebody has changed that.
        if self.core.shape().written == before && !grow::is_growing(&self.core).await {
            return unavailable(error);
        }
        LogError::Unavailable {
            reason: "Kafka: the topics are growing, the next try goes to the new ones".to_owned(),
        }
    }

    /// Gives all records to the library, in order.
    fn send(
        &self,
        client: &Client,
        records: &[NewRecord],
        room: OwnedSemaphorePermit,
    ) -> oneshot::Receiver<Result<Vec<Position>, KafkaError>> {
        let written = self.core.shape().written;
        let generation = |topic: Topic| if topic.is_user() { written } else { 1 };
        let place = |r: &NewRecord| {
            let count = self.core.partitions_in(r.topic, generation(r.topic));
            Position { topic: r.topic, partition: partition_of(&r.key, count), offset: -1 }
        };
        let names = ALL_TOPICS.map(|topic| (topic, self.core.names.of(topic, generation(topic))));
        let name =
            |topic: Topic| names.iter().find(|(of, _)| *of == topic).map_or("", |(_, name)| name.as_str());
        let positions: Vec<Position> = records.iter().map(place).collect();
        let places: Vec<(Topic, u32)> = positions.iter().map(|p| (p.topic, p.partition)).collect();
        let (tell, answered) = oneshot::channel();
        let (room, tell) = (Some(room), Some(tell));
        let state = BatchState { room, left: positions.len(), positions, failure: None, tell };
        let batch = Arc::new(Batch(Mutex::new(state)));
        for (index, (record, (topic, partition))) in records.iter().zip(places).enumerate() {
            let base = first_offset(generation(topic));
            let ticket = Box::new(Ticket { index, base, batch: Arc::clone(&batch) });
            let message = BaseRecord::with_opaque_to(name(topic), ticket)
                .partition(i32::try_from(partition).unwrap_or(i32::MAX))
                .key(record.key.as_ref())
                .payload(record.value.as_ref());
            if let Err((error, refused)) = client.send(message) {
                refused.delivery_opaque.batch.answered(index, Err(error));
            }
        }
        answered
    }

    fn client(&self) -> Option<Arc<Client>> {
        self.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins a new session if the library gave this one up. What was under way is answered as failed, and its producers
    /// send it again with the same event ids.
    fn renew(&self, failed: &Arc<Client>) {
        let Some((code, reason)) = failed.client().fatal_error() else { return };
        let mut client = self.client.write().unwrap_or_else(PoisonError::into_inner);
        if client.as_ref().is_some_and(|present| Arc::ptr_eq(present, failed)) {
            tracing::warn!(%code, reason, "the producer's session ended, a new one begins");
            match connect(&self.core) {
                Ok(fresh) => *client = Some(fresh),
                Err(error) => tracing::error!(%error, "no new session"),
            }
        }
    }

    pub(super) async fn close(&self) {
        let Some(client) = self.client.write().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let flushed = super::blocking(move || {
            let flushed = client.flush(FLUSH).map_err(unavailable);
            drop(client);
            flushed
        });
        if let Err(error) = flushed.await {
            tracing::warn!(%error, "records were on their way when the log closed; none of them was acknowledged");
        }
    }
}

fn connect(core: &Core) -> Result<Arc<Client>, LogError> {
    let options = &core.options;
    let mut config = options.client("producer");
    config
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random")
        .set("message.timeout.ms", DELIVERY_MS)
        .set("message.max.bytes", MESSAGE_BYTES_MAX)
        .set("compression.codec", options.codec.name())
        // An event waits for its neighbours no longer than a disk would take.
        .set("linger.ms", "1")
        // The queue above is the bound; the library's must never be met in the middle of an append.
        .set("queue.buffering.max.messages", (options.queue_records_max * 2).to_string())
        .set("queue.buffering.max.kbytes", "1048576");
    config.create_with_context(Reports).map(Arc::new).map_err(of_client)
}
