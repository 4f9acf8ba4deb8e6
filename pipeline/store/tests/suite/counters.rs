//! Counts add up in any order, cancel to nothing, and are summed across shards.

use std::sync::Arc;

use shoptide_schemas::Topic;
use shoptide_store::{Commit, FoldedTable, Truth};

use crate::rows::*;

async fn count_rows(truth: &dyn Truth) -> usize {
    let mut rows = 0;
    truth.dump(FoldedTable::Counts, &mut |_| rows += 1).await.unwrap();
    rows
}

pub async fn counts_commute_and_cancel(truth: Arc<dyn Truth>) {
    let epoch = assigned(&*truth, &[Topic::Browse]).await;
    // Taken back before it was given; given and taken back at once; over several statements.
    let steps: [Vec<_>; 4] = [
        vec![count("a", 1, -3), count("b", 1, 2)],
        vec![count("a", 1, 3), count("c", 1, 4), count("c", 1, -4)],
        (0..700).map(|n| count(&format!("many {n}"), 2, 1)).collect(),
        (0..699).map(|n| count(&format!("many {n}"), 2, -1)).collect(),
    ];
    let rows_after = [2, 1, 701, 2];
    for (n, (counts, rows)) in steps.into_iter().zip(rows_after).enumerate() {
        let mut next = commit(epoch, &[step(Topic::Browse, n as i64, n as i64 + 1)]);
        next.counts = counts;
        truth.commit(next).await.unwrap();
        assert_eq!(count_rows(&*truth).await, rows, "after commit {n}");
    }
    let counts = truth.item_counts(&[], 0, 9).await.unwrap();
    assert_eq!(
        counts.iter().map(|c| (c.item.clone(), c.n)).collect::<Vec<_>>(),
        [(item("b"), 2), (item("many 699"), 1)]
    );
}

pub async fn counts_and_quality_sum_over_shards_and_days(truth: Arc<dyn Truth>) {
    for shard in [1, 5] {
        let epoch = truth.assign(shard, &[(Topic::Browse, 0)]).await.unwrap()[0].epoch;
        let mut next = Commit { shard, epoch, offsets: vec![step(Topic::Browse, 0, 1)], ..Commit::default() };
        let mut other = count("x", 10, 7);
        other.kind = 2;
        next.counts =
            vec![count("x", 10, 1), count("x", 11, 10), count("x", 12, 100), count("y", 11, 1), other];
        next.counts.push(count("z", 11, if shard == 1 { 2 } else { -2 }));
        next.quality = vec![(10, 1, 1), (11, 2, i64::from(shard)), (11, 1, 3)];
        truth.commit(next).await.unwrap();
    }
    let flat = |counts: Vec<shoptide_store::ItemCount>| -> Vec<_> {
        counts.into_iter().map(|c| (c.item.to_string(), c.kind, c.n)).collect()
    };
    let one = |id: &str, kind, n| (id.to_owned(), kind, n);
    let all = truth.item_counts(&[], 10, 11).await.unwrap();
    assert_eq!(flat(all), [one("x", 1, 22), one("x", 2, 14), one("y", 1, 2)]);
    let some = truth.item_counts(&[item("y"), item("nothing"), item("x"), item("x")], 11, 12).await.unwrap();
    assert_eq!(flat(some), [one("x", 1, 220), one("y", 1, 2)]);
    assert_eq!(truth.item_counts(&[], 13, 99).await.unwrap(), []);
    assert_eq!(truth.quality(11).await.unwrap(), [(11, 1, 6), (11, 2, 6)]);
}
