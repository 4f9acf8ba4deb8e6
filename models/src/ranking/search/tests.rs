use super::*;
use crate::model::RankItems;

/// Users of three tastes, each with some items of their own taste.
fn tastes() -> Interactions {
    let row =
        |u: u32| (0..45u32).filter(move |i| i % 3 == u % 3 && (u * 11 + i * 7) % 10 < 6).map(|i| (i, 1.0));
    Interactions::from_rows(45, (0..90).map(|u| row(u).collect())).unwrap()
}

fn params(timed: bool) -> SearchParams {
    SearchParams::new(5, timed, 0.3, 50, 3, 7).unwrap()
}

#[test]
fn the_winner_knows_the_tastes_and_is_the_same_every_time() {
    let data = tastes();
    for timed in [false, true] {
        let run = || {
            let mut trials = Vec::new();
            let found = best(&data, &params(timed), &mut || 0.0, &mut |t| trials.push(t.clone())).unwrap();
            let lists: Vec<_> = (0..90).map(|u| found.model.top(u, data.row(u as usize).0, 5)).collect();
            (found.parts, trials, lists)
        };
        let (parts, trials, lists) = run();
        for (user, list) in lists.iter().enumerate() {
            assert!(
                3 <= list.len() && list[..3].iter().all(|x| x.0 as usize % 3 == user % 3),
                "{user}: {list:?}"
            );
        }
        assert!(!parts.is_empty() && parts.iter().all(|p| 0.0 < p.weight));
        let mix = trials.last().unwrap();
        assert!(mix.family == "mix" && trials.iter().all(|t| t.value() <= mix.value() + 1e-9));
        assert_eq!((parts, trials, lists), run());
    }
}

#[test]
fn a_spent_budget_still_gives_a_model() {
    let data = tastes();
    let mut trials = 0;
    let found = best(&data, &params(false), &mut || 5.0, &mut |_| trials += 1).unwrap();
    // One of each family that serves so few items, and the mix.
    assert_eq!(trials, FAMILIES.iter().filter(|f| f.serves(&data)).count() + 1);
    assert!(!found.model.top(0, data.row(0).0, 5).is_empty());
}

#[test]
fn what_cannot_be_searched_is_an_error() {
    let search = |n_items: usize, rows: Vec<Vec<(u32, f32)>>| {
        let data = Interactions::from_rows(n_items, rows).unwrap();
        best(&data, &params(false), &mut || 0.0, &mut |_| ()).map(|found| found.parts.len())
    };
    for (n_items, rows) in [(0, vec![]), (3, vec![]), (3, vec![vec![], vec![]]), (3, vec![vec![(1, 1.0)]; 9])]
    {
        assert_eq!(search(n_items, rows), Err(SearchError::NothingToHoldOut));
    }
    // What only one user has can be held out, but no model can have known it.
    assert_eq!(search(3, vec![vec![(0, 1.0), (1, 1.0)]]), Err(SearchError::NothingToHoldOut));
    assert!(search(2, vec![vec![(0, 1.0), (1, 1.0)]; 5]).is_ok());
    let bad = |k, share, users, trials| SearchParams::new(k, false, share, users, trials, 0).is_err();
    assert!(bad(0, 0.2, 9, 9) && bad(5, 0.0, 9, 9) && bad(5, f64::NAN, 9, 9) && bad(5, 1.0, 9, 9));
    assert!(bad(5, 0.2, 0, 9) && bad(5, 0.2, 9, 0));
}

#[test]
fn points_stay_in_their_space() {
    for family in FAMILIES {
        let mut dice = Dice::new(3, family.name);
        let data = tastes();
        for timed in [false, true] {
            let mut point = family.starts().remove(0);
            for _ in 0..200 {
                point = dice.near(&point, &family.space(timed));
                for dimension in family.space(timed) {
                    let Some(&x) = point.get(dimension.name) else { continue };
                    use crate::tune::Range::{Choice, Linear, Log, Whole};
                    let inside = match dimension.range {
                        Linear(low, high) | Log(low, high) => (low..=high).contains(&x),
                        Whole(low, high) => (low as f64..=high as f64).contains(&x) && x.fract() == 0.0,
                        Choice(all) => all.contains(&x),
                    };
                    assert!(inside, "{} {} {x}", family.name, dimension.name);
                }
            }
            assert!(family.fit(&data, &point, 1).is_ok(), "{} {point:?}", family.name);
        }
    }
}
