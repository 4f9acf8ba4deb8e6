//! What several tests need: the producer's way through the border, and an explicit form of what it becomes.
#![allow(dead_code, reason = "each test binary uses its own part")]

use serde_json::{Value, json};
use shoptide_schemas::catalogue::{CatalogueEvent, ItemFields};
use shoptide_schemas::wire::{self, WireEvent};
use shoptide_schemas::{CatalogueChange, EventKind, Reject, ShopEvent};

/// Messages of refusals are at most this long, whatever the input.
pub const MESSAGE_BYTES_MAX: usize = 300;

/// An event as the collector takes it: with `items` or without.
pub fn accept(bytes: &[u8]) -> Result<Vec<ShopEvent>, Reject> {
    wire::split(wire::parse(bytes)?)?.into_iter().map(wire::check).collect()
}

/// Reads, writes and reads again: the event, its text once written, and its `context` must not change.
pub fn round_trip(bytes: &[u8]) -> ShopEvent {
    let first = wire::parse(bytes).expect("it was read before");
    let written = serde_json::to_vec(&first).expect("what was read can be written");
    let second: WireEvent = wire::parse(&written).expect("what was written can be read");
    let raw = |w: &WireEvent| w.context.as_ref().map(|c| c.get().to_owned());
    assert_eq!(raw(&first), raw(&second), "context is carried byte for byte");
    assert_eq!(serde_json::to_vec(&second).unwrap(), written, "written twice is written the same");
    let event = wire::check(first).expect("it was checked before");
    assert_eq!(wire::decode(&written).as_ref(), Ok(&event));
    event
}

/// A refusal says little and repeats nothing.
pub fn assert_bounded(reject: &Reject, canary: &str) {
    for text in [reject.message.as_str(), &reject.field] {
        assert!(text.len() <= MESSAGE_BYTES_MAX, "{} bytes: {text:.80}", text.len());
        assert!(!text.is_empty() && !text.chars().any(char::is_control), "{text:?}");
        assert!(canary.is_empty() || !text.contains(canary), "{text}");
    }
}

pub fn described(event: &ShopEvent) -> Value {
    json!({
        "id": event.id.to_string(),
        "type": event.event_type.name(),
        "topic": event.event_type.topic().name(),
        "user": event.user.to_string(),
        "at_ms": event.at.0,
        "historical": event.historical,
        "list": event.list,
        "session": event.session,
        "item": event.item().map(ToString::to_string),
        "order_line": event.order_line().map(|o| [&o.order, &o.line]),
        "own": own(&event.kind),
    })
}

fn own(kind: &EventKind) -> Value {
    match kind {
        EventKind::View { .. } => json!("view"),
        EventKind::ListSeen { .. } => json!("list seen"),
        EventKind::Search { query, .. } => json!({ "search": query }),
        EventKind::Wish { .. } => json!("wish"),
        EventKind::CartAdd { quantity, .. } => json!({ "cart add": quantity }),
        EventKind::CartRemove { quantity, .. } => json!({ "cart remove": quantity }),
        EventKind::Checkout => json!("checkout"),
        EventKind::Purchase { quantity, paid, .. } => {
            json!({ "purchase": quantity, "micros": paid.map(|p| p.0.0), "currency": paid.map(|p| p.1.to_string()) })
        }
        EventKind::Refund { quantity, paid, .. } => {
            json!({ "refund": quantity, "micros": paid.map(|p| p.0.0), "currency": paid.map(|p| p.1.to_string()) })
        }
        EventKind::Post { thread, text, .. } => json!({ "post": text, "thread": thread }),
        EventKind::Reply { thread, text, .. } => json!({ "reply": text, "thread": thread }),
        EventKind::Like { thread, .. } => json!({ "like": thread }),
        EventKind::Rate { hundredths, .. } => json!({ "hundredths": hundredths }),
        EventKind::Shown { .. } => json!("shown"),
        EventKind::Clicked { .. } => json!("clicked"),
        EventKind::Feedback { feedback, .. } => json!({ "feedback": feedback.name() }),
        EventKind::ChatIntent { query, .. } => json!({ "chat": query }),
        EventKind::Identify { known } => json!({ "known": known.to_string() }),
        EventKind::Erased => json!("erased"),
        EventKind::Absorbed { from, part } => json!({ "from": from.to_string(), "part": part }),
    }
}

pub fn described_catalogue(event: &CatalogueEvent) -> Value {
    let change = match &event.change {
        CatalogueChange::Upsert(fields) => json!({ "upsert": item_fields(fields) }),
        CatalogueChange::Patch(fields) => json!({ "patch": item_fields(fields) }),
        CatalogueChange::Removed => json!("removed"),
        CatalogueChange::Seen => json!("seen"),
    };
    json!({ "id": event.id.to_string(), "item": event.item.to_string(), "at_ms": event.at.0, "change": change })
}

fn item_fields(f: &ItemFields) -> Value {
    json!({
        "title": f.title, "titles": f.titles, "brand": f.brand, "category": f.category, "tags": f.tags,
        "description": f.description, "micros": f.price.map(|p| p.0.0), "currency": f.price.map(|p| p.1.to_string()),
        "stock": f.stock, "hidden": f.hidden,
    })
}
