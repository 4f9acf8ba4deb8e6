//! One side of the chain, users or items, and how it is drawn anew given the other.
//!
//! Vectors have the bias in front. Their prior is normal with a precision for each dimension, and its mean is a constant,
//! plus, with implicit terms, `|N|^-1/2 Σ y_j` over the row's neighbours: a regression that is sampled along.

use super::super::data::Rows;
use crate::dice::Dice;
use rayon::prelude::*;

/// Rows drawn by one task, and the block in which errors are summed: fixes the order of that sum.
const ROWS_PER_TASK: usize = 64;

/// Gamma prior of every precision: its shape and rate, as weak as one observation of unit size.
const SHAPE: f64 = 1.0;
const RATE: f64 = 1.0;
/// Precision of the prior of the constant.
const CONSTANT_PRECISION: f64 = 1.0;
/// Precisions start here and stay within these bounds: a dimension may die out, but never to infinity.
const PRECISION_START: f64 = 5.0;
const IMPLICIT_PRECISION_START: f64 = 50.0;
const PRECISION_BOUNDS: (f64, f64) = (1e-6, 1e8);
/// Spread of the random start.
const INIT_SPREAD: f64 = 0.1;

/// Draws a precision given the sum of `n` squares.
fn draw_precision(squares: f64, n: usize, dice: &mut Dice) -> f64 {
    let drawn = dice.gamma(SHAPE + n as f64 / 2.0) / (RATE + squares / 2.0);
    drawn.clamp(PRECISION_BOUNDS.0, PRECISION_BOUNDS.1)
}

/// Draws the precision of the ratings around their predictions.
pub(super) fn noise_precision(squares: f64, n: usize, dice: &mut Dice) -> f64 {
    draw_precision(squares, n, dice)
}

/// What the prior of one dimension is made of.
#[derive(Debug, Clone, PartialEq)]
struct Prior {
    constant: f64,
    precision: f64,
    /// `y` of each row of the other side; empty without implicit terms.
    implicit: Vec<f64>,
    implicit_precision: f64,
}

/// One side's state.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chain {
    width: usize,
    /// `(n, width)`: as drawn, and their means before the draw.
    drawn: Vec<f64>,
    expected: Vec<f64>,
    priors: Vec<Prior>,
    /// `|N|^-1/2` of each row; 0 for one without neighbours.
    norms: Vec<f64>,
    /// The constants: what is expected of a row of which nothing is known.
    stranger: Vec<f64>,
}

impl Chain {
    pub fn new(rows: &Rows, n_others: usize, width: usize, implicit: bool, mut dice: Dice) -> Self {
        let start = |k: usize| if k.is_multiple_of(width) { 0.0 } else { dice.normal() * INIT_SPREAD };
        let drawn: Vec<f64> = (0..rows.n() * width).map(start).collect();
        let prior = Prior {
            constant: 0.0,
            precision: PRECISION_START,
            implicit: vec![0.0; if implicit { n_others } else { 0 }],
            implicit_precision: IMPLICIT_PRECISION_START,
        };
        let norm = |row| match rows.count(row) {
            0 => 0.0,
            n => 1.0 / (n as f64).sqrt(),
        };
        Self {
            width,
            expected: drawn.clone(),
            drawn,
            priors: vec![prior; width],
            norms: (0..rows.n()).map(norm).collect(),
            stranger: vec![0.0; width],
        }
    }

    pub fn drawn(&self) -> &[f64] {
        &self.drawn
    }

    /// Means given the other side and the priors; as of the last sweep.
    pub fn expected(&self) -> &[f64] {
        &self.expected
    }

    pub fn stranger(&self) -> &[f64] {
        &self.stranger
    }

    /// Draws the priors given the vectors, then the vectors given the priors and the other side.
    /// - `values`: those of `rows`, centred and in units; `others_rows`: the same ratings by the other side
    /// - `precision` of the ratings' noise; `place`: seed, sweep and side
    pub fn sweep(
        &mut self,
        rows: &Rows,
        values: &[f32],
        others_rows: &Rows,
        others: &Self,
        precision: f64,
        [seed, sweep, side]: [u64; 3],
    ) {
        let (width, drawn, norms) = (self.width, &self.drawn, &self.norms);
        let at = |row| Dice::at(seed, [sweep, side, row]);
        let n_rows = rows.n() as u64;
        let means: Vec<Vec<f64>> = self
            .priors
            .par_iter_mut()
            .enumerate()
            .map(|(k, prior)| {
                let column: Vec<f64> = drawn.iter().skip(k).step_by(width).copied().collect();
                prior.draw(rows, others_rows, norms, &column, &mut at(n_rows + k as u64))
            })
            .collect();
        self.stranger.iter_mut().zip(&self.priors).for_each(|(to, prior)| *to = prior.constant);
        let precisions: Vec<f64> = self.priors.iter().map(|prior| prior.precision).collect();
        let task = ROWS_PER_TASK * width;
        let tasks = self.drawn.par_chunks_mut(task).zip(self.expected.par_chunks_mut(task)).enumerate();
        tasks.for_each_init(
            || Solver::new(width),
            |solver, (task, (drawn, expected))| {
                let vectors = drawn.chunks_exact_mut(width).zip(expected.chunks_exact_mut(width));
                for (row, (drawn, expected)) in (task * ROWS_PER_TASK..).zip(vectors) {
                    solver.prior(means.iter().map(|mean| mean[row]), &precisions);
                    let from = rows.start(row);
                    for (&other, &value) in rows.others(row).iter().zip(&values[from..]) {
                        let other = other as usize * width;
                        solver.rating(&others.drawn[other..other + width], value.into(), precision);
                    }
                    solver.draw(&mut at(row as u64), drawn, expected);
                }
            },
        );
    }

    /// Sum of the squared errors, summed in fixed blocks.
    pub fn squares(&self, rows: &Rows, values: &[f32], others: &Self) -> f64 {
        let width = self.width;
        let n_tasks = rows.n().div_ceil(ROWS_PER_TASK);
        let of_row = |row: usize| -> f64 {
            let p = &self.drawn[row * width..(row + 1) * width];
            let of_pair = |(&other, &value): (&u32, &f32)| {
                let q = &others.drawn[other as usize * width..(other as usize + 1) * width];
                let taste: f64 = p[1..].iter().zip(&q[1..]).map(|(p, q)| p * q).sum();
                (f64::from(value) - p[0] - q[0] - taste).powi(2)
            };
            rows.others(row).iter().zip(&values[rows.start(row)..]).map(of_pair).sum()
        };
        let of_task = |task: usize| {
            (task * ROWS_PER_TASK..((task + 1) * ROWS_PER_TASK).min(rows.n())).map(of_row).sum::<f64>()
        };
        let sums: Vec<f64> = (0..n_tasks).into_par_iter().map(of_task).collect();
        sums.iter().sum()
    }
}

impl Prior {
    /// Draws this dimension's implicit terms one after another, then its constant and precisions. Returns each row's
    /// mean under the new prior.
    fn draw(
        &mut self,
        rows: &Rows,
        others_rows: &Rows,
        norms: &[f64],
        column: &[f64],
        dice: &mut Dice,
    ) -> Vec<f64> {
        let implicit = |row: usize| -> f64 {
            let sum: f64 =
                rows.others(row).iter().filter_map(|other| self.implicit.get(*other as usize)).sum();
            self.constant + norms[row] * sum
        };
        let mut mean: Vec<f64> = (0..rows.n()).map(implicit).collect();
        for (other, y) in self.implicit.iter_mut().enumerate() {
            let of = others_rows.others(other);
            let (mut squares, mut left) = (0f64, 0f64);
            for &row in of {
                let (row, norm) = (row as usize, norms[row as usize]);
                squares += norm * norm;
                left += norm * (column[row] - mean[row]);
            }
            let precision = self.precision * squares + self.implicit_precision;
            let drawn = self.precision * (left + squares * *y) / precision + dice.normal() / precision.sqrt();
            for &row in of {
                mean[row as usize] += norms[row as usize] * (drawn - *y);
            }
            *y = drawn;
        }
        if !self.implicit.is_empty() {
            let squares = self.implicit.iter().map(|y| y * y).sum();
            self.implicit_precision = draw_precision(squares, self.implicit.len(), dice);
        }
        let n = column.len() as f64;
        let left: f64 = column.iter().zip(&mean).map(|(x, mean)| x - mean).sum();
        let precision = self.precision * n + CONSTANT_PRECISION;
        let drawn =
            self.precision * (left + n * self.constant) / precision + dice.normal() / precision.sqrt();
        mean.iter_mut().for_each(|mean| *mean += drawn - self.constant);
        self.constant = drawn;
        let squares = column.iter().zip(&mean).map(|(x, mean)| (x - mean).powi(2)).sum();
        self.precision = draw_precision(squares, column.len(), dice);
        mean
    }
}

/// The normal distribution of one row's vector: its precision matrix and the precision times its mean.
struct Solver {
    width: usize,
    /// Lower triangle.
    precision: Vec<f64>,
    moment: Vec<f64>,
    feature: Vec<f64>,
}

impl Solver {
    fn new(width: usize) -> Self {
        Self {
            width,
            precision: vec![0.0; width * width],
            moment: vec![0.0; width],
            feature: vec![0.0; width],
        }
    }

    fn prior(&mut self, mean: impl Iterator<Item = f64>, precisions: &[f64]) {
        self.precision.fill(0.0);
        for ((k, precision), mean) in precisions.iter().enumerate().zip(mean) {
            self.precision[k * self.width + k] = *precision;
            self.moment[k] = precision * mean;
        }
    }

    /// Adds a rating of `other`: the own bias meets 1, its bias is known.
    fn rating(&mut self, other: &[f64], value: f64, precision: f64) {
        self.feature.copy_from_slice(other);
        self.feature[0] = 1.0;
        let left = precision * (value - other[0]);
        for (i, row) in self.precision.chunks_exact_mut(self.width).enumerate() {
            self.moment[i] += left * self.feature[i];
            let by = precision * self.feature[i];
            for (a, f) in row[..=i].iter_mut().zip(&self.feature) {
                *a += by * f;
            }
        }
    }

    /// Cholesky, then the mean and one draw around it. The prior keeps every pivot above 0.
    fn draw(&mut self, dice: &mut Dice, drawn: &mut [f64], expected: &mut [f64]) {
        let (width, l) = (self.width, &mut self.precision);
        for j in 0..width {
            for i in j..width {
                let known: f64 = (0..j).map(|k| l[i * width + k] * l[j * width + k]).sum();
                let left = l[i * width + j] - known;
                l[i * width + j] =
                    if i == j { left.max(f64::MIN_POSITIVE).sqrt() } else { left / l[j * width + j] };
            }
        }
        for i in 0..width {
            let known: f64 = (0..i).map(|k| l[i * width + k] * expected[k]).sum();
            expected[i] = (self.moment[i] - known) / l[i * width + i];
            drawn[i] = expected[i] + dice.normal();
        }
        for x in [drawn, expected] {
            for i in (0..width).rev() {
                let known: f64 = (i + 1..width).map(|k| l[k * width + i] * x[k]).sum();
                x[i] = (x[i] - known) / l[i * width + i];
            }
        }
    }
}
