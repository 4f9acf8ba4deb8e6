//! Records that no producer of ours writes, straight into Kafka, each with the reason that must stand in its dead letter.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use serde_json::{Value, json};
use shoptide_schemas::partition::partition_of;

use crate::ledger::Ledger;
use crate::load::now_ms;
use crate::seed::Dice;
use crate::shop::Shop;

/// One bad record.
pub struct Bad {
    pub topic: &'static str,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// Where its user does not belong.
    pub misplaced: bool,
    pub reason: &'static str,
}

/// Somebody else's producer, whose records are known to have been refused.
pub struct Foreign {
    producer: BaseProducer<Told>,
    prefix: String,
    partitions: u32,
}

struct Told {
    ledger: Ledger,
    prefix: String,
}

impl ClientContext for Told {}

impl ProducerContext for Told {
    type DeliveryOpaque = Box<Option<&'static str>>;

    fn delivery(&self, result: &DeliveryResult<'_>, reason: Self::DeliveryOpaque) {
        match result {
            Ok(record) => {
                let topic = record.topic().strip_prefix(&self.prefix).unwrap().to_owned();
                let place = (topic, record.partition() as u32, record.offset());
                if let Some(reason) = *reason {
                    self.ledger.known().dead.insert(place, reason.to_owned());
                }
            }
            Err((error, _)) => self.ledger.known().wrong.extend([(0, format!("a bad record: {error}"))]),
        }
    }
}

impl Foreign {
    pub fn new(shop: &Shop, ledger: &Ledger) -> Self {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &shop.servers.kafka)
            .set("enable.idempotence", "true")
            .set("message.max.bytes", "2000000");
        let told = Told { ledger: ledger.clone(), prefix: shop.prefix.clone() };
        let producer = BaseProducer::from_config_and_context(&config, told).unwrap();
        Self { producer, prefix: shop.prefix.clone(), partitions: shop.partitions }
    }

    fn send(
        &self,
        topic: &str,
        partition: u32,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        reason: Option<&'static str>,
    ) {
        let topic = format!("{}{topic}", self.prefix);
        let mut record: BaseRecord<'_, [u8], [u8], _> =
            BaseRecord::with_opaque_to(&topic, Box::new(reason)).partition(partition as i32);
        record.key = key;
        record.payload = value;
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
        self.producer.poll(Duration::ZERO);
    }

    /// Sends what must become a dead letter.
    pub fn bad(&self, bad: &Bad) {
        let home = partition_of(bad.key.as_deref().unwrap_or_default(), self.partitions);
        let home = if bad.topic == "shop.catalogue" { 0 } else { home };
        let partition = if bad.misplaced { (home + 1) % self.partitions } else { home };
        self.send(bad.topic, partition, bad.key.as_deref(), bad.value.as_deref(), Some(bad.reason));
    }

    /// Sends what must be folded, from a producer of its own.
    pub fn good(&self, topic: &str, user: &str, value: &Value) {
        let partition = partition_of(user.as_bytes(), self.partitions);
        self.send(topic, partition, Some(user.as_bytes()), Some(value.to_string().as_bytes()), None);
    }

    /// Some of all kinds.
    pub fn some(&self, dice: &mut Dice, n: usize) {
        let kinds = kinds();
        for _ in 0..n {
            let kind = dice.below(kinds.len() as u64) as usize;
            self.bad(&kinds[kind]);
        }
    }

    /// Waits until all of it is in the log.
    pub fn flush(&self) {
        self.producer.flush(Duration::from_secs(60)).unwrap();
    }
}

fn view() -> Value {
    json!({ "event_id": "bad", "type": "view_item", "user_id": "foreign", "item_id": "A", "occurred_at": now_ms() })
}

fn with(more: Value) -> Vec<u8> {
    let mut event = view();
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event.to_string().into_bytes()
}

fn without(field: &str) -> Vec<u8> {
    let mut event = view();
    event.as_object_mut().unwrap().remove(field);
    event.to_string().into_bytes()
}

/// Every kind of bad record, with its reason.
pub fn kinds() -> Vec<Bad> {
    let of = |value: Vec<u8>, reason: &'static str| Bad {
        topic: "shop.browse",
        key: Some(b"foreign".to_vec()),
        value: Some(value),
        misplaced: false,
        reason,
    };
    let text = |value: &str, reason| of(value.as_bytes().to_vec(), reason);
    let a_day = 86_400_000;
    let deep = format!(r#"{{"event_id":"d","session_id":{}1{}}}"#, "[".repeat(129), "]".repeat(129));
    vec![
        text("", "malformed"),
        text("null", "malformed"),
        text("[]", "malformed"),
        text("{", "malformed"),
        text("\u{feff}{}", "malformed"),
        text("{} {}", "malformed"),
        of(vec![0xff, 0, 0x80, b'{'], "malformed"),
        of(vec![0; 1_000], "malformed"),
        of(vec![b'['; 60_000], "malformed"),
        Bad { value: None, ..of(Vec::new(), "malformed") },
        Bad { value: None, key: None, ..of(Vec::new(), "malformed") },
        Bad { key: Some(vec![b'k'; 70_000]), ..text("no json", "malformed") },
        text("{}", "missing"),
        of(without("event_id"), "missing"),
        of(without("type"), "missing"),
        of(without("user_id"), "missing"),
        of(without("item_id"), "missing"),
        of(without("occurred_at"), "missing"),
        of(with(json!({ "event_id": "" })), "blank"),
        of(with(json!({ "user_id": " \t" })), "blank"),
        of(with(json!({ "event_id": "x".repeat(65) })), "too_long"),
        of(with(json!({ "user_id": "x".repeat(129) })), "too_long"),
        of(with(json!({ "query": "x".repeat(513) })), "too_long"),
        of(with(json!({ "colour": 1 })), "unknown_field"),
        of(with(json!({ "__proto__": {} })), "unknown_field"),
        text(r#"{"event_id":"a","event_id":"b"}"#, "duplicate_field"),
        of(with(json!({ "type": "stare" })), "unknown_type"),
        of(with(json!({ "type": "View_Item" })), "unknown_type"),
        of(with(json!({ "user_id": 1 })), "bad_value"),
        of(with(json!({ "historical": "yes" })), "bad_value"),
        of(with(json!({ "price": 1.5, "currency": "CNY" })), "bad_value"),
        of(with(json!({ "occurred_at": "yesterday" })), "bad_value"),
        text(&deep, "bad_value"),
        of(with(json!({ "quantity": 0 })), "out_of_range"),
        of(with(json!({ "quantity": 1e30 })), "out_of_range"),
        of(with(json!({ "rating": 5.5 })), "out_of_range"),
        of(with(json!({ "occurred_at": 0 })), "out_of_range"),
        of(with(json!({ "occurred_at": now_ms() + a_day })), "future"),
        of(with(json!({ "v": 2 })), "unknown_version"),
        of(with(json!({ "type": "purchase", "order_id": "o" })), "wrong_topic"),
        Bad { topic: "shop.order", ..of(with(json!({})), "wrong_topic") },
        Bad { misplaced: true, ..of(with(json!({})), "wrong_partition") },
        Bad { topic: "shop.catalogue", ..text(r#"{"type":"item_upsert"}"#, "missing") },
        Bad { topic: "shop.catalogue", ..text("rubbish", "malformed") },
    ]
}
