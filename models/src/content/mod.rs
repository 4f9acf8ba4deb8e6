//! What items say of themselves: words, category, brand and price as weighted terms, neighbours by the cosine between
//! them, and factors for items that nobody has touched yet.

mod index;
mod item;
mod params;
mod price;
mod rank;
mod terms;
#[cfg(test)]
mod tests;
mod tokens;

pub use index::{ContentIndex, ContentScratch};
pub use item::{ItemText, TermKind, levels, readable};
pub use params::{ContentParams, FieldWeights};
pub use rank::ContentRank;
pub use terms::{Counted, Emit, TermBounds, Vocabulary, count, idf, tf_idf};
pub use tokens::{TERM_BYTES_MAX, Tokeniser, tokeniser};
