//! One consumer on a thread of its own, in no group: reads some partitions from given offsets into bounded buffers, and
//! stops polling while one of them is full.

use std::collections::VecDeque;
use std::ffi::CString;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer, DefaultConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use shoptide_schemas::{EventMs, Topic};
use tokio::sync::Notify;

use super::Core;
use super::errors::{is_unreadable, needs_a_person, of_client};
use crate::generation::{first_offset, generation_of};
use crate::slots::closed;
use crate::{LogError, ReadMax, Record, Watermarks};

/// Records of one partition that wait to be taken: two batches of the stream.
const BUFFER_RECORDS_MAX: usize = 4_096;
/// The same in bytes; of six topics and eight shards together 96 MiB at the very most.
const BUFFER_BYTES_MAX: usize = 2 * 1024 * 1024;
/// What the library reads ahead of that, in KiB: a fetch or two.
const LIBRARY_AHEAD_KIB: &str = "512";
/// Longest time between looks at the stop flag.
const POLL: Duration = Duration::from_millis(100);

/// Handle of the thread; dropping it ends the thread within [`POLL`].
pub(super) struct Fetcher {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    state: Mutex<State>,
    /// Something new for whoever takes.
    pub news: Notify,
    /// Room again for the thread.
    room: Condvar,
}

pub(super) struct State {
    pub places: Vec<Place>,
    failure: Option<Failure>,
    stopped: bool,
}

/// One partition's buffer.
pub(super) struct Place {
    pub topic: Topic,
    pub partition: u32,
    /// Offset of the next record to be taken, or a lower one in a gap.
    pub position: i64,
    /// Offset that the next record of the log will get, as far as known.
    pub end: i64,
    /// Before this offset there is nothing beyond what is held here; a reader of one partition learns that at its end.
    over: i64,
    records: VecDeque<Record>,
    bytes: usize,
}

#[derive(Debug, Clone)]
enum Failure {
    Truncated { topic: Topic, partition: u32, asked: i64, first: i64 },
    Unusable(String),
}

impl Failure {
    fn error(&self) -> LogError {
        match self.clone() {
            Failure::Truncated { topic, partition, asked, first } => {
                LogError::Truncated { topic, partition, asked, first }
            }
            Failure::Unusable(reason) => LogError::Unusable(reason),
        }
    }
}

#[cfg(test)]
impl State {
    /// Places at offset 0 with so many records of one byte each.
    pub fn of(places: &[(Topic, usize)]) -> Self {
        let place = |&(topic, count): &(Topic, usize)| {
            let mut place = Place {
                topic,
                partition: 0,
                position: 0,
                end: 0,
                over: 0,
                records: VecDeque::new(),
                bytes: 0,
            };
            for offset in 0..count {
                let offset = i64::try_from(offset).unwrap_or(i64::MAX);
                let (key, value) = (Some(Bytes::from_static(b"u")), None);
                place.put(Record { topic, partition: 0, offset, appended: EventMs(0), key, value });
            }
            place
        };
        Self { places: places.iter().map(place).collect(), failure: None, stopped: false }
    }
}

impl Place {
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    fn is_full(&self) -> bool {
        BUFFER_RECORDS_MAX <= self.records.len() || BUFFER_BYTES_MAX <= self.bytes
    }

    /// Records from the front within the bounds; `must` takes one however large.
    pub fn take(&mut self, max: ReadMax, must: bool, into: &mut Vec<Record>) -> ReadMax {
        let (mut left, mut must) = (max, must);
        while let Some(record) = self.records.front() {
            let bytes = record.bytes();
            if !must && (left.records == 0 || left.bytes < bytes) {
                break;
            }
            let Some(record) = self.records.pop_front() else { break };
            must = false;
            self.bytes = self.bytes.saturating_sub(bytes);
            self.position = record.offset.saturating_add(1);
            left =
                ReadMax { records: left.records.saturating_sub(1), bytes: left.bytes.saturating_sub(bytes) };
            into.push(record);
        }
        left
    }

    fn put(&mut self, record: Record) {
        // After a reconnect the library may hand out again what it did not count as taken.
        if record.offset < self.wanted() {
            return;
        }
        self.end = self.end.max(record.offset.saturating_add(1));
        self.bytes = self.bytes.saturating_add(record.bytes());
        self.records.push_back(record);
    }

    /// Offset of the record that the library is to bring next.
    fn wanted(&self) -> i64 {
        self.records.back().map_or(self.position, |last| last.offset.saturating_add(1))
    }

    /// Where whoever has taken all that is held stands: behind the marks that end other producers' transactions as well.
    pub fn stands(&self) -> i64 {
        if self.is_empty() { self.position.max(self.over) } else { self.position }
    }

    /// Records that are in the log and were not taken.
    pub fn behind(&self) -> u64 {
        u64::try_from(self.end.saturating_sub(self.position)).unwrap_or(0)
    }
}

impl Fetcher {
    /// `places`: partitions with the offset to begin at and what the broker said of them. Blocks only to make a client.
    ///
    /// # Errors
    /// [`LogError::Unusable`] if there can be no client or thread.
    pub(super) fn start(
        core: Arc<Core>,
        places: Vec<(Topic, u32, i64, Watermarks)>,
    ) -> Result<Self, LogError> {
        let mut config = core.options.client("reader");
        config
            // The library wants a name to assign partitions by hand; nothing is ever committed under it.
            .set("group.id", format!("{}-reader", core.options.group))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // Never jump: what was deleted is a person's decision.
            .set("auto.offset.reset", "error")
            .set("check.crcs", "true")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "500")
            .set("fetch.error.backoff.ms", "100")
            .set("queued.max.messages.kbytes", LIBRARY_AHEAD_KIB)
            .set("fetch.max.bytes", "4194304")
            .set("fetch.message.max.bytes", "524288")
            .set("receive.message.max.bytes", "8388608")
            // The library names only the number of a partition that ended.
            .set("enable.partition.eof", (places.len() == 1).to_string());
        let consumer: BaseConsumer = config.create().map_err(of_client)?;
        let mut list = TopicPartitionList::with_capacity(places.len());
        for (topic, partition, from, _) in &places {
            let generation = generation_of(*from);
            let offset = Offset::Offset(from.saturating_sub(first_offset(generation)));
            list.add_partition_offset(&core.names.of(*topic, generation), number(*partition), offset)
                .map_err(of_client)?;
        }
        consumer.assign(&list).map_err(of_client)?;
        let place = |(topic, partition, position, marks): (Topic, u32, i64, Watermarks)| Place {
            topic,
            partition,
            position,
            end: marks.next,
            over: 0,
            records: VecDeque::new(),
            bytes: 0,
        };
        let state = State { places: places.into_iter().map(place).collect(), failure: None, stopped: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), news: Notify::new(), room: Condvar::new() });
        let thread = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("kafka-reader".to_owned())
            .spawn(move || run(&core, &consumer, &thread))
            .map_err(|e| LogError::Unusable(format!("no thread for a reader: {e}")))?;
        Ok(Self { shared })
    }

    /// # Errors
    /// What ended the thread, once nothing that was read before it is left.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut State) -> T) -> Result<T, LogError> {
        let mut state = self.shared.lock();
        if let Some(failure) = &state.failure
            && state.places.iter().all(Place::is_empty)
        {
            return Err(failure.error());
        }
        if state.stopped {
            return Err(closed());
        }
        let seen = look(&mut state);
        drop(state);
        self.shared.room.notify_one();
        Ok(seen)
    }

    pub(super) fn news(&self) -> &Notify {
        &self.shared.news
    }

    pub(super) fn lag(&self) -> u64 {
        self.shared.lock().places.iter().map(Place::behind).sum()
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.room.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, failure: Failure) {
        self.lock().failure.get_or_insert(failure);
        self.news.notify_waiters();
    }
}

fn run(core: &Core, consumer: &BaseConsumer, shared: &Shared) {
    let mut trouble: Option<RDKafkaErrorCode> = None;
    loop {
        {
            let mut state = shared.lock();
            while !state.stopped && state.places.iter().any(Place::is_full) {
                let waited = shared.room.wait_timeout(state, POLL);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            if state.stopped || state.failure.is_some() || core.check_open().is_err() {
                state.stopped |= core.check_open().is_err();
                drop(state);
                shared.news.notify_waiters();
                return;
            }
        }
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                trouble = None;
                take_over(core, consumer, shared, &message);
            }
            Some(Err(error)) => {
                // What ended, ended there.
                if matches!(error, KafkaError::PartitionEOF(_)) {
                    learn_ends(core, consumer, shared);
                }
                judge(core, shared, &error, &mut trouble);
            }
            None => learn_ends(core, consumer, shared),
        }
    }
}

fn take_over(core: &Core, consumer: &BaseConsumer, shared: &Shared, message: &BorrowedMessage<'_>) {
    let (Some((topic, generation)), Ok(partition)) =
        (core.names.topic(message.topic()), u32::try_from(message.partition()))
    else {
        return;
    };
    let copied = |bytes: Option<&[u8]>| bytes.map(Bytes::copy_from_slice);
    let record = Record {
        topic,
        partition,
        offset: first_offset(generation).saturating_add(message.offset()),
        appended: EventMs(message.timestamp().to_millis().unwrap_or(0)),
        key: copied(message.key()),
        value: copied(message.payload()),
    };
    let end = known_end(core, consumer, topic, partition, generation);
    let mut state = shared.lock();
    let place = state.places.iter_mut().find(|p| p.topic == topic && p.partition == partition);
    if let Some(place) = place {
        place.put(record);
        place.end = place.end.max(end.unwrap_or(0));
    }
    drop(state);
    shared.news.notify_waiters();
}

/// Errors that the library mends by itself are said once; others end this reader.
fn judge(core: &Core, shared: &Shared, error: &KafkaError, trouble: &mut Option<RDKafkaErrorCode>) {
    let code = error.rdkafka_error_code();
    match (error, code) {
        (KafkaError::PartitionEOF(_), _) => {
            if let [place] = shared.lock().places.as_mut_slice() {
                place.over = place.over.max(place.end);
            }
            shared.news.notify_waiters();
        }
        (_, Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange)) => {
            if let Some(failure) = lost(core, shared) {
                shared.fail(failure);
            }
        }
        (KafkaError::MessageConsumptionFatal(_), _) => {
            shared.fail(Failure::Unusable(format!("Kafka: {error}")))
        }
        // The library would go on behind the batch, or ask for it for ever. Acknowledged events may be in it, and another
        // replica may hold it whole: neither is ours to decide.
        (_, Some(code)) if is_unreadable(code) => {
            let named: Vec<String> = shared
                .lock()
                .places
                .iter()
                .map(|p| format!("{} partition {} at {}", p.topic, p.partition, p.wanted()))
                .collect();
            shared.fail(Failure::Unusable(format!(
                "Kafka holds a batch that cannot be read ({code}), in one of {}; let another replica lead that \
                 partition, or restore its file",
                named.join(", ")
            )));
        }
        (_, Some(code)) if needs_a_person(code) => {
            shared.fail(Failure::Unusable(format!("Kafka cannot be read: {code}")));
        }
        (_, code) if *trouble != code => {
            tracing::warn!(%error, "Kafka cannot be read, the library tries again");
            *trouble = code;
        }
        _ => {}
    }
}

/// Which partition no longer has what this reader needs next.
fn lost(core: &Core, shared: &Shared) -> Option<Failure> {
    let wanted: Vec<(Topic, u32, i64)> =
        shared.lock().places.iter().map(|p| (p.topic, p.partition, p.wanted())).collect();
    let marks = |topic, partition, asked| core.watermarks(topic, partition, generation_of(asked));
    wanted.into_iter().find_map(|(topic, partition, asked)| match marks(topic, partition, asked) {
        Ok(Watermarks { first, .. }) if asked < first => {
            Some(Failure::Truncated { topic, partition, asked, first })
        }
        Ok(Watermarks { next, .. }) if next < asked => Some(Failure::Unusable(format!(
            "{topic} partition {partition} ends at offset {next}, asked for {asked}: this log is older than the store"
        ))),
        _ => None,
    })
}

/// A quiet partition's end moves too: with transactions of other producers, without a record.
fn learn_ends(core: &Core, consumer: &BaseConsumer, shared: &Shared) {
    let place = |p: &Place| (p.topic, p.partition, generation_of(p.position));
    let places: Vec<(Topic, u32, u32)> = shared.lock().places.iter().map(place).collect();
    for (topic, partition, generation) in places {
        if let Some(end) = known_end(core, consumer, topic, partition, generation) {
            let mut state = shared.lock();
            let place = state.places.iter_mut().find(|p| p.topic == topic && p.partition == partition);
            if let Some(place) = place {
                place.end = place.end.max(end);
            }
        }
    }
}

/// What the last answer of the broker said, without asking it.
fn known_end(
    core: &Core,
    consumer: &BaseConsumer<DefaultConsumerContext>,
    topic: Topic,
    partition: u32,
    generation: u32,
) -> Option<i64> {
    let name = CString::new(core.names.of(topic, generation)).ok()?;
    let (mut low, mut high) = (-1, -1);
    // SAFETY: the client outlives the call, the name ends with a zero, both numbers are ours.
    let answer = unsafe {
        rdkafka::bindings::rd_kafka_get_watermark_offsets(
            consumer.client().native_ptr(),
            name.as_ptr(),
            number(partition),
            &raw mut low,
            &raw mut high,
        )
    };
    let known = answer == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && 0 <= high;
    known.then(|| first_offset(generation).saturating_add(high))
}

pub(super) fn number(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}
