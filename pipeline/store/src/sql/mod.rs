//! The truth in SQL. All statements are shared by every database; what differs is the text of [`dialect`] and the
//! connection behind [`conn::SqlConn`].

mod batch;
mod candidates;
mod chats;
mod commit;
mod conn;
mod dialect;
mod erase;
mod faq;
mod grow;
mod item_links;
mod jobs;
mod model_files;
#[cfg(feature = "mysql")]
mod mysql;
mod pages;
mod points;
mod pool;
mod ratings;
mod reads;
mod reports;
mod scan;
mod schema;
mod segments;
mod sqlite;
mod tables;
mod truth;
mod value;
mod writes;

#[cfg(feature = "mysql")]
pub use mysql::{MysqlAddress, MysqlTls, MysqlTruth, MysqlTruthOptions};
pub use sqlite::{SqliteTruth, SqliteTruthOptions};
