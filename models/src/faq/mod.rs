//! Which of the shop's own answers belongs to a question: BM25 over concepts (words of both languages that mean one thing), with
//! a threshold below which nothing is known.
//!
//! Robertson & Zaragoza, *The Probabilistic Relevance Framework: BM25 and Beyond*, 2009. The weighting of several wordings of one
//! entry as fields follows the same source (BM25F).

mod book;
mod concepts;
mod example;
#[cfg(test)]
mod tests;

pub use book::{Asked, FaqBook, FaqHit, HITS_MAX, KNOWN_MIN, QUESTION_CHARS_MAX};
pub use example::example;
