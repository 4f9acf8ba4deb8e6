//! What items say of themselves: words, category, brand and price as weighted terms, neighbours by the cosine between
//! them, and factors for items that nobody has touched yet.

mod terms;

pub use terms::{Counted, Emit, TermBounds, Vocabulary, count, idf, tf_idf};
