//! The catalogue as a fold of its topic: rows by number, numbers in order of first appearance. A [`Catalogue`] is an
//! immutable snapshot named by its offset; the next one shares all chunks that did not change.

mod item;
mod snapshot;

pub use item::{CatalogueItem, apply};
pub use snapshot::{Catalogue, CatalogueBuilder};
