//! Tokens a user and a day may take. Taken before a request by estimate and set right after it, so that requests beside each other cannot
//! spend the same tokens.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

const DAY_MS: i64 = 86_400_000;

#[derive(Debug, Default)]
struct Day {
    number: i64,
    all: u64,
    users: HashMap<Box<[u8]>, u64>,
}

#[derive(Debug)]
pub(crate) struct Budget {
    user_max: u64,
    day_max: u64,
    users_max: usize,
    day: Mutex<Day>,
}

impl Budget {
    pub fn new(user_max: u64, day_max: u64, users_max: usize) -> Self {
        Self { user_max, day_max, users_max, day: Mutex::default() }
    }

    fn day(&self, now_ms: i64) -> std::sync::MutexGuard<'_, Day> {
        let mut day = self.day.lock().unwrap_or_else(PoisonError::into_inner);
        let number = now_ms.div_euclid(DAY_MS);
        // A clock that was set back gives nobody a second day.
        if day.number < number {
            *day = Day { number, ..Day::default() };
        }
        day
    }

    /// Takes tokens; false if they would be more than is left, or if the table of users is full.
    pub fn take(&self, user: &[u8], tokens: u64, now_ms: i64) -> bool {
        let mut day = self.day(now_ms);
        let used = day.users.get(user).copied();
        let fits = used.unwrap_or(0).saturating_add(tokens) <= self.user_max
            && day.all.saturating_add(tokens) <= self.day_max
            && (used.is_some() || day.users.len() < self.users_max);
        if fits {
            day.all += tokens;
            *day.users.entry(user.into()).or_default() += tokens;
        }
        fits
    }

    /// What was taken becomes what was used.
    pub fn settle(&self, user: &[u8], taken: u64, used: u64, now_ms: i64) {
        let mut day = self.day(now_ms);
        let right = |count: u64| count.saturating_sub(taken).saturating_add(used);
        // A request over midnight is the new day's as far as it is counted at all.
        day.all = right(day.all);
        if let Some(own) = day.users.get_mut(user) {
            *own = right(*own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_and_a_day_have_bounds() {
        let budget = Budget::new(100, 150, 2);
        assert!(budget.take(b"a", 60, 0) && !budget.take(b"a", 60, 0));
        budget.settle(b"a", 60, 10, 0);
        assert!(budget.take(b"a", 90, 0) && !budget.take(b"a", 1, 0));
        assert!(budget.take(b"b", 50, 0) && !budget.take(b"b", 1, 0), "the day's");
        assert!(!budget.take(b"a", 1, DAY_MS - 1));
        assert!(budget.take(b"a", 100, DAY_MS), "a new day");
        assert!(!budget.take(b"a", 1, 0), "a clock set back");
    }

    #[test]
    fn a_full_table_takes_nobody_in_and_forgets_nobody() {
        let budget = Budget::new(100, 1_000, 2);
        assert!(budget.take(b"a", 100, 0) && budget.take(b"b", 1, 0) && !budget.take(b"c", 1, 0));
        assert!(!budget.take(b"a", 1, 0) && budget.take(b"b", 1, 0));
    }
}
