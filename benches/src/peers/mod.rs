//! Our side of `benches/peers/run`: one module per row, each reading the inputs that the row's Python file prepared.

pub mod als;
pub mod arrays;
pub mod ease;
pub mod item_item;
pub mod ratings;
pub mod session_knn;
pub mod stream;
pub mod tfidf_kmeans;
pub mod topk;
