use super::*;
use crate::evaluate::{StreamParams, prequential};
use crate::model::LearnEvent;
use crate::params::BadParam;
use crate::tune::{Point, Tunable};

fn rated(user: u32, item: u32, value: f32, at_s: i64) -> Rated {
    Rated { user, item, value, at_s }
}

fn models() -> [(&'static str, Box<dyn LearnEvent>); 4] {
    let small = TrailsParams::new(4.0, 1000, 10, 50, 5, 0.8, 0.8, 0.3, 0.3).unwrap();
    [
        ("popular", Box::new(Popular::new(PopularParams::new(30.0, 4.0).unwrap()))),
        ("online-mf", Box::new(OnlineMf::new(OnlineMfParams::standard(4.0, 1).unwrap()))),
        ("trails", Box::new(Trails::new(small))),
        ("hybrid", Box::new(Hybrid::new(HybridParams::standard(4.0, 1).unwrap()))),
    ]
}

/// Users walk through one of ten rows of items, side by side; some of what they pass they do not like.
fn walks() -> Vec<Rated> {
    let mut events = vec![];
    for n in 0..4000u32 {
        let (user, step) = (n / 40 * 4 + n % 4, n / 4 % 10);
        let item = user * 7 % 10 * 10 + step;
        events.push(rated(user, item, if (user + step) % 5 == 0 { 2.0 } else { 5.0 }, i64::from(n) * 60));
    }
    events
}

fn recall(model: &mut dyn LearnEvent) -> f64 {
    prequential(model, &walks(), &StreamParams::new(3, 4.0, 4).unwrap(), &mut |_| {}).windows[3]
}

#[test]
fn trails_are_followed_and_the_hybrid_keeps_up() {
    let mut found = models().map(|(name, mut model)| (name, recall(&mut *model))).into_iter();
    let mut next = || found.next().unwrap().1;
    let (popular, _, trails, hybrid) = (next(), next(), next(), next());
    assert!(popular < 0.3, "{popular}");
    assert!(0.8 < trails && 0.8 < hybrid, "{trails} {hybrid}");
}

#[test]
fn factors_learn_who_goes_where() {
    let params = OnlineMfParams::new(0.0, 8, 0.1, 0.001, 2, 1).unwrap();
    let mut model = OnlineMf::new(params);
    for n in 0..6000u32 {
        let user = n * 17 % 40;
        model.learn(&rated(user, user % 2 * 10 + n * 31 % 97 % 10, 5.0, 0));
    }
    for user in 0..40 {
        let list = model.top(user, 0, &[], 5);
        assert!(list.iter().all(|(item, _)| item / 10 == user % 2), "{user}: {list:?}");
    }
}

#[test]
fn the_hybrid_trusts_what_hits() {
    let mut model = Hybrid::new(HybridParams::standard(4.0, 1).unwrap());
    let before = model.weights();
    recall(&mut model);
    let after = model.weights();
    let at = |name: &str| SOURCES.iter().position(|source| *source == name).unwrap();
    let (near, popular) = (at("after the last item"), at("popular lately"));
    assert!(before[near] < after[near], "{after:?}");
    assert!(after[near] - before[near] > after[popular] - before[popular], "{after:?}");
}

#[test]
fn a_list_is_as_asked_for_whatever_came_before() {
    let odd = [
        rated(0, 0, 5.0, 0),
        rated(0, 0, 5.0, 0),
        rated(0, 1, f32::NAN, 0),
        rated(0, 1, f32::INFINITY, 5),
        rated(u32::MAX, 1, 5.0, 5),
        rated(1, u32::MAX, 5.0, 5),
        rated(1, 2, f32::MAX, i64::MAX),
        rated(2, 3, f32::MIN, i64::MIN),
        rated(2, 2, 5.0, -1),
        rated(1, 2, 5.0, i64::MAX),
    ];
    for (name, mut model) in models() {
        let ask = |model: &mut dyn LearnEvent| {
            for (user, k, skip) in [(0, 0, &[][..]), (0, 3, &[0]), (1, 1000, &[2, 9]), (u32::MAX, 5, &[0, 1])]
            {
                for at_s in [0, i64::MIN, i64::MAX] {
                    let list = model.top(user, at_s, skip, k);
                    assert!(list.len() <= k, "{name}");
                    assert!(list.iter().all(|e| !skip.contains(&e.0) && e.1.is_finite()), "{name}: {list:?}");
                    assert!(
                        list.windows(2).all(|w| w[1].1 <= w[0].1 && w[0].0 != w[1].0),
                        "{name}: {list:?}"
                    );
                }
            }
        };
        ask(&mut *model);
        for event in &odd {
            model.learn(event);
            ask(&mut *model);
        }
        // One user with every item, then many with the same one.
        (0..1500).for_each(|n| model.learn(&rated(3, n, 5.0, n.into())));
        (0..1500).for_each(|n| model.learn(&rated(n, 7, 5.0, n.into())));
        ask(&mut *model);
        let all: Vec<u32> = (0..1500).collect();
        assert!(model.top(3, 0, &all, 10).is_empty(), "{name}");
    }
}

#[test]
fn the_same_events_give_the_same_lists() {
    for ((name, mut a), (_, mut b)) in models().into_iter().zip(models()) {
        walks().iter().for_each(|event| a.learn(event));
        walks().iter().for_each(|event| b.learn(event));
        assert_eq!(a.top(5, 0, &[], 20), b.top(5, 0, &[], 20), "{name}");
    }
}

#[test]
fn what_is_below_the_threshold_is_no_hit_for_popularity() {
    let mut model = Popular::new(PopularParams::new(30.0, 4.0).unwrap());
    (0..5).for_each(|n| model.learn(&rated(n, 1, 3.5, 0)));
    model.learn(&rated(0, 2, 4.0, 0));
    assert_eq!(model.top(9, 0, &[], 5).iter().map(|e| e.0).collect::<Vec<_>>(), [2]);
}

#[test]
fn every_bound_is_named() {
    let message = |r: Result<(), BadParam>| r.unwrap_err().to_string();
    let trails = |events, context, visits, reach, decay, below| {
        message(TrailsParams::new(0.0, events, context, visits, reach, decay, 0.5, below, 0.5).map(drop))
    };
    assert_eq!(trails(0, 1, 1, 1, 1.0, 1.0), "trails.events_max is 0, expected 1 to 67108864");
    assert_eq!(trails(1, 0, 1, 1, 1.0, 1.0), "trails.context is 0, expected 1 to 100");
    assert_eq!(trails(1, 1, 0, 1, 1.0, 1.0), "trails.visits is 0, expected 1 to 10000");
    assert_eq!(trails(1, 1, 1, 101, 1.0, 1.0), "trails.reach is 101, expected 1 to 100");
    assert_eq!(trails(1, 1, 1, 1, f64::NAN, 1.0), "trails.context_decay is NaN, expected 0.1 to 1");
    assert_eq!(trails(1, 1, 1, 1, 1.0, -1.0), "trails.below is -1, expected 0 to 1");
    let popular = message(PopularParams::new(0.0, 1.0).map(drop));
    assert_eq!(popular, "popular.half_life_days is 0, expected 0.01 to 36500");
    let online =
        |positive, rank, rate| message(OnlineMfParams::new(positive, rank, rate, 0.1, 1, 0).map(drop));
    assert_eq!(online(f32::NAN, 1, 0.1), "online_mf.positive is NaN, expected a finite number");
    assert_eq!(online(0.0, 257, 0.1), "online_mf.rank is 257, expected 1 to 256");
    assert_eq!(online(0.0, 1, 0.9), "online_mf.rate is 0.9, expected 1e-4 to 0.5");
    let point = |name: &str, value| Point::from([(name.to_owned(), value)]);
    let at = message(HybridParams::at(&point("recent_days", -1.0)).map(drop));
    assert_eq!(at, "hybrid.recent_days is -1, expected 0.01 to 36500");
    assert_eq!(HybridParams::at(&Point::new()), HybridParams::standard(0.0, 0));
}
