//! What a written reply may say: only what the facts of this turn say, decided sentence by sentence.
//!
//! Everything is refused that is not allowed: each word must be a name, a price, a property or a quotation of this turn's facts, or one of the words
//! that claim nothing (`models/data/grounding/words.txt`). What the words say together is then held against the product that they
//! are said of. So a reply may lose sentences that were true, and keeps none that nobody knows to be.

mod checker;
mod comparisons;
mod facts;
mod figures;
mod judge;
mod lexer;
mod mentions;
mod numbers;
mod sentences;
mod subjects;
mod words;

pub use checker::{Checked, Checker, REPLY_CHARS_MAX, REPLY_SENTENCES_MAX, Ruling, check};
pub use facts::{Facts, PRODUCTS_MAX, Product, QUOTES_MAX};
pub use judge::Fault;
pub use sentences::{SENTENCE_CHARS_MAX, Splitter};
