//! How often one user may speak: a bucket of messages that fills again over a minute.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use shoptide_schemas::UserId;

/// Dialogues that visitors may begin in a minute, all together: who has no name yet cannot be counted by it. Each is rows in the store.
pub(crate) const VISITORS_A_MINUTE: u32 = 1_200;
/// Messages of one user in a minute; a fast typist sends ten.
pub(crate) const MESSAGES_A_MINUTE: u32 = 20;
const MINUTE_MS: i64 = 60_000;
const EACH_MS: i64 = MINUTE_MS / MESSAGES_A_MINUTE as i64;
const EACH_VISITOR_MS: i64 = MINUTE_MS / VISITORS_A_MINUTE as i64;
/// Users of one generation, at some 32 bytes: two generations take 4 MiB. More than that many in a minute are forgotten early.
const USERS_MAX: usize = 65_536;

/// By user, the time at which his bucket is full again.
#[derive(Default)]
struct Full {
    now: HashMap<u64, i64>,
    /// Of the generation before: whoever was in it and came back moved on.
    before: HashMap<u64, i64>,
    began_ms: i64,
    /// When the bucket of all visitors is full again.
    visitors: i64,
}

#[derive(Default)]
pub(crate) struct Limits {
    full: Mutex<Full>,
    hasher: RandomState,
}

impl Limits {
    /// Takes one message of a user's bucket.
    ///
    /// # Errors
    /// The milliseconds until there is one again.
    pub fn take(&self, user: &UserId, now_ms: i64) -> Result<(), i64> {
        let key = self.hasher.hash_one(user.as_bytes());
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        // After a minute every bucket of the generation before is full, which is what an unknown one is.
        if USERS_MAX <= full.now.len() || MINUTE_MS <= now_ms.saturating_sub(full.began_ms) {
            full.before = std::mem::take(&mut full.now);
            full.began_ms = now_ms;
        }
        let at = full.now.get(&key).or_else(|| full.before.get(&key)).copied().unwrap_or(now_ms);
        let at = taken(at, EACH_MS, now_ms)?;
        full.now.insert(key, at);
        Ok(())
    }

    /// Takes one beginning of the bucket that all visitors share.
    ///
    /// # Errors
    /// The milliseconds until there is one again.
    pub fn visitor(&self, now_ms: i64) -> Result<(), i64> {
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        full.visitors = taken(full.visitors, EACH_VISITOR_MS, now_ms)?;
        Ok(())
    }
}

/// When a bucket is full again after one more of `each_ms`.
fn taken(at: i64, each_ms: i64, now_ms: i64) -> Result<i64, i64> {
    // A clock that went back fills no bucket for longer than a minute.
    let at = at.clamp(now_ms, now_ms.saturating_add(MINUTE_MS)).saturating_add(each_ms);
    let over = at.saturating_sub(now_ms.saturating_add(MINUTE_MS));
    if 0 < over { Err(over) } else { Ok(at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: usize) -> UserId {
        UserId::from_trusted(n.to_string().as_bytes())
    }

    #[test]
    fn visitors_share_a_bucket_and_take_nobodys_place() {
        let limits = Limits::default();
        for _ in 0..VISITORS_A_MINUTE {
            assert_eq!(limits.visitor(1_000), Ok(()));
        }
        assert_eq!(limits.visitor(1_000), Err(50));
        assert_eq!(limits.visitor(1_050), Ok(()));
        assert_eq!(limits.take(&user(1), 1_000), Ok(()));
    }

    #[test]
    fn twenty_a_minute_and_then_one_every_three_seconds() {
        let limits = Limits::default();
        let mut now = 1_000;
        for _ in 0..20 {
            assert_eq!(limits.take(&user(1), now), Ok(()));
        }
        assert_eq!(limits.take(&user(1), now), Err(3_000));
        assert_eq!(limits.take(&user(2), now), Ok(()));
        now += 2_999;
        assert_eq!(limits.take(&user(1), now), Err(1));
        now += 1;
        assert_eq!(limits.take(&user(1), now), Ok(()));
        assert_eq!(limits.take(&user(1), now), Err(3_000));
        now += 60_000;
        for _ in 0..20 {
            assert_eq!(limits.take(&user(1), now), Ok(()));
        }
        assert!(limits.take(&user(1), now).is_err());
        // A clock that went back: never shut out for longer than a minute and one message.
        let waits = limits.take(&user(1), now - 10_000_000).unwrap_err();
        assert!(waits <= 3_000, "{waits}");
    }

    #[test]
    fn it_stays_small_and_forgets_nobody_of_this_minute() {
        let limits = Limits::default();
        for _ in 0..20 {
            limits.take(&user(0), 0).unwrap();
        }
        for n in 1..USERS_MAX {
            limits.take(&user(n), 1).unwrap();
        }
        assert!(limits.take(&user(0), 2).is_err(), "of the generation before");
        for n in 0..3 * USERS_MAX {
            limits.take(&user(n + USERS_MAX), 2).unwrap();
        }
        let full = limits.full.lock().unwrap();
        assert!(full.now.len() <= USERS_MAX && full.before.len() <= USERS_MAX);
    }
}
