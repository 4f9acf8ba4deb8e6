//! Files of somebody's real events become events of ours: CSV, TSV or JSON lines, plain, gzip or zstd, streamed in
//! constant memory. A mapping (a small TOML file) says which column is what; bad rows are counted by reason, listed with
//! their line, and stop nothing.

mod catalogue;
mod collector;
mod columns;
mod fields;
pub(crate) mod lines;
mod log_sink;
mod mapping;
mod mapping_check;
mod mapping_file;
mod moment;
mod named;
mod pace;
mod records;
mod report;
mod row;
mod run;
mod sink;

pub use collector::CollectorSink;
pub use log_sink::LogSink;
pub use mapping::{IMPORTABLE_TYPES, Mapping};
pub use mapping_file::MappingError;
pub use named::NAMED_MAPPINGS;
pub use pace::{BadSpeed, Pace, Speed};
pub use report::{BAD_LINES_MAX, BadLine, Report};
pub use run::{BATCH_EVENTS_MAX, Batch, Import, ImportError};
pub use sink::{Outgoing, Sent, Sink, SinkError, Verdict};
