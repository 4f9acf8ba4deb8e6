//! The JSON of user events: as it travels ([`WireEvent`]), and the one way from there to a [`ShopEvent`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::event::{EventKind, EventType, Feedback, OrderLine, ShopEvent};
use crate::ids::{self, EventId, ItemId, UserId};
use crate::limits::*;
use crate::money::{Currency, Micros};
use crate::reject::{Code, Reject};
use crate::time::EventMs;

/// The wire version this program writes; it reads this and everything older.
pub const WIRE_VERSION: u32 = 1;

/// A user event as JSON. Which optional fields a type needs is in the event reference.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WireEvent {
    /// Wire version; absent means 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v: Option<u32>,
    /// Chosen by the producer, 1 to 64 bytes; a repeat has no second effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(required, length(min = 1, max = 64))]
    pub event_id: Option<String>,
    /// The event's name, such as `view_item`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub event_type: Option<String>,
    /// 1 to 128 opaque bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(required, length(min = 1, max = 128))]
    pub user_id: Option<String>,
    /// RFC 3339 with an offset, or integer milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub occurred_at: Option<WireTime>,
    /// An import of the past: never `late`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub historical: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub item_id: Option<String>,
    /// Pieces, 1 to 100,000; absent means 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub quantity: Option<i64>,
    /// Price of one piece, a decimal string; needs `currency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    /// ISO 4217, three capital letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// 0 to 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 5.0))]
    pub rating: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<String>,
    /// Lines of an order are unique by this and `order_line` (or the item), for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_line: Option<String>,
    /// Which recommendation list led here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_id: Option<String>,
    /// `like`, `dislike`, `not_interested` or `bought`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<String>,
    /// Of `identify`: who the anonymous `user_id` turned out to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_user_id: Option<String>,
    /// Carried as it is, at most 4 KiB, never interpreted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>")]
    pub context: Option<Box<RawValue>>,
    /// GA4 lines; the collector makes one event of each, `event_id#line`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub items: Option<Vec<WireLine>>,
    /// Of `part_absorbed`, which only the program writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub part: Option<String>,
}

/// One line of a GA4 `items` array.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WireLine {
    pub item_id: String,
    #[serde(default)]
    pub quantity: Option<i64>,
    #[serde(default)]
    pub price: Option<String>,
    /// GA4's other fields of a line are allowed and ignored.
    #[serde(default)]
    pub item_name: Option<String>,
    #[serde(default)]
    pub item_brand: Option<String>,
    #[serde(default)]
    pub item_category: Option<String>,
}

/// Time on the wire.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum WireTime {
    Ms(i64),
    Text(String),
}

/// Reads one event of the wire as the log holds it: one line, no `items`.
///
/// # Errors
/// A [`Reject`] with the first reason found.
pub fn decode(bytes: &[u8]) -> Result<ShopEvent, Reject> {
    check(parse(bytes)?)
}

/// Reads the JSON without checking the fields.
///
/// # Errors
/// [`Code::TooLong`] beyond 64 KiB, [`Code::Malformed`], [`Code::UnknownField`], [`Code::DuplicateField`].
pub fn parse(bytes: &[u8]) -> Result<WireEvent, Reject> {
    if EVENT_BYTES_MAX < bytes.len() {
        let message = format!("the event has {} bytes, expected at most {EVENT_BYTES_MAX}", bytes.len());
        return Err(Reject::new(Code::TooLong, "body", message));
    }
    serde_json::from_slice(bytes).map_err(|e| Reject::from_json(&e))
}

/// Splits GA4 `items` into one event a line; an event without `items` comes back alone.
///
/// # Errors
/// [`Code::TooLong`] beyond 200 lines, [`Code::BadValue`] for none, or for `items` beside `item_id`.
pub fn split(mut wire: WireEvent) -> Result<Vec<WireEvent>, Reject> {
    let Some(lines) = wire.items.take() else { return Ok(vec![wire]) };
    if lines.is_empty() {
        return Err(Reject::new(Code::BadValue, "items", "items is empty, expected 1 to 200 lines"));
    }
    if LINES_MAX < lines.len() {
        let message = format!("items has {} lines, expected at most {LINES_MAX}", lines.len());
        return Err(Reject::new(Code::TooLong, "items", message));
    }
    if wire.item_id.is_some() {
        return Err(Reject::new(Code::BadValue, "items", "items and item_id exclude each other"));
    }
    let id = ids::checked(wire.event_id.as_deref(), "event_id", EVENT_ID_BYTES_MAX)?.to_owned();
    let mut events = Vec::with_capacity(lines.len());
    for (place, line) in lines.into_iter().enumerate() {
        let mut event = wire.clone();
        event.event_id = Some(format!("{id}#{place}"));
        event.item_id = Some(line.item_id);
        event.quantity = line.quantity.or(event.quantity);
        event.price = line.price.or(event.price);
        if event.order_id.is_some() {
            event.order_line = Some(place.to_string());
        }
        events.push(event);
    }
    Ok(events)
}

/// Checks the fields of one line.
///
/// # Errors
/// A [`Reject`] with the first reason found.
pub fn check(wire: WireEvent) -> Result<ShopEvent, Reject> {
    let version = wire.v.unwrap_or(WIRE_VERSION);
    if !(1..=WIRE_VERSION).contains(&version) {
        let message = format!("v is {version}, expected 1 to {WIRE_VERSION}");
        return Err(Reject::new(Code::UnknownVersion, "v", message));
    }
    if wire.items.is_some() {
        return Err(Reject::new(Code::Unsplit, "items", "items must be one record a line in the log"));
    }
    let name = wire.event_type.as_deref().ok_or_else(|| Reject::missing("type"))?;
    let event_type = EventType::from_name(name)
        .ok_or_else(|| Reject::new(Code::UnknownType, "type", "type names no event of the event reference"))?;
    let id = checked_event_id(wire.event_id.as_deref())?;
    let user = ids::checked(wire.user_id.as_deref(), "user_id", ID_BYTES_MAX)?;
    let at = match wire.occurred_at.as_ref().ok_or_else(|| Reject::missing("occurred_at"))? {
        WireTime::Ms(ms) => EventMs::from_ms(*ms)?,
        WireTime::Text(text) => EventMs::from_rfc3339(text)?,
    };
    if wire.context.as_ref().is_some_and(|c| CONTEXT_BYTES_MAX < c.get().len()) {
        return Err(too_long("context", CONTEXT_BYTES_MAX));
    }
    Ok(ShopEvent {
        id: EventId::from_trusted(id.as_bytes()),
        event_type,
        user: UserId::from_trusted(user.as_bytes()),
        at,
        historical: wire.historical,
        list: optional_text(wire.list_id.as_deref(), "list_id", SHORT_ID_BYTES_MAX)?,
        session: optional_text(wire.session_id.as_deref(), "session_id", SHORT_ID_BYTES_MAX)?,
        kind: kind_of(event_type, &wire)?,
    })
}

/// A split line carries `#` and its place behind the producer's id.
fn checked_event_id(id: Option<&str>) -> Result<&str, Reject> {
    const LINE_SUFFIX_BYTES_MAX: usize = 4;
    let Some(text) = id else { return Err(Reject::missing("event_id")) };
    let split_line = text.rsplit_once('#').is_some_and(|(head, line)| {
        head.len() <= EVENT_ID_BYTES_MAX && line.len() < LINE_SUFFIX_BYTES_MAX && line.bytes().all(|b| b.is_ascii_digit())
    });
    let max = EVENT_ID_BYTES_MAX + if split_line { LINE_SUFFIX_BYTES_MAX } else { 0 };
    ids::checked(id, "event_id", max)
}

fn kind_of(event_type: EventType, wire: &WireEvent) -> Result<EventKind, Reject> {
    Ok(match event_type {
        EventType::ViewItem => EventKind::View { item: item(wire)? },
        EventType::ViewItemList => EventKind::ListSeen { item: optional_item(wire)? },
        EventType::Search => {
            EventKind::Search { query: text(wire.query.as_deref(), "query", QUERY_BYTES_MAX)?, item: optional_item(wire)? }
        }
        EventType::AddToWishlist => EventKind::Wish { item: item(wire)? },
        EventType::AddToCart => EventKind::CartAdd { item: item(wire)?, quantity: quantity(wire)? },
        EventType::RemoveFromCart => EventKind::CartRemove { item: item(wire)?, quantity: quantity(wire)? },
        EventType::BeginCheckout => EventKind::Checkout,
        EventType::Purchase | EventType::Refund => {
            let (item, quantity, paid, order) = (item(wire)?, quantity(wire)?, paid(wire)?, order_line(wire)?);
            if event_type == EventType::Purchase {
                EventKind::Purchase { item, quantity, paid, order }
            } else {
                EventKind::Refund { item, quantity, paid, order }
            }
        }
        EventType::ForumPost => EventKind::Post {
            item: optional_item(wire)?,
            thread: optional_text(wire.thread_id.as_deref(), "thread_id", SHORT_ID_BYTES_MAX)?,
            text: text(wire.text.as_deref(), "text", TEXT_BYTES_MAX)?,
        },
        EventType::ForumReply => EventKind::Reply {
            item: optional_item(wire)?,
            thread: text(wire.thread_id.as_deref(), "thread_id", SHORT_ID_BYTES_MAX)?,
            text: text(wire.text.as_deref(), "text", TEXT_BYTES_MAX)?,
        },
        EventType::ForumLike => EventKind::Like {
            item: optional_item(wire)?,
            thread: text(wire.thread_id.as_deref(), "thread_id", SHORT_ID_BYTES_MAX)?,
        },
        EventType::RateItem => EventKind::Rate { item: item(wire)?, hundredths: rating(wire)? },
        EventType::RecommendationShown => {
            text(wire.list_id.as_deref(), "list_id", SHORT_ID_BYTES_MAX)?;
            EventKind::Shown { item: optional_item(wire)? }
        }
        EventType::RecommendationClicked => EventKind::Clicked { item: item(wire)? },
        EventType::RecommendationFeedback => {
            let name = text(wire.feedback.as_deref(), "feedback", SHORT_ID_BYTES_MAX)?;
            let feedback = Feedback::ALL.into_iter().find(|f| f.name() == name).ok_or_else(|| {
                Reject::new(Code::BadValue, "feedback", "feedback is none of like, dislike, not_interested, bought")
            })?;
            EventKind::Feedback { item: item(wire)?, feedback }
        }
        EventType::ChatIntent => EventKind::ChatIntent {
            query: optional_text(wire.query.as_deref(), "query", QUERY_BYTES_MAX)?,
            item: optional_item(wire)?,
        },
        EventType::Identify => {
            let known = ids::checked(wire.known_user_id.as_deref(), "known_user_id", ID_BYTES_MAX)?;
            if wire.user_id.as_deref() == Some(known) {
                let message = "known_user_id is the user_id itself";
                return Err(Reject::new(Code::BadValue, "known_user_id", message));
            }
            EventKind::Identify { known: UserId::from_trusted(known.as_bytes()) }
        }
        EventType::UserErased => EventKind::Erased,
        EventType::PartAbsorbed => {
            let from = ids::checked(wire.known_user_id.as_deref(), "known_user_id", ID_BYTES_MAX)?;
            let hex = wire.part.as_deref().ok_or_else(|| Reject::missing("part"))?;
            let part = from_hex(hex).ok_or_else(|| Reject::new(Code::BadValue, "part", "part is not hexadecimal"))?;
            EventKind::Absorbed { from: UserId::from_trusted(from.as_bytes()), part }
        }
    })
}

fn too_long(field: &'static str, max: usize) -> Reject {
    Reject::new(Code::TooLong, field, format!("{field} is longer than {max} bytes"))
}

fn text(value: Option<&str>, field: &'static str, max: usize) -> Result<String, Reject> {
    ids::checked(value, field, max).map(str::to_owned)
}

fn optional_text(value: Option<&str>, field: &'static str, max: usize) -> Result<Option<String>, Reject> {
    value.map(|v| text(Some(v), field, max)).transpose()
}

fn item(wire: &WireEvent) -> Result<ItemId, Reject> {
    ids::checked(wire.item_id.as_deref(), "item_id", ID_BYTES_MAX).map(|v| ItemId::from_trusted(v.as_bytes()))
}

fn optional_item(wire: &WireEvent) -> Result<Option<ItemId>, Reject> {
    wire.item_id.is_some().then(|| item(wire)).transpose()
}

fn quantity(wire: &WireEvent) -> Result<u32, Reject> {
    let quantity = wire.quantity.unwrap_or(1);
    u32::try_from(quantity).ok().filter(|q| (1..=QUANTITY_MAX).contains(&i64::from(*q))).ok_or_else(|| {
        let message = format!("quantity is {quantity}, expected 1 to {QUANTITY_MAX}");
        Reject::new(Code::OutOfRange, "quantity", message)
    })
}

fn paid(wire: &WireEvent) -> Result<Option<(Micros, Currency)>, Reject> {
    match (&wire.price, &wire.currency) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Reject::new(Code::Missing, "price", "currency without price")),
        (Some(_), None) => Err(Reject::new(Code::Missing, "currency", "price without currency")),
        (Some(price), Some(currency)) => Ok(Some((Micros::parse(price, "price")?, Currency::parse(currency)?))),
    }
}

fn order_line(wire: &WireEvent) -> Result<Option<OrderLine>, Reject> {
    let Some(order) = optional_text(wire.order_id.as_deref(), "order_id", SHORT_ID_BYTES_MAX)? else {
        return Ok(None);
    };
    let line = match optional_text(wire.order_line.as_deref(), "order_line", SHORT_ID_BYTES_MAX)? {
        Some(line) => line,
        // Prefixed, so that item `0` of one producer never meets line 0 of another.
        None => format!("item:{}", wire.item_id.as_deref().unwrap_or_default()),
    };
    Ok(Some(OrderLine { order, line }))
}

fn rating(wire: &WireEvent) -> Result<u16, Reject> {
    let rating = wire.rating.ok_or_else(|| Reject::missing("rating"))?;
    if !(0.0..=5.0).contains(&rating) {
        return Err(Reject::new(Code::OutOfRange, "rating", "rating is outside 0 to 5"));
    }
    Ok((rating * 100.0).round() as u16)
}

/// Bytes as lower-case hexadecimal, for the parts that internal events carry.
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |d: u8| char::from(DIGITS.get(usize::from(d)).copied().unwrap_or(b'0'));
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

/// The way back from [`to_hex`]; `None` for anything else.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |d: u8| char::from(d).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}
