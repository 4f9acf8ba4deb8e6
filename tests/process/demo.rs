//! The demo: one command from nothing to an explained list, cut off and continued.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{Ended, PATIENCE, Running, finish, path, run, shoptide, total, verified};

/// A shop that a build without optimisation gets through in seconds.
const SIZE: [&str; 6] = ["--events", "5000", "--users", "100", "--items", "60"];
/// The events that the demo measures freshness with.
const FRESH: i64 = 1_000;

fn demo(dir: Option<&Path>, more: &[&str]) -> Ended {
    finish(command(dir, more))
}

fn command(dir: Option<&Path>, more: &[&str]) -> std::process::Command {
    let mut args = vec!["demo", "--port", "0"];
    args.extend(SIZE);
    args.extend(more);
    if let Some(dir) = dir {
        args.extend(["--data-dir", path(dir)]);
    }
    shoptide(&args)
}

fn n(summary: &Value, field: &str) -> i64 {
    summary[field].as_i64().unwrap_or_else(|| panic!("{field}: {summary}"))
}

/// The fields that scripts read, and what must hold among them.
fn adds_up(summary: &Value) {
    let parts = ["applied", "duplicate", "late", "erased", "dead_lettered"];
    assert_eq!(n(summary, "logged"), parts.iter().map(|part| n(summary, part)).sum::<i64>(), "{summary}");
    assert_eq!(n(summary, "sent"), n(summary, "logged") + n(summary, "rejected"), "{summary}");
    assert_eq!(summary["adds_up"], true);
    for field in [
        "/events_per_s",
        "/freshness_ms/p50",
        "/freshness_ms/p99",
        "/first_list_s",
        "/train_s",
        "/peak_rss_mb",
    ] {
        assert!(summary.pointer(field).is_some_and(Value::is_number), "{field}: {summary}");
    }
    assert!(summary.pointer("/quality/served/recall_20").is_some_and(Value::is_number), "{summary}");
}

#[test]
fn the_summary_adds_up_and_a_second_start_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let first = demo(Some(dir.path()), &["--once", "--json"]).json();
    adds_up(&first);
    assert_eq!(n(&first, "sent"), 5_000 + 60 + FRESH);
    println!("peak_rss_mb {} (not optimised), {} s in all", first["peak_rss_mb"], first["total_s"]);
    let second = demo(Some(dir.path()), &["--once", "--json", "--seed", "8"]);
    assert!(second.err.contains("--seed 7"), "it says that it goes on with the old shop: {second:?}");
    let second = second.json();
    adds_up(&second);
    assert_eq!(n(&second, "sent"), FRESH, "the shop was sent already");
    assert!(n(&first, "model_version") < n(&second, "model_version"));
    let report = verified(dir.path());
    assert_eq!(total(&report, "logged"), n(&first, "logged") + n(&second, "logged"));
}

#[test]
fn the_page_for_people_is_whole_and_leaves_no_folder() {
    let temporary = tempfile::tempdir().unwrap();
    let mut command = command(None, &["--once"]);
    command.env("TMPDIR", temporary.path());
    let ended = finish(command);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for part in ["adds up", "events/s", "recall@20", "last event", "tastes", "why", "/docs"] {
        assert!(ended.out.contains(part), "{part}: {}", ended.out);
    }
    assert_eq!(
        std::fs::read_dir(temporary.path()).unwrap().count(),
        0,
        "the temporary folder went with the demo"
    );
}

/// Waits until the demo has sent some of its shop, by what it writes down.
fn sent_some(running: &mut Running, dir: &Path) {
    let until = Instant::now() + PATIENCE;
    loop {
        let saved = std::fs::read(dir.join("demo.json")).unwrap_or_default();
        let sent = serde_json::from_slice::<Value>(&saved).ok().and_then(|saved| saved["sent"].as_u64());
        if sent.is_some_and(|sent| 1_000 <= sent) {
            return;
        }
        assert!(Instant::now() < until && running.is_running(), "{}", running.err.text());
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn sums(dir: &Path) -> [i64; 6] {
    let report = verified(dir);
    ["logged", "applied", "duplicate", "late", "erased", "dead_lettered"].map(|column| total(&report, column))
}

#[test]
fn cut_off_it_continues_as_if_it_never_was() {
    let whole = tempfile::tempdir().unwrap();
    adds_up(&demo(Some(whole.path()), &["--once", "--json"]).json());
    let expected = sums(whole.path());

    let dir = tempfile::tempdir().unwrap();
    let mut running = Running::start(command(Some(dir.path()), &["--json"]));
    sent_some(&mut running, dir.path());
    let took = running.stop();
    println!("ended {took:?} after SIGTERM while sending");
    verified(dir.path());
    adds_up(&demo(Some(dir.path()), &["--once", "--json"]).json());
    assert_eq!(sums(dir.path()), expected, "after SIGTERM");

    let dir = tempfile::tempdir().unwrap();
    let mut running = Running::start(command(Some(dir.path()), &["--json"]));
    sent_some(&mut running, dir.path());
    running.kill();
    adds_up(&demo(Some(dir.path()), &["--once", "--json"]).json());
    let [logged, applied, duplicate, rest @ ..] = sums(dir.path());
    let again = logged - expected[0];
    assert!((0..=500).contains(&again), "at most the batch on its way was sent twice: {again}");
    assert_eq!((applied, duplicate - again), (expected[1], expected[2]), "after SIGKILL");
    assert_eq!(rest, expected[3..]);
}

#[test]
fn visitors_go_on_until_a_signal_and_two_are_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut running = Running::start(command(Some(dir.path()), &["--visitors-per-s", "200"]));
    assert!(
        running.err.find(|line| line.contains("visitors go on").then_some(())).is_some(),
        "{}",
        running.err.text()
    );
    assert!(
        running.out.find(|line| line.contains("adds up").then_some(())).is_some(),
        "{}",
        running.out.text()
    );
    let began = Instant::now();
    running.signal("INT");
    running.signal("TERM");
    let status = running.wait(Duration::from_secs(5));
    assert_eq!(status.code(), Some(0), "{}", running.err.text());
    println!("ended {:?} after two signals", began.elapsed());
    verified(dir.path());
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_written() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let dir = tempfile::tempdir().unwrap();
    let ended = run(&["demo", "--once", "--data-dir", path(dir.path()), "--port", &port]);
    ended.refused(&[&port, "taken", "--port"]);
    assert!(ended.took < Duration::from_secs(2), "{:?}", ended.took);

    let saved = dir.path().join("demo.json");
    for damaged in ["", "{", r#"{"seed":7}"#, "\u{0}\u{1}"] {
        std::fs::write(&saved, damaged).unwrap();
        demo(Some(dir.path()), &["--once"]).refused(&["demo.json", "damaged", "--data-dir"]);
        assert_eq!(std::fs::read_to_string(&saved).unwrap(), damaged, "it stays as it is");
    }
    std::fs::remove_file(&saved).unwrap();
    run(&["demo", "--once", "--port", "0", "--users", "0", "--data-dir", path(dir.path())])
        .refused(&["users is 0"]);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was made");
    run(&["demo", "--visitors-per-s", "0"]).refused(&["--visitors-per-s"]);
}
