//! One suite for every session model: an obvious answer, and everything odd that a caller can hand in.

#![allow(clippy::unwrap_used)] // helpers of tests count as tests only inside a crate

use shoptide_models::model::{NextItem, best};
use shoptide_models::session::best::{SearchParams, find};
use shoptide_models::session::index::{IndexParams, SessionIndex};
use shoptide_models::session::knn::{KnnParams, SessionKnn};
use shoptide_models::session::linear::{Linear, LinearParams};
use shoptide_models::session::ranker::SessionRanker;
use shoptide_models::session::recent::{RecentItems, RecentParams};
use shoptide_models::session::sources::{Sources, index};
use shoptide_models::session::transitions::{TransitionParams, Transitions};
use shoptide_models::sessions::Sessions;
use shoptide_models::trees::{Candidates, TreeParams, Trees};
use shoptide_models::tune::{Point, Range, Tunable};

/// Sessions of `n` items each, that end one after another.
fn sessions(n_items: usize, each: &[&[u32]]) -> Sessions {
    Sessions::new(n_items, each.iter().enumerate().map(|(at, s)| (s.to_vec(), at as i64))).unwrap()
}

/// Six lanes of five items, each walked in its order from anywhere, often with one step back.
fn lanes() -> Sessions {
    let walk = |at: u32| -> Vec<u32> {
        let (lane, from, back) = (at % 6 * 5, at / 6 % 4, (at / 24).is_multiple_of(3));
        let mut walk: Vec<u32> = (from..5).map(|step| lane + step).collect();
        if back {
            walk.push(lane + from);
        }
        walk
    };
    Sessions::new(30, (0..1500).map(|at| (walk(at), i64::from(at)))).unwrap()
}

fn trees(sessions: &Sessions) -> SessionRanker {
    let sources =
        Sources::fit(sessions, KnnParams::default(), TransitionParams::default(), LinearParams::default());
    let none =
        Trees::fit(&Candidates::default(), &TreeParams::new(1, 1, 0.1, 1.0).unwrap(), None, &mut |_, _| true);
    SessionRanker::new(sources.unwrap(), none)
}

type Fit = fn(&Sessions) -> Box<dyn NextItem>;

fn models() -> Vec<(&'static str, Fit)> {
    let search = |sessions: &Sessions| {
        find(sessions, SearchParams::new(20, 0.1, None, 1).unwrap(), &mut || 0.5, &mut |_| {}).unwrap()
    };
    let _: &dyn Fn(&Sessions) -> _ = &search;
    vec![
        ("recent", |s| Box::new(RecentItems::fit(s, RecentParams::default()))),
        ("knn", |s| Box::new(SessionKnn::new(index(s).unwrap(), KnnParams::default()))),
        ("transitions", |s| Box::new(Transitions::fit(s, TransitionParams::default()))),
        ("linear", |s| Box::new(Linear::fit(s, LinearParams::default()))),
        ("ranker", |s| Box::new(trees(s))),
        ("best", |s| {
            let params = SearchParams::new(20, 0.1, None, 1).unwrap();
            find(s, params, &mut || 0.5, &mut |_| {}).unwrap().model
        }),
    ]
}

#[test]
fn the_next_step_of_a_lane_is_first() {
    let lanes = lanes();
    for (name, fit) in models() {
        let model = fit(&lanes);
        for lane in (0..30).step_by(5) {
            let (mut out, known) = (vec![], [lane + 1, lane + 2]);
            model.score(&known, &mut out);
            let first = best(out, &[known[0], known[1]].map(|x| x), 1);
            if name != "recent" && name != "ranker" {
                assert_eq!(first[0].0, lane + 3, "{name}");
            }
        }
    }
}

#[test]
fn every_answer_to_odd_questions_is_sensible() {
    let long: Vec<u32> = (0..3000).map(|at| at % 7).collect();
    let same = vec![3u32; 500];
    let trained = [
        sessions(0, &[]),
        sessions(5, &[]),
        sessions(5, &[&[], &[]]),
        sessions(1, &[&[0]]),
        sessions(1, &[&[0, 0, 0], &[0, 0]]),
        sessions(5, &[&[1, 2]]),
        sessions(7, &[&long, &same, &[0, 1, 2, 3, 4, 5, 6]]),
        Sessions::new(4, [(vec![0, 1], i64::MIN), (vec![1, 2], i64::MAX), (vec![2, 3], 0)]).unwrap(),
        Sessions::new(4, (0..40).map(|_| (vec![0, 1, 2], 7))).unwrap(),
    ];
    let asked: [&[u32]; 7] = [&[], &[0], &[3, 3, 3], &[u32::MAX], &[9, 0, u32::MAX - 1], &long, &same];
    for (name, fit) in models() {
        for (at, sessions) in trained.iter().enumerate() {
            let model = fit(sessions);
            for session in asked {
                let mut out = vec![(9, f32::NAN)];
                model.score(session, &mut out);
                let mut items: Vec<u32> = out.iter().map(|x| x.0).collect();
                items.sort_unstable();
                items.dedup();
                assert_eq!(items.len(), out.len(), "{name} on {at}: an item is there twice");
                assert!(out.iter().all(|x| x.1.is_finite()), "{name} on {at}: {out:?}");
            }
        }
    }
}

#[test]
fn every_point_of_a_space_is_accepted_and_nothing_beyond_the_bounds() {
    fn all<P: Tunable>(beyond: &[(&str, f64)]) {
        for dimension in P::SPACE {
            let ends = match dimension.range {
                Range::Linear(a, b) | Range::Log(a, b) => vec![a, b],
                Range::Whole(a, b) => vec![a as f64, b as f64],
                Range::Choice(of) => of.to_vec(),
            };
            for value in ends {
                assert!(P::at(&Point::from([(dimension.name.into(), value)])).is_ok(), "{}", dimension.name);
            }
            for value in [f64::NAN, f64::INFINITY, -1.0] {
                assert!(P::at(&Point::from([(dimension.name.into(), value)])).is_err(), "{}", dimension.name);
            }
        }
        for &(name, value) in beyond {
            assert!(P::at(&Point::from([(name.into(), value)])).is_err(), "{name}");
        }
    }
    all::<KnnParams>(&[("recent", 0.0), ("neighbours", 1e5), ("near", 0.0), ("before", 1.1)]);
    all::<TransitionParams>(&[("kept", 0.0), ("share", 1.1), ("recency", 0.0)]);
    all::<LinearParams>(&[("ridge", 0.0), ("causes", 301.0)]);
    all::<RecentParams>(&[("recency", 0.0)]);
    for bad in [(0, 0.1), (1001, 0.1), (20, 0.0), (20, f64::NAN), (20, 0.6)] {
        assert!(SearchParams::new(bad.0, bad.1, None, 0).is_err());
    }
}

/// A session that grows is found by the clicks it has, at once.
#[test]
fn a_click_is_known_to_the_next_query() {
    let mut knn =
        SessionKnn::new(SessionIndex::new(IndexParams::new(100, 20, 50, 50).unwrap()), KnnParams::default());
    let top = |knn: &SessionKnn<SessionIndex>| {
        let mut out = vec![];
        knn.score(&[1], &mut out);
        best(out, &[1], 5).iter().map(|x| x.0).collect::<Vec<_>>()
    };
    knn.index_mut().click(7, 1, 10);
    assert_eq!(top(&knn), [0; 0]);
    knn.index_mut().click(7, 2, 11);
    assert_eq!(top(&knn), [2]);
    knn.index_mut().click(8, 1, 12);
    knn.index_mut().click(8, 3, 13);
    assert_eq!(top(&knn)[0], 3, "the more recent session counts more");
}

#[test]
fn the_same_search_gives_the_same_answers_at_any_number_of_threads() {
    let lanes = lanes();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let params = SearchParams::new(20, 0.1, None, 5).unwrap().trees_only();
            let best = find(&lanes, params, &mut || 0.0, &mut |_| {}).unwrap();
            let mut out = vec![];
            best.model.score(&[6, 7], &mut out);
            (best.name, best.exclude_current, best.quality, best.params, out)
        })
    };
    assert_eq!(run(1), run(3));
}
