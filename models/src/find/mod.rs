//! What a full-text search of a shop decides, apart from the index that holds the words: how an item and a query become words,
//! which items pass the filters, in which order they come, what the facets count, and where a cursor goes on.

mod complete;
mod cursor;
mod facts;
mod filter;
mod key;
mod personal;
mod prices;
mod simplified;
mod tally;
mod words;

pub use complete::completions;
pub use cursor::{BadCursor, Cursor, Place, SEEN_MAX};
pub use facts::{Fact, Facts, POPULARITY_CLASSES, Price, popularity_classes};
pub use filter::{Filter, Order, Wanted};
pub use key::Key;
pub use personal::blend;
pub use prices::PriceRange;
pub(crate) use simplified::simple;
pub use simplified::simplified;
pub use tally::{Count, Counts, Tally};
pub use words::{ItemWords, QUERY_WORDS_MAX, QueryWord, exact_key, parts_of, query_words};
