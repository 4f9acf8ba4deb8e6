//! A look at what the process really holds: results of functions and lists that are unpacked are outside the pool of a session.

use std::thread;
use std::time::Duration;

/// A fast machine fills some ten megabytes in between.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Beyond the bound: what reading takes, and the program itself.
const HEADROOM_BYTES: u64 = 512 * 1024 * 1024;

/// What a process may hold whose queries may take `memory_bytes`: half of that more, since counting is no science, and 512 MiB.
pub fn process_bytes_max(memory_bytes: usize) -> u64 {
    let bytes = memory_bytes as u64;
    bytes.saturating_add(bytes / 2).saturating_add(HEADROOM_BYTES)
}

/// Watches the process for as long as it lives, and calls `beyond` with what to say once it holds more than
/// [`process_bytes_max`]. One call may allocate it all and cannot be interrupted, so `beyond` should end the process.
/// Where the system does not tell what a process holds (no Linux) nothing is watched.
pub fn watch_memory(memory_bytes: usize, beyond: impl FnOnce(String) + Send + 'static) {
    let most = process_bytes_max(memory_bytes);
    let watch = move || {
        while let Some(held) = held_bytes() {
            if most < held {
                let (held, most) = (held >> 20, most >> 20);
                let bound = memory_bytes >> 20;
                beyond(format!(
                    "the query needs more than it may take: the process holds {held} MiB, at most {most} with {bound} MiB of sql.memory_mib"
                ));
                return;
            }
            thread::sleep(LOOK_EVERY);
        }
    };
    if let Err(error) = thread::Builder::new().name("memory".to_owned()).spawn(watch) {
        tracing::warn!("the memory of queries is not watched: {error}");
    }
}

/// Memory of the process's own, without files that it maps.
fn held_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse().ok()?;
    Some(kib << 10)
}
