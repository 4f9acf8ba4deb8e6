//! Jobs by hand beside a shop that runs.

use std::path::Path;

use crate::common::{
    Ended, caught_up, fingerprint, get, path, rested_shop, run, send, shop, trained, up, verified,
};

fn job(dir: &Path, which: &str) -> Ended {
    run(&["jobs", "--data-dir", path(dir), which, "--json"])
}

#[tokio::test(flavor = "multi_thread")]
async fn evaluating_only_reads_beside_a_running_shop_or_a_resting_one() {
    let dir = tempfile::tempdir().unwrap();
    rested_shop(dir.path()).await;
    let files = ["log.db", "truth.db"];
    let before = fingerprint(dir.path(), &files);
    let rested = job(dir.path(), "evaluate").json();
    assert!(fingerprint(dir.path(), &files) == before, "a question changes nothing");

    let (running, url) = up(dir.path());
    trained(&url).await;
    let beside = job(dir.path(), "evaluate").json();
    assert_eq!(beside["models"], rested["models"], "the same events, the same answer");
    // While events come in, models are published and the write-ahead log grows.
    let events = shop(8, 2_000);
    let (busy, ()) = tokio::join!(
        async {
            let dir = dir.path().to_owned();
            tokio::task::spawn_blocking(move || [(); 3].map(|()| job(&dir, "evaluate"))).await.unwrap()
        },
        send(&url, &events),
    );
    for quality in busy {
        assert!(quality.json()["models"]["blend (served)"]["recall_20"].is_number());
    }
    assert_eq!(get(&format!("{url}/ready")).await["status"], "ready");
    caught_up(dir.path()).await;
    assert!(!running.err.text().contains("ERROR"), "{}", running.err.text());
    running.stop();
    verified(dir.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_log_a_truth_is_refused_and_none_is_made() {
    let dir = tempfile::tempdir().unwrap();
    rested_shop(dir.path()).await;
    std::fs::remove_file(dir.path().join("log.db")).unwrap();
    for which in ["evaluate", "train"] {
        job(dir.path(), which).refused(&["no log"]);
        assert!(!dir.path().join("log.db").exists());
    }
}
