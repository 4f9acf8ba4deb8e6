//! Schedules in processes: one of three runs each instant, another takes over when it is killed, and jobs by hand beside them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::{Ended, Running, finish, follow, path, rested_shop, run, shoptide, until};
use crate::services::{Services, with};

/// Looks at lists every second and at quality every three; a leader who is killed is missed within five seconds.
const SCHEDULES: [(&str, &str); 4] = [
    ("SHOPTIDE_JOBS__LEASE_S", "5"),
    ("SHOPTIDE_SCHEDULE__VERIFY__CRON", "* * * * * *"),
    ("SHOPTIDE_SCHEDULE__EVALUATE__CRON", "*/3 * * * * *"),
    ("SHOPTIDE_SCHEDULE__EVALUATE__MISSED", "catch_up"),
];

/// A data directory, and where else the truth is.
struct Place<'a> {
    dir: &'a Path,
    config: Vec<(String, String)>,
}

impl Place<'_> {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = with(args, &self.config);
        command.args(["--data-dir", path(self.dir)]).envs(SCHEDULES);
        command
    }

    fn jobs(&self) -> Running {
        follow(self.command(&["--log-json", "jobs"])).0
    }

    fn history(&self, job: Option<&str>) -> Vec<Value> {
        let mut args = vec!["jobs", "history", "--json", "--limit", "10000"];
        args.extend(job.iter().flat_map(|job| ["--job", job]));
        let ended = finish(self.command(&args));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    async fn has(&self, what: &str, found: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        until(what, || async { Some(self.history(None)).filter(|runs| found(runs)) }).await
    }
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
    one_of_three(&Place { dir: dir.path(), config: Vec::new() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_on_one_database_runs_each_instant_and_another_takes_over() {
    let Some(services) = Services::there() else { return };
    let _database = services.database("");
    assert_eq!(finish(with(&["migrate"], &services.mysql())).code, Some(0));
    let dir = tempfile::tempdir().unwrap();
    one_of_three(&Place { dir: dir.path(), config: services.mysql() }).await;
}

async fn one_of_three(place: &Place<'_>) {
    let mut processes = vec![place.jobs(), place.jobs(), place.jobs()];
    let runs = place.has("four runs", |runs| 4 <= runs.iter().filter(|r| r["status"] == "ok").count()).await;
    let leads = runs[0]["holder"].as_str().unwrap().to_owned();
    assert!(runs.iter().all(|run| run["holder"] == leads.as_str() && run["epoch"] == 1), "{runs:#?}");
    // Killed, and nobody says so.
    let killed = processes.iter().position(|process| holder(process) == leads).unwrap();
    processes.remove(killed).kill();
    let others: Vec<String> = processes.iter().map(holder).collect();
    let runs =
        place.has("another runs them", |runs| others.iter().any(|other| 3 <= ok_by(runs, other))).await;
    // What the dead one left running is lost; nobody else's is.
    for run in runs.iter().filter(|run| run["status"] == "lost") {
        assert_eq!(run["holder"], leads.as_str(), "{run:#}");
    }
    // Stopped, it gives the lease back, and the last one leads at once.
    let second = others.iter().position(|other| 0 < ok_by(&runs, other)).unwrap();
    processes.remove(second).stop();
    let last = holder(&processes[0]);
    let runs = place.has("the last runs them", |runs| 2 <= ok_by(runs, &last)).await;
    let epochs: BTreeSet<i64> = runs.iter().map(|run| run["epoch"].as_i64().unwrap()).collect();
    assert_eq!(epochs, BTreeSet::from([1, 2, 3]));
    for process in &processes {
        assert!(!process.err.text().contains("ERROR"), "{}", process.err.text());
    }
    processes.remove(0).stop();
    // No attempt is there twice, none succeeded twice, and of what is caught up with nothing is left out.
    let runs = place.history(None);
    let mut once = BTreeSet::new();
    let mut succeeded = BTreeSet::new();
    for run in &runs {
        let instant = (run["schedule"].to_string(), run["due_ms"].as_i64().unwrap());
        assert!(once.insert((instant.clone(), run["attempt"].as_i64().unwrap())), "{run:#}");
        assert!(run["status"] != "ok" || succeeded.insert(instant), "{run:#}");
        assert!(run["status"] != "running", "{run:#}");
    }
    let evaluated: BTreeSet<i64> =
        place.history(Some("evaluate")).iter().map(|run| run["due_ms"].as_i64().unwrap()).collect();
    let (first, newest) = (*evaluated.first().unwrap(), *evaluated.last().unwrap());
    assert_eq!(evaluated.len() as i64, (newest - first) / 3_000 + 1, "{evaluated:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_run_by_hand_and_are_in_the_history() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place { dir: dir.path(), config: Vec::new() };
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
    let mut names = vec!["evaluate", "verify", "verify_all", "tidy", "segment", "report"];
    if cfg!(feature = "lake") {
        // Before the report, which then reads the lake.
        names.insert(4, "archive");
    }
    for name in &names {
        let ran = job(&["run", name, "--json"]).json();
        assert_eq!((&ran["status"], &ran["error"]), (&"ok".into(), &"".into()), "{ran:#}");
    }
    let lists = place.history(Some("verify")).remove(0);
    assert!(lists["note"].as_str().unwrap().contains("lists made again"), "{lists:#}");
    assert_eq!(place.history(None).len(), names.len() + 1);
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
