//! Runs one test of this very program twice more: as it is, which must pass, and with a protection broken, which must not.

use std::process::Command;

use shoptide_faults::Break;

/// Whether a service is there; in CI it must be.
pub fn has(key: &str) -> bool {
    let there = std::env::var_os(key).is_some();
    assert!(there || std::env::var_os("CI").is_none(), "{key} names no server");
    if !there {
        println!("skipped on the server: {key} names none");
    }
    there
}

fn passes(broken: Option<Break>, test: &str) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--test-threads", "1"]).env_remove("FAILPOINTS_BREAK");
    if let Some(broken) = broken {
        command.env("FAILPOINTS_BREAK", broken.name());
    }
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("running 1 test"), "{test} is no test: {told}");
    output.status.success()
}

pub fn noticed(broken: Break, test: &str) {
    assert!(passes(None, test), "{test} fails with nothing broken");
    assert!(!passes(Some(broken), test), "{test} does not notice {}", broken.name());
    println!("| {} | {} | {test} |", broken.name(), broken.what());
}
