//! Seats for connections: a bounded number, and when all are taken, whoever has waited longest for a request without
//! sending one makes room. So thousands of idle or dripping sockets keep nobody out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// At most as many are asked to leave at a time. One by one, a rush of new sockets would come faster than seats get
/// free, and fill the kernel's queue.
const DISMISSED_MAX: usize = 32;
/// And never more than this share of all.
const DISMISSED_SHARE: usize = 16;

/// All seats.
pub(crate) struct Seats {
    free: Arc<Semaphore>,
    dismissed_at_a_time: usize,
    crowd: Mutex<Crowd>,
    ticks: AtomicU64,
    /// Somebody has become idle, or stays although he was asked to leave.
    changed: Notify,
}

#[derive(Default)]
struct Crowd {
    /// Connections without a request under way, by when they began to wait.
    idle: BTreeMap<u64, Arc<Notify>>,
    /// Asked to leave and still there. They count when more are asked, or a slow moment would empty the house.
    leaving: usize,
}

impl Seats {
    pub fn new(connections_max: usize) -> Arc<Self> {
        let count = connections_max.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Self {
            free: Arc::new(Semaphore::new(count)),
            dismissed_at_a_time: (count / DISMISSED_SHARE).clamp(1, DISMISSED_MAX),
            crowd: Mutex::default(),
            ticks: AtomicU64::new(0),
            changed: Notify::new(),
        })
    }

    /// A seat for the next connection: a free one, else that of the longest idle, else the next that gets free. Losing
    /// this future loses nothing.
    pub async fn take(self: &Arc<Self>) -> Option<Seat> {
        let permit = match self.free.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.given_up().await?,
        };
        Some(Seat { seats: self.clone(), dismissed: Arc::default(), tick: Mutex::default(), _permit: permit })
    }

    async fn given_up(&self) -> Option<OwnedSemaphorePermit> {
        let freed = self.free.clone().acquire_owned();
        tokio::pin!(freed);
        loop {
            self.make_room();
            tokio::select! {
                permit = &mut freed => return permit.ok(),
                () = self.changed.notified() => {}
            }
        }
    }

    /// Asks the longest idle to leave, unless enough others are leaving already.
    fn make_room(&self) {
        let mut crowd = self.crowd();
        while crowd.leaving < self.dismissed_at_a_time {
            let Some((_, dismissed)) = crowd.idle.pop_first() else { break };
            crowd.leaving += 1;
            dismissed.notify_one();
        }
    }

    fn crowd(&self) -> MutexGuard<'_, Crowd> {
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's seat, given back when it is dropped.
pub(crate) struct Seat {
    seats: Arc<Seats>,
    dismissed: Arc<Notify>,
    /// Its place among the idle; `None` while a request is under way.
    tick: Mutex<Option<u64>>,
    _permit: OwnedSemaphorePermit,
}

impl Seat {
    /// Resolves when this connection is to make room.
    pub async fn dismissed(&self) {
        self.dismissed.notified().await;
    }

    /// Whether a request is under way.
    pub fn is_busy(&self) -> bool {
        self.tick.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// A request is under way until what is returned is dropped.
    pub fn busy(self: &Arc<Self>) -> Busy {
        self.leave_idle();
        Busy(self.clone())
    }

    /// The connection waits for a request from now on.
    pub fn wait(&self) {
        let tick = self.seats.ticks.fetch_add(1, Ordering::Relaxed);
        *self.tick.lock().unwrap_or_else(PoisonError::into_inner) = Some(tick);
        self.seats.crowd().idle.insert(tick, self.dismissed.clone());
        self.seats.changed.notify_one();
    }

    fn leave_idle(&self) {
        let tick = self.tick.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(tick) = tick else { return };
        let mut crowd = self.seats.crowd();
        // Who is not among the idle was asked to leave: now he does, or has a request just in time.
        if crowd.idle.remove(&tick).is_none() {
            crowd.leaving = crowd.leaving.saturating_sub(1);
            drop(crowd);
            self.seats.changed.notify_one();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave_idle();
    }
}

/// While it lives, its connection is not asked to leave.
pub(crate) struct Busy(Arc<Seat>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    async fn taken(seats: &Arc<Seats>) -> Arc<Seat> {
        let seat = seats.take().now_or_never().flatten().unwrap();
        seat.wait();
        Arc::new(seat)
    }

    #[tokio::test]
    async fn the_longest_idle_makes_room_and_the_busy_never() {
        let seats = Seats::new(3);
        let (first, second, third) = (taken(&seats).await, taken(&seats).await, taken(&seats).await);
        let busy = first.busy();
        drop(third.busy());
        let mut next = Box::pin(seats.take());
        assert!(futures::poll!(&mut next).is_pending());
        assert!(second.dismissed().now_or_never().is_some() && !second.is_busy());
        assert!(
            third.dismissed().now_or_never().is_none(),
            "it had a request after the second began to wait"
        );
        drop(second);
        let fourth = next.await.unwrap();
        // All busy: the next one waits until one is idle, and then need not wait for its patience.
        let all = (busy, third.busy(), Arc::new(fourth));
        let fourth_busy = all.2.busy();
        let mut next = Box::pin(seats.take());
        assert!(futures::poll!(&mut next).is_pending());
        assert!(first.dismissed().now_or_never().is_none());
        drop(all.0);
        assert!(futures::poll!(&mut next).is_pending());
        assert!(first.dismissed().now_or_never().is_some());
        drop(first);
        assert!(next.await.is_some());
        drop((fourth_busy, all.1));
    }

    #[tokio::test]
    async fn nobody_is_left_in_the_list_of_the_idle() {
        let seats = Seats::new(2);
        for _ in 0..100 {
            let seat = taken(&seats).await;
            drop(seat.busy());
        }
        let crowd = seats.crowd();
        assert!(crowd.idle.is_empty() && crowd.leaving == 0);
        assert_eq!(seats.free.available_permits(), 2);
    }

    #[tokio::test]
    async fn no_more_are_asked_to_leave_while_some_are_leaving() {
        let seats = Seats::new(64);
        let mut all = Vec::new();
        for _ in 0..64 {
            all.push(taken(&seats).await);
        }
        for _ in 0..10 {
            assert!(seats.take().now_or_never().is_none());
        }
        let asked: Vec<bool> = all.iter().map(|seat| seat.dismissed().now_or_never().is_some()).collect();
        let oldest: Vec<bool> = (0..64).map(|n| n < 64 / DISMISSED_SHARE).collect();
        assert_eq!(asked, oldest);
        // One of them has a request after all: another is asked in its place.
        let busy = all[0].busy();
        assert!(seats.take().now_or_never().is_none());
        assert!(all[64 / DISMISSED_SHARE].dismissed().now_or_never().is_some());
        drop((busy, all));
        let crowd = seats.crowd();
        assert_eq!((crowd.leaving, crowd.idle.len()), (0, 0));
    }
}
