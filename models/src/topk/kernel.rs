//! Scores of a tile of items for a panel of users, held in registers.

use super::keep::Keep;
use crate::panels::{NARROW, Panels, TILE, WIDE, tile};
use crate::simd::{F8, Kernel, LANES};

/// Items that all panels pass before the next: 24 KiB at 64 dimensions, which stay in the first cache.
const ITEMS_AT_ONCE: usize = 16 * TILE;

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
        let Self { items, first, panels, keep } = self;
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
