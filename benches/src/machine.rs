//! Where a figure was measured, and how processes are held to some of its cores.

use std::fmt;
use std::path::Path;
use std::process::Command;

use rustix::thread::{CpuSet, sched_setaffinity};
use serde::Serialize;

/// The machine of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub memory_gib: u64,
    pub date: String,
}

impl Machine {
    /// Asks the system; what it does not say is "unknown" or 0.
    pub fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let after = |text: &str, key: &str| {
            let line = text.lines().find(|l| l.starts_with(key))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let kib =
            after(&read("/proc/meminfo"), "MemTotal").and_then(|m| m.split(' ').next()?.parse::<u64>().ok());
        Self {
            cpu: after(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: cores(),
            memory_gib: kib.unwrap_or(0).div_ceil(1 << 20),
            date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} cores, {} GiB), {}", self.cpu, self.cores, self.memory_gib, self.date)
    }
}

/// Cores this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The average load of the last minute: figures of a busy machine are no figures.
pub fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|l| l.parse().ok()).unwrap_or(0.0)
}

/// The first two cores: what "on 2 cores" means here.
pub const TWO_CORES: &str = "0,1";
/// The next two, for load that is not to be measured.
pub const OTHER_CORES: &str = "2,3";

/// Runs a client in a runtime of its own on the cores that are not measured, if there are any.
///
/// # Errors
/// Of the client, or if the runtime cannot be made.
pub fn beside<T, F>(client: impl FnOnce() -> F + Send) -> anyhow::Result<T>
where
    T: Send,
    F: Future<Output = anyhow::Result<T>>,
{
    std::thread::scope(|threads| {
        let thread = threads.spawn(|| {
            if 4 <= cores() {
                let mut others = CpuSet::new();
                OTHER_CORES.split(',').filter_map(|core| core.parse().ok()).for_each(|core| others.set(core));
                // The runtime's threads inherit it.
                sched_setaffinity(None, &others)?;
            }
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            runtime.block_on(client())
        });
        thread.join().map_err(|_| anyhow::anyhow!("the client panicked"))?
    })
}

/// A command held to some cores by `taskset`; says whether it really is.
pub fn pinned(program: &Path, cpus: Option<&str>) -> (Command, bool) {
    let taskset = Command::new("taskset").arg("-V").output().is_ok_and(|o| o.status.success());
    match cpus.filter(|_| taskset) {
        Some(cpus) => {
            let mut command = Command::new("taskset");
            command.args(["-c", cpus]).arg(program);
            (command, true)
        }
        None => (Command::new(program), cpus.is_none()),
    }
}
