//! The Arrow schema of events: one row an event, ids as opaque binary, money in micro-units, time in UTC milliseconds.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// Columns of the event table, as batch jobs and the lake see it.
pub fn event_schema() -> SchemaRef {
    let utc_ms = || DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("topic", DataType::Utf8, false),
        Field::new("partition", DataType::UInt32, false),
        Field::new("offset", DataType::Int64, false),
        Field::new("appended_at", utc_ms(), false),
        Field::new("event_id", DataType::Binary, false),
        Field::new("type", DataType::Utf8, false),
        Field::new("user_id", DataType::Binary, false),
        Field::new("occurred_at", utc_ms(), false),
        Field::new("item_id", DataType::Binary, true),
        Field::new("quantity", DataType::UInt32, true),
        Field::new("price_micros", DataType::Int64, true),
        Field::new("currency", DataType::Utf8, true),
        Field::new("rating_hundredths", DataType::UInt16, true),
        Field::new("query", DataType::Utf8, true),
        Field::new("text", DataType::Utf8, true),
        Field::new("thread_id", DataType::Utf8, true),
        Field::new("order_id", DataType::Utf8, true),
        Field::new("session_id", DataType::Utf8, true),
        Field::new("list_id", DataType::Utf8, true),
    ]))
}
