//! Ratings of a store from before there were sums: what the parts of a shard hold is added up once, and counted as it is folded from
//! then on.

use std::collections::BTreeMap;

use shoptide_models::codec::CodecError;
use shoptide_models::state::Part;
use shoptide_schemas::{ItemId, Topic};
use shoptide_store::{Commit, OffsetMove, RatingRow, StoreError, Tally, Truth};

/// Why the parts cannot be added up.
#[derive(Debug, thiserror::Error)]
pub enum SumError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// The commit that gives a shard's parts their sums, and notes that ratings from `next_off` of `shop.feedback` on are counted one by one.
/// - `epoch`, `next_off`: where the shard stands; the commit is refused if it stands elsewhere
///
/// # Errors
/// [`SumError`] if the parts cannot be read.
pub async fn sum_ratings(
    truth: &dyn Truth,
    shard: u32,
    epoch: i64,
    next_off: i64,
) -> Result<Commit, SumError> {
    // All parts of this shard and topic, and none of the others.
    let others = truth.offsets().await?.into_iter().map(|row| row.shard).filter(|other| shard < *other);
    let mut since: Vec<_> = others.map(|other| (other, Topic::Feedback, i64::MAX)).collect();
    since.sort_unstable();
    since.dedup();
    since.insert(0, (shard, Topic::Feedback, 0));
    let mut sums: BTreeMap<ItemId, (i64, i64)> = BTreeMap::new();
    let mut damaged = None;
    let mut add = |row: shoptide_store::PartRow| match Part::decode(&row.data) {
        Ok(part) if (row.shard, row.topic) == (shard, Topic::Feedback) => {
            for (item, hundredths) in part.ratings() {
                let (n, sum) = sums.entry(item.clone()).or_default();
                (*n, *sum) = (*n + 1, *sum + i64::from(hundredths));
            }
        }
        Ok(_) => {}
        Err(error) => damaged = Some(error),
    };
    truth.scan_parts(&since, &mut add).await?;
    if let Some(error) = damaged {
        return Err(error.into());
    }
    let upto = next_off - 1;
    let row = |(item, (n, hundredths))| RatingRow { item, n, hundredths, upto };
    let (topic, tally) = (Topic::Feedback, Tally::default());
    Ok(Commit {
        shard,
        epoch,
        offsets: vec![OffsetMove { topic, from: next_off, to: next_off, append_ms: 0, tally }],
        ratings: sums.into_iter().map(row).collect(),
        rated_from: Some(next_off),
        ..Commit::default()
    })
}
