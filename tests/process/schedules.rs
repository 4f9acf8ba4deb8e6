//! Schedules in processes: one of three runs each instant, another takes over when it is killed, and jobs by hand beside them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::{Ended, Running, finish, follow, path, rested_shop, run, shoptide, until};

/// Looks at lists every second and at quality every three; a leader who is killed is missed within three seconds.
const SCHEDULES: [(&str, &str); 4] = [
    ("SHOPTIDE_JOBS__LEASE_S", "3"),
    ("SHOPTIDE_SCHEDULE__VERIFY__CRON", "* * * * * *"),
    ("SHOPTIDE_SCHEDULE__EVALUATE__CRON", "*/3 * * * * *"),
    ("SHOPTIDE_SCHEDULE__EVALUATE__MISSED", "catch_up"),
];

fn with(args: &[&str], dir: &Path) -> Command {
    let mut command = shoptide(args);
    command.args(["--data-dir", path(dir)]).envs(SCHEDULES);
    command
}

fn jobs(dir: &Path) -> Running {
    follow(with(&["--log-json", "jobs"], dir)).0
}

fn history(dir: &Path, job: Option<&str>) -> Vec<Value> {
    let mut args = vec!["jobs", "history", "--json", "--limit", "10000"];
    args.extend(job.iter().flat_map(|job| ["--job", job]));
    let ended = finish(with(&args, dir));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn waits_for(dir: &Path, what: &str, found: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    until(what, || async { Some(history(dir, None)).filter(|runs| found(runs)) }).await
}

fn holder(process: &Running) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    format!("{}:{}", host.trim(), process.id())
}

fn ok_by(runs: &[Value], holder: &str) -> usize {
    runs.iter().filter(|r| r["status"] == "ok" && r["holder"] == holder).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_runs_each_instant_and_another_takes_over() {
    let dir = tempfile::tempdir().unwrap();
    rested_shop(dir.path()).await;
    let mut processes = vec![jobs(dir.path()), jobs(dir.path()), jobs(dir.path())];
    let runs =
        waits_for(dir.path(), "four runs", |runs| 4 <= runs.iter().filter(|r| r["status"] == "ok").count())
            .await;
    let leads = runs[0]["holder"].as_str().unwrap().to_owned();
    assert!(runs.iter().all(|run| run["holder"] == leads.as_str() && run["epoch"] == 1), "{runs:#?}");
    // Killed, and nobody says so.
    let place = processes.iter().position(|process| holder(process) == leads).unwrap();
    processes.remove(place).kill();
    let others: Vec<String> = processes.iter().map(holder).collect();
    let runs =
        waits_for(dir.path(), "another runs them", |runs| others.iter().any(|other| 3 <= ok_by(runs, other)))
            .await;
    // What the dead one left running is lost; nobody else's is.
    for run in runs.iter().filter(|run| run["status"] == "lost") {
        assert_eq!(run["holder"], leads.as_str(), "{run:#}");
    }
    // Stopped, it gives the lease back, and the last one leads at once.
    let second = others.iter().position(|other| 0 < ok_by(&runs, other)).unwrap();
    processes.remove(second).stop();
    let last = holder(&processes[0]);
    let runs = waits_for(dir.path(), "the last runs them", |runs| 2 <= ok_by(runs, &last)).await;
    let epochs: BTreeSet<i64> = runs.iter().map(|run| run["epoch"].as_i64().unwrap()).collect();
    assert_eq!(epochs, BTreeSet::from([1, 2, 3]));
    for process in &processes {
        assert!(!process.err.text().contains("ERROR"), "{}", process.err.text());
    }
    processes.remove(0).stop();
    // No attempt is there twice, none succeeded twice, and of what is caught up with nothing is left out.
    let runs = history(dir.path(), None);
    let mut once = BTreeSet::new();
    let mut succeeded = BTreeSet::new();
    for run in &runs {
        let instant = (run["schedule"].to_string(), run["due_ms"].as_i64().unwrap());
        assert!(once.insert((instant.clone(), run["attempt"].as_i64().unwrap())), "{run:#}");
        assert!(run["status"] != "ok" || succeeded.insert(instant), "{run:#}");
        assert!(run["status"] != "running", "{run:#}");
    }
    let evaluated: BTreeSet<i64> =
        history(dir.path(), Some("evaluate")).iter().map(|run| run["due_ms"].as_i64().unwrap()).collect();
    let (first, newest) = (*evaluated.first().unwrap(), *evaluated.last().unwrap());
    assert_eq!(evaluated.len() as i64, (newest - first) / 3_000 + 1, "{evaluated:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_run_by_hand_and_are_in_the_history() {
    let dir = tempfile::tempdir().unwrap();
    let job = |args: &[&str]| -> Ended { run(&[&["jobs", "--data-dir", path(dir.path())], args].concat()) };
    // Before there is a shop, what could run can be listed.
    let listed = job(&["list", "--json"]).json();
    assert!(
        listed["schedules"].as_array().unwrap().iter().all(|s| s["last"].is_null() && s["cron"].is_null())
    );
    rested_shop(dir.path()).await;
    let trained = job(&["run", "train", "--json"]).json();
    assert!(
        trained["status"] == "ok" && trained["by_hand"] == true && 0 < trained["rows"].as_i64().unwrap(),
        "{trained:#}"
    );
    for name in ["evaluate", "verify", "verify_all", "tidy"] {
        let ran = job(&["run", name, "--json"]).json();
        assert_eq!((&ran["status"], &ran["error"]), (&"ok".into(), &"".into()), "{ran:#}");
    }
    let lists = history(dir.path(), Some("verify")).remove(0);
    assert!(lists["note"].as_str().unwrap().contains("lists made again"), "{lists:#}");
    assert_eq!(history(dir.path(), None).len(), 5);
    let listed = job(&["list", "--json"]).json();
    let train = listed["schedules"].as_array().unwrap().iter().find(|s| s["name"] == "train").unwrap();
    assert_eq!(train["last"]["status"], "ok");
    job(&["run", "nothing"]).refused(&["there is no schedule and no job nothing", "train"]);
    // A proof that fails fails the run, and says so.
    let meddle = "UPDATE stream_offset SET applied = applied + 1";
    let url = format!("sqlite://{}", dir.path().join("truth.db").display());
    let mut conn = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
    sqlx::Executor::execute(&mut conn, meddle).await.unwrap();
    sqlx::Connection::close(conn).await.unwrap();
    let failed = job(&["run", "verify", "--json"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let failed: Value = serde_json::from_str(&failed.out).unwrap();
    assert_eq!(failed["status"], "refused");
    assert!(failed["error"].as_str().unwrap().contains("the truth is not what the log says"), "{failed:#}");
}

#[test]
fn a_schedule_that_cannot_be_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    for (cron, job, said) in [
        ("0 0 30 2 *", "train", "schedule.x.cron is \"0 0 30 2 *\""),
        ("0 0 30 2 *", "train", "never fires"),
        ("daily", "train", "schedule.x.cron is \"daily\""),
        ("@daily", "trian", "schedule.x.job is \"trian\", expected one of train, evaluate, verify"),
    ] {
        for args in [&["jobs"][..], &["up", "--port", "0"]] {
            let mut command = shoptide(args);
            command.args(["--data-dir", path(dir.path())]);
            command.envs([("SHOPTIDE_SCHEDULE__X__CRON", cron), ("SHOPTIDE_SCHEDULE__X__JOB", job)]);
            finish(command).refused(&[said, "SHOPTIDE_SCHEDULE__X__"]);
        }
    }
}
