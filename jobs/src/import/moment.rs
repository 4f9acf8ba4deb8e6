//! Reads the times of other people's files: seconds, milliseconds, either, fractions of seconds, RFC 3339, or any
//! strptime-like pattern at a fixed offset from UTC.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use shoptide_schemas::EventMs;

/// Patterns tried one after the other.
pub(crate) const PATTERNS_MAX: usize = 8;
/// Below this an integer is seconds (until the year 5138), from here on milliseconds (from 1973).
const EPOCH_SECONDS_MAX: i64 = 100_000_000_000;

/// How a column writes time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TimeUnit {
    Seconds,
    Millis,
    /// Seconds or milliseconds, told apart by size.
    Epoch,
    /// Seconds with a fraction.
    FloatSeconds,
    Rfc3339,
    /// Patterns with `%`, each tried in turn; local to the offset unless the pattern reads one.
    Patterns(Vec<String>, Offset),
}

impl TimeUnit {
    /// Milliseconds since 1970, or `None` if it is no such time.
    pub(crate) fn read(&self, text: &str) -> Option<i64> {
        match self {
            TimeUnit::Seconds => text.parse::<i64>().ok()?.checked_mul(1000),
            TimeUnit::Millis => text.parse().ok(),
            TimeUnit::Epoch => {
                let number = text.parse::<i64>().ok()?;
                if number.abs() < EPOCH_SECONDS_MAX { number.checked_mul(1000) } else { Some(number) }
            }
            TimeUnit::FloatSeconds => {
                let ms = text.parse::<f64>().ok()? * 1000.0;
                // Beyond the wire's years it is refused later; here it must only not wrap.
                (ms.is_finite() && ms.abs() < 1e15).then_some(ms.round() as i64)
            }
            TimeUnit::Rfc3339 => EventMs::from_rfc3339(text).ok().map(|at| at.0),
            TimeUnit::Patterns(patterns, offset) => {
                patterns.iter().find_map(|p| by_pattern(p, text, *offset))
            }
        }
    }
}

fn by_pattern(pattern: &str, text: &str, offset: Offset) -> Option<i64> {
    let parsed = jiff::fmt::strtime::parse(pattern, text).ok()?;
    if let Ok(at) = parsed.to_timestamp() {
        return Some(at.as_millisecond());
    }
    let local: DateTime = parsed.to_datetime().ok()?;
    offset.to_timestamp(local).ok().map(|at| at.as_millisecond())
}

/// `+08:00`, `-05:30`; `None` for anything else.
pub(crate) fn parse_offset(text: &str) -> Option<Offset> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let two = |s: &str, below: i32| {
        (s.len() == 2 && s.bytes().all(|b| b.is_ascii_digit()))
            .then(|| s.parse::<i32>().ok())?
            .filter(|n| *n < below)
    };
    Offset::from_seconds(sign * (two(hours, 24)? * 3600 + two(minutes, 60)? * 60)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_each_unit() {
        let pattern =
            |p: &str, offset: &str| TimeUnit::Patterns(vec![p.to_owned()], parse_offset(offset).unwrap());
        for (unit, text, expected) in [
            (TimeUnit::Seconds, "1430623510", Some(1_430_623_510_000)),
            (TimeUnit::Seconds, "9223372036854775807", None),
            (TimeUnit::Millis, "1659304800025", Some(1_659_304_800_025)),
            (TimeUnit::Epoch, "1430623510", Some(1_430_623_510_000)),
            (TimeUnit::Epoch, "1659304800025", Some(1_659_304_800_025)),
            (TimeUnit::FloatSeconds, "1592337718.0", Some(1_592_337_718_000)),
            (TimeUnit::FloatSeconds, "1592337718.125", Some(1_592_337_718_125)),
            (TimeUnit::FloatSeconds, "NaN", None),
            (TimeUnit::FloatSeconds, "1e300", None),
            (TimeUnit::Rfc3339, "2026-05-04T12:00:00Z", Some(1_777_896_000_000)),
            (pattern("%Y-%m-%d %H:%M:%S", "+00:00"), "2010-12-01 08:26:00", Some(1_291_191_960_000)),
            (pattern("%Y-%m-%d %H:%M:%S", "+08:00"), "2010-12-01 16:26:00", Some(1_291_191_960_000)),
            (pattern("%Y-%m-%d %H:%M:%S UTC", "+00:00"), "2019-10-01 00:00:01 UTC", Some(1_569_888_001_000)),
            (pattern("%m/%d/%Y %H:%M", "+00:00"), "12/1/2010 8:26", Some(1_291_191_960_000)),
            (pattern("%Y-%m-%d", "+00:00"), "2010-12-01 08:26:00", None),
        ] {
            assert_eq!(unit.read(text), expected, "{text}");
        }
        for wrong in ["", "8", "+8:00", "+24:00", "+08:60", "08:00", "+0800", "+é:00"] {
            assert_eq!(parse_offset(wrong), None, "{wrong}");
        }
    }
}
