//! The full-text index of a process. It follows the catalogue of the process on a thread of its own, in memory, so that
//! processes share nothing; readers take the last view and never wait for the next.
//!
//! The index finds candidates, by their words. What may be shown is decided by the facts of the view and, at each read, by the
//! live catalogue: an item that is sold out is gone before the index has heard of it.
//!
//! The index itself is the feature `index`, since the library below it takes a minute to compile. Without it everything here is
//! the same, but nothing can be started.

#[cfg(feature = "index")]
mod expand;
#[cfg(feature = "index")]
mod find;
#[cfg(feature = "index")]
mod follow;
#[cfg(feature = "index")]
mod index;
#[cfg(feature = "index")]
mod plan;
mod question;
#[cfg(feature = "index")]
mod running;
mod saying;
#[cfg(not(feature = "index"))]
mod without;

pub use question::{Ask, Found, Hit, Matched};
#[cfg(feature = "index")]
pub use running::Search;
pub use saying::Saying;
#[cfg(not(feature = "index"))]
pub use without::Search;

/// Why there is no answer. The first two are defects of this program or of its machine: the index is in memory and made anew.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[cfg(feature = "index")]
    #[error("the index cannot be read or written")]
    Index(#[from] tantivy::TantivyError),
    #[error("the indexing thread cannot be started")]
    Thread(#[source] std::io::Error),
    #[error("this program was built without search, the feature `search`")]
    NotBuilt,
}
