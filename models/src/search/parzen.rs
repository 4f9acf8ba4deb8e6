//! The estimator: two densities over the space, one of the good trials and one of the others; the next point is where
//! their ratio is greatest among some drawn from the good one.

use super::dice::Dice;
use super::{Trial, unit, value};
use crate::tune::{Dimension, Point, Range};

/// Share of the trials that is called good, and how many at most.
const GOOD_SHARE: f64 = 0.1;
const GOOD_MAX: usize = 25;
/// Points drawn, of which the most promising is proposed.
const CANDIDATES: usize = 32;
/// Kernels are never narrower: a search must not fall into one point.
const WIDTH_MIN: f64 = 0.01;

/// A mixture of normal kernels around coordinates, with one even kernel over the whole range as its prior.
struct Density {
    /// Centre and width, ascending.
    kernels: Vec<(f64, f64)>,
}

impl Density {
    fn of(dimension: &Dimension, trials: &[&Trial]) -> Self {
        let at = |trial: &&Trial| trial.point.get(dimension.name).map(|v| unit(dimension.range, *v));
        let mut centres: Vec<f64> = trials.iter().filter_map(at).collect();
        centres.sort_unstable_by(f64::total_cmp);
        // A kernel reaches to its farther neighbour: wide where little is known, narrow in a crowd.
        let narrowest = (1.0 / (centres.len() as f64 + 2.0)).max(WIDTH_MIN);
        let kernel = |(place, centre): (usize, &f64)| {
            let before = place.checked_sub(1).and_then(|at| centres.get(at)).copied().unwrap_or(0.0);
            let after = centres.get(place + 1).copied().unwrap_or(1.0);
            (*centre, (centre - before).max(after - centre).clamp(narrowest, 1.0))
        };
        Self { kernels: centres.iter().enumerate().map(kernel).collect() }
    }

    fn draw(&self, dice: &mut Dice) -> f64 {
        match self.kernels.get(dice.below(self.kernels.len() + 1)) {
            // What falls outside is drawn back in like a billiard ball: no heap at the border.
            Some((centre, width)) => {
                let x = (centre + width * dice.normal()).rem_euclid(2.0);
                if 1.0 < x { 2.0 - x } else { x }
            }
            None => dice.unit(),
        }
    }

    fn at(&self, x: f64) -> f64 {
        let kernel = |(centre, width): &(f64, f64)| {
            let of = |d: f64| (-(d / width).powi(2) / 2.0).exp();
            (of(x - centre) + of(x + centre) + of(2.0 - x - centre))
                / (width * (2.0 * std::f64::consts::PI).sqrt())
        };
        (1.0 + self.kernels.iter().map(kernel).sum::<f64>()) / (self.kernels.len() as f64 + 1.0)
    }
}

/// - `ranked`: all trials, best first
pub(super) fn propose(space: &[Dimension], ranked: &[&Trial], dice: &mut Dice) -> Point {
    let n_good = ((ranked.len() as f64 * GOOD_SHARE).ceil() as usize).clamp(1, GOOD_MAX).min(ranked.len());
    let (good, others) = ranked.split_at(n_good);
    let densities: Vec<(Density, Density)> =
        space.iter().map(|d| (Density::of(d, good), Density::of(d, others))).collect();
    let mut best: Option<(f64, Point)> = None;
    for _ in 0..CANDIDATES {
        let (mut gain, mut point) = (0.0, Point::new());
        for (dimension, (good, others)) in space.iter().zip(&densities) {
            let mut x = good.draw(dice);
            if let Range::Choice(of) = dimension.range {
                // Choices have no neighbours: a kernel beside the centre is another choice as good as any.
                if dice.unit() < 1.0 / (of.len() as f64 + 1.0) {
                    x = dice.unit();
                }
            }
            let v = value(dimension.range, x);
            let x = unit(dimension.range, v);
            gain += good.at(x).ln() - others.at(x).ln();
            point.insert(dimension.name.to_owned(), v);
        }
        if best.as_ref().is_none_or(|(top, _)| *top < gain) {
            best = Some((gain, point));
        }
    }
    best.map(|(_, point)| point).unwrap_or_default()
}
