//! A scheduler and two executors as processes of the program: what they answer, how they end, and what is said when one is
//! killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../process/running.rs"]
#[allow(dead_code)]
mod running;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use running::{PATIENCE, Running};
use shoptide_lake::{Archiver, Lake, LakeOptions};
use shoptide_log::{SqliteLog, SqliteLogOptions};
use tempfile::TempDir;

/// What a process of a cluster may take to end.
const STOP_MAX: Duration = Duration::from_secs(10);

fn shoptide(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shoptide"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SHOPTIDE_")) {
        command.env_remove(name);
    }
    let small =
        [("SHOPTIDE_ALS__RANK", "8"), ("SHOPTIDE_ALS__SWEEPS", "2"), ("SHOPTIDE_LOG__PARTITIONS", "4")];
    command.envs(small).args(args).stdin(Stdio::null());
    command
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A data directory with a small shop's log, archived.
async fn shop() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let generated = shoptide(&[
        "generate",
        "--events",
        "6000",
        "--users",
        "150",
        "--items",
        "60",
        "--end",
        "now",
        "--span-days",
        "5",
        "--to",
        "log",
        "--data-dir",
        path(dir.path()),
    ])
    .output()
    .unwrap();
    assert!(generated.status.success(), "{}", String::from_utf8_lossy(&generated.stderr));
    let clock: shoptide_log::Clock = std::sync::Arc::new(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        i64::try_from(since.as_millis()).unwrap()
    });
    let log =
        SqliteLog::open(SqliteLogOptions::new(dir.path().join("log.db"), 4, clock.clone())).await.unwrap();
    let lake = Lake::open(&LakeOptions::local(dir.path().join("lake"))).await.unwrap();
    let archiver = Archiver { lake, log: log.clone(), clock, limits: Default::default() };
    assert!(6_000 <= archiver.run().await.unwrap().records);
    shoptide_log::Log::close(&*log).await;
    dir
}

struct Cluster {
    scheduler: Running,
    url: String,
    executors: Vec<(Running, PathBuf)>,
    work: TempDir,
}

fn started(command: Command, what: &str) -> (Running, String) {
    let running = Running::start(command);
    let at = running.out.find(|line| line.strip_prefix(&format!("{what} at ")).map(str::to_owned));
    let Some(at) = at else { panic!("no {what}:\n{}", running.err.text()) };
    (running, at)
}

fn cluster(dir: &Path) -> Cluster {
    let (scheduler, url) =
        started(shoptide(&["scheduler", "--bind", "127.0.0.1:0", "--data-dir", path(dir)]), "scheduler");
    let work = tempfile::tempdir().unwrap();
    let executors = (0..2).map(|n| {
        let folder = work.path().join(n.to_string());
        let args = [
            "executor",
            "--scheduler",
            &url,
            "--vcores",
            "2",
            "--memory-mib",
            "256",
            "--work-dir",
            path(&folder),
            "--data-dir",
            path(dir),
        ];
        (started(shoptide(&args), "executor").0, folder.clone())
    });
    let executors = executors.collect();
    Cluster { scheduler, url, executors, work }
}

/// How a command ended, within the patience of a test.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

fn ended(command: Command) -> Ended {
    let mut running = Running::start(command);
    let code = running.wait(3 * PATIENCE).code();
    Ended { code, out: running.out.whole(), err: running.err.whole() }
}

fn asked(dir: &Path, url: &str, sql: &str) -> Ended {
    ended(shoptide(&["sql", "--format", "csv", "--data-dir", path(dir), "--scheduler", url, sql]))
}

fn answer(dir: &Path, url: &str, sql: &str) -> String {
    let ended = asked(dir, url, sql);
    assert_eq!(ended.code, Some(0), "{sql}: {}", ended.err);
    ended.out
}

/// The status of the scheduler's answer.
fn status(url: &str, path: &str) -> u16 {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: scheduler\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Whether a part of a query has begun at an executor: a folder of the query's beside the one for what spills.
fn holds_parts(folder: &Path) -> bool {
    let names = |folder: PathBuf| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| (entry.path(), entry.file_name().to_string_lossy().into_owned()))
    };
    let of_query = |path: PathBuf| names(path).any(|(_, name)| !name.starts_with("datafusion-"));
    names(folder.to_owned()).any(|(path, _)| of_query(path))
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_of_a_cluster_answer_train_and_end() {
    let dir = shop().await;
    let mut cluster = cluster(dir.path());
    let url = cluster.url.clone();
    let counted = answer(dir.path(), &url, "SELECT count(*) AS n FROM events");
    assert!(6_000 <= counted.lines().nth(1).unwrap().parse::<u64>().unwrap(), "{counted}");
    let rows = |sql| answer(dir.path(), &url, sql).lines().count();
    assert!(
        1 < rows(
            "SELECT type, count(*), sum(decay(86400000.0, 30.0)) FROM events GROUP BY type ORDER BY type"
        )
    );

    // What is not the lake's is refused by name, and nothing else.
    let other = "SELECT count(*) FROM events e JOIN profiles p ON e.user_id = p.user_id, offsets";
    let refused = asked(dir.path(), &url, other);
    let said = refused.err;
    assert_eq!(refused.code, Some(2), "{said}");
    assert!(said.contains("profiles") && said.contains("offsets") && !said.contains("events,"), "{said}");

    let train = ["jobs", "als", "--scheduler", &url, "--json", "--data-dir", path(dir.path())];
    let trained = ended(shoptide(&train));
    assert_eq!(trained.code, Some(0), "{}", trained.err);
    let report: serde_json::Value = serde_json::from_str(&trained.out).unwrap();
    assert!(
        100 < report["users"]["rows"].as_u64().unwrap() && report["sweeps"].as_array().unwrap().len() == 2
    );
    let run = dir.path().join("lake/scale").join(report["run"].as_str().unwrap());
    assert!(run.join("report.json").exists());

    for (executor, folder) in cluster.executors.drain(..) {
        let began = Instant::now();
        executor.signal("TERM");
        let mut executor = executor;
        assert_eq!(executor.wait(STOP_MAX).code(), Some(0), "{}", executor.err.text());
        assert!(began.elapsed() < STOP_MAX);
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0, "an executor leaves nothing behind");
    }
    // An executor that has left may count as there for its timeout.
    let until = Instant::now() + PATIENCE;
    while status(&url, "/readyz") == 200 {
        assert!(Instant::now() < until, "the scheduler still counts on executors that have left");
        std::thread::sleep(Duration::from_millis(50));
    }
    let lonely = asked(dir.path(), &url, "SELECT count(*) FROM events WHERE \"offset\" > 5");
    assert!(lonely.code == Some(1) && lonely.err.contains("has no executor"), "{}", lonely.err);
    cluster.scheduler.signal("TERM");
    assert_eq!(cluster.scheduler.wait(STOP_MAX).code(), Some(0));
    let away = asked(dir.path(), &url, "SELECT count(*) FROM events");
    assert!(away.code == Some(1) && away.err.contains("cannot be reached"), "{}", away.err);
    drop(cluster.work);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_outlives_an_executor_or_says_that_it_does_not() {
    let dir = shop().await;
    let mut cluster = cluster(dir.path());
    // Every pair of events of a type: long enough to be in the middle of it.
    let sql =
        "SELECT count(*) AS n, sum(a.\"offset\" % 7) AS s FROM events a JOIN events b ON a.type = b.type";
    let mut args = vec!["sql", "--format", "csv", "--data-dir", path(dir.path()), "--scheduler"];
    args.extend([cluster.url.as_str(), sql]);
    let mut query = Running::start(shoptide(&args));
    let (victim, folder) = &mut cluster.executors[0];
    let until = Instant::now() + PATIENCE;
    while !holds_parts(folder) && query.is_running() {
        assert!(Instant::now() < until, "no part of the query began there");
        std::thread::sleep(Duration::from_millis(2));
    }
    victim.kill();
    let code = query.wait(3 * PATIENCE).code();
    let (said, told) = (query.out.whole(), query.err.whole());
    println!("with an executor killed: exit code {code:?}, {said:?}, {told}");
    match code {
        Some(0) => {
            let whole = answer(dir.path(), &cluster.url, sql);
            assert_eq!(said.trim(), whole.trim());
        }
        Some(1) => assert!(!told.trim().is_empty() && said.lines().count() < 2),
        other => panic!("ended by {other:?}: {told}"),
    }
    // One is enough for what comes after.
    let counted = answer(dir.path(), &cluster.url, "SELECT count(*) AS n FROM events WHERE \"offset\" >= 0");
    assert!(6_000 <= counted.lines().nth(1).unwrap().parse::<u64>().unwrap());
    // Without any, while the scheduler still counts on one, a query is not waited for without end.
    cluster.executors[1].0.kill();
    assert_eq!(status(&cluster.url, "/readyz"), 200);
    let lonely = asked(dir.path(), &cluster.url, "SELECT count(*) FROM events WHERE \"offset\" > 5");
    assert!(lonely.code == Some(1) && lonely.err.contains("executor"), "{:?}: {}", lonely.code, lonely.err);
    println!("without an executor: {}", lonely.err);
}
