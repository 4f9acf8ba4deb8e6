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

/// Queries whose results or lists are outside the pool of a session, each far beyond the bound.
const GREEDY: [&str; 5] = [
    "SELECT count(*) FROM (SELECT unnest(range(0, 3000000000)))",
    "SELECT length(repeat('x', 2000000000))",
    "SELECT max(array_length(range(0, 200000000)))",
    "SELECT length(lpad('x', 2000000000))",
    // The list is small and made once, but repeated for every row before it is unpacked.
    "SELECT count(*) FROM (SELECT unnest(range(0, 100000)) FROM (SELECT unnest(range(0, 50000))))",
];
const CHILD_ASKS: &str = "SHOPTIDE_TEST_ASKS";
const CHILD_BOUND: usize = 64 * MIB;

/// Not a test: the process that asks a greedy query.
#[test]
fn child_that_asks() {
    let Ok(sql) = std::env::var(CHILD_ASKS) else { return };
    shoptide_query::watch_memory(CHILD_BOUND, |why| {
        println!("ENDED {why}");
        std::process::exit(7);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        println!("ENDED {}", refused(&shop(CHILD_BOUND, 0, &dir), &sql).await);
    });
    std::process::exit(7);
}

#[test]
fn results_of_functions_and_lists_stay_within_the_bound() {
    for sql in GREEDY {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "bounds::child_that_asks", "--nocapture"])
            .env(CHILD_ASKS, sql)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut peak_kib = 0;
        let status = loop {
            let told = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let peak = told.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let peak = peak.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            peak_kib = peak_kib.max(peak.unwrap_or(0));
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        };
        let mut out = String::new();
        std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut out).unwrap();
        println!("{sql}: peak {} MiB: {out}", peak_kib >> 10);
        assert_eq!(status.code(), Some(7), "{sql}: {out}");
        assert!(out.contains("ENDED") && out.contains("sql.memory_mib"), "{sql}: {out}");
        let most = shoptide_query::process_bytes_max(CHILD_BOUND) + 512 * MIB as u64;
        assert!(peak_kib << 10 < most, "{sql}: {peak_kib} KiB");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_that_grow_answer_within_the_bound() {
    let dir = tempfile::tempdir().unwrap();
    let sql = "SELECT length(repeat('ab', 3)), lpad('x', 3, 'y'), array_length(range(0, 10, 3)), \
               array_length(generate_series(DATE '2026-01-01', DATE '2026-01-03', INTERVAL '1 day')), \
               array_length(list_repeat(1, 4)), replace('aba', 'a', 'cc')";
    assert_eq!(rows(&shop(CHILD_BOUND, 0, &dir), sql).await, [["6", "yyx", "4", "3", "4", "ccbcc"]]);
    let seconds = "SELECT array_length(generate_series(TIMESTAMP '1900-01-01', TIMESTAMP '2026-01-01', INTERVAL '1 second'))";
    let error = refused(&shop(CHILD_BOUND, 0, &dir), seconds).await;
    assert!(matches!(error, QueryError::TooMuch { .. }), "{error:?}");
}

#[test]
fn a_statement_too_long_for_the_stack_is_refused() {
    for chain in [" + 1", " OR true", "::int", " UNION SELECT 1", " IS NULL"] {
        let sql = format!("SELECT 1{}", chain.repeat(500_000));
        let error = shoptide_query::Statement::all(&sql).unwrap_err();
        assert!(error.is_refusal() && error.to_string().contains("2000 operators"), "{error}");
    }
    // What is just within goes through on the stack of a program's first thread.
    let asked = std::thread::Builder::new().stack_size(8 * MIB).spawn(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let small = shop(CHILD_BOUND, 0, &dir);
            let sum = format!("SELECT n{} FROM (SELECT unnest(range(0, 1)) AS n)", " + 1".repeat(1_990));
            assert_eq!(rows(&small, &sum).await, [["1990"]]);
            let or = format!(
                "SELECT count(*) FROM (SELECT unnest(range(0, 9)) AS n) WHERE n = 0{}",
                " OR n = 3".repeat(990)
            );
            assert_eq!(rows(&small, &or).await, [["2"]]);
        });
    });
    asked.unwrap().join().unwrap();
}
