//! The best candidates of each user so far, and the bound below which nothing needs to be looked at.

use crate::model::{Scored, best};
use crate::simd::LANES;
use std::sync::atomic::{AtomicU32, Ordering};

/// Room for candidates beyond `k`: the more, the rarer they are sorted out, which costs about as much as filling it.
const SPARE_MIN: usize = 128;

/// A bound that every task knows: each user has `k` items with at least this score. It only saves work; which items pass in
/// the end does not depend on when a task hears of it.
pub(super) struct Bounds(Vec<AtomicU32>);

/// Floats as integers of the same order, so that a maximum can be taken atomically.
fn ordered(x: f32) -> u32 {
    let bits = x.to_bits();
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}

fn from_ordered(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits })
}

impl Bounds {
    pub(super) fn new(n_users: usize) -> Self {
        Self((0..n_users).map(|_| AtomicU32::new(ordered(f32::NEG_INFINITY))).collect())
    }
}

/// Candidates of every user, among the items that one run of tasks has seen in ascending order.
pub(super) struct Keep<'a> {
    k: usize,
    bounds: &'a Bounds,
    skip: &'a [&'a [u32]],
    found: Vec<Scored>,
    /// Smallest score that may still get in; a panel reads its users' side by side.
    least: Vec<f32>,
}

impl<'a> Keep<'a> {
    pub(super) fn new(k: usize, bounds: &'a Bounds, skip: &'a [&'a [u32]]) -> Self {
        let n = skip.len();
        // Places that only fill up a panel let nothing in.
        let mut least = vec![f32::NEG_INFINITY; n];
        least.resize(n.next_multiple_of(crate::panels::WIDE), f32::INFINITY);
        Self { k, bounds, skip, found: vec![Scored::new(); n], least }
    }

    /// Hears what other tasks have found.
    pub(super) fn listen(&mut self) {
        for (least, bound) in self.least.iter_mut().zip(&self.bounds.0) {
            *least = least.max(from_ordered(bound.load(Ordering::Relaxed)));
        }
    }

    /// Bounds of the eight users from `from`, a multiple of eight.
    pub(super) fn least(&self, from: usize) -> &[f32; LANES] {
        &self.least.as_chunks().0[from / LANES]
    }

    /// Offers an item that passed [`Keep::least`]. Items of one task come in ascending order.
    pub(super) fn offer(&mut self, user: usize, item: u32, score: f32) {
        let (Some(found), Some(skip)) = (self.found.get_mut(user), self.skip.get(user)) else { return };
        if !score.is_finite() || skip.binary_search(&item).is_ok() {
            return;
        }
        // A zero has no sign here: the order of scores would tell the two apart, the comparison with the bound would not.
        found.push((item, score + 0.0));
        if found.len() < self.k + self.k.max(SPARE_MIN) {
            return;
        }
        found.select_nth_unstable_by(self.k - 1, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found.truncate(self.k);
        let kth = found[self.k - 1].1;
        // A later item with the same score loses against these, so only more will do.
        self.least[user] = self.least[user].max(kth.next_up());
        self.bounds.0[user].fetch_max(ordered(kth), Ordering::Relaxed);
    }

    /// The candidates of both.
    pub(super) fn with(mut self, other: Self) -> Self {
        for (mine, theirs) in self.found.iter_mut().zip(other.found) {
            if mine.is_empty() {
                *mine = theirs;
            } else {
                mine.extend(theirs);
                *mine = best(std::mem::take(mine), &[], self.k);
            }
        }
        self
    }

    pub(super) fn lists(self) -> Vec<Scored> {
        self.found.into_iter().map(|found| best(found, &[], self.k)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordered_bits_compare_like_the_numbers() {
        let ascending = [f32::NEG_INFINITY, -2.0, -1e-30, -0.0, 0.0, 1e-30, 3.0, f32::INFINITY];
        assert!(ascending.windows(2).all(|w| ordered(w[0]) < ordered(w[1])));
        assert!(ascending.iter().all(|&x| from_ordered(ordered(x)).to_bits() == x.to_bits()));
    }
}
