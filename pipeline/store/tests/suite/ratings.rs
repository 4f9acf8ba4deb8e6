//! Ratings add up across shards, and a reader sees each change of them once.

use std::sync::Arc;

use shoptide_schemas::Topic;
use shoptide_store::{Commit, Growth, RatingRow, RatingsSeen, Truth};

use crate::rows::*;

const FEEDBACK: [(Topic, i64); 1] = [(Topic::Feedback, 0)];

fn rating(id: &str, n: i64, hundredths: i64, upto: i64) -> RatingRow {
    RatingRow { item: item(id), n, hundredths, upto }
}

/// One record of a shard with these ratings, from the shard's end.
async fn rated(truth: &dyn Truth, shard: u32, ratings: &[(&str, i64, i64)]) {
    let row = truth.assign(shard, &FEEDBACK).await.unwrap().remove(0);
    let at = row.next_off;
    let ratings = ratings.iter().map(|(id, n, hundredths)| rating(id, *n, *hundredths, at)).collect();
    let next = Commit { shard, ratings, ..commit(row.epoch, &[step(Topic::Feedback, at, at + 1)]) };
    truth.commit(next).await.unwrap();
}

/// What is new, page by page: item, ratings, hundredths.
async fn news(truth: &dyn Truth, seen: &mut RatingsSeen, limit: usize) -> Vec<(String, i64, i64)> {
    let mut all = Vec::new();
    for _ in 0..1_000 {
        let page = truth.ratings_since(seen, limit).await.unwrap();
        all.extend(page.ratings.iter().map(|r| (r.item.to_string(), r.n, r.hundredths)));
        *seen = page.seen;
        if !page.more {
            all.sort();
            return all;
        }
    }
    panic!("pages without end");
}

fn said(rows: &[(&str, i64, i64)]) -> Vec<(String, i64, i64)> {
    rows.iter().map(|(id, n, hundredths)| ((*id).to_owned(), *n, *hundredths)).collect()
}

pub async fn ratings_add_up_and_changes_are_seen(truth: Arc<dyn Truth>) {
    let mut seen = RatingsSeen::default();
    assert_eq!(news(&*truth, &mut seen, 9).await, []);
    rated(&*truth, SHARD, &[("a", 1, 400), ("b", 1, 100), ("a", 1, 200)]).await;
    rated(&*truth, SHARD + 1, &[("a", 1, 500)]).await;
    assert_eq!(news(&*truth, &mut seen, 9).await, said(&[("a", 3, 1_100), ("b", 1, 100)]));
    assert_eq!(news(&*truth, &mut seen, 9).await, []);
    // Another rating instead of the first, in the other shard; then all of it is taken back, and that is seen too.
    rated(&*truth, SHARD + 1, &[("a", 0, -300)]).await;
    assert_eq!(news(&*truth, &mut seen, 9).await, said(&[("a", 3, 800)]));
    rated(&*truth, SHARD, &[("a", -2, -600), ("b", -1, -100)]).await;
    assert_eq!(news(&*truth, &mut seen, 9).await, said(&[("a", 1, 200), ("b", 0, 0)]));
    // Who comes now sees the same at once, and nothing twice.
    let mut late = RatingsSeen::default();
    assert_eq!(news(&*truth, &mut late, 1).await, said(&[("a", 1, 200), ("b", 0, 0)]));
    assert_eq!(late, seen);
    let of = truth.item_ratings(&[item("b"), item("never"), item("a"), item("a")]).await.unwrap();
    let of: Vec<_> = of.into_iter().map(|r| (r.item.to_string(), r.n, r.hundredths)).collect();
    assert_eq!(of, said(&[("a", 1, 200), ("b", 0, 0)]));
}

/// One record may change many items (an erasure): pages are cut within it, and nothing is lost.
pub async fn pages_of_ratings_lose_nothing(truth: Arc<dyn Truth>) {
    let mut seen = RatingsSeen::default();
    rated(&*truth, SHARD, &[("first", 1, 1)]).await;
    assert_eq!(news(&*truth, &mut seen, 9).await.len(), 1);
    let names: Vec<String> = (0..700).map(|n| format!("i{n:03}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), 1, 300)).collect();
    rated(&*truth, SHARD, &many).await;
    rated(&*truth, SHARD, &[("i350", 1, 500)]).await;
    rated(&*truth, SHARD + 2, &[("other", 1, 100)]).await;
    for limit in [1_000, 701, 700, 300, 7] {
        let mut seen = seen.clone();
        let mut all = news(&*truth, &mut seen, limit).await;
        all.dedup();
        let mut expected = said(&many);
        expected[350] = ("i350".to_owned(), 2, 800);
        expected.extend(said(&[("other", 1, 100)]));
        assert_eq!(all, expected, "limit {limit}");
        assert_eq!(news(&*truth, &mut seen, limit).await, [], "limit {limit}");
    }
}

/// A shard that begins here has counted all its ratings, and so have those that its users move to. One that began before there were
/// sums has not until it says so, and its heirs neither.
pub async fn a_shard_knows_what_it_has_counted(truth: Arc<dyn Truth>) {
    let epoch = assigned(&*truth, &[Topic::Feedback]).await;
    assert_eq!(truth.rated_from(SHARD).await.unwrap(), Some(-1));
    assert_eq!(truth.rated_from(SHARD + 1).await.unwrap(), None, "nobody has taken it over");
    let mut summed = commit(epoch, &[step(Topic::Feedback, 0, 0)]);
    summed.rated_from = Some(0);
    truth.commit(summed.clone()).await.unwrap();
    assert_eq!(truth.rated_from(SHARD).await.unwrap(), Some(-1), "what was noted stays");
    summed.epoch -= 1;
    assert!(truth.commit(summed).await.is_err(), "fenced as every commit");
    let (from, begin) = (SHARD + 1, 1 << 40);
    let mut epochs = Vec::new();
    for shard in 0..from {
        let topics = shoptide_schemas::USER_TOPICS.map(|topic| (topic, 0));
        epochs.push((shard, truth.assign(shard, &topics).await.unwrap()[0].epoch));
    }
    let ends = (0..from).flat_map(|s| shoptide_schemas::USER_TOPICS.map(|topic| (topic, s, 0))).collect();
    let growth = Growth { generation: 2, from, to: 2 * from, ends, begin };
    truth.enter_generation(&growth, &epochs).await.unwrap();
    assert_eq!(truth.rated_from(from + SHARD).await.unwrap(), Some(-1));
}
