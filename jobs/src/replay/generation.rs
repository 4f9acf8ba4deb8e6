//! In which generation of topics a time lies, in a log that has grown to larger ones.

use shoptide_log::{first_offset, generation_of};
use shoptide_schemas::{EventMs, USER_TOPICS};

use super::{Cut, History, ReplayToError};

/// The newest generation that had a record then, all generations before it being whole.
///
/// While a log grows, both take records for some seconds: topics are sealed one after the other. Such a time lies in the generation before,
/// as it did for those who folded: nobody folds the larger topics before the others are at their end.
///
/// # Errors
/// [`ReplayToError::Moment`] if there are records up to that time in larger topics that the truth does not fold yet.
pub(super) async fn generation_at(history: &History<'_>, ms: i64) -> Result<u32, ReplayToError> {
    refuse_growing(history, ms).await?;
    let mut newest = history.generations();
    while 1 < newest && !begun(history, newest, ms).await? {
        newest -= 1;
    }
    for generation in 1..newest {
        if !whole(history, generation, ms).await? {
            return Ok(generation);
        }
    }
    Ok(newest)
}

/// Where the one before ended is not known before the growth is finished.
async fn refuse_growing(history: &History<'_>, ms: i64) -> Result<(), ReplayToError> {
    let next = history.generations().saturating_add(1);
    for topic in USER_TOPICS {
        for partition in 0..history.partitions_in(next) {
            let found = history.appended(topic, partition, first_offset(next)..i64::MAX).await?;
            if let Some(since) = found.filter(|at| *at <= ms) {
                return Err(ReplayToError::Moment(format!(
                    "this log is growing to larger topics, which have records since {} that are not folded yet: finish it with \
                     `shoptide topics grow`, or ask for a moment before",
                    EventMs(since).to_rfc3339()
                )));
            }
        }
    }
    Ok(())
}

/// Whether a generation had a record of a user.
async fn begun(history: &History<'_>, generation: u32, ms: i64) -> Result<bool, ReplayToError> {
    for (topic, partition) in history.partitions(generation).filter(|(topic, _)| topic.is_user()) {
        let Some((base, end)) = history.bounds(generation, topic, partition) else { continue };
        if history.appended(topic, partition, base..end).await?.is_some_and(|at| at <= ms) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether nothing came to a generation after a time.
async fn whole(history: &History<'_>, generation: u32, ms: i64) -> Result<bool, ReplayToError> {
    for (topic, partition) in history.partitions(generation).filter(|(topic, _)| topic.is_user()) {
        let Some((base, end)) = history.bounds(generation, topic, partition) else { continue };
        if base == end {
            continue;
        }
        // Its last record says it, unless there is a gap where that one would be.
        let after = match history.appended(topic, partition, end - 1..end).await? {
            Some(at) => ms < at,
            None => {
                let at = history.first_after((generation, topic, partition), ms).await?;
                history.appended(topic, partition, at..end).await?.is_some()
            }
        };
        if after {
            return Ok(false);
        }
    }
    Ok(true)
}

/// When the last record before a cut was appended; 0 if there is none.
pub(super) async fn latest(history: &History<'_>, cut: &Cut) -> Result<i64, ReplayToError> {
    let mut latest = 0;
    for (topic, partition, next) in cut.iter() {
        let (mut partition, mut next) = (partition, next);
        let mut generation = if topic.is_user() { generation_of(next) } else { 1 };
        // Of a partition without a record in its generation, what its users did in the one before.
        while 1 < generation && next <= first_offset(generation) {
            generation -= 1;
            partition %= history.partitions_in(generation).max(1);
            next = history.bounds(generation, topic, partition).map_or(0, |(_, end)| end);
        }
        // A cut lies behind a record: gaps come before it.
        let found = history.appended(topic, partition, (next - 1).max(0)..next).await?;
        latest = found.map_or(latest, |at| at.max(latest));
    }
    Ok(latest)
}
