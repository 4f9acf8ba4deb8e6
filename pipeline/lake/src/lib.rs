//! The event lake: the log as Parquet files.
