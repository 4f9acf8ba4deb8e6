//! Where to look next: seeded, and near to what was good.

use crate::tune::{Dimension, Point, Range};

/// A stream of numbers that depends on the seed and the name only.
pub(super) struct Dice {
    seed: u64,
    thrown: u64,
}

/// One in so many points is drawn from the whole space, so that a bad start is not the end.
const ANYWHERE: f64 = 0.25;

/// How likely each dimension moves.
const MOVES: f64 = 0.5;

/// Typical step, as a part of the range.
const STEP: f64 = 0.2;

impl Dice {
    pub(super) fn new(seed: u64, name: &str) -> Self {
        Self { seed: xxhash_rust::xxh3::xxh3_64_with_seed(name.as_bytes(), seed), thrown: 0 }
    }

    /// 0 to 1.
    fn throw(&mut self) -> f64 {
        self.thrown += 1;
        let bits = xxhash_rust::xxh3::xxh3_64_with_seed(&self.thrown.to_le_bytes(), self.seed);
        (bits >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A point near `best`, or now and then anywhere.
    pub(super) fn near(&mut self, best: &Point, space: &[Dimension]) -> Point {
        let anywhere = self.throw() < ANYWHERE;
        let mut point = best.clone();
        for dimension in space {
            let now = best.get(dimension.name).copied();
            if anywhere || now.is_none() || self.throw() < MOVES {
                point.insert(
                    dimension.name.to_owned(),
                    self.value(dimension.range, now.filter(|_| !anywhere)),
                );
            }
        }
        point
    }

    fn value(&mut self, range: Range, near: Option<f64>) -> f64 {
        match range {
            Range::Linear(low, high) => self.between(low, high, near),
            Range::Log(low, high) => {
                self.between(low.ln(), high.ln(), near.map(f64::ln)).exp().clamp(low, high)
            }
            Range::Whole(low, high) => self.between(low as f64, high as f64, near).round(),
            Range::Choice(all) => {
                let last = all.len().saturating_sub(1) as f64;
                let at = near.and_then(|near| all.iter().position(|x| *x == near)).map(|at| at as f64);
                // A step of one is the least that is a step.
                let at = match at {
                    Some(at) if self.throw() < 0.5 => at - 1.0,
                    Some(at) => at + 1.0,
                    None => (self.throw() * (last + 1.0)).floor(),
                };
                all.get(at.clamp(0.0, last) as usize).copied().unwrap_or(0.0)
            }
        }
    }

    fn between(&mut self, low: f64, high: f64, near: Option<f64>) -> f64 {
        match near {
            // The sum of three uniform numbers is near enough to a normal one.
            Some(near) => {
                let step = (0..3).map(|_| self.throw() - 0.5).sum::<f64>() * 2.0 * STEP;
                (near + step * (high - low)).clamp(low, high)
            }
            None => low + self.throw() * (high - low),
        }
    }
}
