//! Scores of a tile of items for a panel of users, held in registers.

use super::keep::Keep;
use crate::panels::{NARROW, Panels, TILE, WIDE, tile};
use crate::simd::{F8, Kernel, LANES, prefetch};

/// Items that all panels pass before the next: 24 KiB at 64 dimensions, which stay in the first cache.
const ITEMS_AT_ONCE: usize = 16 * TILE;

/// Offers every item to every user.
pub(super) struct Scan<'a, 'k> {
    /// `(n, dim)`, the first of them item `first`.
    pub items: &'a [f32],
    pub first: u32,
    /// `(batch, dim)`, and the same in panels.
    pub users: &'a [f32],
    pub panels: &'a Panels,
    pub keep: &'a mut Keep<'k>,
}

impl Kernel for Scan<'_, '_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        self.keep.listen();
        if self.users.len() == self.panels.dim {
            return self.single::<FUSED>();
        }
        if self.panels.width == WIDE {
            self.panels::<FUSED, WIDE, 2>()
        } else {
            self.panels::<FUSED, NARROW, 1>()
        }
    }
}

impl Scan<'_, '_> {
    #[inline(always)]
    fn panels<const FUSED: bool, const W: usize, const V: usize>(self) {
        let Self { items, first, panels, keep, .. } = self;
        let dim = panels.dim;
        for (block, items) in items.chunks(ITEMS_AT_ONCE * dim).enumerate() {
            let first = first + (block * ITEMS_AT_ONCE) as u32;
            for p in 0..panels.n_panels {
                let panel = panels.panel::<W>(p);
                let mut tiles = items.chunks_exact(TILE * dim);
                let mut item = first;
                for rows in &mut tiles {
                    pass::<FUSED, V, TILE>(&tile::<FUSED, W, V, TILE>(rows, panel), p * W, item, keep);
                    item += TILE as u32;
                }
                for row in tiles.remainder().chunks_exact(dim) {
                    pass::<FUSED, V, 1>(&tile::<FUSED, W, V, 1>(row, panel), p * W, item, keep);
                    item += 1;
                }
            }
        }
    }
}

/// Items whose scores for a single user are made at once, eight to a register.
const ABREAST: usize = 4 * LANES;

impl Scan<'_, '_> {
    /// One user leaves most of a panel empty. Here the items lie side by side instead, turned eight by eight; the sums are
    /// the same numbers in the same order.
    #[inline(always)]
    fn single<const FUSED: bool>(self) {
        let Self { items, first, users: user, panels, keep } = self;
        let dim = panels.dim;
        let (user8, user_rest) = user.as_chunks::<LANES>();
        let mut blocks = items.chunks_exact(ABREAST * dim);
        let mut item = first;
        while let Some(block) = blocks.next() {
            // As many rows abreast are more streams than the machine foresees by itself.
            let ahead = blocks.clone().next().unwrap_or_default();
            let mut ahead = ahead.chunks(ABREAST * LANES);
            let mut sums = [[F8::default(); 1]; ABREAST / LANES];
            for (d, user) in user8.iter().enumerate() {
                prefetch(ahead.next().unwrap_or_default());
                for (g, sum) in sums.iter_mut().enumerate() {
                    let row = |i: usize| block[(g * LANES + i) * dim + d * LANES..].first_chunk();
                    let rows = std::array::from_fn(|i| row(i).map_or(F8::default(), F8::load::<FUSED>));
                    for (column, &x) in F8::transposed::<FUSED>(rows).into_iter().zip(user) {
                        sum[0] = column.fma::<FUSED>(F8::splat::<FUSED>(x), sum[0]);
                    }
                }
            }
            for (d, &x) in (user8.len() * LANES..).zip(user_rest) {
                for (g, sum) in sums.iter_mut().enumerate() {
                    let column = std::array::from_fn(|i| block[(g * LANES + i) * dim + d]);
                    sum[0] = F8::load::<FUSED>(&column).fma::<FUSED>(F8::splat::<FUSED>(x), sum[0]);
                }
            }
            for [sum] in sums {
                if sum.any_reaches::<FUSED>(F8::splat::<FUSED>(keep.least(0)[0])) {
                    let mut each = [0f32; LANES];
                    sum.store::<FUSED>(&mut each);
                    offer_items(&each, item, keep);
                }
                item += LANES as u32;
            }
        }
        let panel = panels.panel::<NARROW>(0);
        for row in blocks.remainder().chunks_exact(dim) {
            pass::<FUSED, 1, 1>(&tile::<FUSED, NARROW, 1, 1>(row, panel), 0, item, keep);
            item += 1;
        }
    }
}

#[cold]
#[inline(never)]
fn offer_items(scores: &[f32; LANES], first: u32, keep: &mut Keep<'_>) {
    for (item, &score) in (first..).zip(scores) {
        if keep.least(0)[0] <= score {
            keep.offer(0, item, score);
        }
    }
}

/// Offers those of the scores that reach their users' bounds.
#[inline(always)]
fn pass<const FUSED: bool, const V: usize, const N: usize>(
    scores: &[[F8; V]; N],
    user: usize,
    item: u32,
    keep: &mut Keep<'_>,
) {
    for (scores, item) in scores.iter().zip(item..) {
        for (v, scores) in scores.iter().enumerate() {
            let user = user + v * LANES;
            if scores.any_reaches::<FUSED>(F8::load::<FUSED>(keep.least(user))) {
                let mut each = [0f32; LANES];
                scores.store::<FUSED>(&mut each);
                offer_each(&each, user, item, keep);
            }
        }
    }
}

#[cold]
#[inline(never)]
fn offer_each(scores: &[f32; LANES], user: usize, item: u32, keep: &mut Keep<'_>) {
    let least = *keep.least(user);
    for (l, (&score, least)) in scores.iter().zip(least).enumerate() {
        if least <= score {
            keep.offer(user + l, item, score);
        }
    }
}
