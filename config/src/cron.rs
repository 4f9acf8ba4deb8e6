//! Instants of a cron expression, in UTC: the local time of a machine has hours that come twice and hours that never come.

use std::fmt;

use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

/// No expression takes more; what is longer is a mistake.
const TEXT_BYTES_MAX: usize = 256;
/// 2000-01-01: whatever fires at all fires after it, for years are no part of an expression.
const LONG_AGO_MS: i64 = 946_684_800_000;
/// Instants between which the longest pause is looked for: two years of months, and a week of hours.
const PAUSES_LOOKED_AT: usize = 200;

/// A cron expression that fires: minute, hour, day of the month, month, day of the week, and seconds before them if there are six
/// fields; or `@daily` and its like.
#[derive(Clone)]
pub struct Cron {
    text: String,
    cron: croner::Cron,
}

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it, for a sentence that names the key: also if no day ever matches, such as 30 February.
    ///
    /// ```
    /// use shoptide_config::Cron;
    /// let nightly = Cron::parse("30 3 * * *")?;
    /// assert_eq!(nightly.after(0), Some(12_600_000));
    /// assert!(Cron::parse("0 0 30 2 *").unwrap_err().contains("never fires"));
    /// # Ok::<(), String>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, String> {
        if TEXT_BYTES_MAX < text.len() {
            return Err(format!("it has {} bytes, expected at most {TEXT_BYTES_MAX}", text.len()));
        }
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|e| e.to_string().trim_end_matches('.').to_owned())?;
        let cron = Self { text: text.to_owned(), cron };
        match cron.after(LONG_AGO_MS) {
            Some(_) => Ok(cron),
            None => Err("it never fires: no day of any year matches".to_owned()),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first instant after a moment, both in milliseconds since 1970.
    pub fn after(&self, ms: i64) -> Option<i64> {
        // Down to the second, which is before the moment.
        let from = civil(ms)?;
        ms_of(self.cron.find_next_occurrence(&from, false).ok()?)
    }

    /// The last instant at a moment or before it.
    pub fn until(&self, ms: i64) -> Option<i64> {
        ms_of(self.cron.find_previous_occurrence(&civil(ms)?, true).ok()?)
    }

    /// The longest pause between instants that are next after a moment, in milliseconds.
    pub fn longest_pause_ms(&self, from_ms: i64) -> Option<i64> {
        let mut at = self.after(from_ms)?;
        let mut longest = 0;
        for _ in 0..PAUSES_LOOKED_AT {
            let Some(next) = self.after(at) else { break };
            longest = longest.max(next - at);
            at = next;
        }
        Some(longest)
    }
}

/// The second that a moment lies in.
fn civil(ms: i64) -> Option<DateTime> {
    let timestamp = jiff::Timestamp::from_second(ms.div_euclid(1_000)).ok()?;
    Some(Offset::UTC.to_datetime(timestamp))
}

fn ms_of(at: DateTime) -> Option<i64> {
    Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cron").field(&self.text).finish()
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    /// 2026-03-29 00:00 UTC, a night that has 23 hours in most of Europe.
    const SHORT_NIGHT: i64 = 1_774_742_400_000;

    #[test]
    fn instants_are_those_of_utc_on_every_night() {
        let hourly = Cron::parse("0 * * * *").unwrap();
        let mut at = SHORT_NIGHT - 1;
        for hour in 0..24 {
            at = hourly.after(at).unwrap();
            assert_eq!(at, SHORT_NIGHT + hour * HOUR);
        }
        assert_eq!(hourly.until(at), Some(at));
        assert_eq!(hourly.until(at - 1), Some(at - HOUR));
        // Within the second of an instant it is past.
        assert_eq!(hourly.after(SHORT_NIGHT + 999), Some(SHORT_NIGHT + HOUR));
        assert_eq!(hourly.until(SHORT_NIGHT + 999), Some(SHORT_NIGHT));
    }

    #[test]
    fn before_1970_and_at_the_ends_of_time_nothing_breaks() {
        let daily = Cron::parse("@daily").unwrap();
        assert_eq!(daily.after(-1), Some(0));
        assert_eq!(daily.until(-1), Some(-24 * HOUR));
        assert_eq!((daily.after(i64::MAX), daily.until(i64::MIN)), (None, None));
    }

    #[test]
    fn rare_days_fire_and_days_that_are_not_do_not() {
        for rare in ["0 0 29 2 *", "0 0 29 2 +MON", "0 0 31 12 *", "0 0 L 2 *", "59 59 23 31 12 *"] {
            assert!(Cron::parse(rare).is_ok(), "{rare}: {:?}", Cron::parse(rare));
        }
        for never in ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 0 31 2 *"] {
            assert!(Cron::parse(never).unwrap_err().contains("never fires"), "{never}");
        }
        for bad in [
            "",
            "* * * *",
            "60 * * * *",
            "* * * * * * 2027",
            "every day",
            "0 0 * * 8",
            "@reboot",
            "*/0 * * * *",
        ] {
            let said = Cron::parse(bad).unwrap_err();
            assert!(!said.is_empty() && !said.contains("never fires"), "{bad}: {said}");
        }
        assert!(Cron::parse(&"*".repeat(300)).unwrap_err().contains("300 bytes"));
    }

    #[test]
    fn the_longest_pause_of_working_days_is_the_weekend() {
        let pause = |text: &str| Cron::parse(text).unwrap().longest_pause_ms(SHORT_NIGHT).unwrap();
        assert_eq!(pause("0 9 * * MON-FRI"), 72 * HOUR);
        assert_eq!(pause("*/10 * * * * *"), 10_000);
        assert_eq!(pause("0 0 1 * *"), 31 * 24 * HOUR);
    }
}
