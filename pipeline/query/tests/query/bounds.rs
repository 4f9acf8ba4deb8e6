//! Queries that need more than there is: they spill, and give the same answer, or say what bound they met.

use shoptide_config::Config;
use shoptide_query::{QueryError, SessionOptions, Shop, Sources, open};

use crate::common::*;

const MIB: usize = 1024 * 1024;

fn shop(memory: usize, spill: u64, dir: &tempfile::TempDir) -> Shop {
    let options = SessionOptions {
        memory_bytes: memory,
        spill_bytes: spill,
        spill_dir: Some(dir.path().to_owned()),
        threads: Some(2),
    };
    open(&options, Sources::default()).unwrap()
}

#[test]
fn queries_take_a_quarter_of_the_machine_unless_told() {
    let system = std::fs::read_to_string("/proc/meminfo").unwrap();
    let total = system.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap();
    let machine = total.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024;
    let taken = SessionOptions::default().memory_bytes;
    assert!((256 * MIB..=(machine / 4).max(256 * MIB)).contains(&taken), "{taken} of {machine}");
    let told = |mib: &str| {
        let env = [("SHOPTIDE_SQL__MEMORY_MIB".to_owned(), mib.to_owned())];
        SessionOptions::from(&Config::load(None, env.into_iter()).unwrap().sql).memory_bytes
    };
    assert_eq!((told("0"), told("48")), (taken, 48 * MIB));
}

/// Two million texts of 32 bytes and more: some 100 MiB as sorted, grouped, or held.
const MANY: &str = "SELECT md5n AS text, n FROM (SELECT lpad(CAST(value * 7919 % 2000003 AS VARCHAR), 32, 'x') AS md5n, value AS n \
     FROM generate_series(1, 2000000))";

#[tokio::test(flavor = "multi_thread")]
async fn a_sort_beyond_memory_goes_to_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let sql = format!(
        "SELECT count(*), min(n), max(place) FROM (SELECT n, row_number() OVER (ORDER BY text, n) AS place FROM ({MANY}))"
    );
    let small = shop(24 * MIB, 4 << 30, &dir);
    assert_eq!(rows(&small, &sql).await, [["2000000", "1", "2000000"]]);
    let plan = rows(&small, &format!("EXPLAIN ANALYZE {sql}")).await.concat().concat();
    assert!(plan.contains("spill_count=") && !all_zero(&plan), "{plan}");
    // What was spilled is gone with its query.
    assert_eq!(left_in(&dir), 0);
    let none = shop(24 * MIB, 0, &dir);
    let error = refused(&none, &sql).await;
    assert!(matches!(error, QueryError::TooMuch { .. }), "{error:?}");
    assert!(error.to_string().contains("sql.memory_mib"), "{error}");
    assert!(!error.is_refusal());
}

/// Whether no operator has spilled.
fn all_zero(plan: &str) -> bool {
    plan.split("spill_count=").skip(1).all(|rest| rest.starts_with('0'))
}

fn left_in(dir: &tempfile::TempDir) -> u64 {
    fn bytes(path: &std::path::Path) -> u64 {
        let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
        entries
            .map(|entry| match entry.metadata().unwrap() {
                found if found.is_dir() => bytes(&entry.path()),
                found => found.len(),
            })
            .sum()
    }
    bytes(dir.path())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregation_beyond_memory_goes_to_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let sql =
        format!("SELECT count(*), sum(k) FROM (SELECT text, count(*) AS k FROM ({MANY}) GROUP BY text)");
    let whole = rows(&shop(2048 * MIB, 0, &dir), &sql).await;
    assert_eq!(whole, [["2000000", "2000000"]]);
    assert_eq!(rows(&shop(48 * MIB, 4 << 30, &dir), &sql).await, whole);
    let error = refused(&shop(48 * MIB, 0, &dir), &sql).await;
    assert!(matches!(error, QueryError::TooMuch { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_spill_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let sql = format!(
        "SELECT max(place) FROM (SELECT row_number() OVER (ORDER BY text, n) AS place FROM ({MANY}))"
    );
    let error = refused(&shop(24 * MIB, 8 * MIB as u64, &dir), &sql).await;
    assert!(matches!(error, QueryError::TooMuch { .. }), "{error:?}");
    assert_eq!(left_in(&dir), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cross_join_that_would_need_a_hundred_gigabytes_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let small = shop(32 * MIB, 64 * MIB as u64, &dir);
    // 4 * 10^12 rows, to be sorted.
    let sql =
        format!("SELECT a.text, b.text FROM ({MANY}) AS a CROSS JOIN ({MANY}) AS b ORDER BY b.text, a.text");
    let error = refused(&small, &sql).await;
    assert!(matches!(error, QueryError::TooMuch { .. }), "{error:?}");
    assert_eq!(left_in(&dir), 0);
}
