//! Questions to the store, and scans over the whole catalogue: how many run at a time, for how long, and that nobody
//! works on an answer that nobody waits for any more.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::error::ApiError;

/// Questions to the store at a time, reads and writes. The embedded store answers 512 in some 20 ms; a longer queue
/// would only make everybody's wait longer than his patience.
pub(crate) const QUESTIONS_MAX: usize = 512;
/// Scans at a time. They are work for a core, not waiting: more than a few would take the cores from ready lists, and
/// each holds 8 bytes an item.
pub(crate) const SCANS_MAX: usize = 8;
/// How long a scan may wait for its turn: eight scans of a million items end in about half a second.
const SCAN_PATIENCE: Duration = Duration::from_secs(1);

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// Too many wait already.
    Crowded,
    /// Patience was over; the question was withdrawn.
    Silent,
    /// It panicked.
    Failed,
}

pub(crate) struct Questions {
    store: Arc<Semaphore>,
    scans: Arc<Semaphore>,
}

impl Default for Questions {
    fn default() -> Self {
        Self { store: Arc::new(Semaphore::new(QUESTIONS_MAX)), scans: Arc::new(Semaphore::new(SCANS_MAX)) }
    }
}

impl Questions {
    /// Asks in a task of its own, for as long as `patience` lasts and the asker is there; then the question is withdrawn.
    pub async fn ask<T: Send + 'static>(
        &self,
        patience: Duration,
        question: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Unanswered> {
        if patience.is_zero() {
            return Err(Unanswered::Silent);
        }
        let permit = self.seat()?;
        let mut asked = Withdrawn(tokio::spawn(answered(permit, question)));
        ended(tokio::time::timeout(patience, &mut asked.0).await)
    }

    /// Like [`Self::ask`] for what writes: it is waited for no longer than `patience` and then goes on, as half a write
    /// is worse than a late one. It keeps its place among the questions until it ends.
    pub async fn order<T: Send + 'static>(
        &self,
        patience: Duration,
        order: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Unanswered> {
        let permit = self.seat()?;
        ended(tokio::time::timeout(patience, tokio::spawn(answered(permit, order))).await)
    }

    /// Runs `scan` where it keeps no other request waiting.
    ///
    /// # Errors
    /// 503 if too many scans wait for their turn, 500 if it panicked.
    pub async fn scan<T: Send + 'static>(
        &self,
        scan: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let crowded = || ApiError::overloaded("request", "too many scans are running, come back in a second");
        let turn = tokio::time::timeout(SCAN_PATIENCE, self.scans.clone().acquire_owned()).await;
        let permit = turn.map_err(|_| crowded())?.map_err(|_| crowded())?;
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            scan()
        });
        task.await.map_err(|_| ApiError::failed())
    }

    fn seat(&self) -> Result<OwnedSemaphorePermit, Unanswered> {
        self.store.clone().try_acquire_owned().map_err(|_| Unanswered::Crowded)
    }
}

/// The answer; the place among the questions is given back when it is there, or when the question is withdrawn.
async fn answered<T>(permit: OwnedSemaphorePermit, question: impl Future<Output = T>) -> T {
    let answer = question.await;
    drop(permit);
    answer
}

fn ended<T>(
    outcome: Result<Result<T, tokio::task::JoinError>, tokio::time::error::Elapsed>,
) -> Result<T, Unanswered> {
    match outcome {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(Unanswered::Failed),
        Err(_) => Err(Unanswered::Silent),
    }
}

/// A task that ends when nobody waits for it any more. The store sees to it that a statement under way is not cut.
struct Withdrawn<T>(JoinHandle<T>);

impl<T> Drop for Withdrawn<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures::FutureExt;
    use futures::future::join_all;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(20);

    /// Lets the aborted tasks be dropped.
    async fn settled(questions: &Questions) {
        let all_back = async {
            while questions.store.available_permits() < QUESTIONS_MAX {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), all_back).await.expect("a question goes on");
    }

    #[tokio::test]
    async fn a_question_nobody_waits_for_is_withdrawn() {
        let questions = Questions::default();
        assert!(matches!(questions.ask(SHORT, pending::<()>()).await, Err(Unanswered::Silent)));
        settled(&questions).await;
        // The asker left.
        assert!(questions.ask(LONG, pending::<()>()).now_or_never().is_none());
        settled(&questions).await;
        assert!(matches!(questions.ask(LONG, async { 7 }).await, Ok(7)));
    }

    #[tokio::test]
    async fn a_write_goes_on_and_keeps_its_place() {
        let questions = Questions::default();
        let (done, wait) = tokio::sync::oneshot::channel::<()>();
        let (wrote, written) = tokio::sync::oneshot::channel::<()>();
        let order = async {
            wait.await.unwrap();
            wrote.send(()).unwrap();
        };
        assert!(matches!(questions.order(SHORT, order).await, Err(Unanswered::Silent)));
        assert_eq!(questions.store.available_permits(), QUESTIONS_MAX - 1);
        done.send(()).unwrap();
        written.await.unwrap();
        settled(&questions).await;
    }

    #[tokio::test]
    async fn one_question_too_many_is_told_so_at_once() {
        let questions = Questions::default();
        let silent = join_all((0..=QUESTIONS_MAX).map(|_| questions.ask(SHORT, pending::<()>()))).await;
        let crowded = silent.iter().filter(|s| matches!(s, Err(Unanswered::Crowded))).count();
        assert_eq!((silent.len(), crowded), (QUESTIONS_MAX + 1, 1));
        assert!(matches!(questions.ask(Duration::ZERO, async {}).await, Err(Unanswered::Silent)));
    }

    #[tokio::test]
    async fn scans_wait_for_their_turn_and_not_for_ever() {
        let questions = Questions::default();
        let all = u32::try_from(SCANS_MAX).unwrap();
        let taken = questions.scans.clone().acquire_many_owned(all).await.unwrap();
        let here = std::thread::current().id();
        let mut waiting = Box::pin(questions.scan(move || std::thread::current().id() != here));
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(taken);
        assert!(waiting.await.unwrap(), "scanned on the thread of the requests");
        assert!(
            questions.scan(|| panic!("on purpose")).await.map_err(|e: ApiError| e.status)
                == Err::<(), _>(axum::http::StatusCode::INTERNAL_SERVER_ERROR)
        );
        let _taken = questions.scans.clone().acquire_many_owned(all).await.unwrap();
        let refused = questions.scan(|| ()).await.unwrap_err();
        assert_eq!((refused.status.as_u16(), refused.body.code.as_ref()), (503, "overloaded"));
    }
}
