//! Any batching of the same row changes leaves the same bytes in every folded table.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod rows;

use std::sync::Arc;

use proptest::prelude::*;
use rows::*;
use shoptide_schemas::Topic;
use shoptide_store::{Commit, SqliteTruth, SqliteTruthOptions, Tally, Truth};

/// What one record does.
#[derive(Debug, Clone)]
enum Record {
    Part { user: u8, data: Vec<u8> },
    Line { user: u8, order: u8 },
    Count { item: u8, n: i64 },
    Dead { user: u8 },
    Item { num: u8 },
    Erase { user: u8 },
}

fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        (0..4_u8, prop::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(user, data)| Record::Part { user, data }),
        (0..4_u8, 0..4_u8).prop_map(|(user, order)| Record::Line { user, order }),
        (0..3_u8, -2..3_i64).prop_map(|(item, n)| Record::Count { item, n }),
        (0..4_u8).prop_map(|user| Record::Dead { user }),
        (0..3_u8).prop_map(|num| Record::Item { num }),
        (0..4_u8).prop_map(|user| Record::Erase { user }),
    ]
}

/// What a fold makes of `records`, the first at offset `from`, in one commit: an erasure takes back what the same batch had.
fn batch(epoch: i64, from: i64, records: &[Record]) -> Commit {
    let to = from + records.len() as i64;
    let mut out = commit(epoch, &[step(Topic::Order, from, to)]);
    let mut dead_records = 0;
    for (offset, record) in (from..).zip(records) {
        match record {
            Record::Part { user: u, data } => out.parts.push(part(&user([*u]), Topic::Order, offset, data)),
            Record::Line { user: u, order } => out.lines.push(line(&user([*u]), &order.to_string(), "0")),
            Record::Count { item, n } => out.counts.push(count(&item.to_string(), 1, *n)),
            Record::Dead { user: u } => {
                dead_records += 1;
                out.dead.push(dead(Topic::Order, offset, &user([*u])));
            }
            Record::Item { num } => out.items.push(item_row(u32::from(*num), offset, &format!("v{offset}"))),
            Record::Erase { user: u } => {
                let gone = user([*u]);
                out.parts.retain(|part| part.user != gone);
                out.lines.retain(|line| line.user != gone);
                out.parts_gone.push((gone.clone(), Topic::Order));
                out.lines_gone.push(gone.clone());
                out.dead_redacted.push((gone.clone(), Topic::Order, offset));
                out.tombstones.push((gone, Topic::Order, offset));
            }
        }
    }
    let logged = to - from;
    out.offsets[0].tally =
        Tally { logged, applied: logged - dead_records, dead: dead_records, ..Tally::default() };
    out
}

/// Folds the records in batches of these sizes, the last size again and again.
async fn folded(records: &[Record], sizes: &[usize]) -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let dir = tempfile::tempdir().unwrap();
    let truth = SqliteTruth::open(SqliteTruthOptions::new(dir.path().join("truth.db"))).await.unwrap();
    let mut sizes = sizes.iter().copied().chain(std::iter::repeat(sizes.last().copied().unwrap_or(1)));
    let (mut epoch, mut from, mut rest) = (0, 0, records);
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(1).clamp(1, rest.len());
        if epoch == 0 || size % 2 == 0 {
            // A new owner in between: the epoch must not show.
            epoch = assigned(&*truth, &[Topic::Order]).await;
        }
        let (head, tail) = rest.split_at(size);
        truth.commit(batch(epoch, from, head)).await.unwrap();
        (from, rest) = (from + size as i64, tail);
    }
    let tables = dumped(&*truth).await;
    (Arc::clone(&truth) as Arc<dyn Truth>).close().await;
    tables
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_batching_leaves_the_same_bytes(
        records in prop::collection::vec(record(), 1..60),
        sizes in prop::collection::vec(1..20_usize, 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (one_by_one, at_once, batched) = runtime.block_on(async {
            (folded(&records, &[1]).await, folded(&records, &[records.len()]).await, folded(&records, &sizes).await)
        });
        prop_assert_eq!(&one_by_one, &at_once);
        prop_assert_eq!(&one_by_one, &batched);
        prop_assert!(one_by_one.iter().any(|(_, rows)| !rows.is_empty()));
    }
}
