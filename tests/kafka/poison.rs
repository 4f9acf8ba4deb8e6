//! Bodies in Kafka that no collector wrote: each becomes a dead letter with its reason, and the partition goes on.

use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;
use shoptide_schemas::limits::{DEAD_FIELD_BYTES_MAX, EVENT_BYTES_MAX};

use crate::common::PATIENCE;
use crate::shop::{Shop, user_of, view};

/// All of it goes here, between good events of one user.
const PARTITION: u32 = 1;
const SEED: u64 = 0x5eed_cafe;

/// One record, and what becomes of it: the reason of its dead letter, or nothing.
struct Case {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers_bytes: usize,
    reason: Option<&'static str>,
}

/// Bytes that mean nothing (xorshift64).
fn noise(seed: &mut u64, len: usize) -> Vec<u8> {
    let byte = |_| {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        seed.to_le_bytes()[3]
    };
    (0..len).map(byte).collect()
}

/// A good event, padded to a size with white space.
fn padded(event: &str, bytes: usize) -> Vec<u8> {
    let mut event = event.as_bytes().to_vec();
    event.resize(bytes, b' ');
    event
}

fn cases(user: &str) -> Vec<Case> {
    let mut seed = SEED;
    let mut number = 1_000;
    let mut good = || {
        number += 1;
        view(user, number)
    };
    let changed = |event: String, field: &str, value: Value| {
        let mut event: Value = serde_json::from_str(&event).unwrap();
        event[field] = value;
        event.to_string().into_bytes()
    };
    let key = || Some(user.as_bytes().to_vec());
    let mut cases = Vec::new();
    let mut case = |key: Option<Vec<u8>>, value: Option<Vec<u8>>, reason: Option<&'static str>| {
        cases.push(Case { key, value, headers_bytes: 0, reason });
    };
    for len in [1, 16, 300, 5_000] {
        case(key(), Some(noise(&mut seed, len)), Some("malformed"));
    }
    case(key(), None, Some("malformed"));
    case(key(), Some(Vec::new()), Some("malformed"));
    case(key(), Some(b"[]".to_vec()), Some("malformed"));
    case(None, None, Some("malformed"));
    // Whom an event is about is in its body.
    case(None, Some(good().into_bytes()), None);
    case(Some(vec![0xff; 10_000]), Some(good().into_bytes()), None);
    case(Some(noise(&mut seed, 100_000)), Some(b"{".to_vec()), Some("malformed"));
    case(key(), Some(view("somebody of another partition", 1).into_bytes()), Some("wrong_partition"));
    // What an older program wrote, and what a newer one may write.
    case(key(), Some(changed(good(), "v", 1.into())), None);
    case(key(), Some(changed(good(), "v", 2.into())), Some("unknown_version"));
    case(key(), Some(changed(good(), "colour", "red".into())), Some("unknown_field"));
    case(key(), Some(changed(good(), "type", "teleport".into())), Some("unknown_type"));
    case(key(), Some(changed(good(), "type", "add_to_cart".into())), Some("wrong_topic"));
    case(key(), Some(padded(&good(), EVENT_BYTES_MAX)), None);
    case(key(), Some(padded(&good(), EVENT_BYTES_MAX + 1)), Some("too_long"));
    case(key(), Some(padded(&good(), 1_000_000)), Some("too_long"));
    // A little batch that unpacks to more than any statement may carry.
    case(key(), Some(vec![b' '; 24 * 1024 * 1024]), Some("too_long"));
    for reason in [None, Some("malformed")] {
        let value = if reason.is_none() { good() } else { "no event".to_owned() };
        cases.push(Case { key: key(), value: Some(value.into_bytes()), headers_bytes: 1_000_000, reason });
    }
    cases
}

fn produce(shop: &Shop, cases: &[Case]) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &shop.kafka)
        .set("enable.idempotence", "true")
        .set("compression.codec", "gzip")
        // As far as this side is concerned; the broker weighs what is packed.
        .set("message.max.bytes", "100000000")
        .set("linger.ms", "0")
        .create()
        .unwrap();
    let topic = shop.topic("browse");
    for case in cases {
        let mut record: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(&topic).partition(i32::try_from(PARTITION).unwrap());
        record.key = case.key.as_deref();
        record.payload = case.value.as_deref();
        if 0 < case.headers_bytes {
            let value = vec![b'h'; case.headers_bytes];
            record = record.headers(OwnedHeaders::new().insert(Header { key: "big", value: Some(&value) }));
        }
        producer.send(record).map_err(|(error, _)| error).unwrap();
        // Each in a batch of its own, so that one size does not hide another.
        producer.flush(PATIENCE).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_becomes_dead_letters_and_the_partition_goes_on() {
    let Some(shop) = Shop::open() else { return };
    let user = user_of(PARTITION);
    let good = |n| Case {
        key: Some(user.as_bytes().to_vec()),
        value: Some(view(&user, n).into_bytes()),
        headers_bytes: 0,
        reason: None,
    };
    println!("seed {SEED:#x}");
    // Good events before, between and behind all of it.
    let mut all = vec![good(0)];
    for (number, case) in cases(&user).into_iter().enumerate() {
        all.extend([case, good(number + 1)]);
    }
    let (stream, _) = shop.start("stream");
    produce(&shop, &all);
    let logged = all.len() as i64;
    shop.folded(logged, &stream);
    stream.stop();
    let expected: Vec<String> = all
        .iter()
        .enumerate()
        .filter_map(|(offset, case)| Some(format!("{} {PARTITION}/{offset}", case.reason?)))
        .collect();
    assert_eq!(shop.dead_letters(), expected);
    let report = shop.verified();
    let sums =
        ["logged", "applied", "dead_lettered"].map(|column| crate::common::total_of_users(&report, column));
    let dead = expected.len() as i64;
    assert_eq!(sums, [logged, logged - dead, dead], "{report:#}");
    let kept = format!("SELECT MAX(LENGTH(payload)) FROM {}.dead_letter", shop.name);
    assert_eq!(shop.sql(&kept).trim(), DEAD_FIELD_BYTES_MAX.to_string());
}
