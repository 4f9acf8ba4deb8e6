//! Models that live on a stream: each event is learned when it comes, in well under a microsecond, in bounded memory.
//!
//! [`Popular`] counts with decay and is what the others are measured against. [`Trails`] remembers who went from where to
//! where and finds items that were turned to near those of the user. [`OnlineMf`] learns factors. [`Hybrid`] has all three and
//! learns from every hit and miss how much to trust each.

mod factors;
mod hybrid;
mod log;
mod popular;
mod trails;
mod trend;

pub use factors::{OnlineMf, OnlineMfParams};
pub use hybrid::{Hybrid, HybridParams, SOURCES};
pub use popular::{Popular, PopularParams};
pub use trails::{Trails, TrailsParams};

use crate::model::Rated;

/// Users and items that a stream's model holds at most: indices are dense, so a larger one is a mistake or an attack. What
/// is beyond is passed over.
pub const USERS_MAX: usize = 1 << 24;
/// As [`USERS_MAX`]; less, as every query may look at each item.
pub const ITEMS_MAX: usize = 1 << 22;

/// Whether an event can be learned: known to be finite and within the bounds.
fn learnable(event: &Rated) -> bool {
    event.value.is_finite() && (event.user as usize) < USERS_MAX && (event.item as usize) < ITEMS_MAX
}

/// Makes room for `index`, so that growth by one at a time costs little.
fn grow<T: Clone>(rows: &mut Vec<T>, index: usize, empty: T) {
    if rows.len() <= index {
        rows.resize(index + 1, empty);
    }
}

#[cfg(test)]
mod tests;
