//! What the servers give to a client that does nothing else: reading records, writing the rows of commits, setting lists.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::json;
use shoptide_log::{KafkaLog, KafkaOptions, Log, NewRecord};
use shoptide_schemas::{ListEntry, StoredList, Topic, USER_TOPICS, UserId};
use shoptide_store::{
    Cache, CacheEntry, Commit, ListRow, MysqlTruth, MysqlTruthOptions, OffsetMove, PartRow, RedisCache,
    RedisCacheOptions, Tally, Truth,
};

use super::{PARTITIONS, Services, Shop, USERS, held};
use crate::dice::Dice;
use crate::figure::{Figure, Row};

/// Records that are read, and what one has: an event of the generated shop takes about as much.
const RECORDS: usize = 400_000;
const RECORD_BYTES: usize = 220;
const APPEND: usize = 1_000;
/// Rows of one commit, as the stream's default.
const ROWS: usize = 512;
/// A user's part and list of 100 places, as the generated shop has them.
const PART_BYTES: usize = 450;
const PLACES: u32 = 100;

/// Rows, and the slowest of the three in events a second.
///
/// # Errors
/// If a server fails.
pub async fn rows(
    services: &Services,
    shoptide: &std::path::Path,
    pinned: bool,
    seconds: u64,
) -> anyhow::Result<(Vec<Row>, f64)> {
    let shop = Shop::new(services, shoptide, "bare")?;
    let time = Duration::from_secs(seconds);
    let consumed = consume(services, &shop).await?;
    let upserted = upsert(services, &shop, time).await?;
    let set = set(services, &shop, time).await?;
    let row = |what: &str, per_s: f64, how: String| {
        Row::Measured(Figure {
            what: what.to_owned(),
            measured: format!("**{per_s:.0}/s**"),
            bar: "none: what the others stand beside".to_owned(),
            met: None,
            reference: String::new(),
            how,
            values: json!({ "per_s": per_s }),
        })
    };
    let place = held(pinned);
    let rows = vec![
        row(
            "bare limit: rdkafka reads records",
            consumed,
            format!(
                "{place}; {RECORDS} records of {RECORD_BYTES} bytes, one consumer, {PARTITIONS} partitions"
            ),
        ),
        row(
            "bare limit: MariaDB takes batches of upserts",
            upserted,
            format!(
                "{seconds} s, {PARTITIONS} connections; a transaction holds {ROWS} events: a part of {PART_BYTES} bytes and a list of {PLACES} places each"
            ),
        ),
        row(
            "bare limit: Redis sets lists by version",
            set,
            format!("{seconds} s, {PARTITIONS} pipelines of {ROWS} lists of {PLACES} places"),
        ),
    ];
    Ok((rows, consumed.min(upserted).min(set)))
}

async fn consume(services: &Services, shop: &Shop<'_>) -> anyhow::Result<f64> {
    let options = KafkaOptions { prefix: format!("{}-", shop.name), ..KafkaOptions::new(&services.brokers) };
    let log = KafkaLog::open(options).await?;
    for first in (0..RECORDS).step_by(APPEND) {
        let record = |n: usize| NewRecord {
            topic: Topic::Browse,
            key: format!("user-{n}").into_bytes().into(),
            value: vec![b'x'; RECORD_BYTES].into(),
        };
        log.append((first..first + APPEND).map(record).collect()).await?;
    }
    log.close().await;
    let (brokers, topic) = (services.brokers.clone(), format!("{}-{}", shop.name, Topic::Browse.name()));
    tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &brokers)
            .set("group.id", "bare")
            .set("enable.auto.commit", "false")
            .create()?;
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(&topic, i32::try_from(partition)?, Offset::Beginning)?;
        }
        consumer.assign(&list)?;
        let first = consumer.poll(Duration::from_secs(30)).context("no record within 30 s")?;
        first?;
        let (began, mut read) = (Instant::now(), 1);
        while read < RECORDS {
            consumer.poll(Duration::from_secs(30)).context("no record within 30 s")??;
            read += 1;
        }
        Ok(RECORDS as f64 / began.elapsed().as_secs_f64())
    })
    .await?
}

fn packed(user: u64, dice: &mut Dice) -> StoredList {
    let entry = |place: u32| ListEntry {
        item: (dice.below(20_000)) as u32,
        score: 1.0 / (1.0 + place as f32),
        source: (place % 3) as u8,
        evidence: place % 12,
    };
    StoredList {
        epoch: 1,
        revision: 1,
        now_ms: 1_777_896_000_000 + user as i64,
        entries: (0..PLACES).map(entry).collect(),
        ..StoredList::default()
    }
}

fn user(n: u64) -> UserId {
    UserId::from_trusted(format!("user-{n:08}").as_bytes())
}

async fn upsert(services: &Services, shop: &Shop<'_>, time: Duration) -> anyhow::Result<f64> {
    let url = format!("{}/{}", services.mysql.trim_end_matches('/'), shop.name);
    let truth = MysqlTruth::open(MysqlTruthOptions::from_url(&url)?).await?;
    let mut writers = tokio::task::JoinSet::new();
    for shard in 0..PARTITIONS {
        let truth: Arc<dyn Truth> = truth.clone();
        writers.spawn(async move {
            let bases = USER_TOPICS.map(|topic| (topic, 0));
            let epoch = truth.assign(shard, &bases).await?.iter().map(|row| row.epoch).max().unwrap_or(0);
            let mut dice = Dice(u64::from(shard));
            let (began, mut at) = (Instant::now(), 0_i64);
            while began.elapsed() < time {
                let to = at + ROWS as i64;
                let tally = Tally { logged: ROWS as i64, applied: ROWS as i64, ..Tally::default() };
                let step = OffsetMove { topic: Topic::Browse, from: at, to, append_ms: 1, tally };
                let mut commit = Commit { shard, epoch, offsets: vec![step], ..Commit::default() };
                for _ in 0..ROWS {
                    let n = dice.below(USERS as usize) as u64;
                    let list = packed(n, &mut dice);
                    let bytes = |_| (dice.roll() & 0xff) as u8;
                    let data = (0..PART_BYTES).map(bytes).collect();
                    commit.parts.push(PartRow { shard, user: user(n), topic: Topic::Browse, upto: to, data });
                    let data = Arc::from(list.encode());
                    commit.lists.push(ListRow {
                        user: user(n),
                        revision: to,
                        model_version: 1,
                        last_ms: to,
                        data,
                    });
                }
                truth.commit(commit).await?;
                at = to;
            }
            Ok::<f64, anyhow::Error>(at as f64 / began.elapsed().as_secs_f64())
        });
    }
    sum(writers).await
}

async fn set(services: &Services, shop: &Shop<'_>, time: Duration) -> anyhow::Result<f64> {
    let options = RedisCacheOptions {
        prefix: format!("{}-bare", shop.name),
        write_timeout_ms: 5_000,
        ..RedisCacheOptions::new(&services.redis)
    };
    let mut writers = tokio::task::JoinSet::new();
    for shard in 0..PARTITIONS {
        let cache = RedisCache::new(&options)?;
        writers.spawn(async move {
            let mut dice = Dice(u64::from(shard));
            let (began, mut sets) = (Instant::now(), 0_i64);
            while began.elapsed() < time {
                let entry = |_| {
                    let n = dice.below(USERS as usize) as u64;
                    let mut list = packed(n, &mut dice);
                    list.revision = sets;
                    CacheEntry {
                        shard,
                        user: user(n),
                        version: list.version_key(),
                        data: Arc::from(list.encode()),
                    }
                };
                cache.set_if_newer((0..ROWS).map(entry).collect()).await?;
                sets += ROWS as i64;
            }
            Ok::<f64, anyhow::Error>(sets as f64 / began.elapsed().as_secs_f64())
        });
    }
    sum(writers).await
}

async fn sum(mut writers: tokio::task::JoinSet<anyhow::Result<f64>>) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    while let Some(rate) = writers.join_next().await {
        sum += rate??;
    }
    Ok(sum)
}
