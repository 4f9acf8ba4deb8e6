//! A log that grows: larger topics beside the old ones, which are sealed and folded to their end; then the users move to their
//! new shards and the new topics are folded. What is said here of the truth is also what a replay does between two generations.

use shoptide_log::{Log, first_offset};
use shoptide_schemas::{Topic, USER_TOPICS};
use shoptide_store::{Growth, StoreError, Truth};

/// Whether the truth has folded all that the partitions of a generation hold.
///
/// # Errors
/// [`StoreError`] if the truth cannot be read.
pub async fn is_drained(truth: &dyn Truth, growth: &Growth) -> Result<bool, StoreError> {
    let rows = truth.offsets().await?;
    let folded = |(topic, shard, end): &(Topic, u32, i64)| {
        let row = rows.iter().find(|row| (row.topic, row.shard) == (*topic, *shard));
        // A partition that nobody has looked at yet is drained if it is empty.
        row.map_or(first_offset(growth.generation.saturating_sub(1)), |row| row.next_off) == *end
    };
    Ok(growth.ends.iter().all(folded))
}

/// Takes all shards over, moves their users, and enters the new generation. May be repeated until it succeeds.
///
/// # Errors
/// [`StoreError::Fenced`] if a shard was taken over by somebody else meanwhile: begin again.
pub async fn enter(truth: &dyn Truth, growth: &Growth) -> Result<(), StoreError> {
    let first = first_offset(growth.generation.saturating_sub(1));
    let mut epochs = Vec::new();
    for shard in 0..growth.from {
        // From here on whoever folded it is fenced.
        let rows = truth.assign(shard, &USER_TOPICS.map(|topic| (topic, first))).await?;
        epochs.push((shard, rows.iter().map(|row| row.epoch).max().unwrap_or(0)));
    }
    for (shard, epoch) in &epochs {
        truth.move_users(*shard, *epoch, growth).await?;
    }
    truth.enter_generation(growth, &epochs).await
}

/// The growth that ended a former generation, as the truth remembers it.
///
/// # Errors
/// [`StoreError`] if the truth cannot be read.
pub async fn remembered(truth: &dyn Truth, log: &dyn Log, generation: u32) -> Result<Growth, StoreError> {
    let partitions = |generation| log.partitions_at(USER_TOPICS[0], first_offset(generation));
    Ok(Growth {
        generation,
        from: partitions(generation.saturating_sub(1)),
        to: partitions(generation),
        ends: truth.ended(generation.saturating_sub(1)).await?,
        begin: first_offset(generation),
    })
}
