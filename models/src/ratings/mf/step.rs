//! The steps of gradient descent: over all ratings of one user, and over a single one.

use crate::dice::Dice;
use crate::simd::{Kernel, dot32, fma};

/// No bias and no element of a vector leaves `±` this (in quarters of the scale): far beyond what any rating needs, and
/// what keeps a rate that is too high from ending in infinities.
const ELEMENT_MAX: f32 = 8.0;

/// An error counts at most this (twice the scale), for the same reason.
const ERROR_MAX: f32 = 8.0;

/// Everything that a step moves, and how far.
pub(super) struct Step<'a> {
    pub ld: usize,
    pub rate: f32,
    pub reg_bias: f32,
    pub reg_factors: f32,
    pub user_bias: &'a mut [f32],
    pub users: &'a mut [f32],
    pub item_bias: &'a mut [f32],
    pub items: &'a mut [f32],
    pub implicit: &'a mut [f32],
}

fn bounded(x: f32) -> f32 {
    x.clamp(-ELEMENT_MAX, ELEMENT_MAX)
}

impl Step<'_> {
    /// One rating: moves both biases and both vectors, `taste` being the user's vector with its implicit part; adds the
    /// gradient of that part to `gradient` unless it is empty. Returns the error before.
    #[inline(always)]
    fn rating<const FUSED: bool>(
        &mut self,
        user: usize,
        item: usize,
        value: f32,
        taste: &[f32],
        gradient: &mut [f32],
    ) -> f32 {
        let ld = self.ld;
        let q = &mut self.items[item * ld..(item + 1) * ld];
        let p = &mut self.users[user * ld..(user + 1) * ld];
        let (b_u, b_i) = (&mut self.user_bias[user], &mut self.item_bias[item]);
        let predicted = *b_u + *b_i + dot32::<FUSED>(taste, q);
        let error = (value - predicted).clamp(-ERROR_MAX, ERROR_MAX);
        gradient.iter_mut().zip(q.iter()).for_each(|(g, q)| *g = fma::<f32, FUSED>(error, *q, *g));
        let keep_bias = 1.0 - self.rate * self.reg_bias;
        *b_u = bounded(fma::<f32, FUSED>(keep_bias, *b_u, self.rate * error));
        *b_i = bounded(fma::<f32, FUSED>(keep_bias, *b_i, self.rate * error));
        let (keep, by) = (1.0 - self.rate * self.reg_factors, self.rate * error);
        for ((p, q), taste) in p.iter_mut().zip(q).zip(taste) {
            let q_before = *q;
            *q = bounded(fma::<f32, FUSED>(keep, q_before, by * taste));
            *p = bounded(fma::<f32, FUSED>(keep, *p, by * q_before));
        }
        error
    }
}

/// Working memory of a pass.
#[derive(Default)]
pub(super) struct Scratch {
    order: Vec<u32>,
    taste: Vec<f32>,
    implicit: Vec<f32>,
    gradient: Vec<f32>,
}

/// All ratings of one user, in shuffled order. The implicit vectors of his items move once, at the end, by the sum of
/// their gradients: moving them at each rating would cost the square of the number of ratings.
pub(super) struct Pass<'a> {
    pub step: Step<'a>,
    pub user: usize,
    pub rated: &'a [u32],
    pub values: &'a [f32],
    pub mean: f32,
    pub unit: f32,
    pub dice: &'a mut Dice,
    pub scratch: &'a mut Scratch,
}

impl Kernel for Pass<'_> {
    /// Sum of the squared errors.
    type Out = f64;

    #[inline(always)]
    fn run<const FUSED: bool>(mut self) -> f64 {
        let (ld, user) = (self.step.ld, self.user);
        let Scratch { order, taste, implicit, gradient } = self.scratch;
        order.clear();
        order.extend(0..self.rated.len() as u32);
        self.dice.shuffle(order);
        let with_implicit = !self.step.implicit.is_empty();
        implicit.clear();
        implicit.resize(ld, 0.0);
        gradient.clear();
        gradient.resize(if with_implicit { ld } else { 0 }, 0.0);
        let norm = 1.0 / (self.rated.len().max(1) as f32).sqrt();
        if with_implicit {
            for &item in self.rated {
                let y = &self.step.implicit[item as usize * ld..(item as usize + 1) * ld];
                implicit.iter_mut().zip(y).for_each(|(sum, y)| *sum = fma::<f32, FUSED>(norm, *y, *sum));
            }
        }
        let mut squares = 0f64;
        for &at in order.iter() {
            let item = self.rated[at as usize] as usize;
            let value = (self.values[at as usize] - self.mean) / self.unit;
            taste.clear();
            let p = &self.step.users[user * ld..(user + 1) * ld];
            taste.extend(p.iter().zip(implicit.iter()).map(|(p, z)| p + z));
            let error = self.step.rating::<FUSED>(user, item, value, taste, gradient);
            squares += f64::from(error) * f64::from(error);
        }
        if with_implicit {
            let by = self.step.rate * norm;
            // As many shrinkings as there were ratings, at once.
            let keep = (-self.step.rate * self.step.reg_factors * self.rated.len() as f32).exp();
            for &item in self.rated {
                let y = &mut self.step.implicit[item as usize * ld..(item as usize + 1) * ld];
                for (y, g) in y.iter_mut().zip(gradient.iter()) {
                    *y = bounded(fma::<f32, FUSED>(keep, *y, by * g));
                }
            }
        }
        squares
    }
}

/// A single rating.
pub(super) struct One<'a> {
    pub step: Step<'a>,
    pub user: usize,
    pub item: usize,
    /// Less the mean, in units.
    pub value: f32,
    /// The user's sum of implicit vectors, empty without, and what it is multiplied by.
    pub sum: &'a [f32],
    pub norm: f32,
}

/// Longest vector, padded: `mf.rank` is at most 512.
const LD_MAX: usize = 512;

impl Kernel for One<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(mut self) {
        let ld = self.step.ld;
        let mut taste = [0f32; LD_MAX];
        let taste = &mut taste[..ld];
        taste.copy_from_slice(&self.step.users[self.user * ld..(self.user + 1) * ld]);
        taste.iter_mut().zip(self.sum).for_each(|(t, z)| *t = fma::<f32, FUSED>(self.norm, *z, *t));
        self.step.rating::<FUSED>(self.user, self.item, self.value, taste, &mut []);
    }
}
