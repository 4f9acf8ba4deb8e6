//! The judge of every trial, with zero tolerance: the folded tables against one clean run over the log, the sums of every
//! partition, what clients were told against the log, the cache against the truth, dead letters and budgets against lists
//! of the test's own.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use shoptide_schemas::partition::partition_of;
use shoptide_schemas::{StoredList, USER_TOPICS};
use tokio::task::JoinHandle;

use crate::ledger::Ledger;
use crate::log_reader::Reader;
use crate::shop::Shop;
use crate::tables::Tables;

/// Nothing was written for this long.
const QUIET: Duration = Duration::from_secs(2);
/// How long writes without events (a sweep after the last training) may go on.
const QUIET_WITHIN: Duration = Duration::from_secs(90);
/// For a new owner of a shard to bring what the one before left undone: it reads the log anew for that.
const BROUGHT_WITHIN: Duration = Duration::from_secs(20);
/// Before the list in a cached value: its version and the echo of its key.
const VERSION_BYTES: usize = 41;
const HEAD_BYTES: usize = 49;

/// What was compared.
#[derive(Debug)]
pub struct Proof {
    pub records: i64,
    pub accepted: usize,
    pub lists: usize,
    pub cached: usize,
    pub dead: usize,
    pub report: Value,
    pub took: Duration,
}

impl std::fmt::Display for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { records, accepted, lists, cached, dead, took, .. } = self;
        write!(
            f,
            "{records} records, {accepted} acknowledged, {lists} lists, {cached} in the cache, {dead} dead letters, \
             proven in {took:.1?}"
        )
    }
}

/// The folded tables and the sums, as far as the log is folded; a stream may run meanwhile. The report.
pub fn folded(shop: &Shop) -> Value {
    let (code, out, err) =
        tokio::task::block_in_place(|| shop.ended(&["state", "verify", "--json", "--data-dir", "data"]));
    let report: Value =
        serde_json::from_str(&out).unwrap_or_else(|_| panic!("no report: {code:?} {out} {err}"));
    assert!(code == Some(0) && report["ok"] == true, "THE TRUTH IS NOT WHAT THE LOG SAYS: {report:#}");
    report
}

/// One column of the report's sums, added up.
pub fn total(report: &Value, column: &str) -> i64 {
    report["sums"].as_array().unwrap().iter().map(|row| row[column].as_i64().unwrap()).sum()
}

/// Everything. The load has ended, and some process still folds.
pub async fn all(shop: &Shop, ledger: &Ledger) -> Proof {
    shop.caught_up(Duration::from_secs(120)).await;
    let mut tables = shop.tables().await;
    let began = Instant::now();
    let (lists, cached) = quiet_cache(shop, &mut tables).await;
    let report = folded(shop);
    // What the program itself owes the log (a login's parts, items that only events name) may come in at any moment.
    let behind = report["behind"].as_i64().unwrap();
    let logged = total(&report, "logged");
    let log = tokio::task::block_in_place(|| Reader::new(shop).all());
    let (dead, budgets) = (tables.dead_letters().await, tables.budgets().await);
    let known = ledger.known();
    assert!(
        known.accepted.len() + known.dead.len() <= log.len() && logged + behind <= log.len() as i64,
        "{logged} folded, {behind} behind, {} in the log, {} acknowledged",
        log.len(),
        known.accepted.len()
    );
    let ids: HashMap<_, _> =
        log.iter().filter_map(|(place, value)| Some((place, id_of(value.as_deref()?)?))).collect();
    let lost: Vec<_> = known.accepted.iter().filter(|(place, id)| ids.get(place) != Some(*id)).collect();
    assert!(lost.is_empty(), "{} acknowledged events are not in the log: {lost:?}", lost.len());
    // A login and an erasure concern every part of a user, so each topic has its copy, or none is acknowledged.
    let mut copies: HashMap<&str, usize> = HashMap::new();
    ids.values().for_each(|id| *copies.entry(id).or_default() += 1);
    for id in known.accepted.values().filter(|id| id.ends_with("-login") || id.ends_with("-erase")) {
        assert!(USER_TOPICS.len() <= copies[id.as_str()], "{id} has {} copies", copies[id.as_str()]);
    }
    let mut expected = known.dead.clone();
    // Of users only: the catalogue's events have no such verdict, and one may share an id with a user's.
    let of_users = ids.iter().filter(|(place, _)| USER_TOPICS.iter().any(|topic| topic.name() == place.0));
    let doomed =
        of_users.filter_map(|(place, id)| Some(((*place).clone(), (*known.doomed.get(id)?).to_owned())));
    expected.extend(doomed);
    same("dead letters", &dead, &expected);
    same("budgets", &budgets, &known.budgets);
    Proof {
        records: logged,
        accepted: known.accepted.len(),
        lists,
        cached,
        dead: dead.len(),
        report,
        took: began.elapsed(),
    }
}

fn id_of(value: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(value).ok()?;
    value["event_id"].as_str().map(str::to_owned)
}

fn same<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    what: &str,
    found: &BTreeMap<K, V>,
    expected: &BTreeMap<K, V>,
) {
    let more: Vec<_> = found.iter().filter(|(key, value)| expected.get(key) != Some(*value)).collect();
    let fewer: Vec<_> = expected.iter().filter(|(key, value)| found.get(key) != Some(*value)).collect();
    assert!(more.is_empty() && fewer.is_empty(), "{what}: {more:?} are there, {fewer:?} should be");
}

/// Without a write for two seconds, every cached value becomes the stored list, byte for byte. How many lists there are, and
/// how many of them are cached.
async fn quiet_cache(shop: &Shop, tables: &mut Tables) -> (usize, usize) {
    let until = Instant::now() + QUIET_WITHIN;
    let mut behind_since = None;
    loop {
        let before = written(tables).await;
        tokio::time::sleep(QUIET).await;
        if written(tables).await == before {
            let cached = tokio::task::block_in_place(|| cached(shop));
            let lists = tables.lists().await;
            if written(tables).await == before {
                match compare(&lists, &cached) {
                    Ok(held) => return (lists.len(), held),
                    // What nobody brings stays wrong.
                    Err(wrong)
                        if behind_since.get_or_insert_with(Instant::now).elapsed() < BROUGHT_WITHIN =>
                    {
                        println!("{} cached lists are behind", wrong.len());
                    }
                    Err(wrong) => panic!(
                        "{} of {} cached lists are not those of the truth: {wrong:#?}",
                        wrong.len(),
                        cached.len()
                    ),
                }
            }
        }
        assert!(Instant::now() < until, "lists are written without end");
    }
}

async fn written(tables: &mut Tables) -> [i64; 3] {
    [
        tables.number("SELECT CAST(SUM(revision) AS SIGNED) FROM user_list").await,
        tables.number("SELECT CAST(SUM(next_off) AS SIGNED) FROM stream_offset").await,
        tables.number("SELECT CAST(SUM(epoch) AS SIGNED) FROM stream_offset").await,
    ]
}

/// How many cached lists are those of the truth; else what is wrong with the others.
fn compare(
    lists: &BTreeMap<(u32, Vec<u8>), Vec<u8>>,
    cached: &BTreeMap<(u32, Vec<u8>), Vec<u8>>,
) -> Result<usize, Vec<String>> {
    let mut held = 0;
    let mut wrong = Vec::new();
    for (key, value) in cached {
        let (version, list) = (&value[..VERSION_BYTES], &value[HEAD_BYTES..]);
        let user = String::from_utf8_lossy(&key.1);
        match lists.get(key) {
            // Removed, and remembered as that for a while.
            _ if list.is_empty() => {}
            Some(stored) if stored == list => held += 1,
            stored => {
                let stored = stored.map(|stored| StoredList::decode(stored).unwrap().version_key());
                let version = String::from_utf8_lossy(version);
                wrong.push(format!("{} {user}: {version} in the cache, {stored:?} in the truth", key.0));
            }
        }
    }
    if wrong.is_empty() { Ok(held) } else { Err(wrong) }
}

/// Every cached value of the shop by shard and user.
fn cached(shop: &Shop) -> BTreeMap<(u32, Vec<u8>), Vec<u8>> {
    let mut conn = redis::Client::open(shop.servers.redis.as_str()).unwrap().get_connection().unwrap();
    let (mut cursor, mut found) = (0_u64, BTreeMap::new());
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(format!("{}:*", shop.database)).arg("COUNT").arg(1_000);
        let (next, keys): (u64, Vec<Vec<u8>>) = scan.query(&mut conn).unwrap();
        for key in keys {
            let value: Option<Vec<u8>> = redis::cmd("GET").arg(&key).query(&mut conn).unwrap();
            let rest = &key[shop.database.len() + 1..];
            let colon = rest.iter().position(|byte| *byte == b':').unwrap();
            let shard = std::str::from_utf8(&rest[..colon]).unwrap().parse().unwrap();
            found.extend(value.map(|value| ((shard, rest[colon + 1..].to_vec()), value)));
        }
        cursor = next;
        if cursor == 0 {
            return found;
        }
    }
}

/// Looks again and again whether the cache is ever newer than the truth.
pub struct Sampler {
    stop: Arc<AtomicBool>,
    looks: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Sampler {
    pub async fn start(shop: &Shop, ledger: &Ledger) -> Self {
        let (stop, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, looked) = (stop.clone(), looks.clone());
        let (servers, database) = (shop.servers.clone(), shop.database.clone());
        let (partitions, users) = (shop.partitions, ledger.known().users.clone());
        let mut tables = shop.tables().await;
        let task = tokio::spawn(async move {
            let client = redis::Client::open(servers.redis.as_str()).unwrap();
            let mut conn = client.get_multiplexed_async_connection().await.ok();
            for user in users.iter().cycle() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
                let shard = partition_of(user.as_bytes(), partitions);
                let key = format!("{database}:{shard}:{user}");
                // The cache first: what comes into the truth meanwhile only makes that newer.
                let found: redis::RedisResult<Option<Vec<u8>>> = match &mut conn {
                    Some(conn) => redis::cmd("GET").arg(&key).query_async(conn).await,
                    None => Ok(None),
                };
                let Ok(found) = found else {
                    conn = client.get_multiplexed_async_connection().await.ok();
                    continue;
                };
                let Some(held) = found.filter(|held| HEAD_BYTES < held.len()) else { continue };
                let Ok(stored) = tables.list(shard, user.as_bytes()).await else {
                    // The server is being tried as well.
                    tables = match Tables::again(&servers, &database).await {
                        Some(tables) => tables,
                        None => continue,
                    };
                    continue;
                };
                let Some(stored) = stored else { continue };
                let stored = StoredList::decode(&stored).unwrap().version_key();
                let held = String::from_utf8_lossy(&held[..VERSION_BYTES]).into_owned();
                assert!(held <= stored, "{user}: {held} in the cache, {stored} in the truth");
                looked.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { stop, looks, task }
    }

    /// How often it looked.
    pub async fn finish(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.unwrap();
        self.looks.load(Ordering::Relaxed)
    }
}
