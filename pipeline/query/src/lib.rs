//! SQL over the event lake and the truth, by DataFusion: read only, in bounded memory.

mod error;
pub mod functions;
mod guard;
pub mod ids;
pub mod lake;
pub mod output;
pub mod ready;
#[cfg(feature = "scale")]
pub mod scale;
mod session;
mod shop;
mod statement;
mod tables;

pub use error::QueryError;
pub use guard::{process_bytes_max, watch_memory};
pub use session::{SessionOptions, session};
pub use shop::{Answer, LAKE_TABLES, LAKE_URL, LakeSource, STORE_TABLES, Shop, Sources, TruthSource, open};
pub use statement::Statement;
pub use tables::ModelSource;
