//! One suite for every model that scores histories: what any of them must do with data and questions of any kind.

use std::sync::LazyLock;

use super::search::{FAMILIES, Family};
use super::*;
use crate::matrix::Interactions;
use crate::model::RankItems;
use crate::tune::Point;

type Fit = Box<dyn Fn(&Interactions) -> Option<Box<dyn ScoreItems>> + Sync + Send>;

/// Every family with its defaults and faded, and what no family has: the other formulas of the neighbours.
static MODELS: LazyLock<Vec<(String, Fit)>> = LazyLock::new(|| {
    let mut models: Vec<(String, Fit)> = Vec::new();
    for family in FAMILIES {
        let fit = |data: &Interactions| Family::fit(family, data, &Point::new(), 1).ok();
        let plain = move |data: &Interactions| Some(Box::new(fit(data)?) as Box<dyn ScoreItems>);
        models.push((family.name.to_owned(), Box::new(plain)));
        let recency = Recency::new(2.0, 0.1).unwrap();
        let faded =
            move |data: &Interactions| Some(Box::new(Faded::new(fit(data)?, recency)) as Box<dyn ScoreItems>);
        models.push((format!("{} faded", family.name), Box::new(faded)));
    }
    use crate::collab::{Similarity, UserKnn, UserKnnParams};
    use crate::item_item::{ItemItemParams, Neighbours};
    for formula in [Similarity::Jaccard, Similarity::Pearson] {
        let items = ItemItemParams::default().with_similarity(formula);
        let users = UserKnnParams::new(formula, 50, 1.0, 0.0, 0.0, 0.5).unwrap();
        let name = format!("{formula:?}");
        models.push((
            format!("item_item {name}"),
            Box::new(move |data: &Interactions| {
                Some(Box::new(Neighbours::fit(data, &items)) as Box<dyn ScoreItems>)
            }),
        ));
        models.push((
            format!("user_knn {name}"),
            Box::new(move |data: &Interactions| {
                Some(Box::new(UserKnn::fit(data, &users)) as Box<dyn ScoreItems>)
            }),
        ));
    }
    models
});

fn data(n_items: usize, rows: &[&[(u32, f32)]]) -> Interactions {
    Interactions::from_rows(n_items, rows.iter().map(|row| row.to_vec())).unwrap()
}

/// Two groups of users who have most of their own group's items and none of the other's.
fn groups() -> Interactions {
    let row = |u: u32| {
        (0..20u32)
            .filter(move |i| i % 2 == u % 2 && !(u + i * 7).is_multiple_of(5))
            .map(move |i| (i, 1.0 + ((u + i) % 3) as f32))
    };
    Interactions::from_rows(20, (0..30).map(|u| row(u).collect())).unwrap()
}

#[test]
fn what_belongs_together_is_recommended() {
    let data = groups();
    for (name, fit) in MODELS.iter() {
        let model = fit(&data).unwrap_or_else(|| panic!("{name} cannot be trained"));
        for (odd, history) in [(0, [(0u32, 2.0), (6, 1.0), (4, 3.0)]), (1, [(1, 2.0), (7, 1.0), (5, 3.0)])] {
            let skip: Vec<u32> = {
                let mut s: Vec<u32> = history.iter().map(|x| x.0).collect();
                s.sort_unstable();
                s
            };
            let top = model.top(&history, &skip, 3);
            assert_eq!(top.len(), 3, "{name}");
            assert!(top.iter().all(|x| x.0 % 2 == odd && !skip.contains(&x.0)), "{name}: {top:?}");
        }
    }
}

#[test]
fn any_data_and_any_question_gives_a_sensible_list() {
    let every: Vec<(u32, f32)> = (0..5).map(|i| (i, 1.0)).collect();
    let sets = [
        ("nothing", data(0, &[])),
        ("no users", data(5, &[])),
        ("no items", data(0, &[&[], &[]])),
        ("only empty users", data(5, &[&[], &[]])),
        ("one pair", data(1, &[&[(0, 1.0)]])),
        ("one user", data(5, &[&[(0, 1.0), (3, 2.0)]])),
        ("one item", data(1, &[&[(0, 1.0)], &[(0, 3.0)], &[(0, 1.0)]])),
        ("all the same item", data(5, &[&[(2, 1.0)], &[(2, 1.0)], &[(2, 1.0)]])),
        ("a user with every item", data(5, &[&every, &[(1, 1.0)]])),
        ("everyone has everything", data(5, &[&every, &every, &every])),
        (
            "far apart",
            data(5, &[&[(0, f32::MAX), (1, f32::MIN_POSITIVE)], &[(0, 1e-30), (1, f32::MAX), (2, 1.0)]]),
        ),
    ];
    let histories: [&[(u32, f32)]; 8] = [
        &[],
        &[(0, 1.0)],
        &[(0, 1.0), (0, 1.0), (1, 2.0)],
        &[(77, 1.0), (u32::MAX, 1.0)],
        &[(0, f32::NAN), (1, f32::INFINITY), (2, f32::NEG_INFINITY), (3, -1.0), (4, 0.0)],
        &[(0, f32::MAX), (1, f32::MAX)],
        &[(0, f32::MIN_POSITIVE)],
        &every,
    ];
    for (name, fit) in MODELS.iter() {
        for (set, data) in &sets {
            // An error is an answer, a panic is not.
            let Some(model) = fit(data) else { continue };
            assert_eq!(model.n_items(), data.n_cols());
            for history in histories {
                for (skip, k) in [
                    (&[][..], 3),
                    (&[0, 2][..], 9),
                    (&[0, 1, 2, 3, 4, 99][..], 9),
                    (&[][..], 0),
                    (&[][..], usize::MAX),
                ] {
                    let top = model.top(history, skip, k);
                    let what = format!("{name} of {set}, history {history:?}: {top:?}");
                    assert!(top.len() <= k.min(data.n_cols()), "{what}");
                    assert!(top.iter().all(|x| x.1.is_finite() && (x.0 as usize) < data.n_cols()), "{what}");
                    assert!(top.iter().all(|x| !skip.contains(&x.0)), "{what}");
                    assert!(
                        top.windows(2).all(|w| w[0].1 > w[1].1 || (w[0].1 == w[1].1 && w[0].0 < w[1].0)),
                        "{what}"
                    );
                }
            }
            let known = OfTrain::new(model, data).with_lists(4);
            for user in [0, 1, 7, u32::MAX] {
                assert!(known.top(user, &[0], 3).iter().all(|x| x.1.is_finite() && x.0 != 0));
            }
        }
    }
}

#[test]
fn the_scores_of_a_history_do_not_depend_on_those_beside_it_nor_on_threads() {
    let data = groups();
    let histories: Vec<Vec<(u32, f32)>> =
        (0..9u32).map(|u| vec![(u, 1.0), ((u * 3 + 1) % 20, 2.0)]).collect();
    let together: Vec<History<'_>> = histories.iter().map(Vec::as_slice).collect();
    for (name, fit) in MODELS.iter() {
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut out = vec![9f32; 9 * 20];
                fit(&data).unwrap().score(&together, &mut out);
                out
            })
        };
        let one = with(1);
        assert_eq!(one, with(3), "{name}");
        let model = fit(&data).unwrap();
        let mut out = vec![0f32; 20];
        for (row, history) in one.chunks(20).zip(&together) {
            model.score(&[history], &mut out);
            let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * a.abs().max(1.0);
            assert!(row.iter().zip(&out).all(close), "{name}: {row:?} {out:?}");
        }
    }
}

#[test]
fn a_list_made_beforehand_is_the_list_made_now() {
    let data = groups();
    let fit = |lists: usize| {
        let model = OfTrain::new(FAMILIES[0].fit(&data, &Point::new(), 1).unwrap(), &data);
        if lists == 0 { model } else { model.with_lists(lists) }
    };
    let (now, before) = (fit(0), fit(6));
    for user in 0..31 {
        let own = data.row(user).0;
        for (skip, k) in [(own, 3), (own, 6), (own, 15), (&[][..], 3), (&own[..own.len() / 2], 4)] {
            assert_eq!(now.top(user as u32, skip, k), before.top(user as u32, skip, k), "{user} {k}");
        }
    }
}

#[test]
fn the_newest_counts_most() {
    let model = FAMILIES[0].fit(&groups(), &Point::new(), 1).unwrap();
    let faded = Faded::new(model, Recency::new(0.5, 0.0).unwrap());
    assert_eq!(faded.top(&[(0, 1.0), (2, 1.0), (1, 1.0)], &[], 1)[0].0 % 2, 1);
    assert_eq!(faded.top(&[(1, 1.0), (3, 1.0), (2, 1.0)], &[], 1)[0].0 % 2, 0);
    assert!(
        Recency::new(0.0, 0.5).is_err()
            && Recency::new(1.0, 1.5).is_err()
            && Recency::new(f64::NAN, 0.5).is_err()
    );
}

#[test]
fn a_blend_brings_its_parts_to_one_scale() {
    /// Says the same of everyone.
    struct Fixed(Vec<f32>);
    impl ScoreItems for Fixed {
        fn n_items(&self) -> usize {
            self.0.len()
        }
        fn score(&self, histories: &[History<'_>], out: &mut [f32]) {
            out.chunks_exact_mut(self.0.len())
                .zip(histories)
                .for_each(|(out, _)| out.copy_from_slice(&self.0));
        }
    }
    let part =
        |weight: f64, scores: &[f32]| (weight, Box::new(Fixed(scores.to_vec())) as Box<dyn ScoreItems>);
    let blend =
        Blend::new(vec![part(1.0, &[900.0, 1000.0, 0.0, 800.0]), part(3.0, &[0.0, 0.1, 0.3, f32::NAN])])
            .unwrap();
    let items: Vec<u32> = blend.top(&[(0, 1.0)], &[0], 4).iter().map(|x| x.0).collect();
    assert_eq!(items, [2, 1, 3]);
    assert!(Blend::new(vec![part(1.0, &[1.0]), part(1.0, &[1.0, 2.0])]).is_err());
    assert!(Blend::new(vec![part(f64::NAN, &[1.0])]).is_err());
    assert_eq!(Blend::new(vec![]).unwrap().top(&[(0, 1.0)], &[], 4), []);
}
