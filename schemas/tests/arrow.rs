//! Events as Arrow: every column in its place, nulls where there is nothing, ids byte for byte, rows in their order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType, UInt16Type, UInt32Type};
use arrow_array::{Array, RecordBatch};
use shoptide_schemas::arrow::{BATCH_ROWS_MAX, EventRow, event_batch, event_schema, read_events};
use shoptide_schemas::event::OrderLine;
use shoptide_schemas::{
    Currency, EventId, EventKind, EventMs, EventType, ItemId, Micros, ShopEvent, Topic, UserId, reference,
    wire,
};

fn batch(events: &[ShopEvent]) -> RecordBatch {
    let row = |(place, event): (usize, &'_ ShopEvent)| (place as i64, event.event_type.topic());
    let places: Vec<_> = events.iter().enumerate().map(row).collect();
    let rows: Vec<_> = events
        .iter()
        .zip(places)
        .map(|(event, (offset, topic))| EventRow {
            topic,
            partition: 3,
            offset,
            appended: EventMs(event.at.0 + 7),
            event,
        })
        .collect();
    event_batch(&rows).unwrap()
}

fn odd_purchase() -> ShopEvent {
    ShopEvent {
        id: EventId::from_trusted(b"\xff\x00id"),
        event_type: EventType::Purchase,
        user: UserId::from_trusted(b"\xfe\xfe"),
        at: EventMs(1_777_896_000_123),
        historical: true,
        list: Some("l".to_owned()),
        session: None,
        kind: EventKind::Purchase {
            item: ItemId::from_trusted(b"\x80"),
            quantity: 3,
            paid: Some((Micros(1), Currency(*b"CNY"))),
            order: Some(OrderLine { order: "o".to_owned(), line: "0".to_owned() }),
        },
    }
}

#[test]
fn a_row_holds_the_event_byte_for_byte() {
    let batch = batch(&[odd_purchase()]);
    let bytes = |name: &str| batch.column_by_name(name).unwrap().as_binary::<i32>().value(0).to_vec();
    let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().value(0).to_owned();
    let time =
        |name: &str| batch.column_by_name(name).unwrap().as_primitive::<TimestampMillisecondType>().value(0);
    assert_eq!(
        (bytes("event_id"), bytes("user_id"), bytes("item_id")),
        (b"\xff\x00id".to_vec(), b"\xfe\xfe".to_vec(), b"\x80".to_vec())
    );
    assert_eq!((time("occurred_at"), time("appended_at")), (1_777_896_000_123, 1_777_896_000_130));
    assert_eq!(
        (text("topic"), text("type"), text("currency")),
        ("shop.order".into(), "purchase".into(), "CNY".into())
    );
    assert_eq!((text("order_id"), text("order_line"), text("list_id")), ("o".into(), "0".into(), "l".into()));
    assert_eq!(batch.column_by_name("quantity").unwrap().as_primitive::<UInt32Type>().value(0), 3);
    assert_eq!(batch.column_by_name("price_micros").unwrap().as_primitive::<Int64Type>().value(0), 1);
    assert!(batch.column_by_name("historical").unwrap().as_boolean().value(0));
}

#[test]
fn what_an_event_lacks_is_null_and_nothing_else_is() {
    let erased = wire::decode(reference::user_example(EventType::UserErased).as_bytes()).unwrap();
    let batch = batch(&[odd_purchase(), erased]);
    for (field, column) in event_schema().fields().iter().zip(batch.columns()) {
        assert_eq!(column.is_null(1), field.is_nullable(), "{}", field.name());
    }
    for name in ["rating_hundredths", "query", "text", "thread_id", "session_id", "feedback", "known_user_id"]
    {
        assert!(batch.column_by_name(name).unwrap().is_null(0), "{name}");
    }
}

#[test]
fn every_type_fills_its_columns_in_order() {
    let decode = |t: &EventType| wire::decode(reference::user_example(*t).as_bytes()).unwrap();
    let events: Vec<_> = EventType::ALL.iter().map(decode).collect();
    let batch = batch(&events);
    assert_eq!((batch.num_rows(), batch.schema()), (events.len(), event_schema()));
    let types: Vec<_> = batch.column_by_name("type").unwrap().as_string::<i32>().iter().flatten().collect();
    assert_eq!(types, EventType::ALL.iter().map(|t| t.name()).collect::<Vec<_>>());
    let offsets = batch.column_by_name("offset").unwrap().as_primitive::<Int64Type>();
    assert!(offsets.values().iter().enumerate().all(|(place, offset)| place as i64 == *offset));
    let filled = |name: &str| {
        let column = batch.column_by_name(name).unwrap();
        let of_type = |(place, _): &(usize, &EventType)| column.is_valid(*place);
        EventType::ALL.iter().enumerate().filter(of_type).map(|(_, t)| t.name()).collect::<Vec<_>>()
    };
    assert_eq!(filled("rating_hundredths"), ["rate_item"]);
    assert_eq!(filled("quantity"), ["add_to_cart", "remove_from_cart", "purchase", "refund"]);
    assert_eq!(filled("order_line"), ["purchase", "refund"]);
    assert_eq!(filled("query"), ["search", "chat_intent"]);
    assert_eq!(filled("text"), ["forum_post", "forum_reply"]);
    assert_eq!(filled("thread_id"), ["forum_post", "forum_reply", "forum_like"]);
    assert_eq!(filled("feedback"), ["recommendation_feedback"]);
    assert_eq!(filled("known_user_id"), ["identify", "part_absorbed"]);
    let rating = batch.column_by_name("rating_hundredths").unwrap().as_primitive::<UInt16Type>();
    assert_eq!(rating.iter().flatten().collect::<Vec<_>>(), [450]);
}

#[test]
fn no_rows_are_an_empty_batch_and_too_many_are_refused() {
    assert_eq!(event_batch(&[]).unwrap().num_rows(), 0);
    let event = odd_purchase();
    let row = EventRow { topic: Topic::Order, partition: 0, offset: 0, appended: event.at, event: &event };
    assert_eq!(event_batch(&vec![row; BATCH_ROWS_MAX]).unwrap().num_rows(), BATCH_ROWS_MAX);
    let error = event_batch(&vec![row; BATCH_ROWS_MAX + 1]).unwrap_err().to_string();
    assert!(error.contains("65536"), "{error}");
}

#[test]
fn what_is_read_back_is_what_was_written() {
    let decode = |t: &EventType| wire::decode(reference::user_example(*t).as_bytes()).unwrap();
    let mut events: Vec<_> = EventType::ALL.iter().map(decode).chain([odd_purchase()]).collect();
    let back = read_events(&batch(&events)).unwrap();
    for event in &mut events {
        // No column has it.
        if let EventKind::Absorbed { part, .. } = &mut event.kind {
            part.clear();
        }
    }
    assert_eq!(back.iter().map(|row| row.event.clone()).collect::<Vec<_>>(), events);
    let places: Vec<_> = back.iter().map(|row| (row.offset, row.appended.0 - row.event.at.0)).collect();
    assert_eq!(places, (0..events.len() as i64).map(|n| (n, 7)).collect::<Vec<_>>());
}

#[test]
fn foreign_rows_are_refused_by_column() {
    let good = batch(&[odd_purchase()]);
    let keep: Vec<usize> =
        (0..good.num_columns()).filter(|n| good.schema().field(*n).name() != "quantity").collect();
    let error = read_events(&good.project(&keep).unwrap()).unwrap_err().to_string();
    assert!(error.contains("quantity"), "{error}");
    let view = ShopEvent { event_type: EventType::RateItem, ..odd_purchase() };
    let error = read_events(&batch(&[view])).unwrap_err().to_string();
    assert!(error.contains("rating_hundredths, row 0"), "{error}");
}
