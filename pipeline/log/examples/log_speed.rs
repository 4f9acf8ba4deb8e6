//! Measures the embedded log: `cargo run --release -p shoptide-log --example log_speed [DIRECTORY]`.
//! Appends, single appends, reading from memory while appending, catching up from disk; fixed sizes, fixed data.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use shoptide_log::{Log, LogError, NewRecord, ReadMax, SqliteLog, SqliteLogOptions};
use shoptide_schemas::partition::partition_of;
use shoptide_schemas::{Topic, USER_TOPICS};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const PARTITIONS: u32 = 8;
const PRODUCERS: u32 = 4;
const BATCH_RECORDS: u32 = 100;
const RECORD_BYTES: usize = 300;
const RECORDS: u32 = 400_000;
const USERS: u32 = 1_000;
const SINGLES: u32 = 2_000;
const READ_MAX: ReadMax = ReadMax { records: 1_000, bytes: 4 * 1024 * 1024 };

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let fallback = tempfile::tempdir()?;
    let directory = std::env::args().nth(1).map_or_else(|| fallback.path().to_owned(), PathBuf::from);
    let path = directory.join("speed.sqlite");
    let log: Arc<dyn Log> = SqliteLog::open(options(&path)).await?;
    singles(&log).await?;
    let reading = tokio::spawn(read_all(Arc::clone(&log)));
    batches(&log).await?;
    let (records, _) = reading.await??;
    println!("read beside the appends: {records} records, none missing");
    log.close().await;
    drop(log);
    let log: Arc<dyn Log> = SqliteLog::open(options(&path)).await?;
    let (records, took) = read_all(Arc::clone(&log)).await?;
    println!("catching up from disk:   {:>9.0} records/s", f64::from(records) / took.as_secs_f64());
    foreign(&path, &log).await?;
    log.close().await;
    Ok(())
}

fn options(path: &std::path::Path) -> SqliteLogOptions {
    let clock = || std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_millis() as i64);
    SqliteLogOptions::new(path, PARTITIONS, Arc::new(clock))
}

fn record(number: u32) -> NewRecord {
    let topic = USER_TOPICS.get(number as usize % USER_TOPICS.len()).copied().unwrap_or(Topic::Browse);
    let key = Bytes::from(key(number));
    let value = Bytes::from(vec![b'x'; RECORD_BYTES - key.len()]);
    NewRecord { topic, key, value }
}

fn key(number: u32) -> String {
    format!("user-{}", number.wrapping_mul(2_654_435_761) % USERS)
}

async fn singles(log: &Arc<dyn Log>) -> Result<(), Failure> {
    let mut took = Vec::new();
    for number in 0..SINGLES {
        let start = Instant::now();
        log.append(vec![record(number)]).await?;
        took.push(start.elapsed());
    }
    print_percentiles("single append:          ", took);
    Ok(())
}

async fn batches(log: &Arc<dyn Log>) -> Result<(), Failure> {
    let start = Instant::now();
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let log = Arc::clone(log);
            tokio::spawn(async move {
                let mut took = Vec::new();
                for call in 0..RECORDS / PRODUCERS / BATCH_RECORDS {
                    let first = (call * PRODUCERS + producer) * BATCH_RECORDS;
                    let records = (first..first + BATCH_RECORDS).map(record).collect();
                    let start = Instant::now();
                    log.append(records).await?;
                    took.push(start.elapsed());
                }
                Ok::<_, LogError>(took)
            })
        })
        .collect();
    let mut took = Vec::new();
    for producer in producers {
        took.extend(producer.await??);
    }
    let per_s = f64::from(RECORDS) / start.elapsed().as_secs_f64();
    println!(
        "{PRODUCERS} producers of {BATCH_RECORDS}:      {per_s:>9.0} records/s, {RECORD_BYTES} bytes each"
    );
    print_percentiles("  one append of theirs: ", took);
    Ok(())
}

/// Reads every shard until all records have come.
async fn read_all(log: Arc<dyn Log>) -> Result<(u32, Duration), Failure> {
    let mut expected = [0; PARTITIONS as usize];
    for number in (0..RECORDS).chain(0..SINGLES) {
        let shard = partition_of(key(number).as_bytes(), PARTITIONS);
        expected[shard as usize] += 1;
    }
    let start = Instant::now();
    let member = log.join().await?;
    let mut shards = Vec::new();
    for (shard, expected) in (0..PARTITIONS).zip(expected) {
        let mut reader = member.open(shard, &USER_TOPICS.map(|t| (t, 0))).await?;
        shards.push(tokio::spawn(async move {
            let mut read = 0;
            while read < expected {
                read += reader.next(READ_MAX).await?.records.len();
            }
            Ok::<_, LogError>(read)
        }));
    }
    let mut records = 0;
    for shard in shards {
        records += u32::try_from(shard.await??)?;
    }
    Ok((records, start.elapsed()))
}

/// How late a reader notices what another process (here: another handle) appends.
async fn foreign(path: &std::path::Path, log: &Arc<dyn Log>) -> Result<(), Failure> {
    let other = SqliteLog::open(options(path)).await?;
    let mut took = Vec::new();
    for number in 0..100 {
        let at = other.append(vec![record(number)]).await?;
        let (start, Some(at)) = (Instant::now(), at.first()) else { continue };
        // Waits on what the poller learns; the first look of `wait_beyond` itself would hide it.
        log.wait_beyond(at.topic, at.partition, at.offset + 1, 0).await;
        let waiting = log.wait_beyond(at.topic, at.partition, at.offset + 1, 5_000);
        let appending = other.append(vec![record(number)]);
        let (grown, appended) = tokio::join!(waiting, appending);
        appended?;
        if grown {
            took.push(start.elapsed());
        }
    }
    print_percentiles("noticed across handles: ", took);
    other.close().await;
    Ok(())
}

fn print_percentiles(what: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let at = |share: usize| took.get(took.len() * share / 100).map_or(0.0, |d| d.as_secs_f64() * 1e3);
    println!("{what} p50 {:.2} ms, p99 {:.2} ms", at(50), at(99));
}
