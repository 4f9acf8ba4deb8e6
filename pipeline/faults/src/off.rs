//! What is left of it all in a program that is shipped: nothing.

use crate::{Break, Point};

/// # Errors
/// Never.
#[inline(always)]
pub fn setup() -> Result<(), String> {
    Ok(())
}

#[inline(always)]
pub const fn broken(_: Break) -> bool {
    false
}

#[inline(always)]
pub const fn poison() -> Option<&'static str> {
    None
}

#[inline(always)]
pub const fn note(_: Point) {}

#[inline(always)]
pub const fn simulated() -> bool {
    false
}

#[inline(always)]
pub async fn pass(_: Point) -> bool {
    false
}

#[inline(always)]
pub async fn turn(_: u32) {}

#[inline(always)]
pub fn begun<F: Future>(_: Point, work: F) -> F {
    work
}

/// Runs work that blocks where it holds nobody up.
#[inline(always)]
pub fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::task::spawn_blocking(work)
}
