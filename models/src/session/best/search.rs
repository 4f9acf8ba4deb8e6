//! Random search that closes in on what did best: plain, deterministic for a seed, good enough for ten parameters that
//! hardly interact.

use crate::tune::{Dimension, Point, Range};

/// Share of the trials that is drawn from the whole space; the others change a few values of the best point.
const WIDE_SHARE: f64 = 0.35;
/// Chance of each value to be changed in a trial near the best.
const CHANGE: f64 = 0.25;

/// A stream of numbers from a seed (splitmix64).
pub struct Draw(pub u64);

impl Draw {
    /// Between 0 and 1.
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn value(&mut self, range: Range) -> f64 {
        let u = self.unit();
        match range {
            Range::Linear(from, to) => from + u * (to - from),
            Range::Log(from, to) => (from.ln() + u * (to.ln() - from.ln())).exp(),
            Range::Whole(from, to) => (from as f64 + u * ((to - from) as f64 + 1.0)).floor().min(to as f64),
            Range::Choice(of) => of.get((u * of.len() as f64) as usize).copied().unwrap_or(0.0),
        }
    }
}

/// Asks `worth` of up to `trials` points, the first being the defaults, as long as `go_on` says so; returns the best and
/// what it is worth. At least one is asked.
pub fn search(
    space: &[Dimension],
    trials: usize,
    seed: u64,
    go_on: &mut dyn FnMut() -> bool,
    worth: &mut dyn FnMut(&Point) -> f64,
) -> (Point, f64) {
    let mut draw = Draw(seed);
    let mut best = (Point::new(), worth(&Point::new()));
    let wide = (trials as f64 * WIDE_SHARE) as usize;
    for trial in 1..trials {
        if !go_on() {
            break;
        }
        let mut point = if trial < wide { Point::new() } else { best.0.clone() };
        let always = draw.unit() * space.len() as f64;
        for (place, dimension) in space.iter().enumerate() {
            if trial < wide || draw.unit() < CHANGE || place == always as usize {
                point.insert(dimension.name.to_string(), draw.value(dimension.range));
            }
        }
        let worth = worth(&point);
        if best.1 < worth {
            best = (point, worth);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACE: &[Dimension] = &[
        Dimension { name: "a", range: Range::Log(0.01, 100.0) },
        Dimension { name: "b", range: Range::Whole(-3, 3) },
        Dimension { name: "c", range: Range::Choice(&[1.0, 5.0]) },
        Dimension { name: "d", range: Range::Linear(0.0, 1.0) },
    ];

    fn bowl(p: &Point) -> f64 {
        let at = |name: &str| p.get(name).copied().unwrap_or(0.0);
        -(at("a").max(1e-3).ln() - 1.0).powi(2) - (at("b") - 2.0).powi(2) - (at("c") - 5.0).powi(2) - at("d")
    }

    #[test]
    fn the_same_seed_finds_the_same_and_comes_close() {
        let run = || search(SPACE, 200, 3, &mut || true, &mut bowl);
        let (point, worth) = run();
        assert_eq!((point.clone(), worth), run());
        assert!(-0.2 < worth, "{point:?} {worth}");
        assert_eq!((point["b"], point["c"]), (2.0, 5.0));
    }

    #[test]
    fn it_stops_when_told_but_not_before_the_defaults() {
        let mut asked = 0;
        let (point, _) = search(SPACE, 200, 3, &mut || false, &mut |_| {
            asked += 1;
            0.0
        });
        assert_eq!((asked, point), (1, Point::new()));
    }
}
