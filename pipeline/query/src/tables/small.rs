//! `models`, `offsets`, `quality`, `segments`: tables of a few thousand rows at most, read at once.

use std::sync::Arc;

use async_trait::async_trait;
use shoptide_store::{ModelRow, OffsetRow, SegmentRow, SegmentRunRow, Truth};

use super::column::{self, Column};
use super::{Pages, Wanted};
use crate::error::QueryError;

/// A model and whether it is the one that is served.
pub struct Model {
    row: ModelRow,
    served: bool,
    lineage: String,
}

pub struct Models(pub Arc<dyn Truth>);

#[async_trait]
impl Pages for Models {
    type Row = Model;
    type Place = ();

    const ROWS: usize = usize::MAX;

    fn columns() -> Vec<Column<Model>> {
        vec![
            column::uint64("version", |m: &Model| Some(m.row.version)),
            column::uint64("parent", |m: &Model| m.row.parent),
            column::text("kind", |m: &Model| Some(&m.row.kind)),
            column::text("file", |m: &Model| Some(&m.row.file)),
            column::uint64("bytes", |m: &Model| Some(m.row.bytes)),
            column::moment("created_at", |m: &Model| Some(m.row.created_ms)),
            column::flag("served", |m: &Model| Some(m.served)),
            column::text("lineage", |m: &Model| Some(&m.lineage)),
        ]
    }

    async fn page(
        &self,
        _: Option<()>,
        _: usize,
        _: &Wanted,
    ) -> Result<(Vec<Model>, Option<()>), QueryError> {
        let pointer = self.0.model_pointer().await?;
        let model = |row: ModelRow| Model {
            served: Some(row.version) == pointer,
            lineage: String::from_utf8_lossy(&row.lineage).into_owned(),
            row,
        };
        Ok((self.0.models().await?.into_iter().map(model).collect(), None))
    }
}

pub struct Offsets(pub Arc<dyn Truth>);

#[async_trait]
impl Pages for Offsets {
    type Row = OffsetRow;
    type Place = ();

    const ROWS: usize = usize::MAX;

    fn columns() -> Vec<Column<OffsetRow>> {
        vec![
            column::text("topic", |o: &OffsetRow| Some(o.topic.name())),
            column::uint32("partition", |o: &OffsetRow| Some(o.shard)),
            column::int("base_offset", |o: &OffsetRow| Some(o.base_off)),
            column::int("next_offset", |o: &OffsetRow| Some(o.next_off)),
            column::int("published_offset", |o: &OffsetRow| Some(o.published_off)),
            column::int("epoch", |o: &OffsetRow| Some(o.epoch)),
            column::moment("appended_at", |o: &OffsetRow| Some(o.append_ms).filter(|ms| *ms != 0)),
            column::int("logged", |o: &OffsetRow| Some(o.tally.logged)),
            column::int("applied", |o: &OffsetRow| Some(o.tally.applied)),
            column::int("duplicate", |o: &OffsetRow| Some(o.tally.duplicate)),
            column::int("late", |o: &OffsetRow| Some(o.tally.late)),
            column::int("erased", |o: &OffsetRow| Some(o.tally.erased)),
            column::int("dead", |o: &OffsetRow| Some(o.tally.dead)),
        ]
    }

    async fn page(
        &self,
        _: Option<()>,
        _: usize,
        _: &Wanted,
    ) -> Result<(Vec<OffsetRow>, Option<()>), QueryError> {
        Ok((self.0.offsets().await?, None))
    }
}

/// A day, what was counted, and how often.
type Measured = (u32, u32, i64);

pub struct Quality(pub Arc<dyn Truth>);

/// The names of the counters by their numbers at rest.
fn metric(number: u32) -> &'static str {
    match number {
        0 => "predicted",
        1 => "hit_20",
        2 => "popular_hit_20",
        _ => "unknown",
    }
}

#[async_trait]
impl Pages for Quality {
    type Row = Measured;
    type Place = ();

    const ROWS: usize = usize::MAX;

    fn columns() -> Vec<Column<Measured>> {
        vec![
            column::date("day", |(day, _, _): &Measured| i32::try_from(*day).ok()),
            column::text("metric", |(_, number, _): &Measured| Some(metric(*number))),
            column::int("n", |(_, _, n): &Measured| Some(*n)),
        ]
    }

    async fn page(
        &self,
        _: Option<()>,
        _: usize,
        _: &Wanted,
    ) -> Result<(Vec<Measured>, Option<()>), QueryError> {
        Ok((self.0.quality(0).await?, None))
    }
}

/// A segment and the run that found it.
pub struct Segment {
    run: SegmentRunRow,
    row: SegmentRow,
    about: String,
}

pub struct Segments(pub Arc<dyn Truth>);

#[async_trait]
impl Pages for Segments {
    type Row = Segment;
    type Place = ();

    const ROWS: usize = usize::MAX;

    fn columns() -> Vec<Column<Segment>> {
        vec![
            column::uint32("segment", |s: &Segment| Some(s.row.segment)),
            column::text("name", |s: &Segment| Some(&s.row.name)),
            column::uint64("users", |s: &Segment| Some(s.row.users)),
            column::uint64("run", |s: &Segment| Some(s.run.run)),
            column::moment("created_at", |s: &Segment| Some(s.run.created_ms)),
            column::text("about", |s: &Segment| Some(&s.about)),
        ]
    }

    async fn page(
        &self,
        _: Option<()>,
        _: usize,
        _: &Wanted,
    ) -> Result<(Vec<Segment>, Option<()>), QueryError> {
        let Some((run, rows)) = self.0.segments(None).await? else { return Ok((Vec::new(), None)) };
        let segment = |row: SegmentRow| {
            let about = String::from_utf8_lossy(&row.data).into_owned();
            Segment { run: run.clone(), row, about }
        };
        Ok((rows.into_iter().map(segment).collect(), None))
    }
}
