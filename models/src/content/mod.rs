//! What items say of themselves: words, category, brand and price as weighted terms, neighbours by the cosine between
//! them, and factors for items that nobody has touched yet.

mod cold;
mod index;
mod item;
mod params;
mod price;
mod rank;
mod reduce;
mod terms;
#[cfg(test)]
mod tests;
mod tokens;

pub use cold::{ColdError, ColdItems, ColdParams};
pub use index::{ContentIndex, ContentScratch};
pub use item::{ItemText, TermKind, levels, readable};
pub use params::{ContentParams, FieldWeights};
pub use rank::ContentRank;
pub use reduce::Reduction;
pub(crate) use terms::unit;
pub use terms::{Counted, Emit, TermBounds, Vocabulary, count, idf, tf_idf};
pub use tokens::{Cut, TERM_BYTES_MAX, Tokeniser, Word, tokeniser};
pub(crate) use tokens::{is_han, narrowed, plain};
