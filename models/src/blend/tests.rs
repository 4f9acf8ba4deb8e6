use super::*;
use crate::als::ItemSide;
use crate::item_item::Neighbours;
use crate::popularity::Popularity;
use crate::snapshot::SnapshotParts;
use crate::snapshot::tests::trained;
use ndarray::Array2;

fn all() -> BlendParams {
    BlendParams::new(1.0, 1.0, 0.3, 0.1).unwrap()
}

fn tastes(items: &[u32]) -> Vec<Taste> {
    items.iter().map(|&item| Taste { item, strength: 1.0 }).collect()
}

fn list(parts: SnapshotParts, params: &BlendParams, history: &[Taste], n: usize) -> Vec<Candidate> {
    let model = Snapshot::new(parts).unwrap();
    Scorer::new(&model, params).candidates(history, n, &|_| false, &mut Scratch::default())
}

#[test]
fn the_list_is_sorted_explained_and_adds_up() {
    let got = list(trained(30), &all(), &tastes(&[0, 2, 4]), 30);
    assert_eq!(got.len(), 30);
    assert!(
        got.windows(2).all(|w| w[1].score < w[0].score || w[1].score == w[0].score && w[0].item < w[1].item)
    );
    for c in &got {
        assert!((c.score - c.parts.iter().sum::<f32>()).abs() < 1e-5);
    }
    // The user is of the even group: the first places are even, and an even item speaks for them.
    for c in &got[..8] {
        assert_eq!(c.item % 2, 0, "{got:?}");
        assert!(matches!(c.evidence, Some(0 | 2 | 4)));
    }
}

#[test]
fn any_source_alone_and_no_source_at_all() {
    let (mut parts, history) = (trained(30), tastes(&[1, 3]));
    for (i, source) in WEIGHED.into_iter().enumerate() {
        let mut w = [0.0; 4];
        w[i] = 2.0;
        let got = list(parts.clone(), &BlendParams::new(w[0], w[1], w[2], w[3]).unwrap(), &history, 5);
        assert_eq!((got.len(), got[0].source), (5, source));
    }
    parts.side = ItemSide::new(Array2::zeros((0, 6)), *parts.side.params()).unwrap();
    parts.neighbours = Neighbours::empty();
    let got = list(parts.clone(), &all(), &history, 5);
    assert!(got.iter().all(|c| c.source == Source::Popularity && c.evidence.is_none()));
    parts.popularity = Popularity::empty();
    let got = list(parts, &all(), &history, 5);
    assert_eq!(got.iter().map(|c| c.item).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert!(got.iter().all(|c| c.source == Source::Catalogue && c.score == 0.0));
}

#[test]
fn odd_histories_do_no_harm() {
    let odd = [
        Taste { item: 30, strength: 1.0 },
        Taste { item: 1, strength: f32::NAN },
        Taste { item: 2, strength: -1.0 },
        Taste { item: 3, strength: f32::INFINITY },
    ];
    let nobody = list(trained(30), &all(), &[], 10);
    assert_eq!(list(trained(30), &all(), &odd, 10), nobody);
    assert!(nobody.iter().all(|c| matches!(c.source, Source::Popularity | Source::Trending)));
    let twice = list(trained(30), &all(), &tastes(&[4, 2, 4]), 10);
    let summed = [Taste { item: 2, strength: 1.0 }, Taste { item: 4, strength: 2.0 }];
    assert_eq!(twice, list(trained(30), &all(), &summed, 10));
    let huge = [Taste { item: 2, strength: f32::MAX }, Taste { item: 2, strength: f32::MAX }];
    assert!(list(trained(30), &all(), &huge, 10).iter().all(|c| c.score.is_finite()));
}

#[test]
fn what_is_excluded_is_not_in_the_list() {
    let model = Snapshot::new(trained(30)).unwrap();
    let (params, mut scratch) = (all(), Scratch::default());
    let scorer = Scorer::new(&model, &params);
    let got = scorer.candidates(&tastes(&[0]), 99, &|item| item < 25, &mut scratch);
    let mut items: Vec<u32> = got.iter().map(|c| c.item).collect();
    items.sort_unstable();
    assert_eq!(items, [25, 26, 27, 28, 29]);
    assert_eq!(scorer.candidates(&tastes(&[0]), 0, &|_| false, &mut scratch), vec![]);
    assert_eq!(scorer.candidates(&tastes(&[0]), 9, &|_| true, &mut scratch), vec![]);
}

#[test]
fn weights_are_checked() {
    assert!(BlendParams::new(-1.0, 1.0, 0.0, 0.0).is_err());
    assert!(BlendParams::new(f64::NAN, 1.0, 0.0, 0.0).is_err());
    assert!(BlendParams::new(0.0, 0.0, 0.0, 1e-50).is_err());
}

#[test]
fn what_came_last_counts_most_if_order_counts() {
    let model = Snapshot::new(trained(30)).unwrap();
    let top = |params: &BlendParams, history: &[u32]| {
        let scorer = Scorer::new(&model, params);
        scorer.candidates(&tastes(history), 6, &|_| false, &mut Scratch::default())
    };
    let plain = BlendParams::new(1.0, 1.0, 0.0, 0.0).unwrap();
    assert_eq!(top(&plain, &[0, 2, 1, 3]), top(&plain, &[1, 3, 0, 2]));
    let recent = plain.with_recency(1.0).unwrap();
    assert!(top(&recent, &[0, 2, 1, 3]).iter().all(|c| c.item % 2 == 1));
    assert!(top(&recent, &[1, 3, 0, 2]).iter().all(|c| c.item % 2 == 0));
    let long: Vec<u32> = (0..30).chain(0..30).collect();
    assert_eq!(top(&plain.with_recency(0.1).unwrap(), &long).len(), 6);
    assert!(plain.with_recency(0.0).is_err());
}

#[test]
fn scores_of_some_are_those_of_the_list() {
    let history = tastes(&[0, 2, 4]);
    let model = Snapshot::new(trained(30)).unwrap();
    let scorer = Scorer::new(&model, &all());
    let mut scratch = Scratch::default();
    let every: Vec<u32> = (0..30).collect();
    let scores = scorer.scores_of(&history, &every, &mut scratch);
    for candidate in scorer.candidates(&history, 30, &|_| false, &mut scratch) {
        let score = scores[candidate.item as usize];
        assert!(
            (candidate.score - score).abs() < 1e-5,
            "{}: {} and {score}",
            candidate.item,
            candidate.score
        );
    }
    assert_eq!(scorer.scores_of(&history, &[99, u32::MAX], &mut scratch), [0.0, 0.0]);
    assert!(scorer.scores_of(&[], &[], &mut scratch).is_empty());
}
