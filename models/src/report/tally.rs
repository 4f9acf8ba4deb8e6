//! Sums over users: by group, by day, by item. Memory grows with groups, days and items, never with events.

use std::collections::BTreeMap;

use serde::Serialize;
use shoptide_schemas::{Currency, EventMs, Feedback};

use super::act::Shelf;
use super::attribute::{Journey, Period, Sold};
use super::exposure::ItemCounts;
use super::rate::Rate;

/// Groups of one kind: models and segments there may be any number of; those that come later share one name.
pub const GROUPS_MAX: usize = 1_000;
/// No group of its own has this name: a category ends before its first slash.
pub const OTHER_GROUPS: &str = "others / together";

/// Micro-units by currency: there is no rate of exchange in a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Money(pub BTreeMap<Currency, i128>);

impl Money {
    pub(super) fn add(&mut self, paid: Option<(i64, Currency)>, pieces: u32) {
        if let Some((price, currency)) = paid {
            *self.0.entry(currency).or_default() += i128::from(price) * i128::from(pieces);
        }
    }

    /// Exact.
    pub fn less(&self, other: &Money) -> Money {
        let mut rest = self.clone();
        for (currency, micros) in &other.0 {
            *rest.0.entry(*currency).or_default() -= micros;
        }
        rest
    }
}

/// A decimal string a currency.
impl Serialize for Money {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer
            .collect_map(self.0.iter().map(|(currency, micros)| (currency.to_string(), decimal(*micros))))
    }
}

/// Micro-units as a decimal with two digits or as many as it needs, exact.
pub fn decimal(micros: i128) -> String {
    let (whole, fraction) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
    let fraction = format!("{fraction:06}");
    let kept = fraction.trim_end_matches('0').len().max(2);
    let sign = if micros < 0 { "-" } else { "" };
    format!("{sign}{whole}.{}", fraction.get(..kept).unwrap_or(&fraction))
}

/// What happened in one group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Places shown in the period, and those of them that were clicked within the window.
    pub shown: u64,
    pub clicked: u64,
    /// Clicks in the period (displays, where they have the credit), those of them of which no display is known, and those after
    /// which the item went into a cart or was bought and kept.
    pub touches: u64,
    pub unseen: u64,
    pub carted: u64,
    pub converted: u64,
    /// Lines of orders credited to them, pieces, what they cost, and what of that came back.
    pub lines: u64,
    pub pieces: u64,
    pub returned: u64,
    pub value: Money,
    pub value_returned: Money,
    /// By place in `Feedback::ALL`.
    pub opinions: [u64; Feedback::ALL.len()],
}

impl Counts {
    fn sold(&mut self, sold: &Sold) {
        self.lines += 1;
        self.pieces += u64::from(sold.quantity);
        self.returned += u64::from(sold.returned);
        self.value.add(sold.paid, sold.quantity);
        self.value_returned.add(sold.paid, sold.returned);
    }

    pub fn click_through(&self) -> Rate {
        Rate::of(self.clicked, self.shown)
    }

    pub fn add_to_cart(&self) -> Rate {
        Rate::of(self.carted, self.touches)
    }

    pub fn conversion(&self) -> Rate {
        Rate::of(self.converted, self.touches)
    }

    /// Likes and purchases that users told of, over all that they said.
    pub fn satisfaction(&self) -> Rate {
        let of = |wanted: Feedback| {
            let said = Feedback::ALL.iter().zip(self.opinions).find(|(feedback, _)| **feedback == wanted);
            said.map_or(0, |(_, n)| n)
        };
        Rate::of(of(Feedback::Like) + of(Feedback::Bought), self.opinions.iter().sum())
    }
}

/// What groups are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// All together.
    Total,
    /// The kind of list.
    List,
    /// Who put the item into it.
    Source,
    Segment,
    Category,
    Model,
}

impl Dimension {
    pub const ALL: [Dimension; 6] =
        [Self::Total, Self::List, Self::Source, Self::Segment, Self::Category, Self::Model];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::List => "list",
            Self::Source => "source",
            Self::Segment => "segment",
            Self::Category => "category",
            Self::Model => "model",
        }
    }
}

/// One group of one dimension.
#[derive(Debug, Clone, PartialEq)]
pub struct Group<'a> {
    pub dimension: Dimension,
    pub name: &'a str,
    pub counts: &'a Counts,
}

/// What happened on one day, by the time of the display or the click.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Day {
    pub shown: u64,
    pub clicked: u64,
    pub touches: u64,
    pub converted: u64,
}

/// All sums of a report but those of members.
#[derive(Debug, Default)]
pub struct Tallies {
    groups: BTreeMap<(Dimension, String), Counts>,
    sizes: BTreeMap<Dimension, usize>,
    pub days: BTreeMap<u32, Day>,
    pub(super) items: Vec<ItemCounts>,
    /// Displays and sales of items that the catalogue does not have.
    pub shown_unlisted: u64,
    /// All of the period, credited or not.
    pub lines: u64,
    pub lines_credited: u64,
    pub bought: Money,
    pub refunded: Money,
    pub refunds: u64,
    /// Pieces that came back of which no sale was read.
    pub pieces_unmatched: u64,
    /// Additions to carts.
    pub carts: u64,
    pub carts_credited: u64,
    /// Lists shown without naming an item, and those of them that were clicked.
    pub whole_lists: u64,
    pub whole_lists_clicked: u64,
    /// Repeats of an event or of an order's line in the period.
    pub repeats: u64,
    /// Users who did something in the period.
    pub users: u64,
}

impl Tallies {
    pub fn new(shelf: &Shelf) -> Self {
        let items = vec![ItemCounts::default(); shelf.catalogue().len() as usize];
        Self { items, ..Self::default() }
    }

    /// Adds one user. `period`: that of the rules by which the journey was made. `segment`: the name of his group, if groups are known.
    pub fn add(&mut self, journey: &Journey, period: Period, segment: Option<&str>, shelf: &Shelf) {
        self.users += u64::from(journey.present);
        self.repeats += journey.repeats;
        self.carts += journey.carts;
        self.carts_credited += journey.carts_credited;
        let segment = segment.unwrap_or("unknown");
        let name = |tag: super::Tag, number: u32| {
            let category = shelf.categories().get(usize::from(shelf.category(number)));
            (tag, category.map_or("unknown", String::as_str), segment)
        };
        for shown in journey.shown.iter().filter(|shown| period.has(shown.at)) {
            if !shown.of_item {
                self.whole_lists += 1;
                self.whole_lists_clicked += u64::from(shown.clicked);
                continue;
            }
            self.each(name(shown.tag, shown.number), |counts| {
                counts.shown += 1;
                counts.clicked += u64::from(shown.clicked);
            });
            let day = self.days.entry(EventMs(shown.at).day()).or_default();
            day.shown += 1;
            day.clicked += u64::from(shown.clicked);
            match self.items.get_mut(shown.number as usize) {
                Some(item) => {
                    item.shown += 1;
                    item.clicked += u32::from(shown.clicked);
                }
                None => self.shown_unlisted += 1,
            }
        }
        for touch in journey.touches.iter().filter(|touch| period.has(touch.at)) {
            let (carted, converted) = (u64::from(0 < touch.carts), u64::from(0 < touch.kept));
            self.each(name(touch.tag, touch.number), |counts| {
                counts.touches += 1;
                counts.unseen += u64::from(!touch.seen);
                counts.carted += carted;
                counts.converted += converted;
            });
            let day = self.days.entry(EventMs(touch.at).day()).or_default();
            day.touches += 1;
            day.converted += converted;
        }
        for said in journey.opinions.iter().filter(|said| period.has(said.at)) {
            self.each(name(said.tag, said.number), |counts| {
                if let Some(n) = counts.opinions.get_mut(usize::from(said.feedback)) {
                    *n += 1;
                }
            });
        }
        for sold in &journey.sold {
            let touch = sold.touch.and_then(|place| journey.touches.get(place));
            if let Some(touch) = touch.filter(|touch| period.has(touch.at)) {
                self.each(name(touch.tag, touch.number), |counts| counts.sold(sold));
            }
            if period.has(sold.at) {
                self.lines += 1;
                self.lines_credited += u64::from(sold.touch.is_some());
                self.bought.add(sold.paid, sold.quantity);
                if let Some(item) = self.items.get_mut(sold.number as usize) {
                    item.bought += 1;
                }
            }
        }
        for refund in journey.refunded.iter().filter(|refund| period.has(refund.at)) {
            self.refunds += 1;
            self.refunded.add(refund.paid, refund.quantity);
            self.pieces_unmatched += u64::from(refund.quantity - refund.matched);
        }
    }

    /// In every dimension, the total first, the largest groups by name.
    pub fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        self.groups.iter().map(|((dimension, name), counts)| Group { dimension: *dimension, name, counts })
    }

    pub fn total(&self) -> Counts {
        self.groups.get(&(Dimension::Total, "all".to_owned())).cloned().unwrap_or_default()
    }

    fn each(&mut self, (tag, category, segment): (super::Tag, &str, &str), change: impl Fn(&mut Counts)) {
        let model = tag.model.map_or("unknown".to_owned(), |model| model.to_string());
        let names = [
            (Dimension::Total, "all"),
            (Dimension::List, tag.list()),
            (Dimension::Source, tag.source()),
            (Dimension::Segment, segment),
            (Dimension::Category, category),
            (Dimension::Model, &model),
        ];
        for (dimension, name) in names {
            let key = (dimension, name.to_owned());
            if let Some(counts) = self.groups.get_mut(&key) {
                change(counts);
                continue;
            }
            let size = self.sizes.entry(dimension).or_default();
            let key = if GROUPS_MAX <= *size { (dimension, OTHER_GROUPS.to_owned()) } else { key };
            let counts = self.groups.entry(key).or_insert_with(|| {
                *size += 1;
                Counts::default()
            });
            change(counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        for (micros, text) in [
            (0, "0.00"),
            (9_747_747_934_000, "9747747.934"),
            (-11_062_060_000, "-11062.06"),
            (-1, "-0.000001"),
            (i128::from(i64::MAX) * 1_000, "9223372036854775.807"),
        ] {
            assert_eq!(decimal(micros), text);
        }
    }
}
