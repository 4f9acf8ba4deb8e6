//! A report as data: what the page and the tables are written from, and what `--json` prints.

use serde::Serialize;
use shoptide_models::report::{
    CategoryExposure, Counts, Credit, Dimension, ExposureShares, ItemShown, MembersReport, Money, Rate,
    Rules, Shelf,
};
use shoptide_schemas::{EventMs, Feedback};

use super::gather::Gathered;

/// Items of the table of what is shown most.
const ITEMS_MAX: usize = 100;

/// What was read, and what of it does not count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reading {
    pub source: &'static str,
    /// Displays, clicks, feedback, carts, purchases and refunds of the period and a window on each side.
    pub events: u64,
    /// Told again by the stream of a known user; the first telling counts.
    pub copies: u64,
    /// Older than the stream takes.
    pub late: u64,
    /// Beyond what one user's events are attributed.
    pub beyond: u64,
    pub erased_users: u64,
    pub oldest_ms: Option<i64>,
    pub newest_ms: Option<i64>,
}

/// One group's figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupRow {
    pub dimension: Dimension,
    pub group: String,
    pub click_through: Rate,
    pub add_to_cart: Rate,
    pub conversion: Rate,
    /// Clicks (displays, where they have the credit) of which no display is known.
    pub unseen: u64,
    pub lines: u64,
    pub pieces: u64,
    pub returned: u64,
    pub value: Money,
    pub value_returned: Money,
    pub like: u64,
    pub dislike: u64,
    pub not_interested: u64,
    pub bought: u64,
    pub satisfaction: Rate,
}

impl GroupRow {
    pub(super) fn of(dimension: Dimension, group: &str, counts: &Counts) -> Self {
        let said = |wanted: Feedback| {
            Feedback::ALL.iter().zip(counts.opinions).find(|(f, _)| **f == wanted).map_or(0, |(_, n)| n)
        };
        Self {
            dimension,
            group: group.to_owned(),
            click_through: counts.click_through(),
            add_to_cart: counts.add_to_cart(),
            conversion: counts.conversion(),
            unseen: counts.unseen,
            lines: counts.lines,
            pieces: counts.pieces,
            returned: counts.returned,
            value: counts.value.clone(),
            value_returned: counts.value_returned.clone(),
            like: said(Feedback::Like),
            dislike: said(Feedback::Dislike),
            not_interested: said(Feedback::NotInterested),
            bought: said(Feedback::Bought),
            satisfaction: counts.satisfaction(),
        }
    }
}

/// One day's figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DayRow {
    pub day: String,
    pub shown: u64,
    pub clicked: u64,
    pub clicks: u64,
    pub converted: u64,
}

/// Sums over all of the period, whether or not a list has a part in them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Totals {
    /// Users who did something in the period.
    pub users: u64,
    /// Repeats of an event or of an order's line in the period.
    pub repeats: u64,
    pub lines: u64,
    pub lines_credited: u64,
    pub bought: Money,
    pub refunds: u64,
    pub refunded: Money,
    /// `bought` less `refunded`.
    pub net: Money,
    /// Pieces that came back of which no sale was read.
    pub pieces_unmatched: u64,
    /// Additions to carts.
    pub carts: u64,
    pub carts_credited: u64,
    /// Displays that name a list and no item of it.
    pub whole_lists: Rate,
}

/// All of it. The same events and rules give the same report: it has no clock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub version: u32,
    /// None where the period is open.
    pub from: Option<String>,
    pub to: Option<String>,
    pub window_ms: i64,
    pub credit: &'static str,
    pub reading: Reading,
    pub totals: Totals,
    pub groups: Vec<GroupRow>,
    pub days: Vec<DayRow>,
    pub exposure: ExposureShares,
    pub categories: Vec<CategoryExposure>,
    pub items: Vec<ItemShown>,
    pub members: MembersReport,
}

impl Report {
    pub fn of(gathered: &Gathered, rules: &Rules, shelf: &Shelf) -> Self {
        let tallies = &gathered.tallies;
        let period = rules.period();
        let time = |ms: i64, open: i64| (ms != open).then(|| EventMs(ms).to_rfc3339());
        let day = |day: u32| {
            EventMs(i64::from(day) * shoptide_schemas::time::DAY_MS).to_rfc3339().chars().take(10).collect()
        };
        Self {
            version: 1,
            from: time(period.from, i64::MIN),
            to: time(period.to, i64::MAX),
            window_ms: rules.window_ms(),
            credit: credit_name(rules.credit()),
            reading: gathered.reading.clone(),
            totals: Totals {
                users: tallies.users,
                repeats: tallies.repeats,
                lines: tallies.lines,
                lines_credited: tallies.lines_credited,
                bought: tallies.bought.clone(),
                refunds: tallies.refunds,
                refunded: tallies.refunded.clone(),
                net: tallies.bought.less(&tallies.refunded),
                pieces_unmatched: tallies.pieces_unmatched,
                carts: tallies.carts,
                carts_credited: tallies.carts_credited,
                whole_lists: Rate::of(tallies.whole_lists_clicked, tallies.whole_lists),
            },
            groups: groups(gathered),
            days: tallies
                .days
                .iter()
                .map(|(n, d)| DayRow {
                    day: day(*n),
                    shown: d.shown,
                    clicked: d.clicked,
                    clicks: d.touches,
                    converted: d.converted,
                })
                .collect(),
            exposure: tallies.exposure(shelf),
            categories: tallies.exposure_by_category(shelf),
            items: tallies.most_shown(shelf, ITEMS_MAX),
            members: gathered.members.report(period),
        }
    }

    /// The rows of one kind, the most shown first.
    pub fn of_dimension(&self, dimension: Dimension) -> impl Iterator<Item = &GroupRow> {
        self.groups.iter().filter(move |row| row.dimension == dimension)
    }
}

/// As options and reports name it.
pub fn credit_name(credit: Credit) -> &'static str {
    match credit {
        Credit::LastClick => "click",
        Credit::LastShown => "shown",
    }
}

/// By dimension, the most shown first, then the most clicked. All of them, so that the rows of a kind come to the total.
fn groups(gathered: &Gathered) -> Vec<GroupRow> {
    let mut rows = Vec::new();
    for dimension in Dimension::ALL {
        let of = gathered.tallies.groups().filter(|group| group.dimension == dimension);
        let mut of: Vec<GroupRow> =
            of.map(|group| GroupRow::of(dimension, group.name, group.counts)).collect();
        of.sort_by(|a, b| {
            let size = |row: &GroupRow| (row.click_through.of, row.conversion.of, row.satisfaction.of);
            size(b).cmp(&size(a)).then(a.group.cmp(&b.group))
        });
        rows.extend(of);
    }
    rows
}
