//! What the client was told, and what a clean shop must therefore hold.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;

use crate::log_reader::Place;

/// Shared by all clients of one shop.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Known>>);

#[derive(Default)]
pub struct Known {
    /// Events by where the collector said that they are.
    pub accepted: BTreeMap<Place, String>,
    /// Batches that were answered.
    pub batches: usize,
    pub rejected: usize,
    /// Answers that were no 2xx, and requests without an answer.
    pub refused: usize,
    pub silent: usize,
    /// Answers that no fault explains, by status.
    pub wrong: BTreeMap<u16, String>,
    /// Budgets by user, in micro-units.
    pub budgets: BTreeMap<String, i64>,
    /// Refused records that the test itself has put into the log.
    pub dead: BTreeMap<Place, String>,
    /// Events that the collector takes and that must become dead letters wherever they are in the log: what was not answered may
    /// be there as well.
    pub doomed: BTreeMap<String, &'static str>,
    /// Users that had an event, and may have a list.
    pub users: Vec<String>,
}

impl Ledger {
    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap()
    }

    pub fn batches(&self) -> usize {
        self.known().batches
    }

    /// Takes the answer to a batch.
    pub fn answered(&self, answer: &Value) {
        let mut known = self.known();
        for verdict in answer["verdicts"].as_array().unwrap() {
            if verdict["status"] == "accepted" {
                let text = |field: &str| verdict[field].as_str().unwrap_or_else(|| panic!("{verdict}"));
                let partition = verdict["partition"].as_u64().unwrap() as u32;
                let place = (text("topic").to_owned(), partition, verdict["offset"].as_i64().unwrap());
                known.accepted.insert(place, text("event_id").to_owned());
            } else {
                known.rejected += 1;
            }
        }
        known.batches += 1;
    }
}
