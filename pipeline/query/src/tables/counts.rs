//! `item_counts` and `dead_letters`: as they lie in the store.

use std::sync::Arc;

use async_trait::async_trait;
use shoptide_models::state::Act;
use shoptide_schemas::Topic;
use shoptide_store::{CountPlace, CountRow, DeadLetter, Truth};

use super::column::{self, Column};
use super::{Pages, Wanted};
use crate::error::QueryError;

pub struct Counts(pub Arc<dyn Truth>);

#[async_trait]
impl Pages for Counts {
    type Row = (u32, CountRow);
    type Place = CountPlace;

    const ROWS: usize = 4096;

    fn columns() -> Vec<Column<Self::Row>> {
        vec![
            column::uint32("partition", |(shard, _): &Self::Row| Some(*shard)),
            column::id("item_id", |(_, row): &Self::Row| Some(row.item.as_bytes())),
            column::date("day", |(_, row): &Self::Row| i32::try_from(row.day).ok()),
            column::text("type", |(_, row): &Self::Row| Some(Act(row.kind).name())),
            column::int("n", |(_, row): &Self::Row| Some(row.n)),
        ]
    }

    async fn page(
        &self,
        place: Option<CountPlace>,
        rows: usize,
        _: &Wanted,
    ) -> Result<(Vec<Self::Row>, Option<CountPlace>), QueryError> {
        let found = self.0.item_counts_after(place, rows).await?;
        let place = |(shard, row): &Self::Row| CountPlace {
            shard: *shard,
            item: row.item.clone(),
            day: row.day,
            kind: row.kind,
        };
        let next = if found.len() < rows { None } else { found.last().map(place) };
        Ok((found, next))
    }
}

pub struct DeadLetters(pub Arc<dyn Truth>);

#[async_trait]
impl Pages for DeadLetters {
    type Row = DeadLetter;
    type Place = (u32, Topic, i64);

    /// A payload has up to 64 KiB.
    const ROWS: usize = 256;

    fn columns() -> Vec<Column<DeadLetter>> {
        vec![
            column::text("topic", |l: &DeadLetter| Some(l.topic.name())),
            column::uint32("partition", |l: &DeadLetter| Some(l.shard)),
            column::int("offset", |l: &DeadLetter| Some(l.offset)),
            column::moment("appended_at", |l: &DeadLetter| Some(l.append_ms)),
            column::text("reason", |l: &DeadLetter| Some(&l.reason)),
            column::text("field", |l: &DeadLetter| Some(&l.field)),
            column::text("message", |l: &DeadLetter| Some(&l.message)),
            column::id("key", |l: &DeadLetter| l.key.as_deref()),
            column::id("payload", |l: &DeadLetter| l.payload.as_deref()),
        ]
    }

    async fn page(
        &self,
        place: Option<Self::Place>,
        rows: usize,
        _: &Wanted,
    ) -> Result<(Vec<DeadLetter>, Option<Self::Place>), QueryError> {
        let found = self.0.dead_letters_after(place, rows).await?;
        let next = if found.len() < rows { None } else { found.last().map(|l| (l.shard, l.topic, l.offset)) };
        Ok((found, next))
    }
}
