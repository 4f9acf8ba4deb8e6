//! What a piece of code meets at its points: its process's plan, or the scene of a simulation that runs on this thread.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::Arc;

use crate::plan::Action;
use crate::{Break, Point, process};

/// A simulation's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Go,
    /// Fails as this place may fail.
    Fail,
    /// The simulated process ends here: what comes after never runs.
    End,
}

/// Decides for the code of one thread.
pub trait Scene: Send + Sync {
    fn at(&self, point: Point) -> Verdict;

    fn is_broken(&self, which: Break) -> bool;
}

thread_local! {
    static SCENE: RefCell<Option<Arc<dyn Scene>>> = const { RefCell::new(None) };
}

/// While it lives, its thread is in a scene.
pub struct Entered {
    before: Option<Arc<dyn Scene>>,
}

/// Puts this thread into a scene.
pub fn enter(scene: Arc<dyn Scene>) -> Entered {
    Entered { before: SCENE.replace(Some(scene)) }
}

impl Drop for Entered {
    fn drop(&mut self) {
        SCENE.set(self.before.take());
    }
}

fn scene() -> Option<Arc<dyn Scene>> {
    SCENE.with_borrow(Clone::clone)
}

/// Whether this thread is simulated: one thread for everything, time that the simulation moves.
pub fn simulated() -> bool {
    SCENE.with_borrow(Option::is_some)
}

/// Whether this protection is broken here.
pub fn broken(which: Break) -> bool {
    scene().map_or_else(|| process::is_broken(which), |scene| scene.is_broken(which))
}

/// Counts that something happened, where nothing is to be done about it.
pub fn note(point: Point) {
    match scene() {
        Some(scene) => drop(scene.at(point)),
        None => process::count(point, 0),
    }
}

/// Passes a point: may end the process, may take its time. True if this place is to fail.
pub async fn pass(point: Point) -> bool {
    if let Some(scene) = scene() {
        return match scene.at(point) {
            Verdict::Go => false,
            Verdict::Fail => true,
            Verdict::End => std::future::pending().await,
        };
    }
    match process::due(point) {
        None => false,
        Some(Action::Error) => true,
        // No destructor, no flush, no goodbye.
        Some(Action::Abort) => std::process::abort(),
        Some(Action::Sleep(time)) => {
            tokio::time::sleep(time).await;
            false
        }
    }
}

/// Begins some work, passes the point, and then goes on with the work.
pub async fn begun<F: Future>(point: Point, work: F) -> F::Output {
    let mut work = pin!(work);
    let mut first = None;
    std::future::poll_fn(|context| {
        if let std::task::Poll::Ready(done) = work.as_mut().poll(context) {
            first = Some(done);
        }
        std::task::Poll::Ready(())
    })
    .await;
    pass(point).await;
    match first {
        Some(done) => done,
        None => work.await,
    }
}

/// Runs work that blocks where it holds nobody up; in a simulation here and now, so that the order of things is the seed's.
///
/// # Errors
/// If it panicked.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, tokio::task::JoinError> {
    if simulated() {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await
}
