//! Kafka behind the suite's interface, with topics of its own for each test, and what only Kafka can do wrong.
//! Needs a broker in `SHOPTIDE_TEST_KAFKA`, which `deploy/services` provides; with `CI` set it is a failure to have none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use shoptide_log::{
    Codec, KafkaLog, KafkaOptions, Log, LogError, Membership, Rebalance, SaslMechanism, Security,
    ShardReader, TopicsOptions, create_topics,
};
use shoptide_schemas::topic::ALL_TOPICS;
use shoptide_schemas::{Topic, USER_TOPICS};

use crate::subject::{PARTITIONS, PLENTY, QUEUE_RECORDS_MAX, SOON, Subject, append_all, mixed, next, record};

static NUMBER: AtomicU32 = AtomicU32::new(0);
const MINUTE: Duration = Duration::from_secs(60);

pub struct Kafka {
    pub options: KafkaOptions,
    log: Arc<KafkaLog>,
}

/// Whether there is a broker; said where there is none.
pub fn is_there() -> bool {
    let there = std::env::var_os("SHOPTIDE_TEST_KAFKA").is_some();
    if !there {
        assert!(std::env::var_os("CI").is_none(), "SHOPTIDE_TEST_KAFKA names no broker");
        println!("skipped: SHOPTIDE_TEST_KAFKA names no broker");
    }
    there
}

/// Where clients of other makes find the broker: without TLS or password, whatever the suite uses.
pub fn plain() -> String {
    std::env::var("SHOPTIDE_TEST_KAFKA").unwrap()
}

/// How the log reaches the broker: `SHOPTIDE_TEST_KAFKA_WAY` is security, mechanism and codec, as `.ci/ways` sets it.
fn way() -> KafkaOptions {
    let Ok(way) = std::env::var("SHOPTIDE_TEST_KAFKA_WAY") else { return KafkaOptions::new(plain()) };
    let [security, sasl, codec] = <[&str; 3]>::try_from(way.split(' ').collect::<Vec<_>>()).unwrap();
    let (security, brokers) = match security {
        "plaintext" => (Security::Plaintext, "SHOPTIDE_TEST_KAFKA"),
        "tls" => (Security::Tls, "SHOPTIDE_TEST_KAFKA_TLS"),
        "sasl-plaintext" => (Security::SaslPlaintext, "SHOPTIDE_TEST_KAFKA_SASL"),
        "sasl-tls" => (Security::SaslTls, "SHOPTIDE_TEST_KAFKA_SASL_TLS"),
        other => panic!("{other} is no security"),
    };
    let mut options = KafkaOptions::new(std::env::var(brokers).unwrap());
    options.security = security;
    options.sasl = match sasl {
        "-" | "plain" => SaslMechanism::Plain,
        "scram-sha-256" => SaslMechanism::ScramSha256,
        "scram-sha-512" => SaslMechanism::ScramSha512,
        other => panic!("{other} is no mechanism"),
    };
    if sasl != "-" {
        (options.user, options.password) = (Some("shoptide".to_owned()), Some("shoptide".to_owned()));
    }
    if matches!(security, Security::Tls | Security::SaslTls) {
        options.ca_file = Some(std::env::var("SHOPTIDE_TEST_CA").unwrap());
    }
    options.codec = match codec {
        "none" => Codec::None,
        "gzip" => Codec::Gzip,
        "snappy" => Codec::Snappy,
        "lz4" => Codec::Lz4,
        "zstd" => Codec::Zstd,
        other => panic!("{other} is no codec"),
    };
    options
}

fn options() -> KafkaOptions {
    let prefix = format!("t{}-{}.", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    KafkaOptions { group: format!("{prefix}group"), queue_records_max: QUEUE_RECORDS_MAX, prefix, ..way() }
}

fn topics(partitions: u32) -> TopicsOptions {
    TopicsOptions { partitions, replication: 1, retention_ms: None }
}

impl Kafka {
    fn admin(&self) -> AdminClient<DefaultClientContext> {
        admin()
    }

    pub fn name(&self, topic: Topic) -> String {
        format!("{}{}", self.options.prefix, topic.name())
    }

    /// As any other client would.
    fn produce(&self, codec: &str, record: BaseRecord<'_, [u8], [u8]>) {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", plain())
            .set("compression.codec", codec)
            .create()
            .unwrap();
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(MINUTE).unwrap();
    }

    async fn join(&self) -> Box<dyn Membership> {
        KafkaLog::open(self.options.clone()).await.unwrap().join().await.unwrap()
    }
}

fn admin() -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", plain()).create().unwrap()
}

#[async_trait]
impl Subject for Kafka {
    async fn start() -> Self {
        let options = options();
        let report = create_topics(&options, &topics(PARTITIONS)).await.unwrap();
        assert_eq!(report.made.len(), ALL_TOPICS.len());
        Self { log: KafkaLog::open(options.clone()).await.unwrap(), options }
    }

    fn log(&self) -> Arc<dyn Log> {
        Arc::clone(&self.log) as Arc<dyn Log>
    }

    async fn other(&self) -> Arc<dyn Log> {
        KafkaLog::open(self.options.clone()).await.unwrap()
    }

    fn set_clock(&self, _: i64) {
        panic!("the broker's clock is its own");
    }

    /// Nothing to do: an answer is a round trip away, so no append is done at once.
    async fn stall(&mut self, _: bool) {}

    async fn append_foreign(&self, topic: Topic, partition: u32, key: Option<Bytes>, value: Option<Bytes>) {
        let name = self.name(topic);
        let mut record: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(&name).partition(i32::try_from(partition).unwrap());
        record.key = key.as_deref();
        record.payload = value.as_deref();
        self.produce("none", record);
    }

    async fn truncate_below(&self, topic: Topic, partition: u32, first: i64) -> Result<(), LogError> {
        let mut below = TopicPartitionList::new();
        let partition = i32::try_from(partition).unwrap();
        below.add_partition_offset(&self.name(topic), partition, Offset::Offset(first)).unwrap();
        let deleted = self.admin().delete_records(&below, &AdminOptions::new()).await.unwrap();
        match deleted.elements().first().map(|e| e.error()) {
            Some(Ok(())) => Ok(()),
            refused => Err(LogError::Unusable(format!("{refused:?}"))),
        }
    }
}

async fn told(member: &mut Box<dyn Membership>) -> Rebalance {
    tokio::time::timeout(MINUTE, member.next()).await.expect("a rebalance in time").unwrap()
}

/// Waits until the member has been given exactly so many shards.
async fn given(member: &mut Box<dyn Membership>, count: usize) -> Vec<u32> {
    loop {
        match told(member).await {
            Rebalance::Assigned(shards) if shards.len() == count => return shards,
            Rebalance::Closed => panic!("closed"),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_and_unequal_topics_are_refused_by_name() {
    if !is_there() {
        return;
    }
    let options = options();
    let refused = KafkaLog::open(options.clone()).await.err().unwrap().to_string();
    assert!(refused.contains("shop.browse is missing") && refused.contains("topics create"), "{refused}");
    create_topics(&options, &topics(2)).await.unwrap();
    let again = create_topics(&options, &topics(2)).await.unwrap();
    assert_eq!((again.made.len(), again.there_before.len()), (0, ALL_TOPICS.len()));
    let name = format!("{}shop.order", options.prefix);
    let more = NewPartitions::new(&name, 3);
    admin().create_partitions(&[more], &AdminOptions::new()).await.unwrap();
    // Metadata of a new partition takes a moment to reach the broker's answer.
    let refused = loop {
        match KafkaLog::open(options.clone()).await {
            Ok(log) => log.close().await,
            Err(error) => break error.to_string(),
        }
    };
    assert!(refused.contains("shop.order has 3 partitions but") && refused.contains("has 2"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_time_than_the_logs_is_refused() {
    if !is_there() {
        return;
    }
    let subject = Kafka::start().await;
    let name = subject.name(Topic::Cart);
    let wrong = rdkafka::admin::AlterConfig::new(rdkafka::admin::ResourceSpecifier::Topic(&name))
        .set("message.timestamp.type", "CreateTime");
    subject.admin().alter_configs(&[wrong], &AdminOptions::new()).await.unwrap();
    let refused = loop {
        match KafkaLog::open(subject.options.clone()).await {
            Ok(log) => log.close().await,
            Err(error) => break error.to_string(),
        }
    };
    assert!(refused.contains("shop.cart has message.timestamp.type CreateTime"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_not_there_is_said_in_time() {
    if !is_there() {
        return;
    }
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nowhere = KafkaOptions::new(format!("127.0.0.1:{port}"));
    let refused = tokio::time::timeout(SOON, KafkaLog::open(nowhere)).await.unwrap().err().unwrap();
    assert!(
        matches!(&refused, LogError::Unavailable { reason } if reason.contains("kafka.brokers")),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_at_once() {
    if !is_there() {
        return;
    }
    let subject = Kafka::start().await;
    let log = subject.log();
    let (first, second) = tokio::join!(
        log.append(mixed(QUEUE_RECORDS_MAX as u32)),
        log.append(vec![record(Topic::Cart, 1, 1)])
    );
    assert!(matches!(second, Err(LogError::Overloaded { max: QUEUE_RECORDS_MAX, .. })));
    assert_eq!(first.unwrap().len(), QUEUE_RECORDS_MAX);
    log.append(mixed(QUEUE_RECORDS_MAX as u32)).await.expect("the queue has room again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_share_the_shards_and_the_last_takes_all() {
    if !is_there() {
        return;
    }
    let subject = Kafka::start().await;
    append_all(&subject.log(), mixed(200)).await;
    let mut first = subject.join().await;
    assert_eq!(given(&mut first, PARTITIONS as usize).await, [0, 1, 2, 3]);
    let mut second = subject.join().await;
    // Everything is given back before the half of it is given again.
    assert_eq!(told(&mut first).await, Rebalance::Revoked(vec![0, 1, 2, 3]));
    let (some, others) = tokio::join!(given(&mut first, 2), given(&mut second, 2));
    let mut all = [some, others].concat();
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3]);
    drop(first);
    assert_eq!(given(&mut second, PARTITIONS as usize).await, [0, 1, 2, 3]);
    let mut reader = second.open(3, &USER_TOPICS.map(|topic| (topic, 0))).await.unwrap();
    assert!(!next(&mut reader, PLENTY).await.records.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lag_tools_see_what_the_store_holds() {
    if !is_there() {
        return;
    }
    let subject = Kafka::start().await;
    let at = subject.log().append(vec![record(Topic::Cart, 5, 0); 9]).await.unwrap()[0].partition;
    let mut member = subject.join().await;
    given(&mut member, PARTITIONS as usize).await;
    let mut reader = member.open(at, &USER_TOPICS.map(|topic| (topic, 0))).await.unwrap();
    assert!(!next(&mut reader, PLENTY).await.records.is_empty());
    reader.stored(&[(Topic::Cart, 7)]);
    let tool: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", plain())
        .set("group.id", &subject.options.group)
        .create()
        .unwrap();
    let mut wanted = TopicPartitionList::new();
    wanted.add_partition(&subject.name(Topic::Cart), i32::try_from(at).unwrap());
    let committed = tokio::task::spawn_blocking(move || {
        let began = std::time::Instant::now();
        loop {
            let committed = tool.committed_offsets(wanted.clone(), SOON).unwrap();
            let offset = committed.elements().first().map(|e| e.offset());
            if offset == Some(Offset::Offset(7)) || MINUTE < began.elapsed() {
                return offset;
            }
        }
    });
    assert_eq!(committed.await.unwrap(), Some(Offset::Offset(7)));
}

/// Deleted below the reader's next offset before it was read: the reader stops, and says from where.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_records_are_never_jumped_over() {
    if !is_there() {
        return;
    }
    let subject = Kafka::start().await;
    let log = subject.log();
    let at = log.append(vec![record(Topic::Cart, 5, 0); 8]).await.unwrap()[0].partition;
    let mut member = log.join().await.unwrap();
    given(&mut member, PARTITIONS as usize).await;
    let open = async |from| member.open(at, &[(Topic::Cart, from)]).await;
    let mut waiting: Box<dyn ShardReader> = open(8).await.unwrap();
    subject.truncate_below(Topic::Cart, at, 5).await.unwrap();
    let is_truncated = |e: LogError, from: i64| {
        matches!(e, LogError::Truncated { topic: Topic::Cart, partition, asked, first: 5 }
            if (partition, asked) == (at, from))
    };
    assert!(is_truncated(open(4).await.err().unwrap(), 4));
    assert!(is_truncated(log.read(Topic::Cart, at, 4, PLENTY).await.unwrap_err(), 4));
    assert_eq!(log.read(Topic::Cart, at, 5, PLENTY).await.unwrap().len(), 3);
    // One that stands behind the hole reads on.
    log.append(vec![record(Topic::Cart, 5, 1)]).await.unwrap();
    assert_eq!(next(&mut waiting, PLENTY).await.records[0].offset, 8);
}

/// What other clients of Kafka wrote is there as it was written, in every codec.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_codec_is_read() {
    if !is_there() {
        return;
    }
    let subject = Kafka::start().await;
    for (number, codec) in ["none", "gzip", "snappy", "lz4", "zstd"].into_iter().enumerate() {
        let name = subject.name(Topic::Forum);
        let text = codec.repeat(1_000);
        subject
            .produce(codec, BaseRecord::to(&name).partition(1).key(b"u".as_slice()).payload(text.as_bytes()));
        let from = i64::try_from(number).unwrap();
        let read = subject.log().read(Topic::Forum, 1, from, PLENTY).await.unwrap();
        assert_eq!(read[0].value.as_deref(), Some(text.as_bytes()), "{codec}");
    }
}

/// Other producers' transactions leave marks that are offsets and no records, at the end of a partition too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_of_transactions_are_no_records() {
    if !is_there() {
        return;
    }
    let subject = Kafka::start().await;
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", plain())
        .set("transactional.id", &subject.options.prefix)
        .create()
        .unwrap();
    producer.init_transactions(MINUTE).unwrap();
    let name = subject.name(Topic::Forum);
    for (value, kept) in [(b"kept", true), (b"gone", false), (b"last", true)] {
        producer.begin_transaction().unwrap();
        let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&name).partition(1).payload(value);
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(MINUTE).unwrap();
        let ended =
            if kept { producer.commit_transaction(MINUTE) } else { producer.abort_transaction(MINUTE) };
        ended.unwrap();
    }
    let log = subject.log();
    // The last mark is written after its transaction is told to be over.
    let began = std::time::Instant::now();
    while log.watermarks(Topic::Forum, 1).await.unwrap().next < 6 {
        assert!(began.elapsed() < MINUTE, "no mark");
    }
    let read = async |from| {
        let read = tokio::time::timeout(Duration::from_secs(5), log.read(Topic::Forum, 1, from, PLENTY));
        let records = read.await.expect("an end is known, not waited for").unwrap();
        records.iter().map(|r| (r.offset, r.value.as_deref().unwrap().to_vec())).collect::<Vec<_>>()
    };
    assert_eq!(read(0).await, [(0, b"kept".to_vec()), (4, b"last".to_vec())]);
    assert_eq!(read(5).await, []);
    assert_eq!(read(1).await, [(4, b"last".to_vec())]);
}
