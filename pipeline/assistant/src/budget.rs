//! Tokens that a user, all visitors together and a day may take. Taken before a request by estimate and set right after it, so that requests beside each other cannot
//! spend the same tokens.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

const DAY_MS: i64 = 86_400_000;

/// Who pays for a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Payer {
    /// By his id.
    User(Box<[u8]>),
    /// By his dialogue. He may begin as many as he likes, so all visitors have one bound together, and none takes a user's place.
    Visitor(Box<[u8]>),
}

#[derive(Debug, Default)]
struct Day {
    number: i64,
    all: u64,
    of_visitors: u64,
    users: HashMap<Box<[u8]>, u64>,
    visitors: HashMap<Box<[u8]>, u64>,
}

impl Day {
    fn of<'p>(&mut self, payer: &'p Payer) -> (&mut HashMap<Box<[u8]>, u64>, &'p [u8]) {
        match payer {
            Payer::User(id) => (&mut self.users, id),
            Payer::Visitor(id) => (&mut self.visitors, id),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Budget {
    user_max: u64,
    visitors_max: u64,
    day_max: u64,
    users_max: usize,
    day: Mutex<Day>,
}

impl Budget {
    /// - `user_max`: tokens of one user, and of one dialogue of a visitor
    /// - `users_max`: users that are counted, and as many dialogues of visitors
    pub fn new(user_max: u64, visitors_max: u64, day_max: u64, users_max: usize) -> Self {
        Self { user_max, visitors_max, day_max, users_max, day: Mutex::default() }
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

    /// Takes tokens; false if they would be more than is left, or if the table of those like him is full.
    pub fn take(&self, payer: &Payer, tokens: u64, now_ms: i64) -> bool {
        let mut day = self.day(now_ms);
        let visits = matches!(payer, Payer::Visitor(_));
        let (table, id) = day.of(payer);
        let (used, known) = (table.get(id).copied(), table.len());
        let fits = used.unwrap_or(0).saturating_add(tokens) <= self.user_max
            && day.all.saturating_add(tokens) <= self.day_max
            && (!visits || day.of_visitors.saturating_add(tokens) <= self.visitors_max)
            && (used.is_some() || known < self.users_max);
        if fits {
            day.all += tokens;
            day.of_visitors += if visits { tokens } else { 0 };
            let (table, id) = day.of(payer);
            *table.entry(id.into()).or_default() += tokens;
        }
        fits
    }

    /// What was taken becomes what was used.
    pub fn settle(&self, payer: &Payer, taken: u64, used: u64, now_ms: i64) {
        let mut day = self.day(now_ms);
        let right = |count: u64| count.saturating_sub(taken).saturating_add(used);
        // A request over midnight is the new day's as far as it is counted at all.
        day.all = right(day.all);
        if matches!(payer, Payer::Visitor(_)) {
            day.of_visitors = right(day.of_visitors);
        }
        let (table, id) = day.of(payer);
        if let Some(own) = table.get_mut(id) {
            *own = right(*own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &[u8]) -> Payer {
        Payer::User(id.into())
    }

    #[test]
    fn a_user_and_a_day_have_bounds() {
        let budget = Budget::new(100, 100, 150, 2);
        let (a, b) = (user(b"a"), user(b"b"));
        assert!(budget.take(&a, 60, 0) && !budget.take(&a, 60, 0));
        budget.settle(&a, 60, 10, 0);
        assert!(budget.take(&a, 90, 0) && !budget.take(&a, 1, 0));
        assert!(budget.take(&b, 50, 0) && !budget.take(&b, 1, 0), "the day's");
        assert!(!budget.take(&a, 1, DAY_MS - 1));
        assert!(budget.take(&a, 100, DAY_MS), "a new day");
        assert!(!budget.take(&a, 1, 0), "a clock set back");
    }

    #[test]
    fn a_full_table_takes_nobody_in_and_forgets_nobody() {
        let budget = Budget::new(100, 1_000, 1_000, 2);
        let (a, b, c) = (user(b"a"), user(b"b"), user(b"c"));
        assert!(budget.take(&a, 100, 0) && budget.take(&b, 1, 0) && !budget.take(&c, 1, 0));
        assert!(!budget.take(&a, 1, 0) && budget.take(&b, 1, 0));
    }

    #[test]
    fn dialogues_without_end_have_one_bound() {
        let budget = Budget::new(100, 250, 1_000, 3);
        let visitors: Vec<Payer> = (0..9_u8).map(|n| Payer::Visitor([n].into())).collect();
        assert!(budget.take(&visitors[0], 100, 0) && !budget.take(&visitors[0], 1, 0), "each has a user's");
        assert!(budget.take(&visitors[1], 100, 0) && !budget.take(&visitors[2], 51, 0), "all have one");
        budget.settle(&visitors[1], 100, 40, 0);
        assert!(budget.take(&visitors[2], 100, 0));
        assert!(visitors.iter().all(|v| !budget.take(v, 11, 0)));
        // A user whose id is that of a dialogue is another; visitors took none of his tokens and nobody's place.
        for id in 0..3_u8 {
            assert!(budget.take(&user(&[id]), 100, 0));
        }
        assert!(budget.take(&visitors[0], 100, DAY_MS));
    }
}
