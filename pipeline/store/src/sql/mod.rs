//! The truth in SQL. All statements are shared by every database; what differs is the text of [`dialect`] and the
//! connection behind [`conn::SqlConn`].

mod batch;
mod commit;
mod conn;
mod dialect;
mod erase;
mod reads;
mod reports;
mod scan;
mod sqlite;
mod tables;
mod value;
mod writes;

pub use sqlite::{SqliteTruth, SqliteTruthOptions};
