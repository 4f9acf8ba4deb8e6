//! One suite for every recommender, on one matrix whose answer is obvious: shoppers of technology, fashion and sports
//! who never look at each other's shelves.

#![allow(clippy::unwrap_used)] // helpers of tests count as tests only inside a crate

use ndarray::Array2;
use shoptide_models::als::{self, AlsParams, ItemSide};
use shoptide_models::blend::{BlendParams, Candidate, Scorer, Scratch, Taste};
use shoptide_models::item_item::{ItemItemParams, Neighbours};
use shoptide_models::matrix::{Interactions, MatrixError};
use shoptide_models::popularity::{Popularity, PopularityParams};
use shoptide_models::snapshot::{Kind, Lineage, Snapshot, SnapshotParts};

const GROUPS: usize = 3;
const ITEMS: usize = 30;
const USERS: usize = 60;

/// A recommender is a weighing of the sources; each of the first three stands alone.
fn recommenders() -> Vec<(&'static str, BlendParams)> {
    vec![
        ("als", BlendParams::new(1.0, 0.0, 0.0, 0.0).unwrap()),
        ("item-item", BlendParams::new(0.0, 1.0, 0.0, 0.0).unwrap()),
        ("popularity", BlendParams::new(0.0, 0.0, 1.0, 0.2).unwrap()),
        ("blend", BlendParams::new(1.0, 1.0, 0.05, 0.05).unwrap()),
        ("recent blend", BlendParams::new(1.0, 1.0, 0.05, 0.05).unwrap().with_recency(4.0).unwrap()),
    ]
}

/// User `u` is of group `u % 3` and touched about five in six of its ten items; item 0 is everybody's favourite.
fn shelves() -> Vec<Vec<(u32, f32)>> {
    let touched =
        |u: usize, i: usize| i % GROUPS == u % GROUPS && !(u / GROUPS + i / GROUPS).is_multiple_of(6);
    let row = |u: usize| -> Vec<(u32, f32)> {
        (0..ITEMS)
            .filter(|&i| i == 0 || touched(u, i))
            .map(|i| (i as u32, if i == 0 { 3.0 } else { 1.0 }))
            .collect()
    };
    (0..USERS).map(row).collect()
}

fn train(n_items: usize, rows: Vec<Vec<(u32, f32)>>) -> Result<Snapshot, MatrixError> {
    let events: Vec<(u32, f64, f64)> = rows.iter().flatten().map(|&(i, s)| (i, f64::from(s), 1.0)).collect();
    let data = Interactions::from_rows(n_items, rows)?;
    let params = AlsParams::new(12, 8, 1.0, 0.1, 0.02, 1.0, 7).unwrap();
    let near = ItemItemParams::new(20, 1.0, 0.0, 0.5, 1000).unwrap().with_proximity(5.0, 0.3).unwrap();
    let factors = als::fit(&data, &params, None, &mut |_| ()).unwrap();
    let popularity = PopularityParams::new(30.0, 2.0, 5.0).unwrap();
    Ok(Snapshot::new(SnapshotParts {
        segments: Default::default(),
        version: 1,
        parent: None,
        kind: Kind::Full,
        meta: Lineage::default(),
        item_ids: (0..n_items).map(|i| vec![i as u8]).collect(),
        side: ItemSide::new(factors.items, params).unwrap(),
        neighbours: Neighbours::fit(&data, &near),
        popularity: Popularity::from_events(n_items, events, &popularity).unwrap(),
    })
    .unwrap())
}

fn tastes(items: &[u32]) -> Vec<Taste> {
    items.iter().map(|&item| Taste { item, strength: 1.0 }).collect()
}

/// A list without the history's items, checked for what must hold of any list.
fn list(model: &Snapshot, params: &BlendParams, history: &[Taste], n: usize) -> Vec<Candidate> {
    let seen = |item: u32| history.iter().any(|t| t.item == item);
    let mut scratch = Scratch::default();
    let got = Scorer::new(model, params).candidates(history, n, &seen, &mut scratch);
    assert_eq!(got, Scorer::new(model, params).candidates(history, n, &seen, &mut scratch), "not repeatable");
    assert!(got.len() <= n.min(model.n_items()));
    for pair in got.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        assert!(b.score < a.score || (b.score == a.score && a.item < b.item), "{a:?} before {b:?}");
    }
    for c in &got {
        assert!(c.score.is_finite() && (c.item as usize) < model.n_items() && !seen(c.item), "{c:?}");
        assert!(c.evidence.is_none_or(|from| history.iter().any(|t| t.item == from)), "{c:?}");
    }
    got
}

#[test]
fn the_obvious_answer_comes_first() {
    let model = train(ITEMS, shelves()).unwrap();
    for (name, params) in recommenders().into_iter().filter(|(name, _)| *name != "popularity") {
        for group in 0..GROUPS as u32 {
            // One event is enough, and so is half the shelf.
            for history in [vec![group + 9], vec![group + 3, group + 9, group + 15, group + 21]] {
                let got = list(&model, &params, &tastes(&history), 5);
                let shelf = |c: &Candidate| c.item % GROUPS as u32 == group || c.item == 0;
                assert!(
                    got.len() == 5 && got.iter().all(shelf),
                    "{name}, group {group}, {history:?}: {got:?}"
                );
                assert!(got.iter().all(|c| c.evidence.is_some()), "{name}: {got:?}");
            }
        }
    }
    let (_, popularity) = &recommenders()[2];
    assert_eq!(list(&model, popularity, &tastes(&[5]), 1)[0].item, 0);
}

#[test]
fn nobody_known_gets_what_all_like() {
    let model = train(ITEMS, shelves()).unwrap();
    for (name, params) in recommenders() {
        let got = list(&model, &params, &[], 7);
        assert_eq!((got.len(), got[0].item), (7, 0), "{name}");
    }
}

#[test]
fn an_empty_set_a_single_user_a_single_item() {
    for (name, params) in recommenders() {
        for n_items in [0, 1, 5] {
            let model = train(n_items, vec![]).unwrap();
            assert_eq!(list(&model, &params, &tastes(&[0]), 9).len(), n_items.saturating_sub(1), "{name}");
            assert_eq!(list(&model, &params, &[], 9).len(), n_items, "{name}");
        }
        let one_user = train(4, vec![vec![(1, 1.0), (2, 2.0)]]).unwrap();
        let got = list(&one_user, &params, &tastes(&[1]), 9);
        assert_eq!((got.len(), got[0].item), (3, 2), "{name}");
        let one_item = train(1, (0..5).map(|_| vec![(0, 1.0)]).collect()).unwrap();
        assert_eq!(list(&one_item, &params, &[], 9).len(), 1, "{name}");
        assert_eq!(list(&one_item, &params, &tastes(&[0]), 9), vec![], "{name}");
    }
}

#[test]
fn everybody_alike_and_a_user_of_everything() {
    for (name, params) in recommenders() {
        let alike = train(6, (0..9).map(|_| vec![(3, 1.0)]).collect()).unwrap();
        assert_eq!(
            list(&alike, &params, &[], 9)[..1].iter().map(|c| c.item).collect::<Vec<_>>(),
            [match name {
                "als" | "item-item" => 0,
                _ => 3,
            }]
        );
        assert_eq!(list(&alike, &params, &tastes(&[3]), 9).len(), 5, "{name}");

        let mut rows = shelves();
        rows.push((0..ITEMS as u32).map(|i| (i, 1.0)).collect());
        let model = train(ITEMS, rows).unwrap();
        let everything: Vec<u32> = (0..ITEMS as u32).collect();
        assert_eq!(list(&model, &params, &tastes(&everything), 9), vec![], "{name}");
    }
}

#[test]
fn more_asked_for_than_there_is_and_ids_nobody_knows() {
    let model = train(ITEMS, shelves()).unwrap();
    for (name, params) in recommenders() {
        for n in [ITEMS, ITEMS + 1, 10_000, usize::MAX] {
            assert_eq!(list(&model, &params, &tastes(&[4]), n).len(), ITEMS - 1, "{name}");
        }
        let unknown = [ITEMS as u32, 1_000_000, u32::MAX];
        assert_eq!(list(&model, &params, &tastes(&unknown), 9), list(&model, &params, &[], 9), "{name}");
        let partly = list(&model, &params, &tastes(&[u32::MAX, 4]), 9);
        let known: Vec<u32> = list(&model, &params, &tastes(&[4]), 9).iter().map(|c| c.item).collect();
        assert_eq!(partly.iter().map(|c| c.item).collect::<Vec<_>>(), known, "{name}");
    }
    assert_eq!(model.index_of(b"never heard of"), None);
}

#[test]
fn numbers_that_are_none_are_refused_at_the_door_and_passed_over_in_a_history() {
    for strength in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0] {
        let mut rows = shelves();
        rows[4][1].1 = strength;
        assert!(matches!(train(ITEMS, rows), Err(MatrixError::Strength { row: 4, .. })), "{strength}");
    }
    let model = train(ITEMS, shelves()).unwrap();
    for (name, params) in recommenders() {
        for strength in [f32::NAN, f32::INFINITY, -1.0, 0.0] {
            let odd = [Taste { item: 7, strength }];
            let got = list(&model, &params, &odd, ITEMS);
            assert_eq!(got.len(), ITEMS - 1, "{name}, {strength}");
        }
        for strength in [f32::MIN_POSITIVE, 1e-20, 1e20, f32::MAX] {
            let odd = [Taste { item: 7, strength }, Taste { item: 10, strength: 1.0 }];
            assert_eq!(list(&model, &params, &odd, ITEMS).len(), ITEMS - 2, "{name}, {strength}");
        }
    }
}

#[test]
fn a_model_with_parts_missing_still_answers() {
    let whole = train(ITEMS, shelves()).unwrap();
    for missing in 1..8u32 {
        let mut parts = whole.clone().into_parts();
        if missing & 1 != 0 {
            parts.side = ItemSide::new(Array2::zeros((0, 12)), *parts.side.params()).unwrap();
        }
        if missing & 2 != 0 {
            parts.neighbours = Neighbours::empty();
        }
        if missing & 4 != 0 {
            parts.popularity = Popularity::empty();
        }
        let model = Snapshot::new(parts).unwrap();
        for (name, params) in recommenders() {
            assert_eq!(list(&model, &params, &tastes(&[4]), 9).len(), 9, "{name} without {missing:#b}");
        }
    }
}
