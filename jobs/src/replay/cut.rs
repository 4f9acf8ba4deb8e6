//! A moment as offsets: where each partition stood.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shoptide_schemas::Topic;
use shoptide_schemas::topic::ALL_TOPICS;

use super::{History, Moment, ReplayToError};

/// Next offset by topic and partition: everything before it, and nothing from it on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cut(BTreeMap<(Topic, u32), i64>);

impl Cut {
    pub fn get(&self, topic: Topic, partition: u32) -> Option<i64> {
        self.0.get(&(topic, partition)).copied()
    }

    pub fn set(&mut self, topic: Topic, partition: u32, next: i64) {
        self.0.insert((topic, partition), next);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (Topic, u32, i64)> + '_ {
        self.0.iter().map(|((topic, partition), next)| (*topic, *partition, *next))
    }

    /// By topic, the offsets in order of partition: what [`Moment::parse`] reads.
    pub fn to_json(&self) -> Value {
        let of = |topic: Topic| {
            let offsets = self.iter().filter(|(of, ..)| *of == topic).map(|(.., next)| next);
            (topic.name().to_owned(), json!(offsets.collect::<Vec<_>>()))
        };
        Value::Object(ALL_TOPICS.into_iter().map(of).collect())
    }
}

/// Finds where a moment cuts every partition.
///
/// Append times never go backwards within a partition (the embedded log sees to it, Kafka's brokers do while their clocks agree), so the
/// cut of a time is found by halving.
///
/// # Errors
/// [`ReplayToError::Moment`] for a moment before the first record that is there or for offsets that do not exist.
pub async fn cut_of(history: &History<'_>, moment: &Moment) -> Result<Cut, ReplayToError> {
    let mut cut = Cut::default();
    let wanted = match moment {
        Moment::Time(ms) => {
            for (topic, partition) in history.partitions() {
                cut.set(topic, partition, history.first_after(topic, partition, *ms).await?);
            }
            return Ok(cut);
        }
        Moment::AsOf(_) => {
            let message = "these are the offsets of one user's partition: a whole shop needs those of all partitions, or a time";
            return Err(ReplayToError::Moment(message.to_owned()));
        }
        Moment::Cut(wanted) => wanted,
    };
    for (topic, partition, next) in wanted.iter() {
        let (first, end) = history
            .bounds(topic, partition)
            .ok_or_else(|| ReplayToError::Moment(format!("{topic} has no partition {partition} here")))?;
        if !(first..=end).contains(&next) {
            return Err(ReplayToError::Moment(format!(
                "{topic} partition {partition} holds offsets {first} to {end}, asked for the moment before {next}"
            )));
        }
    }
    for (topic, partition) in history.partitions() {
        let next = wanted.get(topic, partition).ok_or_else(|| {
            ReplayToError::Moment(format!("the offsets name no {topic} partition {partition}"))
        })?;
        cut.set(topic, partition, next);
    }
    Ok(cut)
}
