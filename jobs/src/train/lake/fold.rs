//! The fold of one topic for the users of some partitions: the decisions of `models`, as a shard takes them.

use std::collections::{HashMap, HashSet, VecDeque};

use shoptide_log::{first_offset, generation_of};
use shoptide_models::state::{Change, Decision, Facts, Part, RecordAt, decide};
use shoptide_schemas::partition::partition_of;
use shoptide_schemas::{ShopEvent, UserId};
use shoptide_store::PartRow;
use xxhash_rust::xxh3::xxh3_128;

use super::rows::{Next, Rows};
use super::{Common, Span};
use crate::train::TrainError;

/// Between two words about the progress.
const TELL_RECORDS: u64 = 4_096;

/// Partitions of one topic that share no user with others.
pub struct Group {
    pub spans: Vec<Span>,
}

/// What a group came to.
pub struct Folded {
    pub rows: Vec<PartRow>,
    pub records: u64,
    pub tail: u64,
}

#[derive(Default)]
struct User {
    part: Part,
    upto: i64,
    /// Something was applied: the truth has a row.
    applied: bool,
    erased: bool,
}

#[derive(Default)]
struct Users {
    users: HashMap<UserId, User>,
    /// Order lines that were seen, by a hash of 128 bits: two of a hundred billion lines would meet once in a billion lakes.
    lines: HashSet<u128>,
}

impl Group {
    /// Bytes of its files: roughly what it costs.
    pub fn weight(&self) -> u64 {
        self.spans.iter().flat_map(|span| &span.files).map(|file| file.bytes).sum()
    }

    pub async fn fold(self, common: &Common) -> Result<Folded, TrainError> {
        let mut users = Users::default();
        let (mut records, mut tail) = (0, 0);
        let newest = self.spans.iter().map(|span| generation_of(span.end)).max().unwrap_or(1);
        let mut streams: Vec<(&Span, Rows<'_>)> =
            self.spans.iter().map(|span| (span, Rows::new(common, span))).collect();
        // A larger generation goes on where all of the one before has ended.
        for generation in 1..=newest {
            let before = first_offset(generation + 1);
            for (span, rows) in &mut streams {
                while let Some(next) = rows.next(before).await? {
                    records += 1;
                    if records % TELL_RECORDS == 0 {
                        common.progress.add(TELL_RECORDS);
                    }
                    tail += u64::from(next.tail);
                    users.take(common, span, next);
                }
            }
        }
        common.progress.add(records % TELL_RECORDS);
        let topic = self.spans.first().map(|span| span.topic);
        let Some(topic) = topic else { return Ok(Folded { rows: Vec::new(), records, tail }) };
        let end = self.spans.iter().map(|span| span.end).max().unwrap_or(0);
        let shards = common.log.partitions_at(topic, end);
        let row = |(user, of): (UserId, User)| {
            let shard = partition_of(user.as_bytes(), shards);
            // The window of ids has done its work, and would be most of the bytes.
            let kept = Part { recent: VecDeque::new(), ..of.part };
            PartRow { shard, user, topic, upto: of.upto, data: kept.encode() }
        };
        let rows =
            users.users.into_iter().filter(|(_, user)| user.applied && !user.erased).map(row).collect();
        Ok(Folded { rows, records, tail })
    }
}

impl Users {
    fn take(&mut self, common: &Common, span: &Span, next: Next) {
        let Next { offset, appended, event, .. } = next;
        let topic = span.topic;
        let user = self.users.entry(event.user.clone()).or_insert_with(|| User {
            // The lake may still have rows of those whose erasure it has read.
            erased: common.snapshot.erased.contains(topic, event.user.as_bytes()),
            ..User::default()
        });
        let line = line_of(&event);
        let facts =
            Facts { line_known: line.is_some_and(|line| self.lines.contains(&line)), erased: user.erased };
        let at = RecordAt { topic, partition: span.partition, offset, appended };
        let Decision::Apply(change) = decide(&user.part, &event, at, facts) else { return };
        // What is counted across users is not asked for here.
        let _ = user.part.commit(&change, &event, offset);
        (user.upto, user.applied) = (offset, true);
        match change {
            Change::Fold | Change::Absorb(_) => self.lines.extend(line),
            Change::Erase => user.erased = true,
            Change::Leave { .. } | Change::Forward { .. } => {}
        }
    }
}

fn line_of(event: &ShopEvent) -> Option<u128> {
    let line = event.order_line()?;
    let mut bytes = Vec::with_capacity(128);
    for field in
        [event.user.as_bytes(), &[event.event_type as u8], line.order.as_bytes(), line.line.as_bytes()]
    {
        bytes.extend((field.len() as u64).to_le_bytes());
        bytes.extend(field);
    }
    Some(xxh3_128(&bytes))
}
