//! Scores of a tile of items for a panel of users, held in registers.

use super::keep::Keep;
use crate::simd::{Kernel, fma32};

/// Users of a panel: two vectors of eight.
pub(super) const WIDE: usize = 16;
/// Users of the panel that serves when there are no more than these.
const NARROW: usize = 8;
/// Items of a tile: with two vectors of users each, twelve sums; with the users' two vectors and the item's number that is
/// all of sixteen registers but one.
const TILE: usize = 6;
/// Items that all panels pass before the next: 24 KiB at 64 dimensions, which stay in the first cache.
const ITEMS_AT_ONCE: usize = 16 * TILE;

/// Users in panels: of each panel first the first number of all its users, then the second.
pub(super) struct Panels {
    dim: usize,
    width: usize,
    n_panels: usize,
    values: Vec<f32>,
}

impl Panels {
    /// Of `users` `(batch, dim)`; the last panel is filled up with zeros.
    pub(super) fn of(users: &[f32], dim: usize) -> Self {
        let n = users.len() / dim;
        let width = if n <= NARROW { NARROW } else { WIDE };
        let n_panels = n.div_ceil(width);
        let mut values = vec![0f32; n_panels * width * dim];
        for (u, user) in users.chunks_exact(dim).enumerate() {
            let panel = &mut values[u / width * width * dim..];
            for (d, &x) in user.iter().enumerate() {
                panel[d * width + u % width] = x;
            }
        }
        Self { dim, width, n_panels, values }
    }
}

/// Offers every item to every user.
pub(super) struct Scan<'a, 'k> {
    /// `(n, dim)`, the first of them item `first`.
    pub items: &'a [f32],
    pub first: u32,
    pub panels: &'a Panels,
    pub keep: &'a mut Keep<'k>,
}

impl Kernel for Scan<'_, '_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        self.keep.listen();
        if self.panels.width == WIDE { self.panels::<FUSED, WIDE>() } else { self.panels::<FUSED, NARROW>() }
    }
}

impl Scan<'_, '_> {
    #[inline(always)]
    fn panels<const FUSED: bool, const W: usize>(self) {
        let Self { items, first, panels, keep } = self;
        let dim = panels.dim;
        for (block, items) in items.chunks(ITEMS_AT_ONCE * dim).enumerate() {
            let first = first + (block * ITEMS_AT_ONCE) as u32;
            for p in 0..panels.n_panels {
                let panel = panels.values[p * W * dim..(p + 1) * W * dim].as_chunks::<W>().0;
                let mut tiles = items.chunks_exact(TILE * dim);
                let mut item = first;
                for tile in &mut tiles {
                    let scores = tile_scores::<FUSED, W, TILE>(tile, dim, panel);
                    pass(&scores, p * W, item, keep);
                    item += TILE as u32;
                }
                for row in tiles.remainder().chunks_exact(dim) {
                    pass(&tile_scores::<FUSED, W, 1>(row, dim, panel), p * W, item, keep);
                    item += 1;
                }
            }
        }
    }
}

/// `(N, W)` scores of `N` items for a panel of `W` users.
#[inline(always)]
fn tile_scores<const FUSED: bool, const W: usize, const N: usize>(
    rows: &[f32],
    dim: usize,
    panel: &[[f32; W]],
) -> [[f32; W]; N] {
    let mut sums = [[0f32; W]; N];
    let rows: [&[f32]; N] = std::array::from_fn(|i| &rows[i * dim..(i + 1) * dim]);
    for (d, users) in panel.iter().enumerate().take(dim) {
        for i in 0..N {
            let x = rows[i][d];
            for l in 0..W {
                sums[i][l] = fma32::<FUSED>(x, users[l], sums[i][l]);
            }
        }
    }
    sums
}

/// Offers those of the scores that reach their users' bounds.
#[inline(always)]
fn pass<const W: usize, const N: usize>(scores: &[[f32; W]; N], user: usize, item: u32, keep: &mut Keep<'_>) {
    for (scores, item) in scores.iter().zip(item..) {
        let least = keep.least(user, W);
        let mut any = 0u32;
        for l in 0..W {
            any |= u32::from(least[l] <= scores[l]);
        }
        if any != 0 {
            offer_each(scores, user, item, keep);
        }
    }
}

#[cold]
#[inline(never)]
fn offer_each(scores: &[f32], user: usize, item: u32, keep: &mut Keep<'_>) {
    for (l, &score) in scores.iter().enumerate() {
        if keep.least(user + l, 1)[0] <= score {
            keep.offer(user + l, item, score);
        }
    }
}
