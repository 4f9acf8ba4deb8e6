//! Batches that the client library cannot read: damaged at rest, packed by an unknown codec, or unpacked too large. The library
//! would go on behind them, or ask for them for ever; a reader must hand out what lies before, then stop and say so.

use std::io::{Read, Seek, SeekFrom, Write};

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use shoptide_log::{KafkaLog, Log, LogError, Rebalance};
use shoptide_schemas::Topic;

use crate::kafka::{Kafka, is_there, plain};
use crate::subject::{PLENTY, SOON, Subject, record};

/// Where a batch says how it is packed, and where what its checksum covers begins.
const ATTRIBUTES: usize = 21;
/// Where its checksum is.
const CHECKSUM: usize = 17;

/// CRC-32C, bit by bit.
fn checksum(bytes: &[u8]) -> u32 {
    let byte = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    };
    !bytes.iter().fold(!0, byte)
}

/// Changes the second batch of a partition in the broker's own file.
fn changed(file: &std::path::Path, change: impl FnOnce(&mut [u8])) {
    let mut file = std::fs::OpenOptions::new().read(true).write(true).open(file).unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    let length = |at: usize| 12 + u32::from_be_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
    let begin = length(0);
    let end = begin + length(begin);
    change(&mut bytes[begin..end]);
    file.seek(SeekFrom::Start(begin as u64)).unwrap();
    file.write_all(&bytes[begin..end]).unwrap();
}

/// Three batches of one record each, the second changed; how reading it ended, behind how many records.
async fn read_of_changed(change: impl FnOnce(&mut [u8])) -> Option<(usize, LogError)> {
    let folder = std::env::var("SHOPTIDE_TEST_SERVICES").ok().filter(|_| is_there())?;
    let subject = Kafka::start().await;
    let log = subject.log();
    let mut at = 0;
    for number in 0..3 {
        at = log.append(vec![record(Topic::Forum, 5, number)]).await.unwrap()[0].partition;
    }
    let name = subject.name(Topic::Forum);
    let brokers = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let file = brokers.map(|b| b.join(format!("{name}-{at}/00000000000000000000.log"))).find(|f| f.exists());
    changed(&file.unwrap(), change);
    Some(read_to_the_end(&subject, at).await)
}

async fn read_to_the_end(subject: &Kafka, at: u32) -> (usize, LogError) {
    let log = KafkaLog::open(subject.options.clone()).await.unwrap();
    let mut member = log.join().await.unwrap();
    while !matches!(member.next().await.unwrap(), Rebalance::Assigned(_)) {}
    let mut reader = member.open(at, &[(Topic::Forum, 0), (Topic::Cart, 0)]).await.unwrap();
    let mut seen = 0;
    loop {
        match tokio::time::timeout(SOON, reader.next(PLENTY)).await.expect("a word in time") {
            Ok(batch) => seen += batch.records.len(),
            Err(error) => return (seen, error),
        }
    }
}

fn stopped((seen, error): (usize, LogError), why: &str) {
    let said = error.to_string();
    assert!(matches!(error, LogError::Unusable(_)), "{said}");
    assert!(
        said.contains("cannot be read") && said.contains(why) && said.contains("shop.forum partition"),
        "{said}"
    );
    assert_eq!(seen, 1, "what lies before is handed out, what lies behind is not");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_batch_is_not_skipped() {
    let flip = |batch: &mut [u8]| *batch.last_mut().unwrap() ^= 1;
    let Some(read) = read_of_changed(flip).await else { return };
    stopped(read, "BadMessage");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_codec_is_said_once_and_stops() {
    let repack = |batch: &mut [u8]| {
        batch[ATTRIBUTES + 1] = batch[ATTRIBUTES + 1] & !7 | 5;
        let sum = checksum(&batch[ATTRIBUTES..]);
        batch[CHECKSUM..ATTRIBUTES].copy_from_slice(&sum.to_be_bytes());
    };
    let Some(read) = read_of_changed(repack).await else { return };
    stopped(read, "NotImplemented");
}

/// Some codecs are unpacked to any size; zstd to no more than an answer of a broker may have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_unpacks_beyond_any_answer_stops() {
    if !is_there() {
        return;
    }
    let subject = Kafka::start().await;
    let at = subject.log().append(vec![record(Topic::Forum, 5, 0)]).await.unwrap()[0].partition;
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", plain())
        .set("compression.codec", "zstd")
        .set("message.max.bytes", "100000000")
        .create()
        .unwrap();
    let name = subject.name(Topic::Forum);
    let large = vec![b' '; 24 * 1024 * 1024];
    let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&name).partition(i32::try_from(at).unwrap());
    producer.send(record.payload(&large)).map_err(|(error, _)| error).unwrap();
    producer.flush(SOON).unwrap();
    let next =
        BaseRecord::<[u8], [u8]>::to(&name).partition(i32::try_from(at).unwrap()).payload(b"{}".as_slice());
    producer.send(next).map_err(|(error, _)| error).unwrap();
    producer.flush(SOON).unwrap();
    stopped(read_to_the_end(&subject, at).await, "BadCompression");
}
