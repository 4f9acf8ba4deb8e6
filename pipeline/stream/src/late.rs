//! Lists of busy users, made once in a while instead of at each event: the state moves at every event, the list follows within
//! a bounded time. What is put off is covered by the published offset, which stays before its event until the list is made.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use shoptide_schemas::UserId;
use shoptide_store::StoreError;
use tokio::time::Instant;

use crate::StreamError;
use crate::shard::Shard;

/// The cause of a list that was put off.
pub(crate) const LATE: &str = "late";
/// Pause after the store could not be read: lists are late already.
const RETRY: Duration = Duration::from_millis(500);
/// Lists of one step.
const CHUNK: usize = 256;
/// Users whose list may wait at a time, and whose last list is remembered, some 200 bytes each. Beyond it lists are made at
/// the event.
const LATE_MAX: usize = 100_000;

/// A list that is put off.
#[derive(Debug)]
struct Waiting {
    due: Instant,
    user: UserId,
    appended_ms: i64,
    /// Where the shard stood before the event that asked for it.
    before: Arc<BTreeMap<u8, i64>>,
}

/// A shard's lists that are put off, in order of their time.
#[derive(Debug)]
pub(crate) struct Late {
    every: Duration,
    queue: VecDeque<Waiting>,
    /// The store was away: no list is tried before.
    not_before: Option<Instant>,
    waiting: HashSet<UserId>,
    /// When lists were made at an event, for as long as that matters.
    made: HashMap<UserId, Instant>,
    made_order: VecDeque<(Instant, UserId)>,
}

impl Late {
    /// `every_ms`: at most one list a user in this time; 0 for one at every event.
    pub(crate) fn new(every_ms: u64) -> Self {
        Self {
            every: Duration::from_millis(every_ms),
            queue: VecDeque::new(),
            not_before: None,
            waiting: HashSet::new(),
            made: HashMap::new(),
            made_order: VecDeque::new(),
        }
    }

    /// Whether an event's list is put off: the user had one made a moment ago, or waits for one already.
    pub(crate) fn puts_off(&mut self, user: &UserId, now: Instant) -> bool {
        if self.every.is_zero() {
            return false;
        }
        if self.waiting.contains(user) {
            return true;
        }
        while let Some((at, user)) = self.made_order.pop_front_if(|(at, _)| *at + self.every <= now) {
            if self.made.get(&user) == Some(&at) {
                self.made.remove(&user);
            }
        }
        self.made.contains_key(user) && self.queue.len() < LATE_MAX
    }

    /// Lists were made at their events.
    pub(crate) fn made<'a>(&mut self, users: impl Iterator<Item = &'a UserId>, now: Instant) {
        if self.every.is_zero() {
            return;
        }
        for user in users {
            if self.made_order.len() < LATE_MAX {
                self.made.insert(user.clone(), now);
                self.made_order.push_back((now, user.clone()));
            }
        }
    }

    /// Events are committed whose lists wait. `before`: where the shard stood before them.
    pub(crate) fn put_off(&mut self, users: Vec<(UserId, i64)>, before: BTreeMap<u8, i64>, now: Instant) {
        let (due, before) = (now + self.every, Arc::new(before));
        for (user, appended_ms) in users {
            if self.waiting.insert(user.clone()) {
                self.queue.push_back(Waiting { due, user, appended_ms, before: before.clone() });
            }
        }
    }

    /// Where the shard stood before the oldest event whose list waits.
    pub(crate) fn before(&self) -> Option<&BTreeMap<u8, i64>> {
        self.queue.front().map(|first| &*first.before)
    }

    /// When the next list is due, if one waits.
    pub(crate) fn due(&self) -> Option<Instant> {
        let first = self.queue.front()?;
        Some(self.not_before.map_or(first.due, |rest| rest.max(first.due)))
    }

    fn next(&self, now: Instant) -> Vec<UserId> {
        self.queue.iter().take(CHUNK).take_while(|w| w.due <= now).map(|w| w.user.clone()).collect()
    }

    fn done(&mut self, users: &[UserId]) -> Vec<i64> {
        let mut appended = Vec::with_capacity(users.len());
        for user in users {
            self.waiting.remove(user);
        }
        while let Some(first) = self.queue.pop_front_if(|first| !self.waiting.contains(&first.user)) {
            appended.push(first.appended_ms);
        }
        appended
    }
}

impl Shard {
    /// Makes lists that are due. If memory was dropped on the way, or the store is away, they stay due.
    pub(crate) async fn late_step(&mut self) -> Result<(), StreamError> {
        match self.late_chunk().await {
            Err(StreamError::Store(error @ StoreError::Unavailable { .. })) => {
                tracing::warn!(shard = self.fold.shard(), %error, "lists that were put off wait for the store");
                self.late.not_before = Some(Instant::now() + RETRY);
                Ok(())
            }
            other => other,
        }
    }

    async fn late_chunk(&mut self) -> Result<(), StreamError> {
        let users = self.late.next(Instant::now());
        if users.is_empty() || !self.remake(users.clone(), LATE).await?.is_stored() {
            return Ok(());
        }
        self.late.made(users.iter(), Instant::now());
        let appended = self.late.done(&users);
        let now = (self.context.clock)();
        for at in appended {
            self.metrics().freshness.observe((now - at).max(0) as f64 / 1_000.0);
        }
        self.note_published();
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn user(n: usize) -> UserId {
        UserId::from_trusted(n.to_string().as_bytes())
    }

    fn at(off: i64) -> BTreeMap<u8, i64> {
        BTreeMap::from([(0, off)])
    }

    #[test]
    fn a_busy_user_waits_once_and_holds_the_offset_back() {
        let start = Instant::now();
        let ms = |n| start + Duration::from_millis(n);
        let mut late = Late::new(1_000);
        assert!(!late.puts_off(&user(1), ms(0)), "his first list is made at the event");
        late.made([user(1)].iter(), ms(0));
        assert!(late.puts_off(&user(1), ms(0)) && !late.puts_off(&user(2), ms(0)));
        late.put_off(vec![(user(1), 5)], at(10), ms(0));
        late.put_off(vec![(user(1), 6), (user(3), 7)], at(20), ms(400));
        assert_eq!((late.before(), late.next(ms(400))), (Some(&at(10)), vec![]));
        assert_eq!(late.next(ms(1_000)), [user(1)]);
        assert_eq!(late.done(&[user(1)]), [5]);
        assert_eq!(late.before(), Some(&at(20)));
        assert!(!late.puts_off(&user(1), ms(1_000)), "a second has passed");
        assert_eq!(late.next(ms(1_400)), [user(3)]);
        late.done(&[user(3)]);
        assert_eq!((late.before(), late.due()), (None, None));
        assert!(late.made.is_empty() && late.made_order.is_empty() && late.waiting.is_empty());
    }

    #[test]
    fn without_a_time_nothing_waits() {
        let now = Instant::now();
        let mut late = Late::new(0);
        late.made([user(1)].iter(), now);
        assert!(!late.puts_off(&user(1), now) && late.made.is_empty());
    }
}
