//! Checks of single values: each hands the value through in its checked type, or says the key, the value and the bound.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::Problem;

/// What is quoted of a text that was refused, so that a pasted file does not fill the screen.
const QUOTED_CHARS_MAX: usize = 64;

/// An integer within `range`.
pub(crate) fn whole<T: TryFrom<i64>>(
    key: &str,
    value: i64,
    range: RangeInclusive<i64>,
) -> Result<T, Problem> {
    let within = Some(value).filter(|v| range.contains(v)).and_then(|v| T::try_from(v).ok());
    let expected = || {
        if *range.end() == i64::MAX {
            format!("{} or more", range.start())
        } else {
            format!("{} to {}", range.start(), range.end())
        }
    };
    within.ok_or_else(|| Problem::bound(key, value.to_string(), &expected()))
}

/// An integer of 0 or more, whose upper bound somebody else checks.
pub(crate) fn count<T: TryFrom<i64>>(key: &str, value: i64) -> Result<T, Problem> {
    whole(key, value, 0..=i64::MAX)
}

/// Milliseconds within `range`.
pub(crate) fn ms(key: &str, value: i64, range: RangeInclusive<i64>) -> Result<Duration, Problem> {
    whole(key, value, range).map(Duration::from_millis)
}

/// Seconds within `range`.
pub(crate) fn seconds(key: &str, value: i64, range: RangeInclusive<i64>) -> Result<Duration, Problem> {
    whole(key, value, range).map(Duration::from_secs)
}

/// A number above `above`, at most `max`; NaN is neither.
pub(crate) fn real_above(key: &str, value: f64, above: f64, max: f64) -> Result<f64, Problem> {
    if above < value && value <= max {
        return Ok(value);
    }
    Err(Problem::bound(key, value.to_string(), &format!("above {above} to {max}")))
}

/// A text that `read` accepts.
pub(crate) fn text<T>(
    key: &str,
    value: &str,
    expected: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Problem> {
    read(value).ok_or_else(|| Problem::bound(key, quoted(value), expected))
}

/// A refused text in quotes, escaped and cut.
pub(crate) fn quoted(value: &str) -> String {
    let cut: String = value.chars().take(QUOTED_CHARS_MAX).collect();
    let dots = if cut.len() < value.len() { "..." } else { "" };
    format!("{cut:?}{dots}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T: std::fmt::Debug>(result: Result<T, Problem>) -> (String, String) {
        match result.unwrap_err() {
            Problem::Bound { found, expected, .. } => (found, expected),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_ends_belong_to_a_range() {
        assert_eq!(whole::<u32>("k", 1, 1..=9), Ok(1));
        assert_eq!(whole::<u32>("k", 9, 1..=9), Ok(9));
        assert_eq!(said(whole::<u32>("k", 10, 1..=9)), ("10".to_owned(), "1 to 9".to_owned()));
        assert_eq!(said(whole::<u8>("k", 300, 0..=i64::MAX)).0, "300");
    }

    #[test]
    fn no_number_that_is_not_finite_is_above_anything() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.1] {
            assert_eq!(said(real_above("k", value, 0.0, 1.0)).0, value.to_string());
        }
        assert_eq!(real_above("k", 1.0, 0.0, 1.0), Ok(1.0));
    }

    #[test]
    fn refused_texts_are_escaped_and_cut() {
        assert_eq!(quoted("a\nb"), r#""a\nb""#);
        assert_eq!(quoted(&"ü".repeat(65)), format!("\"{}\"...", "ü".repeat(64)));
    }
}
