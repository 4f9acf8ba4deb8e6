//! What became of a file's rows: `rows = events + ignored + bad`, always.

use std::collections::BTreeMap;

use serde::Serialize;
use shoptide_schemas::{EventKind, ShopEvent};

/// Bad rows listed by line; the others are counted.
pub const BAD_LINES_MAX: usize = 100;

/// One bad row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadLine {
    /// From 1, as an editor counts; the first line of a row of several.
    pub line: u64,
    pub reason: String,
    /// What is wrong and what was expected; never the row itself.
    pub message: String,
}

/// Counts of one import so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Rows read (elements, where a line holds several), header and empty lines aside.
    pub rows: u64,
    pub events: u64,
    /// Rows whose event the mapping names `ignore`.
    pub ignored: u64,
    pub bad: u64,
    pub bad_by_reason: BTreeMap<String, u64>,
    /// The first [`BAD_LINES_MAX`] bad rows.
    pub bad_lines: Vec<BadLine>,
    /// Catalogue rows made on the way.
    pub catalogue: u64,
    pub events_by_type: BTreeMap<&'static str, u64>,
    /// Quantity times price of purchases and of refunds, in millionths of the file's currencies.
    pub bought_micros: i128,
    pub refunded_micros: i128,
    /// Quantity times price of bad rows as they stand there, with their signs: `bought - refunded + rejected` is the file's sum.
    pub rejected_micros: i128,
    pub rejected_micros_by_reason: BTreeMap<String, i128>,
    /// Bad rows of which no amount could be read, or that are of a type without one.
    pub rejected_unreadable: u64,
    pub oldest_ms: Option<i64>,
    pub newest_ms: Option<i64>,
}

/// Why a row is bad: a word for counting, a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bad {
    pub reason: String,
    pub message: String,
}

impl Bad {
    pub(crate) fn new(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason: reason.into(), message: message.into() }
    }
}

impl Report {
    /// Counts a bad row with its amount, as far as it has one.
    pub(crate) fn count_rejected(&mut self, line: u64, bad: Bad, amount: Option<i128>) {
        match amount {
            Some(micros) => {
                self.rejected_micros += micros;
                *self.rejected_micros_by_reason.entry(bad.reason.clone()).or_default() += micros;
            }
            None => self.rejected_unreadable += 1,
        }
        self.count_bad(line, bad);
    }

    /// What came in and what did not, in millionths: quantity times price summed over the file.
    pub fn sum_micros(&self) -> i128 {
        self.bought_micros - self.refunded_micros + self.rejected_micros
    }

    pub(crate) fn count_bad(&mut self, line: u64, bad: Bad) {
        self.rows += 1;
        self.bad += 1;
        if self.bad_lines.len() < BAD_LINES_MAX {
            let (reason, message) = (bad.reason.clone(), bad.message);
            self.bad_lines.push(BadLine { line, reason, message });
        }
        *self.bad_by_reason.entry(bad.reason).or_default() += 1;
    }

    pub(crate) fn count_ignored(&mut self) {
        self.rows += 1;
        self.ignored += 1;
    }

    pub(crate) fn count_event(&mut self, event: &ShopEvent) {
        self.rows += 1;
        self.events += 1;
        *self.events_by_type.entry(event.event_type.name()).or_default() += 1;
        self.oldest_ms = Some(self.oldest_ms.map_or(event.at.0, |ms| ms.min(event.at.0)));
        self.newest_ms = Some(self.newest_ms.map_or(event.at.0, |ms| ms.max(event.at.0)));
        match &event.kind {
            EventKind::Purchase { quantity, paid: Some((price, _)), .. } => {
                self.bought_micros += i128::from(*quantity) * i128::from(price.0);
            }
            EventKind::Refund { quantity, paid: Some((price, _)), .. } => {
                self.refunded_micros += i128::from(*quantity) * i128::from(price.0);
            }
            _ => {}
        }
    }
}
