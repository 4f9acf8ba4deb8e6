//! Sums of pairs that fade with time, in bounded memory: the state of the incremental neighbours.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::similarity::{PairSums, Side, Similarity};
use crate::model::{Scored, best};

/// A map by dense index. Ids come from our own tables, not from strangers, so a multiplication mixes well enough; being
/// without a random seed it also keeps the order of iteration the same in every run.
pub(super) type ByIndex<V> = HashMap<u32, V, BuildHasherDefault<Mix>>;

#[derive(Default)]
pub(super) struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, x: u32) {
        self.0 = (self.0 ^ u64::from(x)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }

    fn finish(&self) -> u64 {
        self.0.wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }
}

/// What is left after `age_s` seconds; an event of the future counts as of now.
pub(super) fn fade(age_s: i64, half_life_s: f64) -> f64 {
    if age_s <= 0 { 1.0 } else { (-(age_s as f64) / half_life_s).exp2() }
}

/// One row (an item or a user): its own sums and those with each of its neighbours, as of `at_s`.
#[derive(Debug, Clone, Default)]
struct Row {
    side: Side,
    side_at_s: i64,
    near: ByIndex<(PairSums, i64)>,
}

/// Rows and their pairs. A row keeps at most `near_max` pairs: when there are more, the half that has seen least goes.
#[derive(Debug, Clone, Default)]
pub(super) struct Pairs {
    rows: ByIndex<Row>,
    near_max: usize,
    half_life_s: f64,
}

impl Pairs {
    pub(super) fn new(near_max: usize, half_life_s: f64) -> Self {
        Self { rows: ByIndex::default(), near_max, half_life_s }
    }

    /// `row` has got an entry `x`.
    pub(super) fn enter(&mut self, row: u32, x: f64, at_s: i64) {
        let row = self.rows.entry(row).or_default();
        row.side.fade(fade(at_s.saturating_sub(row.side_at_s), self.half_life_s));
        row.side_at_s = row.side_at_s.max(at_s);
        row.side.add(x, 1.0);
    }

    /// `a` and `b` share an entry that is `x` in `a` and `y` in `b`.
    pub(super) fn share(&mut self, a: u32, b: u32, (x, y): (f64, f64), at_s: i64) {
        for (from, to, x, y) in [(a, b, x, y), (b, a, y, x)] {
            let near = &mut self.rows.entry(from).or_default().near;
            let (pair, since) = near.entry(to).or_insert((PairSums::default(), at_s));
            pair.fade(fade(at_s.saturating_sub(*since), self.half_life_s));
            *since = (*since).max(at_s);
            pair.add(x, y, 1.0);
            if self.near_max < near.len() {
                Self::halve(near, self.half_life_s);
            }
        }
    }

    fn halve(near: &mut ByIndex<(PairSums, i64)>, half_life_s: f64) {
        let newest = near.values().map(|x| x.1).max().unwrap_or(0);
        let left = |(pair, since): &(PairSums, i64)| {
            (pair.n * fade(newest.saturating_sub(*since), half_life_s)) as f32
        };
        let seen: Scored = near.iter().map(|(&to, pair)| (to, left(pair))).collect();
        let kept = best(seen, &[], near.len() / 2);
        let mut fewer = ByIndex::default();
        for (to, _) in kept {
            if let Some(pair) = near.remove(&to) {
                fewer.insert(to, pair);
            }
        }
        *near = fewer;
    }

    /// Neighbours of a row with a similarity above 0, in no particular order.
    pub(super) fn near(
        &self,
        row: u32,
        formula: Similarity,
        shrinkage: f64,
    ) -> impl Iterator<Item = (u32, f64)> {
        let of = self.rows.get(&row);
        of.into_iter().flat_map(move |row| {
            row.near.iter().filter_map(move |(&to, (pair, since))| {
                let other = self.rows.get(&to)?;
                // Brought to one time, the later of the two rows'; the pair is never newer than they are.
                let now_s = row.side_at_s.max(other.side_at_s);
                let at_now = |mut side: Side, at_s: i64| {
                    side.fade(fade(now_s.saturating_sub(at_s), self.half_life_s));
                    side
                };
                let (x, y) = (at_now(row.side, row.side_at_s), at_now(other.side, other.side_at_s));
                let mut pair = *pair;
                pair.fade(fade(now_s.saturating_sub(*since), self.half_life_s));
                let similarity = formula.of(&pair, &x, &y, shrinkage);
                (0.0 < similarity).then_some((to, similarity))
            })
        })
    }
}
