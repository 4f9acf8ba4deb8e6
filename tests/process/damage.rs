//! Data that is not what it should be: refused with a clear message and left as it is, or lived without.

use std::path::Path;

use sqlx::{ConnectOptions, Connection};

use crate::common::{
    USERS, fingerprint, get, get_text, path, rested_shop, role, run, send, shop, until, up, verified,
};

const FILES: [&str; 3] = ["log.db", "truth.db", "demo.json"];

async fn sql(file: &Path, sql: &'static str) {
    let mut database = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    sqlx::raw_sql(sql).execute(&mut database).await.unwrap();
    database.close().await.unwrap();
}

/// Every command that opens the file refuses it in the same words, and changes nothing.
fn all_refuse(dir: &Path, commands: &[&[&str]], why: &[&str]) {
    let before = fingerprint(dir, &FILES);
    for command in commands {
        run(&[*command, &["--data-dir", path(dir)]].concat()).refused(why);
        assert!(fingerprint(dir, &FILES) == before, "{command:?} changed a file");
    }
}

const UP: &[&str] = &["up", "--port", "0"];

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_newer_version_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    rested_shop(dir.path()).await;
    sql(&dir.path().join("truth.db"), "PRAGMA user_version = 999").await;
    let all: [&[&str]; 7] = [
        UP,
        &["stream"],
        &["serve", "--port", "0"],
        &["recommend", "U"],
        &["dead-letters", "list"],
        &["state", "verify"],
        &["demo", "--once", "--port", "0"],
    ];
    all_refuse(dir.path(), &all, &["truth.db", "newer version (999)"]);
    run(&["jobs", "--data-dir", path(dir.path()), "train"]).refused(&["newer version (999)"]);
    let newest = shoptide_schemas::migrations::STORE.len();
    let as_it_was = format!("PRAGMA user_version = {newest}").leak();
    sql(&dir.path().join("truth.db"), as_it_was).await;
    sql(&dir.path().join("log.db"), "PRAGMA user_version = 9").await;
    let all: [&[&str]; 6] = [
        UP,
        &["stream"],
        &["serve", "--port", "0"],
        &["events", "tail"],
        &["state", "verify"],
        &["generate", "--to", "log"],
    ];
    all_refuse(dir.path(), &all, &["log.db", "version 9"]);
    sql(&dir.path().join("log.db"), "PRAGMA user_version = 1").await;
    verified(dir.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_somebody_else_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    rested_shop(dir.path()).await;
    let garbage: Vec<u8> = (0..8192_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for name in ["truth.db", "log.db"] {
        let file = dir.path().join(name);
        let good = std::fs::read(&file).unwrap();
        std::fs::write(&file, &garbage).unwrap();
        all_refuse(dir.path(), &[UP, &["stream"]], &[name]);
        std::fs::remove_file(&file).unwrap();
        sql(&dir.path().join("other.db"), "PRAGMA application_id = 7; CREATE TABLE IF NOT EXISTS theirs (x)")
            .await;
        std::fs::copy(dir.path().join("other.db"), &file).unwrap();
        all_refuse(dir.path(), &[UP, &["state", "verify"]], &[name]);
        std::fs::write(&file, &good).unwrap();
    }
    // Another number of partitions would give users another owner.
    let mut command = crate::common::shoptide(&[UP, &["--data-dir", path(dir.path())]].concat());
    command.env("SHOPTIDE_LOG__PARTITIONS", "8");
    crate::common::finish(command).refused(&["log.db", "partitions"]);
    verified(dir.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_were_cut_off_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    rested_shop(dir.path()).await;
    let questions: [&[&str]; 4] = [&["recommend", "U"], &["similar", "I"], &["profile", "U"], UP];
    for (name, more) in [("truth.db", &["dead-letters", "list"]), ("log.db", &["events", "tail"])] {
        let file = dir.path().join(name);
        let good = std::fs::read(&file).unwrap();
        // In the middle of a page, and at the end of one.
        for length in [good.len() / 2 + 777, good.len() / 8192 * 4096] {
            std::fs::write(&file, &good[..length]).unwrap();
            all_refuse(dir.path(), &questions, &[name]);
            all_refuse(dir.path(), &[more, &["state", "verify"]], &[name]);
            for job in ["train", "evaluate"] {
                run(&["jobs", "--data-dir", path(dir.path()), job]).refused(&[name]);
            }
            assert!(std::fs::read(&file).unwrap() == good[..length], "it stays as it is");
        }
        std::fs::write(&file, &good).unwrap();
    }
    // An evaluation makes no truth of a file that has nothing in it.
    let file = dir.path().join("truth.db");
    let good = std::fs::read(&file).unwrap();
    std::fs::write(&file, "").unwrap();
    run(&["jobs", "--data-dir", path(dir.path()), "evaluate"]).refused(&["truth.db"]);
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 0);
    std::fs::write(&file, &good).unwrap();
    verified(dir.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_log_a_truth_does_not_jump() {
    let dir = tempfile::tempdir().unwrap();
    rested_shop(dir.path()).await;
    for name in ["log.db", "log.db-wal", "log.db-shm"] {
        // The last two are there only after a crash.
        let _ = std::fs::remove_file(dir.path().join(name));
    }
    let all: [&[&str]; 4] =
        [UP, &["stream"], &["recommend", "U"], &["generate", "--events", "10", "--to", "log"]];
    for command in all {
        run(&[command, &["--data-dir", path(dir.path())]].concat()).refused(&["log is lost"]);
        assert!(!dir.path().join("log.db").exists(), "{command:?} made a new log");
    }
    // A log that is there but younger than what was folded.
    let other = tempfile::tempdir().unwrap();
    let made = run(&["generate", "--events", "10", "--to", "log", "--data-dir", path(other.path())]);
    assert_eq!(made.code, Some(0), "{made:?}");
    std::fs::copy(other.path().join("log.db"), dir.path().join("log.db")).unwrap();
    run(&["stream", "--data-dir", path(dir.path())]).refused(&["offset"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_model_is_lived_without_and_replaced() {
    let dir = tempfile::tempdir().unwrap();
    rested_shop(dir.path()).await;
    let models = dir.path().join("models");
    let mut damaged = Vec::new();
    for file in std::fs::read_dir(&models).unwrap() {
        let file = file.unwrap().path();
        let mut bytes = std::fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        // One is cut off, the next has a wrong byte.
        if damaged.len().is_multiple_of(2) {
            bytes.truncate(middle)
        } else {
            bytes[middle] ^= 0x55
        }
        std::fs::write(&file, bytes).unwrap();
        damaged.push(file);
    }
    assert!(!damaged.is_empty());
    // A reader serves all the same, and says what is wrong.
    let user = shop(7, 1).user_id(0);
    let (serve, url) = role("serve", dir.path());
    let list = get(&format!("{url}/v1/users/{user}/recommendations")).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 10, "{list}");
    assert_eq!(get(&format!("{url}/health")).await["model_loaded"], false);
    let failures = until("the metric", || async {
        let text = get_text(&format!("{url}/metrics")).await;
        text.lines()
            .any(|l| l.starts_with("shoptide_model_failures_total{step=\"load\"}") && !l.ends_with(" 0"))
            .then_some(())
    });
    failures.await;
    assert!(
        serve.err.find(|line| (line.contains("ERROR") && line.contains("model-")).then_some(())).is_some()
    );
    serve.stop();
    let asked = run(&["recommend", &user, "--data-dir", path(dir.path())]);
    assert!(asked.code == Some(0) && asked.err.contains("model-"), "{asked:?}");
    // With a trainer it heals by itself.
    let (running, url) = up(dir.path());
    send(&url, &shop(8, 200)).await;
    until("a new model", || async {
        (get(&format!("{url}/health")).await["model_loaded"] == true).then_some(())
    })
    .await;
    // The lists that name a lost one are made anew, one after the other.
    let version = |file: &Path| -> Option<u64> { file.file_name()?.to_str()?.get(6..18)?.parse().ok() };
    let lost = damaged.iter().filter_map(|file| version(file)).max().unwrap();
    until("no list names a lost model", || async {
        for n in 0..USERS {
            let list = get(&format!("{url}/v1/users/{}/recommendations", shop(7, 1).user_id(n))).await;
            if list["model_version"].as_u64()? <= lost {
                return None;
            }
        }
        Some(())
    })
    .await;
    running.stop();
    verified(dir.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_model_is_trained_anew_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    rested_shop(dir.path()).await;
    std::fs::remove_dir_all(dir.path().join("models")).unwrap();
    let trained = run(&["jobs", "--data-dir", path(dir.path()), "train", "--json"]);
    assert_eq!(trained.code, Some(0), "{trained:?}");
    let version =
        serde_json::from_str::<serde_json::Value>(&trained.out).unwrap()["version"].as_u64().unwrap();
    assert!(1 < version);
    let (serve, url) = role("serve", dir.path());
    assert_eq!(get(&format!("{url}/health")).await["model_loaded"], true);
    serve.stop();
}
