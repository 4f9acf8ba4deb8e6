//! What is asked, and what is answered.

use shoptide_models::find::{Counts, Key, Order, Wanted};

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Text, whatever is in it. Without anything to be seen, all items are gone through.
    pub text: String,
    pub wanted: Wanted,
    pub order: Order,
    /// Where the last page ended.
    pub after: Option<Key>,
    /// [`Found::weights`] of the first page; empty for the first page itself.
    pub weights: Vec<u8>,
    /// Places.
    pub keep: usize,
    /// The text is being typed: a single letter too may be the beginning of a word.
    pub completing: bool,
}

/// Which of the words the found items have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matched {
    /// All of them; also where there are none.
    All,
    /// No item has all: these have some.
    Some,
}

/// One place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    pub key: Key,
    /// What the words say for it, comparable within one answer; 0 where the order is another.
    pub points: u32,
    /// The text is its whole title, or its id.
    pub exact: bool,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its keys are those of `hits`.
    pub counts: Counts,
    pub hits: Vec<Hit>,
    pub matched: Matched,
    /// For the next page: how many words must be found at least, then what each counts; empty if all must.
    pub weights: Vec<u8>,
    /// All changes of the catalogue before this offset were seen.
    pub offset: i64,
    /// `false` while the catalogue is gone through for the first time after a start: items may be missing.
    pub complete: bool,
}
