//! What is known of a product, as edges to what it is, who makes it, what it has, fits, was bought with and is talked of in; each
//! with the words or the numbers that say so. A question is answered by an edge or not at all.
//!
//! Edges that a row of the catalogue says are read from the row when they are asked for, so they follow the catalogue and
//! take no memory. Those that users' acts say ([`ItemLinks`]) are counted by a training over all users.

mod compatible;
mod edges;
mod links;
#[cfg(test)]
mod tests;

pub use edges::{
    Answer, Comparison, EDGES_MAX, Edge, Evidence, Has, Knowledge, Node, QUOTE_CHARS_MAX, Relation, Weighed,
    best,
};
pub use links::{
    BASKET_ITEMS_MAX, ItemLinks, LINKS_MAX, PAIRS_MAX, THREADS_MAX, TOGETHER_MIN, bought_with, discussed_in,
};
