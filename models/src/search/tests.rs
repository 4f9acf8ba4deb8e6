use super::*;

const SPACE: &[Dimension] = &[
    Dimension { name: "x", range: Range::Linear(-2.0, 2.0) },
    Dimension { name: "y", range: Range::Log(1e-4, 1.0) },
    Dimension { name: "n", range: Range::Whole(1, 40) },
    Dimension { name: "kind", range: Range::Choice(&[1.0, 2.0, 3.0]) },
];

/// A hill with its top at x 0.7, y 0.01, n 13, kind 2.
fn hill(point: &Point) -> f64 {
    let at = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
    let off_y = (at("y", 1.0).log10() + 2.0) / 2.0;
    let off_n = (at("n", 1.0) - 13.0) / 10.0;
    let kind = if at("kind", 1.0) == 2.0 { 0.0 } else { 0.5 };
    -((at("x", 0.0) - 0.7).powi(2) + off_y * off_y + off_n * off_n) - kind
}

struct Hill {
    left: usize,
    asked: Vec<usize>,
}

impl Objective for Hill {
    fn score(&mut self, _: usize, point: &Point, rung: usize) -> Option<f64> {
        self.asked.push(rung);
        Some(hill(point))
    }
    fn more(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        0 < self.left
    }
    fn done(&mut self, _: &Trials) {}
}

fn run(params: &SearchParams, trials: &mut Trials, left: usize) -> Vec<usize> {
    let mut hill = Hill { left: left + 1, asked: vec![] };
    search(SPACE, &[Point::new()], params, trials, &mut hill);
    hill.asked
}

#[test]
fn the_estimator_climbs_higher_than_chance() {
    let best = |random, seed| {
        let mut trials = Trials::default();
        run(&SearchParams::new(120, random, 1, seed).unwrap(), &mut trials, 999);
        assert_eq!(trials.done.len(), 120);
        trials.best().unwrap().1
    };
    let mean = |random| (0..5).map(|seed| best(random, seed)).sum::<f64>() / 5.0;
    let (led, chance) = (mean(15), mean(119));
    assert!(chance / 3.0 < led, "led {led}, by chance {chance}");
}

#[test]
fn a_break_cannot_be_seen() {
    let params = SearchParams::new(40, 10, 3, 5).unwrap();
    let (mut whole, mut broken) = (Trials::default(), Trials::default());
    run(&params, &mut whole, 999);
    for left in [1, 7, 13, 999] {
        run(&params, &mut broken, left);
        let text = serde_json::to_string(&broken).unwrap();
        broken = serde_json::from_str(&text).unwrap();
    }
    assert_eq!(whole, broken);
    assert_eq!(whole.done[0].point, Point::new());
}

#[test]
fn poor_trials_are_stopped_and_never_best() {
    let params = SearchParams::new(60, 60, 3, 1).unwrap();
    let mut trials = Trials::default();
    let asked = run(&params, &mut trials, 999);
    let (first, last) =
        (asked.iter().filter(|r| **r == 0).count(), asked.iter().filter(|r| **r == 2).count());
    assert_eq!(first, 60);
    assert!(last < 45, "{last} of 60 went all the way");
    let top = trials.done.iter().map(|t| hill(&t.point)).fold(f64::NEG_INFINITY, f64::max);
    assert_eq!(
        trials.best().unwrap().1,
        short(top),
        "the best is never among the stopped here, as rungs agree"
    );
}

#[test]
fn failures_and_small_spaces_end_well() {
    struct Fails;
    impl Objective for Fails {
        fn score(&mut self, trial: usize, _: &Point, _: usize) -> Option<f64> {
            if trial.is_multiple_of(2) { None } else { Some(f64::NAN) }
        }
        fn more(&mut self) -> bool {
            true
        }
        fn done(&mut self, _: &Trials) {}
    }
    let small = [Dimension { name: "n", range: Range::Whole(1, 3) }];
    let params = SearchParams::new(50, 2, 2, 1).unwrap();
    let mut trials = Trials::default();
    search(&small, &[], &params, &mut trials, &mut Fails);
    assert_eq!((trials.done.len(), trials.best()), (3, None));
    let mut none = Trials::default();
    search(&[], &[Point::new()], &params, &mut none, &mut Fails);
    assert_eq!(none.done.len(), 1);
    assert!(SearchParams::new(0, 0, 1, 1).is_err() && SearchParams::new(5, 6, 1, 1).is_err());
    assert_eq!(SearchParams::new(5, 5, 0, 1).unwrap_err().to_string(), "search.rungs is 0, expected 1 to 10");
}

#[test]
fn values_and_coordinates_agree_and_stay_inside() {
    for d in SPACE {
        for step in 0..=20 {
            let v = value(d.range, f64::from(step) / 20.0);
            let again = value(d.range, unit(d.range, v));
            assert!((v - again).abs() <= 1e-9 * v.abs().max(1.0), "{d:?} {v} {again}");
        }
    }
    assert_eq!((value(SPACE[2].range, 0.0), value(SPACE[2].range, 1.0)), (1.0, 40.0));
    assert_eq!(value(Range::Choice(&[]), 0.5), 0.0);
    assert_eq!(unit(Range::Linear(1.0, 1.0), 1.0), 0.5);
}

#[test]
fn what_matters_is_seen() {
    let mut trials = Trials::default();
    run(&SearchParams::new(200, 199, 1, 3).unwrap(), &mut trials, 999);
    let importance = importance(SPACE, &trials);
    assert!(importance["kind"] < importance["x"], "{importance:?}");
}
