//! A moment as offsets: where each partition stood.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shoptide_log::generation_of;
use shoptide_schemas::Topic;
use shoptide_schemas::topic::ALL_TOPICS;

use super::generation::generation_at;
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

    /// The generation of topics that it lies in: those before are whole.
    pub fn generation(&self) -> u32 {
        let user = self.iter().filter(|(topic, ..)| topic.is_user());
        user.map(|(.., next)| generation_of(next)).max().unwrap_or(1)
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

/// Finds where a moment cuts every partition of its generation.
///
/// # Errors
/// [`ReplayToError::Moment`] for offsets that do not exist, or a moment that is not folded yet because the log is just growing.
pub async fn cut_of(history: &History<'_>, moment: &Moment) -> Result<Cut, ReplayToError> {
    let wanted = match moment {
        Moment::Time(ms) => return cut_at(history, generation_at(history, *ms).await?, *ms).await,
        Moment::AsOf { .. } => {
            let message = "these are the offsets of one user's partition: a whole shop needs those of all partitions, or a time";
            return Err(ReplayToError::Moment(message.to_owned()));
        }
        Moment::Cut(wanted) => wanted,
    };
    let generation = wanted.generation();
    for (topic, partition, next) in wanted.iter() {
        check(history, generation, (topic, partition), next)?;
    }
    let mut cut = Cut::default();
    for (topic, partition) in history.partitions(generation) {
        let next = wanted.get(topic, partition).ok_or_else(|| {
            ReplayToError::Moment(format!("the offsets name no {topic} partition {partition}"))
        })?;
        cut.set(topic, partition, next);
    }
    Ok(cut)
}

/// Where a time cuts every partition of a generation.
///
/// Append times never go backwards within a partition (the embedded log sees to it, Kafka's brokers do while their clocks agree), so it
/// is found by halving.
///
/// # Errors
/// [`ReplayToError`] if the log cannot be read.
pub(super) async fn cut_at(history: &History<'_>, generation: u32, ms: i64) -> Result<Cut, ReplayToError> {
    let mut cut = Cut::default();
    for (topic, partition) in history.partitions(generation) {
        let next = history.first_after((generation, topic, partition), ms).await?;
        cut.set(topic, partition, next);
    }
    Ok(cut)
}

/// Whether an offset that somebody names is one that a generation has, or the next after its last.
///
/// # Errors
/// [`ReplayToError::Moment`] saying what there is.
pub(super) fn check(
    history: &History<'_>,
    generation: u32,
    (topic, partition): (Topic, u32),
    next: i64,
) -> Result<(), ReplayToError> {
    let (refused, last) = (|message| Err(ReplayToError::Moment(message)), history.generations());
    if last < generation {
        return refused(format!(
            "{topic} offsets of generation {generation} of the topics are asked for, and {last} is the last that is folded"
        ));
    }
    let of = if last == 1 { String::new() } else { format!(" of generation {generation}") };
    let Some((first, end)) = history.bounds(generation, topic, partition) else {
        return refused(format!("{topic}{of} has no partition {partition} here"));
    };
    if !(first..=end).contains(&next) {
        return refused(format!(
            "{topic} partition {partition}{of} holds offsets {first} to {end}, asked for the moment before {next}"
        ));
    }
    Ok(())
}
