//! The log as somebody else reads it: a plain consumer of all partitions, nothing of the program in between.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use shoptide_schemas::topic::ALL_TOPICS;

use crate::running::PATIENCE;
use crate::shop::Shop;

pub struct Reader {
    consumer: BaseConsumer,
    brokers: String,
    prefix: String,
    partitions: u32,
}

/// Where the log has a record: topic without the shop's prefix, partition, offset.
pub type Place = (String, u32, i64);

impl Reader {
    pub fn new(shop: &Shop) -> Self {
        let consumer = ClientConfig::new()
            .set("bootstrap.servers", &shop.servers.kafka)
            .set("group.id", "nobody")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error")
            .set("check.crcs", "true")
            .create()
            .unwrap();
        Self {
            consumer,
            brokers: shop.servers.kafka.clone(),
            prefix: shop.prefix.clone(),
            partitions: shop.partitions,
        }
    }

    fn places(&self) -> Vec<(String, u32)> {
        let of = |topic: shoptide_schemas::Topic| {
            let partitions = if topic.is_user() { self.partitions } else { 1 };
            (0..partitions).map(move |partition| (topic.name().to_owned(), partition))
        };
        ALL_TOPICS.into_iter().flat_map(of).collect()
    }

    /// The offset that each partition's next record will get.
    pub fn ends(&self) -> BTreeMap<(String, u32), i64> {
        let end = |(topic, partition): (String, u32)| {
            let name = format!("{}{topic}", self.prefix);
            let began = Instant::now();
            loop {
                let asked = self.consumer.fetch_watermarks(&name, partition as i32, Duration::from_secs(5));
                match asked {
                    Ok((_, end)) => return ((topic, partition), end),
                    Err(error) => assert!(began.elapsed() < PATIENCE, "{name} {partition}: {error}"),
                }
            }
        };
        self.places().into_iter().map(end).collect()
    }

    /// Every record up to now, with its value.
    pub fn all(&self) -> BTreeMap<Place, Option<Vec<u8>>> {
        let ends = self.ends();
        let mut list = TopicPartitionList::new();
        for (topic, partition) in ends.iter().filter(|(_, end)| 0 < **end).map(|(place, _)| place) {
            let name = format!("{}{topic}", self.prefix);
            list.add_partition_offset(&name, *partition as i32, Offset::Beginning).unwrap();
        }
        self.consumer.assign(&list).unwrap();
        let mut left: i64 = ends.values().sum();
        let mut found = BTreeMap::new();
        let until = Instant::now() + 2 * PATIENCE;
        while 0 < left {
            assert!(Instant::now() < until, "{left} records of the log cannot be read");
            let record = match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(record)) => record,
                Some(Err(error)) => panic!("the log cannot be read: {error}"),
                None => continue,
            };
            let topic = record.topic().strip_prefix(&self.prefix).unwrap().to_owned();
            let place = (topic, record.partition() as u32, record.offset());
            if record.offset() < ends[&(place.0.clone(), place.1)] {
                let again = found.insert(place, record.payload().map(<[u8]>::to_vec));
                left -= i64::from(again.is_none());
            }
        }
        self.consumer.unassign().unwrap();
        found
    }

    pub async fn delete_topics(&self) {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &self.brokers).create().unwrap();
        let names: Vec<String> =
            ALL_TOPICS.into_iter().map(|topic| format!("{}{}", self.prefix, topic.name())).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        admin.delete_topics(&names, &AdminOptions::new()).await.unwrap();
    }
}

impl Reader {
    /// Deletes the records of a partition before `first`, as retention would.
    pub async fn truncate(&self, topic: &str, partition: u32, first: i64) {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &self.brokers).create().unwrap();
        let mut list = TopicPartitionList::new();
        let name = format!("{}{topic}", self.prefix);
        list.add_partition_offset(&name, partition as i32, Offset::Offset(first)).unwrap();
        let done = admin.delete_records(&list, &AdminOptions::new()).await.unwrap();
        assert!(done.elements().iter().all(|element| element.error().is_ok()), "{done:?}");
    }
}
