//! The wall clock against the steady one: a wall clock may be set, a steady one only goes on. Schedules go by the wall clock, for that
//! is what a cron expression means; leases and time-outs go by the steady one.

use std::time::Duration;

/// More than a clock that is being drawn to the right time moves between two looks.
const JUMP_MS_MIN: i64 = 10_000;

/// What the clocks said last.
#[derive(Debug, Default)]
pub(super) struct Clocks(Option<(i64, Duration)>);

impl Clocks {
    /// How far the wall clock has jumped since the last look, forward or back, if it has.
    pub fn jumped(&mut self, wall_ms: i64, steady: Duration) -> Option<i64> {
        let (was_ms, was) = self.0.replace((wall_ms, steady))?;
        let went = i64::try_from(steady.saturating_sub(was).as_millis()).unwrap_or(i64::MAX);
        let jump = wall_ms.saturating_sub(was_ms).saturating_sub(went);
        (JUMP_MS_MIN <= jump.saturating_abs()).then_some(jump)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_jump_is_a_jump() {
        let mut clocks = Clocks::default();
        let s = Duration::from_secs;
        assert_eq!(clocks.jumped(1_000_000, s(5)), None);
        // A pause of the process moves both.
        assert_eq!(clocks.jumped(4_600_000, s(3_605)), None);
        assert_eq!(clocks.jumped(4_604_000, s(3_606)), None);
        assert_eq!(clocks.jumped(91_005_000, s(3_607)), Some(86_400_000));
        assert_eq!(clocks.jumped(1_000, s(3_607)), Some(1_000 - 91_005_000));
        assert_eq!(clocks.jumped(i64::MIN, s(3_608)), Some(i64::MIN));
    }
}
