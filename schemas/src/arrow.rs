//! The Arrow schema of events: one row an event, ids as opaque binary, money in micro-units, time in UTC milliseconds.

mod read;

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Int64Builder, StringBuilder, TimestampMillisecondBuilder, UInt16Builder,
    UInt32Builder,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::event::{EventKind, ShopEvent};
use crate::ids::UserId;
use crate::time::EventMs;
use crate::topic::Topic;

pub use read::{ReadRow, read_events};

/// Rows of one batch. Text columns count bytes in 31 bits, and a forum text has at most 16 KiB.
pub const BATCH_ROWS_MAX: usize = 65_536;

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
        Field::new("order_line", DataType::Utf8, true),
        Field::new("feedback", DataType::Utf8, true),
        Field::new("known_user_id", DataType::Binary, true),
        Field::new("historical", DataType::Boolean, false),
    ]))
}

/// An event and its place in the log.
#[derive(Debug, Clone, Copy)]
pub struct EventRow<'a> {
    pub topic: Topic,
    pub partition: u32,
    pub offset: i64,
    pub appended: EventMs,
    pub event: &'a ShopEvent,
}

/// The rows as one batch by [`event_schema`], in their order. The encoded part of `part_absorbed` stays in the log;
/// whose it was is in `known_user_id`.
///
/// # Errors
/// [`ArrowError::InvalidArgumentError`] beyond [`BATCH_ROWS_MAX`] rows.
pub fn event_batch(rows: &[EventRow<'_>]) -> Result<RecordBatch, ArrowError> {
    if BATCH_ROWS_MAX < rows.len() {
        let message = format!("a batch of {} rows, expected at most {BATCH_ROWS_MAX}", rows.len());
        return Err(ArrowError::InvalidArgumentError(message));
    }
    let utc = || TimestampMillisecondBuilder::with_capacity(rows.len()).with_timezone("UTC");
    let (mut appended_at, mut occurred_at) = (utc(), utc());
    let (mut topic, mut event_type) = (StringBuilder::new(), StringBuilder::new());
    let (mut partition, mut offset) = (UInt32Builder::new(), Int64Builder::new());
    let (mut event_id, mut user_id, mut item_id) =
        (BinaryBuilder::new(), BinaryBuilder::new(), BinaryBuilder::new());
    let (mut quantity, mut rating) = (UInt32Builder::new(), UInt16Builder::new());
    let (mut price, mut currency) = (Int64Builder::new(), StringBuilder::new());
    let (mut query, mut text, mut thread) =
        (StringBuilder::new(), StringBuilder::new(), StringBuilder::new());
    let (mut order, mut order_line) = (StringBuilder::new(), StringBuilder::new());
    let (mut session, mut list, mut feedback) =
        (StringBuilder::new(), StringBuilder::new(), StringBuilder::new());
    let (mut known, mut historical) = (BinaryBuilder::new(), BooleanBuilder::new());
    for row in rows {
        let event = row.event;
        let own = Own::of(&event.kind);
        topic.append_value(row.topic.name());
        partition.append_value(row.partition);
        offset.append_value(row.offset);
        appended_at.append_value(row.appended.0);
        event_id.append_value(event.id.as_bytes());
        event_type.append_value(event.event_type.name());
        user_id.append_value(event.user.as_bytes());
        occurred_at.append_value(event.at.0);
        item_id.append_option(event.item().map(|i| i.as_bytes()));
        quantity.append_option(own.quantity);
        price.append_option(own.paid_micros);
        currency.append_option(own.currency);
        rating.append_option(own.hundredths);
        query.append_option(own.query);
        text.append_option(own.text);
        thread.append_option(own.thread);
        order.append_option(event.order_line().map(|o| o.order.as_str()));
        session.append_option(event.session.as_deref());
        list.append_option(event.list.as_deref());
        order_line.append_option(event.order_line().map(|o| o.line.as_str()));
        feedback.append_option(own.feedback);
        known.append_option(own.known.map(UserId::as_bytes));
        historical.append_value(event.historical);
    }
    RecordBatch::try_new(
        event_schema(),
        vec![
            Arc::new(topic.finish()),
            Arc::new(partition.finish()),
            Arc::new(offset.finish()),
            Arc::new(appended_at.finish()),
            Arc::new(event_id.finish()),
            Arc::new(event_type.finish()),
            Arc::new(user_id.finish()),
            Arc::new(occurred_at.finish()),
            Arc::new(item_id.finish()),
            Arc::new(quantity.finish()),
            Arc::new(price.finish()),
            Arc::new(currency.finish()),
            Arc::new(rating.finish()),
            Arc::new(query.finish()),
            Arc::new(text.finish()),
            Arc::new(thread.finish()),
            Arc::new(order.finish()),
            Arc::new(session.finish()),
            Arc::new(list.finish()),
            Arc::new(order_line.finish()),
            Arc::new(feedback.finish()),
            Arc::new(known.finish()),
            Arc::new(historical.finish()),
        ],
    )
}

/// What only some types have.
#[derive(Default)]
struct Own<'a> {
    quantity: Option<u32>,
    paid_micros: Option<i64>,
    currency: Option<&'a str>,
    hundredths: Option<u16>,
    query: Option<&'a str>,
    text: Option<&'a str>,
    thread: Option<&'a str>,
    feedback: Option<&'static str>,
    known: Option<&'a UserId>,
}

impl<'a> Own<'a> {
    fn of(kind: &'a EventKind) -> Self {
        let none = Own::default();
        match kind {
            EventKind::CartAdd { quantity, .. } | EventKind::CartRemove { quantity, .. } => {
                Own { quantity: Some(*quantity), ..none }
            }
            EventKind::Purchase { quantity, paid, .. } | EventKind::Refund { quantity, paid, .. } => Own {
                quantity: Some(*quantity),
                paid_micros: paid.as_ref().map(|(micros, _)| micros.0),
                currency: paid.as_ref().map(|(_, currency)| currency.as_str()),
                ..none
            },
            EventKind::Search { query, .. } => Own { query: Some(query), ..none },
            EventKind::ChatIntent { query, .. } => Own { query: query.as_deref(), ..none },
            EventKind::Post { thread, text, .. } => {
                Own { thread: thread.as_deref(), text: Some(text), ..none }
            }
            EventKind::Reply { thread, text, .. } => Own { thread: Some(thread), text: Some(text), ..none },
            EventKind::Like { thread, .. } => Own { thread: Some(thread), ..none },
            EventKind::Rate { hundredths, .. } => Own { hundredths: Some(*hundredths), ..none },
            EventKind::Feedback { feedback, .. } => Own { feedback: Some(feedback.name()), ..none },
            EventKind::Identify { known } | EventKind::Absorbed { from: known, .. } => {
                Own { known: Some(known), ..none }
            }
            EventKind::View { .. }
            | EventKind::ListSeen { .. }
            | EventKind::Wish { .. }
            | EventKind::Checkout
            | EventKind::Shown { .. }
            | EventKind::Clicked { .. }
            | EventKind::Erased => none,
        }
    }
}
