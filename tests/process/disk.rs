//! A disk that is full, or that may only be read: no crash loop, a clear 503 or refusal, nothing half written, and all is well
//! once there is space. Needs the right to mount; without it the tests say so and pass.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::common::{caught_up, client, get, path, post, run, total_of_users, until, up, verified};

/// A small file system of its own, unmounted in the end.
struct Disk {
    at: tempfile::TempDir,
}

impl Disk {
    fn mount(options: &str) -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs", path(at.path())]).output();
        if mounted.is_ok_and(|done| done.status.success()) {
            return Some(Self { at });
        }
        println!("skipped: no file system can be mounted here");
        None
    }

    fn path(&self) -> &Path {
        self.at.path()
    }

    fn data(&self) -> PathBuf {
        self.path().join("data")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l", path(self.at.path())]).status();
    }
}

fn events(batch: usize) -> String {
    let context = "x".repeat(2_000);
    let event = |n: usize| {
        serde_json::json!({ "event_id": format!("d{batch}-{n}"), "type": "view_item", "user_id": format!("u{}", n % 50),
            "item_id": format!("i{}", (batch * 7 + n) % 40), "occurred_at": crate::common::now_ms(), "context": { "x": context } })
        .to_string()
    };
    (0..100).map(event).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_recovers() {
    let Some(disk) = Disk::mount("size=24m") else { return };
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![1_u8; 8 << 20]).unwrap();
    let (mut running, url) = up(&disk.data());
    let (mut batch, mut accepted) = (0, 0);
    // 200 KB a batch: full before there are 200.
    let refusal = loop {
        let answer = post(&url, events(batch)).await.unwrap();
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap();
        if status != 200 {
            break (status, body);
        }
        (batch, accepted) = (batch + 1, accepted + body["accepted"].as_i64().unwrap());
        assert!(batch < 500, "the disk never fills");
    };
    assert_eq!(refusal.0, 503, "{refusal:?}");
    assert_eq!(
        (&refusal.1["code"], &refusal.1["field"]),
        (&"unavailable".into(), &"log".into()),
        "{refusal:?}"
    );
    println!("full after {accepted} events");
    // It goes on answering: readers get lists, writers get 503, nothing crashes.
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        assert!(running.is_running(), "{}", running.err.text());
        assert_eq!(get(&format!("{url}/live")).await["status"], "live");
        let list = client().get(format!("{url}/v1/users/u1/recommendations")).send().await.unwrap();
        assert_eq!(list.status(), 200);
        assert_eq!(post(&url, events(batch)).await.unwrap().status(), 503);
    }
    let lines = running.err.all().len();
    assert!(lines < 5_000, "{lines} lines of log");
    std::fs::remove_file(&ballast).unwrap();
    until("the collector takes events again", || async {
        let answer = post(&url, events(batch)).await.unwrap();
        (answer.status() == 200).then_some(())
    })
    .await;
    caught_up(&disk.data()).await;
    running.stop();
    let report = verified(&disk.data());
    let applied = total_of_users(&report, "applied") + total_of_users(&report, "duplicate");
    assert!(accepted + 100 <= applied, "{accepted} accepted before, 100 after: {report:#}");
}

#[test]
fn a_folder_that_may_only_be_read_is_refused() {
    let Some(disk) = Disk::mount("size=1m,ro") else { return };
    for role in [
        &["up", "--port", "0"][..],
        &["stream"],
        &["demo", "--once", "--port", "0"],
        &["generate", "--to", "log"],
    ] {
        run(&[role, &["--data-dir", path(disk.path())]].concat())
            .refused(&["data directory", "cannot be used"]);
        run(&[role, &["--data-dir", path(&disk.data())]].concat())
            .refused(&["data directory", "cannot be used"]);
    }
}
