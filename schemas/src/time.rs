//! Event time, and the verdicts that compare it with the log's append time, never with a reader's clock.

use crate::limits::{FUTURE_MS, LATE_MS, TIME_BYTES_MAX};
use crate::reject::{Code, Reject};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EventMs(pub i64);

/// 1990-01-01: integers below it are seconds, not milliseconds, or a broken clock.
pub const EVENT_MS_MIN: i64 = 631_152_000_000;
/// 2100-01-01, exclusive.
pub const EVENT_MS_MAX: i64 = 4_102_444_800_000;
pub const DAY_MS: i64 = 86_400_000;

/// What the log's append time says about an event's own time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeVerdict {
    InTime,
    /// Older than [`LATE_MS`]; counted, not folded.
    Late,
    /// Further ahead than [`FUTURE_MS`]; a dead letter.
    Future {
        ahead_ms: i64,
    },
}

impl EventMs {
    /// Whole days since 1970, the bucket of counts at rest.
    pub fn day(self) -> u32 {
        u32::try_from(self.0.max(0) / DAY_MS).unwrap_or(u32::MAX)
    }

    /// `YYYYMM` in UTC, the bucket of spending.
    pub fn month(self) -> u32 {
        let Ok(at) = jiff::Timestamp::from_millisecond(self.0) else { return 0 };
        let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
        u32::from(date.year().unsigned_abs()) * 100 + u32::from(date.month().unsigned_abs())
    }

    /// Compares with the append time. A `historical` import is never late.
    pub fn verdict(self, appended: EventMs, historical: bool) -> TimeVerdict {
        let ahead_ms = self.0.saturating_sub(appended.0);
        if FUTURE_MS < ahead_ms {
            TimeVerdict::Future { ahead_ms }
        } else if !historical && ahead_ms < -LATE_MS {
            TimeVerdict::Late
        } else {
            TimeVerdict::InTime
        }
    }

    pub fn to_rfc3339(self) -> String {
        jiff::Timestamp::from_millisecond(self.0)
            .map(|t| format!("{t:.3}"))
            .unwrap_or_else(|_| self.0.to_string())
    }

    /// Reads milliseconds.
    ///
    /// # Errors
    /// [`Code::OutOfRange`] outside 1990 to 2100; the message says when the number looks like seconds.
    pub fn from_ms(ms: i64) -> Result<Self, Reject> {
        if (EVENT_MS_MIN..EVENT_MS_MAX).contains(&ms) {
            return Ok(Self(ms));
        }
        let hint = if (EVENT_MS_MIN / 1000..EVENT_MS_MAX / 1000).contains(&ms) {
            " (are these seconds?)"
        } else {
            ""
        };
        let message = format!("occurred_at is {ms}, expected milliseconds of 1990 to 2100{hint}");
        Err(Reject::new(Code::OutOfRange, "occurred_at", message))
    }

    /// Reads RFC 3339, a leap second as the second before it.
    ///
    /// # Errors
    /// [`Code::BadValue`] if it is no RFC 3339 time with an offset, [`Code::OutOfRange`] outside 1990 to 2100.
    pub fn from_rfc3339(text: &str) -> Result<Self, Reject> {
        if TIME_BYTES_MAX < text.len() {
            let message = format!("occurred_at has {} bytes, expected at most {TIME_BYTES_MAX}", text.len());
            return Err(Reject::new(Code::TooLong, "occurred_at", message));
        }
        let outside = || Reject::new(Code::OutOfRange, "occurred_at", "occurred_at is outside 1990 to 2100");
        let is_time = is_rfc3339(text.as_bytes());
        // An offset moves a time by less than a day, so these years are outside whatever it is; jiff ends in 9999.
        if is_time && !text.get(..4).is_some_and(|year| ("1989"..="2100").contains(&year)) {
            return Err(outside());
        }
        let at = is_time.then(|| text.parse::<jiff::Timestamp>().ok()).flatten();
        let at = at.ok_or_else(|| {
            let message = "occurred_at is not an RFC 3339 time with an offset, such as 2026-05-04T12:00:00Z";
            Reject::new(Code::BadValue, "occurred_at", message)
        })?;
        let ms = at.as_millisecond();
        if (EVENT_MS_MIN..EVENT_MS_MAX).contains(&ms) { Ok(Self(ms)) } else { Err(outside()) }
    }
}

/// Whether the text has the shape of RFC 3339; the calendar is jiff's, which alone would also take ISO 8601's other
/// shapes and zone names.
fn is_rfc3339(text: &[u8]) -> bool {
    const SHAPE: &[u8; 19] = b"0000-00-00T00:00:00";
    let Some((head, tail)) = text.split_first_chunk::<19>() else { return false };
    let fits = |(given, shape): (&u8, &u8)| match shape {
        b'0' => given.is_ascii_digit(),
        b'T' => matches!(given, b'T' | b't' | b' '),
        other => given == other,
    };
    if !head.iter().zip(SHAPE).all(fits) {
        return false;
    }
    let tail = match tail.strip_prefix(b".") {
        None => tail,
        Some(rest) => {
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            if !(1..=9).contains(&digits) {
                return false;
            }
            rest.get(digits..).unwrap_or_default()
        }
    };
    match tail {
        b"Z" | b"z" => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => {
            [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()) && [*h1, *h2] <= *b"23" && *m1 <= b'5'
        }
        _ => false,
    }
}
