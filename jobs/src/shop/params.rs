//! What a generated shop is made from: numbers as given ([`ShopOptions`]), and as checked ([`ShopParams`]).

use shoptide_schemas::time::{DAY_MS, EVENT_MS_MAX, EVENT_MS_MIN};

/// Users are never held in memory; the bound is what ids and the demo's promise cover.
pub const USERS_MAX: u64 = 10_000_000;
/// Items are held: about 30 bytes each.
pub const ITEMS_MAX: u64 = 1_000_000;
/// One item a group.
pub const ITEMS_MIN: u64 = 3;
/// More than a disk holds as JSON; keeps products of counts and milliseconds inside 128 bits.
pub const EVENTS_MAX: u64 = 100_000_000_000;
pub const SPAN_DAYS_MAX: u64 = 365;
/// An `event_id` has 64 bytes; 16 hexadecimal digits, prefixes and a split line's suffix must fit behind the run.
pub const RUN_BYTES_MAX: usize = 24;
/// Above half, "some" is the wrong word and planning by shares no longer holds.
const SHARE_PER_MILLE_MAX: u64 = 500;

/// A shop as asked for; nothing in it is checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopOptions {
    pub seed: u64,
    pub users: u64,
    pub items: u64,
    /// Events in all, repeats included.
    pub events: u64,
    /// Time of the newest event.
    pub end_ms: i64,
    /// The events spread over so many days before `end_ms`.
    pub span_days: u64,
    /// Events that are sent twice.
    pub duplicate_per_mille: u64,
    /// Events that change places with their neighbour, and again as many whose own time is a little early.
    pub disorder_per_mille: u64,
    /// Views that happened 40 to 60 days before `end_ms`: too late to count.
    pub late_per_mille: u64,
    /// Events spoiled on purpose, for tests of the border.
    pub bad_per_mille: u64,
    /// Prefix of every id that must be unique; two runs into one log need two names.
    pub run: String,
}

impl ShopOptions {
    /// The shop of the demo: 50,000 events of 1,000 users and 600 items. 25 days, so that none but the late are late.
    pub fn demo(seed: u64, end_ms: i64) -> Self {
        Self {
            seed,
            users: 1_000,
            items: 600,
            events: 50_000,
            end_ms,
            span_days: 25,
            duplicate_per_mille: 10,
            disorder_per_mille: 20,
            late_per_mille: 1,
            bad_per_mille: 0,
            run: format!("g{seed:x}"),
        }
    }
}

/// A value outside its bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}, expected {expected}")]
pub struct BadShop {
    pub field: &'static str,
    pub value: String,
    pub expected: String,
}

/// A shop that can be generated. Made only by [`ShopParams::new`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopParams {
    given: ShopOptions,
}

impl ShopParams {
    /// # Errors
    /// [`BadShop`] names the first field outside its bounds.
    pub fn new(given: ShopOptions) -> Result<Self, BadShop> {
        let within = |field: &'static str, value: u64, low: u64, high: u64| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            Err(BadShop { field, value: value.to_string(), expected: format!("{low} to {high}") })
        };
        within("users", given.users, 1, USERS_MAX)?;
        within("items", given.items, ITEMS_MIN, ITEMS_MAX)?;
        within("events", given.events, 1, EVENTS_MAX)?;
        within("span_days", given.span_days, 1, SPAN_DAYS_MAX)?;
        within("duplicate_per_mille", given.duplicate_per_mille, 0, SHARE_PER_MILLE_MAX)?;
        within("disorder_per_mille", given.disorder_per_mille, 0, SHARE_PER_MILLE_MAX)?;
        within("late_per_mille", given.late_per_mille, 0, SHARE_PER_MILLE_MAX)?;
        within("bad_per_mille", given.bad_per_mille, 0, SHARE_PER_MILLE_MAX)?;
        // The oldest event (late ones lie up to 60 days before the end) must still be a time of the wire.
        let low = EVENT_MS_MIN + (SPAN_DAYS_MAX as i64 + 1) * DAY_MS;
        if !(low..EVENT_MS_MAX).contains(&given.end_ms) {
            let expected = format!("milliseconds, {low} to {}", EVENT_MS_MAX - 1);
            return Err(BadShop { field: "end_ms", value: given.end_ms.to_string(), expected });
        }
        check_run(&given.run)?;
        Ok(Self { given })
    }

    pub fn get(&self) -> &ShopOptions {
        &self.given
    }

    /// Time of the oldest event that is not late.
    pub fn start_ms(&self) -> i64 {
        self.given.end_ms - self.given.span_days as i64 * DAY_MS
    }
}

/// A run's name becomes part of ids.
///
/// # Errors
/// [`BadShop`] unless it has 1 to [`RUN_BYTES_MAX`] ASCII letters, digits, `-` or `_`.
pub(crate) fn check_run(run: &str) -> Result<(), BadShop> {
    let fits = (1..=RUN_BYTES_MAX).contains(&run.len());
    if fits && run.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return Ok(());
    }
    let value = format!("{:?}", run.chars().take(40).collect::<String>());
    let expected = format!("1 to {RUN_BYTES_MAX} ASCII letters, digits, - or _");
    Err(BadShop { field: "run", value, expected })
}
