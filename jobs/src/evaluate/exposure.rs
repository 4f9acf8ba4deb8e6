//! What the lists of a row are like beside being right, and whom they serve: of sessions by length, of users by what they
//! have in common.

use serde_json::{Value, json};
use shoptide_models::evaluate::{Answer, Exposure, Groups, Query, co_occurrence, intra_list_diversity};
use shoptide_models::kmeans::{KMeansParams, fit};
use shoptide_models::matrix::Interactions;
use shoptide_models::sessions::Sessions;
use shoptide_models::sparse::SparseRows;

use super::report::Row;

/// Lists whose inner diversity is measured at most: the cost is `lists · k²` set intersections.
const DIVERSITY_LISTS_MAX: usize = 1_000;
/// Known clicks from which a session is in each further group: one, two, three or four, more.
const LENGTHS: [usize; 3] = [2, 3, 5];
/// Segments of users by K-Means over what they had: few enough that each has users to speak of.
const SEGMENTS: usize = 6;
const SEGMENT_ITERATIONS: usize = 30;
const SEGMENT_TOLERANCE: f64 = 1e-3;

/// Adds novelty, diversity, popularity lift and fairness by length to a row of sessions.
pub(super) fn of_sessions(
    row: &mut Row,
    answers: &[Answer],
    queries: &[Query<'_>],
    train: &Sessions,
    k: usize,
) {
    let distinct = |session: usize| {
        let mut items = train.items(session).to_vec();
        items.sort_unstable();
        items.dedup();
        items.into_iter().map(|item| (item, 1.0)).collect::<Vec<_>>()
    };
    let rows = (0..train.len()).map(distinct);
    let Ok(sessions) = Interactions::from_rows(train.n_items(), rows) else { return };
    let by_item = sessions.transpose();
    let had: Vec<u32> = (0..by_item.n_rows())
        .map(|item| u32::try_from(by_item.row(item).0.len()).unwrap_or(u32::MAX))
        .collect();
    let lists: Vec<Vec<u32>> = answers.iter().map(|answer| answer.list.clone()).collect();
    let exposure = Exposure::of(&lists, &had, train.len());
    let every = lists.len().div_ceil(DIVERSITY_LISTS_MAX).max(1);
    let some: Vec<Vec<u32>> = lists.iter().step_by(every).cloned().collect();
    let diversity = intra_list_diversity(&some, &|a, b| co_occurrence(&by_item, a, b));
    let targets: Vec<Vec<u32>> = queries.iter().map(|query| vec![query.target]).collect();
    let length = |query: &Query<'_>| LENGTHS.iter().filter(|from| **from <= query.known.len()).count() as u32;
    let groups = Groups::of(&lists, &targets, &queries.iter().map(length).collect::<Vec<_>>(), k);
    row.metrics.extend([
        ("novelty".to_owned(), exposure.novelty),
        ("diversity".to_owned(), diversity),
        ("pop. lift".to_owned(), exposure.popularity_lift),
        ("fairness".to_owned(), groups.ndcg_ratio()),
    ]);
    row.more.insert("by_length".to_owned(), each(&groups));
    row.more.insert("gini".to_owned(), json!(exposure.gini));
}

/// Segments of `users` by K-Means over the items that each had, of length 1; all in one where there are too few for more.
pub(super) fn segments(train: &Interactions, users: &[u32], seed: u64) -> Vec<u32> {
    let row = |user: &u32| {
        let items = train.row(*user as usize).0;
        let weight = 1.0 / (items.len().max(1) as f32).sqrt();
        items.iter().map(|item| (*item, weight)).collect::<Vec<_>>()
    };
    let found = SparseRows::new(train.n_cols(), users.iter().map(row)).ok().and_then(|rows| {
        let k = SEGMENTS.min(rows.n_rows());
        let params = KMeansParams::new(k, SEGMENT_ITERATIONS, SEGMENT_TOLERANCE, seed).ok()?;
        fit(&rows, &params, &mut |_| ()).ok()
    });
    found.map_or_else(|| vec![0; users.len()], |clusters| clusters.of)
}

/// Groups as machines read them.
pub(super) fn each(groups: &Groups) -> Value {
    let one = |g: &shoptide_models::evaluate::GroupQuality| json!({ "group": g.group, "recall": g.recall, "ndcg": g.ndcg, "users": g.n });
    groups.each.iter().map(one).collect()
}
