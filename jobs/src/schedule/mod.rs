//! Jobs on a schedule. One of the processes that have the role leads: it decides by [`plan`], which knows no clock and no store, and
//! starts what is due. Every start and every end is written under the fencing number of its lease, so that a leader who was paused and
//! wakes up writes nothing; and what a job publishes has fences of its own.
//!
//! A new job is one entry of a [`Registry`]: a name, a sentence, an async function.

mod builtin;
mod by_hand;
mod clocks;
mod context;
mod lease;
pub mod plan;
mod progress;
mod registry;
mod run;
mod scheduler;

pub use by_hand::{ByHand, ByHandError, Told};
pub use context::JobContext;
pub use progress::{Look, Progress};
pub use registry::{Job, JobError, JobFuture, JobOutcome, Registry};
pub use scheduler::{Parts, Scheduler};

/// The lease of whoever runs schedules.
pub const LEADER: &str = "scheduler";

/// The lease of a job that is run by hand.
pub fn hand_lease(job: &str) -> String {
    format!("{HAND}{job}")
}

const HAND: &str = "hand:";

/// Names this process in leases and in the history: host and process id.
pub fn holder() -> String {
    /// Of the host: a holder has at most 128 bytes.
    const HOST_BYTES_MAX: usize = 100;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let host = host.get(..host.floor_char_boundary(HOST_BYTES_MAX)).filter(|host| !host.is_empty());
    format!("{}:{}", host.unwrap_or("host"), std::process::id())
}
