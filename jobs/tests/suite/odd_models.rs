//! Every model of every protocol against everything odd that can be handed to it: a typed error or a sensible answer, never
//! a panic. Whoever adds a model to a registry has it tested here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use shoptide_jobs::evaluate::registry::{
    Entry, FitError, RatingTrain, Run, StreamAim, ranking, ratings, sessions, stream,
};
use shoptide_models::matrix::Interactions;
use shoptide_models::model::{Rated, Scored};
use shoptide_models::sessions::Sessions;
use shoptide_models::tune::{Point, Range};

/// Runs what must not panic, naming what did.
fn calm<T>(what: &str, run: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| panic!("{what} panicked"))
}

/// With a seed that a double cannot hold.
fn run<T>(fit: impl FnOnce(&mut Run<'_>) -> Result<T, FitError>) -> Result<T, FitError> {
    fit(&mut Run { seed: u64::MAX, observe: &mut |_| {} })
}

/// The defaults made small: what is tested is not quality.
fn quick<F>(model: &Entry<F>) -> Point {
    let small = [("sweeps", 6.0), ("epochs", 5.0), ("rank", 32.0)];
    let known = small
        .into_iter()
        .filter(|(name, value)| model.space.iter().any(|d| d.name == *name && within(d.range, *value)));
    known.map(|(name, value)| (name.to_owned(), value)).collect()
}

fn within(range: Range, value: f64) -> bool {
    match range {
        Range::Linear(a, b) | Range::Log(a, b) => (a..=b).contains(&value),
        Range::Whole(a, b) => (a as f64..=b as f64).contains(&value),
        Range::Choice(of) => of.contains(&value),
    }
}

/// Every parameter at its ends, beside and beyond them. `(point, must be refused)`.
fn points<F>(model: &Entry<F>) -> Vec<(Point, bool)> {
    let mut points = vec![(quick(model), false)];
    for dimension in model.space {
        let (low, high) = match dimension.range {
            Range::Linear(a, b) | Range::Log(a, b) => (a, b),
            Range::Whole(a, b) => (a as f64, b as f64),
            Range::Choice(of) => (of[0], of[of.len() - 1]),
        };
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e300, -0.0, 1e-300, 1.5, 1e300, low, high];
        for value in odd {
            let mut point = quick(model);
            point.insert(dimension.name.to_owned(), value);
            // Far below every bound is as wrong as no number.
            points.push((point, !value.is_finite() || value == -1e300));
        }
    }
    points.push(([("no such parameter".to_owned(), 1.0)].into(), false));
    points
}

fn check_list(what: &str, list: &Scored, skip: &[u32], k: usize, n_items: usize) {
    assert!(list.len() <= k && list.len() <= n_items, "{what}: {} of {k}", list.len());
    for pair in list.windows(2) {
        assert!(
            pair[1].1 < pair[0].1 || (pair[1].1 == pair[0].1 && pair[0].0 < pair[1].0),
            "{what}: {pair:?}"
        );
    }
    let fine = |(item, score): &(u32, f32)| {
        score.is_finite() && (*item as usize) < n_items && skip.binary_search(item).is_err()
    };
    assert!(list.iter().all(fine), "{what}: {list:?}");
}

#[test]
fn sessions_of_every_kind() {
    let of = |n: usize, each: &[&[u32]]| {
        Sessions::new(n, each.iter().enumerate().map(|(at, s)| (s.to_vec(), at as i64))).unwrap()
    };
    let same = vec![3u32; 300];
    let trained = [
        ("nothing", of(0, &[])),
        ("no session", of(4, &[])),
        ("empty sessions", of(4, &[&[], &[]])),
        ("one item", of(1, &[&[0, 0, 0], &[0]])),
        ("one session of everything", of(6, &[&[0, 1, 2, 3, 4, 5]])),
        ("all the same", of(6, &[&same, &[3, 3], &[3]])),
        ("repeats", of(6, &[&[1, 2, 1, 2, 1, 2], &[1, 2], &[1, 2]])),
    ];
    let asked: [&[u32]; 6] = [&[], &[3], &[3, 3, 3], &[u32::MAX], &[5, 0, 77], &same];
    for model in sessions::MODELS {
        for (data, train) in &trained {
            let what = format!("{} on {data}", model.name);
            let Ok(made) = calm(&what, || run(|r| (model.fit)(train, &quick(model), r))) else { continue };
            for session in asked {
                let mut out = vec![(9, f32::NAN)];
                calm(&what, || made.score(session, &mut out));
                let mut items: Vec<u32> = out.iter().map(|entry| entry.0).collect();
                items.sort_unstable();
                assert!(items.windows(2).all(|pair| pair[0] < pair[1]), "{what}: an item twice");
                let known = |item: &u32| (*item as usize) < train.n_items();
                assert!(out.iter().all(|entry| entry.1.is_finite() && known(&entry.0)), "{what}: {out:?}");
            }
        }
        for (point, refused) in points(model) {
            let what = format!("{} at {point:?}", model.name);
            let made = calm(&what, || run(|r| (model.fit)(&trained[6].1, &point, r)));
            assert!(!refused || made.is_err(), "{what} is taken");
        }
    }
}

#[test]
fn rankings_of_every_kind() {
    let of = |n: usize, rows: &[&[u32]]| {
        let rows = rows.iter().map(|row| row.iter().map(|item| (*item, 1.0)).collect::<Vec<_>>());
        Interactions::from_rows(n, rows).unwrap()
    };
    let trained = [
        ("nothing", of(0, &[])),
        ("nobody", of(4, &[])),
        ("users of nothing", of(4, &[&[], &[]])),
        ("one user", of(4, &[&[1, 2]])),
        ("one item", of(1, &[&[0], &[0], &[0]])),
        ("all the same item", of(5, &[&[3], &[3], &[3], &[3]])),
        ("everybody everything", of(4, &[&[0, 1, 2, 3], &[0, 1, 2, 3], &[0, 1, 2, 3]])),
        ("one of everything", of(6, &[&[0, 1, 2, 3, 4, 5], &[0], &[1, 2], &[]])),
    ];
    for model in ranking::MODELS {
        for (data, train) in &trained {
            let what = format!("{} on {data}", model.name);
            let Ok(made) = calm(&what, || run(|r| (model.fit)(train, &quick(model), r))) else { continue };
            let everything: Vec<u32> = (0..train.n_cols() as u32).collect();
            for user in [0, 1, 3, 1000, u32::MAX] {
                for skip in [&[][..], &everything[..everything.len().min(1)], &everything, &[u32::MAX]] {
                    for k in [0, 1, 3, train.n_cols() + 1, 10_000] {
                        let list = calm(&what, || made.top(user, skip, k));
                        check_list(&what, &list, skip, k, train.n_cols());
                    }
                }
            }
        }
        for (point, refused) in points(model) {
            let what = format!("{} at {point:?}", model.name);
            let made = calm(&what, || run(|r| (model.fit)(&trained[7].1, &point, r)));
            assert!(!refused || made.is_err(), "{what} is taken");
        }
    }
}

#[test]
fn streams_of_every_kind() {
    let rated = |user: u32, item: u32, value: f32, at_s: i64| Rated { user, item, value, at_s };
    let streams: [(&str, Vec<Rated>); 6] = [
        ("nothing", vec![]),
        ("one", vec![rated(0, 0, 5.0, 0)]),
        ("all the same", vec![rated(1, 1, 5.0, 7); 50]),
        ("one user", (0..40).map(|n| rated(0, n % 8, 5.0, i64::from(n))).collect()),
        (
            "no numbers, no times, no bounds",
            vec![
                rated(0, 0, f32::NAN, 0),
                rated(0, 1, f32::INFINITY, i64::MAX),
                rated(1, 2, f32::NEG_INFINITY, i64::MIN),
                rated(1, 0, f32::MAX, i64::MAX),
                rated(2, 1, f32::MIN, i64::MIN),
                rated(u32::MAX, 3, 5.0, 1),
                rated(3, u32::MAX, 5.0, 2),
                rated(3, 3, 5.0, -5),
            ],
        ),
        ("backwards", (0..40).map(|n| rated(n % 3, n % 7, 5.0, -i64::from(n) * 1_000_000)).collect()),
    ];
    for model in stream::MODELS {
        let aim = StreamAim { positive: 4.0 };
        for (data, events) in &streams {
            let what = format!("{} on {data}", model.name);
            let mut made = run(|r| (model.fit)(aim, &quick(model), r)).unwrap();
            for event in events {
                for (user, at_s) in [(event.user, event.at_s), (9, i64::MIN), (u32::MAX, i64::MAX)] {
                    for (skip, k) in [(&[][..], 5), (&[0, 1, 2], 10_000), (&[], 0)] {
                        let list = calm(&what, || made.top(user, at_s, skip, k));
                        check_list(&what, &list, skip, k, usize::MAX);
                    }
                }
                calm(&what, || made.learn(event));
            }
        }
        for (point, refused) in points(model) {
            let what = format!("{} at {point:?}", model.name);
            let made = calm(&what, || run(|r| (model.fit)(aim, &point, r)));
            assert!(!refused || made.is_err(), "{what} is taken");
        }
        for positive in [f32::NAN, f32::INFINITY] {
            let made = run(|r| (model.fit)(StreamAim { positive }, &quick(model), r));
            assert!(made.is_err(), "{} with targets from {positive}", model.name);
        }
    }
}

#[test]
fn ratings_of_every_kind() {
    let rated = |user: u32, item: u32, value: f32| Rated { user, item, value, at_s: 0 };
    let sets: [(&str, usize, usize, Vec<Rated>); 7] = [
        ("nothing", 0, 0, vec![]),
        ("no ratings", 3, 3, vec![]),
        ("one", 1, 1, vec![rated(0, 0, 4.0)]),
        ("all the same", 2, 2, vec![rated(1, 1, 3.0); 30]),
        ("one user of everything", 1, 20, (0..20).map(|n| rated(0, n, (n % 5) as f32)).collect()),
        ("one item", 20, 1, (0..20).map(|n| rated(n, 0, (n % 5) as f32)).collect()),
        ("far apart", 2, 2, vec![rated(0, 0, f32::MIN), rated(1, 1, f32::MAX), rated(0, 1, 0.0)]),
    ];
    for model in ratings::MODELS {
        let fit = |train: RatingTrain<'_>, point: &Point| run(|r| (model.fit)(train, point, r));
        for (data, n_users, n_items, rows) in &sets {
            let what = format!("{} on {data}", model.name);
            let train = RatingTrain { n_users: *n_users, n_items: *n_items, ratings: rows };
            let Ok(made) = calm(&what, || fit(train, &quick(model))) else { continue };
            for (user, item) in [(0, 0), (1, 1), (999, 0), (0, 999), (u32::MAX, u32::MAX)] {
                let said = calm(&what, || made.predict(user, item));
                assert!(said.is_finite(), "{what}: {said} for {user}, {item}");
            }
        }
        let (_, n_users, n_items, rows) = &sets[4];
        let train = RatingTrain { n_users: *n_users, n_items: *n_items, ratings: rows };
        for (point, refused) in points(model) {
            let what = format!("{} at {point:?}", model.name);
            let made = calm(&what, || fit(train, &point));
            assert!(!refused || made.is_err(), "{what} is taken");
        }
    }
}
