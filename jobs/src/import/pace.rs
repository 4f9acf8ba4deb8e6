//! When an event of the past is due if time runs ten times as fast, or at once. Pure: the caller brings the clock.

/// A year in half a minute; faster is `max`.
const FACTOR_MAX: f64 = 1_000_000.0;
const FACTOR_MIN: f64 = 0.001;

/// `--speed 10x` or `--speed max`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    Max,
    Times(f64),
}

/// Not a speed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("speed is {given:?}, expected max, or {FACTOR_MIN}x to {FACTOR_MAX}x such as 10x")]
pub struct BadSpeed {
    given: String,
}

impl std::str::FromStr for Speed {
    type Err = BadSpeed;

    fn from_str(text: &str) -> Result<Self, BadSpeed> {
        if text == "max" {
            return Ok(Speed::Max);
        }
        text.strip_suffix('x')
            .and_then(|number| number.parse::<f64>().ok())
            .filter(|factor| (FACTOR_MIN..=FACTOR_MAX).contains(factor))
            .map(Speed::Times)
            .ok_or_else(|| BadSpeed { given: text.chars().take(40).collect() })
    }
}

/// Maps event time to the clock's: the first event is due at the start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    pub speed: Speed,
    /// Time of the first event.
    pub first_ms: i64,
    /// The clock when it began.
    pub start_ms: i64,
}

impl Pace {
    /// When an event of `event_ms` is due; events before the first are due at the start, as is all at full speed.
    pub fn due_ms(&self, event_ms: i64) -> i64 {
        let Speed::Times(factor) = self.speed else { return self.start_ms };
        let since_ms = event_ms.saturating_sub(self.first_ms).max(0);
        self.start_ms.saturating_add((since_ms as f64 / factor) as i64)
    }

    /// How long to wait at `now_ms` before sending an event of `event_ms`.
    pub fn wait_ms(&self, event_ms: i64, now_ms: i64) -> u64 {
        self.due_ms(event_ms).saturating_sub(now_ms).max(0).cast_unsigned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_runs_as_fast_as_told() {
        let pace = |speed: &str| Pace { speed: speed.parse().unwrap(), first_ms: 1_000, start_ms: 50 };
        assert_eq!(pace("10x").due_ms(1_000), 50);
        assert_eq!(pace("10x").due_ms(11_000), 1_050);
        assert_eq!(pace("0.5x").due_ms(2_000), 2_050);
        assert_eq!(pace("10x").due_ms(-5), 50);
        assert_eq!(pace("max").due_ms(i64::MAX), 50);
        assert_eq!(pace("10x").wait_ms(11_000, 1_000), 50);
        assert_eq!(pace("10x").wait_ms(11_000, 2_000), 0);
        for wrong in ["", "x", "0x", "-1x", "10", "NaNx", "infx", "2000000x", "Max"] {
            assert!(wrong.parse::<Speed>().is_err(), "{wrong}");
        }
    }
}
