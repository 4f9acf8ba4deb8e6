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
    // The cheapest family's defaults, and the mix.
    assert_eq!((trials, found.parts.len(), found.trees), (2, 1, 0));
    assert!(!found.model.top(0, data.row(0).0, 5).is_empty());
}

#[test]
fn a_search_ends_before_its_budget_does() {
    let data = tastes();
    // A clock that goes on by so much each time it is read: every part of the search takes its time.
    for tick in [1e-4, 1e-3, 0.01, 0.05] {
        let mut now = 0.0;
        let mut clock = || {
            now += tick;
            now
        };
        best(&data, &params(false), &mut clock, &mut |_| ()).unwrap();
        assert!(now < 1.0, "{tick}: {now}");
    }
}

#[test]
fn trees_order_the_top_where_the_mix_cannot() {
    // Half of the users want what is rare among what is like them, the others what everybody has: no weight suits both.
    let row = |u: u32| {
        let (taste, rare) = (u % 4, (u / 4).is_multiple_of(2));
        (0..80u32)
            .filter(move |i| {
                let chance = if i % 4 != taste {
                    1
                } else if (i / 4 < 6) != rare {
                    7
                } else {
                    2
                };
                (u.wrapping_mul(2_654_435_761) ^ i.wrapping_mul(40_503)).wrapping_mul(2_246_822_519) >> 8 & 15
                    < chance * 2
            })
            .map(|i| (i, 1.0))
    };
    let data = Interactions::from_rows(80, (0..900).map(|u| row(u).collect())).unwrap();
    let run = || {
        let mut trials = Vec::new();
        let params = SearchParams::new(5, false, 0.3, 900, 2, 7).unwrap();
        let found = best(&data, &params, &mut || 0.0, &mut |t| trials.push(t.clone())).unwrap();
        let lists: Vec<_> = (0..900).map(|u| found.model.top(u, data.row(u as usize).0, 60)).collect();
        (found.trees, found.parts, trials, lists)
    };
    let (trees, _, trials, lists) = run();
    assert!(0 < trees && trials.last().unwrap().family == "trees");
    for (user, list) in lists.iter().enumerate() {
        assert!(list.is_sorted_by(|a, b| a.1 >= b.1) && list.iter().all(|x| x.1.is_finite()));
        assert!(list.iter().all(|x| data.row(user).0.binary_search(&x.0).is_err()));
    }
    assert_eq!((trees, lists), {
        let (trees, _, _, lists) = run();
        (trees, lists)
    });
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
