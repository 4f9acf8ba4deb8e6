//! Processes that are killed, and disks that are full. The child is this very test binary, told by a variable.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use shoptide_log::{Log, LogError, SqliteLog};
use shoptide_schemas::Topic;

use crate::subject::{PLENTY, SOON, options, read_all, record};

const CHILD_PATH: &str = "SHOPTIDE_LOG_TEST_CHILD";
const CHILD_ROLE: &str = "SHOPTIDE_LOG_TEST_ROLE";

/// Not a test by itself: the body of the child processes below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_process() {
    let (Ok(path), Ok(role)) = (std::env::var(CHILD_PATH), std::env::var(CHILD_ROLE)) else { return };
    let log: Arc<dyn Log> = SqliteLog::open(options(&path)).await.unwrap();
    match role.as_str() {
        "append" => append_for_ever(log).await,
        "own" => {
            let _member = log.join().await.unwrap();
            say("owned");
            wait_for_line();
        }
        "fill" => fill(log).await,
        other => panic!("no role {other}"),
    }
}

/// Several producers; each acknowledged position is said after the log has answered.
async fn append_for_ever(log: Arc<dyn Log>) {
    let producers: Vec<_> = (0..4_u32)
        .map(|producer| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                for number in 0_u32.. {
                    let records =
                        vec![record(Topic::Cart, producer, number), record(Topic::Order, producer, number)];
                    for (at, sent) in log.append(records.clone()).await.unwrap().iter().zip(&records) {
                        let value = String::from_utf8_lossy(&sent.value);
                        say(&format!("ack {} {} {} {value}", at.topic.code(), at.partition, at.offset));
                    }
                }
            })
        })
        .collect();
    for producer in producers {
        producer.await.unwrap();
    }
}

/// Appends until the disk is full, says so, and once more after a line on stdin.
async fn fill(log: Arc<dyn Log>) {
    let mut acknowledged = 0;
    let refused = loop {
        match log.append((0..100).map(|n| record(Topic::Cart, n, n)).collect()).await {
            Ok(positions) => acknowledged += positions.len(),
            Err(e) => break e,
        }
    };
    assert!(matches!(refused, LogError::Unavailable { .. }), "{refused}");
    say(&format!("full {acknowledged}"));
    wait_for_line();
    acknowledged += log.append((0..100).map(|n| record(Topic::Cart, n, n)).collect()).await.unwrap().len();
    say(&format!("space {acknowledged}"));
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{line}").and_then(|()| out.flush()).unwrap();
}

fn wait_for_line() {
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
}

/// A child that is killed when this goes.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill().is_err();
        self.0.wait().unwrap();
    }
}

impl Running {
    fn start(mut command: Command, role: &str, path: &Path) -> Self {
        command.env(CHILD_ROLE, role).env(CHILD_PATH, path);
        command.args(["crash::child_process", "--exact", "--nocapture", "--test-threads=1"]);
        Self(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap())
    }

    fn lines(&mut self) -> impl Iterator<Item = String> + use<> {
        BufReader::new(self.0.stdout.take().unwrap()).lines().map_while(Result::ok)
    }

    fn tell(&mut self) {
        self.0.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }
}

fn this_binary() -> Command {
    Command::new(std::env::current_exe().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.sqlite");
    for acks in [1, 40, 400, 1_000] {
        let mut child = Running::start(this_binary(), "append", &path);
        let mut said = Vec::new();
        for line in child.lines() {
            let Some(ack) = line.strip_prefix("ack ") else { continue };
            said.push(ack.to_owned());
            if said.len() == acks {
                child.0.kill().unwrap();
            }
        }
        drop(child);
        // The last line may be cut by the kill.
        said.truncate(acks);
        let log: Arc<dyn Log> = SqliteLog::open(options(&path)).await.unwrap();
        let held = read_all(&log).await;
        for line in &said {
            let mut words = line.splitn(4, ' ');
            let mut number = || words.next().unwrap().parse::<i64>().unwrap();
            let (topic, partition, offset) = (Topic::from_code(number()).unwrap(), number(), number());
            let found = held
                .iter()
                .find(|r| (r.topic, i64::from(r.partition), r.offset) == (topic, partition, offset));
            let found = found.unwrap_or_else(|| panic!("acknowledged but lost: {line}"));
            assert_eq!(found.value.as_deref(), words.next().map(str::as_bytes), "{line}");
        }
        let of = |topic| held.iter().filter(|r| r.topic == topic).count();
        assert_eq!(of(Topic::Cart), of(Topic::Order), "an append was cut in two");
        log.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_is_killed_leaves_no_lock() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.sqlite");
    let log = SqliteLog::open(options(&path)).await.unwrap();
    let mut child = Running::start(this_binary(), "own", &path);
    assert!(child.lines().any(|line| line == "owned"));
    let refused = log.join().await.err().unwrap();
    let pid = child.0.id();
    assert!(matches!(&refused, LogError::Unusable(m) if m.contains("log.sqlite.owner")), "{refused}");
    assert!(refused.to_string().contains(&format!("process {pid} holds")), "{refused}");
    drop(child);
    log.join().await.expect("the lock went with the process");
}

/// `ulimit -f` plays the full disk: writes beyond it fail as on one (with `EFBIG` in place of `ENOSPC`).
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_reported_and_the_log_works_again_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.sqlite");
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; ulimit -S -f 1024; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap());
    let mut child = Running::start(command, "fill", &path);
    let mut lines = child.lines();
    let count = |line: &str, word: &str| line.strip_prefix(word).and_then(|n| n.trim().parse::<usize>().ok());
    let before = lines.find_map(|line| count(&line, "full")).expect("the child met the full disk");
    assert!(0 < before);
    let pid = child.0.id().to_string();
    let raised = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:unlimited"]).status();
    assert!(raised.is_ok_and(|status| status.success()), "prlimit of util-linux is needed");
    child.tell();
    let after = lines.find_map(|line| count(&line, "space")).expect("the child appended again");
    assert_eq!(after, before + 100);
    drop(child);
    let log: Arc<dyn Log> = SqliteLog::open(options(&path)).await.unwrap();
    assert_eq!(read_all(&log).await.len(), after);
    let last = log.read(Topic::Cart, 0, 0, PLENTY);
    assert!(tokio::time::timeout(SOON, last).await.unwrap().is_ok());
}
