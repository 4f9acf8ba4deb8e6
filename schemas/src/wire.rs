//! The JSON of user events: as it travels ([`WireEvent`]), and the one way from there to a [`ShopEvent`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::check;
use crate::diagnose::diagnose;
use crate::event::{EventType, ShopEvent};
use crate::fields::{ItemUse, USER_FIELDS, needs};
use crate::ids;
use crate::limits::*;
use crate::number::{self, Ignored};
use crate::reject::{Code, Reject};
use crate::standing::Standing;

pub use crate::check::check;
pub use crate::hex::{from_hex, to_hex};

/// The wire version this program writes; it reads this and everything older.
pub const WIRE_VERSION: u32 = 1;

/// A user event as JSON, with texts of its own.
pub type WireEvent = WireFields<String>;

// `S`: a text of its own, or one as it stands in the JSON. The sentence below is the schema's too.
/// A user event as JSON. Which optional fields a type needs is in the event reference.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound(deserialize = "S: Deserialize<'de>"))]
#[schemars(rename = "WireEvent")]
pub struct WireFields<S> {
    /// Wire version; absent means 1.
    #[serde(default, deserialize_with = "number::version", skip_serializing_if = "Option::is_none")]
    pub v: Option<u32>,
    /// Chosen by the producer, 1 to 64 bytes; a repeat has no second effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<S>,
    /// The event's name, such as `view_item`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub event_type: Option<S>,
    /// 1 to 128 opaque bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<S>,
    /// RFC 3339 with an offset, or integer milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<WireTime>,
    /// An import of the past: never `late`.
    #[serde(default, deserialize_with = "number::flag", skip_serializing_if = "std::ops::Not::not")]
    pub historical: bool,
    /// The item that it is about: 1 to 128 opaque bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_id: Option<S>,
    /// Pieces, 1 to 100,000; absent means 1.
    #[serde(default, deserialize_with = "number::whole", skip_serializing_if = "Option::is_none")]
    pub quantity: Option<i64>,
    /// Price of one piece, a decimal string; needs `currency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<S>,
    /// ISO 4217, three capital letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<S>,
    /// The visit that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<S>,
    /// What was searched for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<S>,
    /// Stars, 0 to 5; rounded half up to hundredths, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rating: Option<f64>,
    /// A forum text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<S>,
    /// The forum thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<S>,
    /// Lines of an order are unique by this and `order_line` (or the item), for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<S>,
    /// Which line of the order; absent means the item stands for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_line: Option<S>,
    /// Which recommendation list led here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_id: Option<S>,
    /// `like`, `dislike`, `not_interested` or `bought`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<S>,
    /// Of `identify`: who the anonymous `user_id` turned out to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_user_id: Option<S>,
    /// Carried as it is, at most 4 KiB, never interpreted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "serde_json::Value")]
    pub context: Option<Box<RawValue>>,
    /// GA4 lines; the collector makes one event of each, `event_id#line`.
    #[serde(default, deserialize_with = "number::objects", skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<WireLine>>,
    /// Of `part_absorbed`, which only the program writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub part: Option<S>,
}

/// One line of a GA4 `items` array. GA4's other fields of a line are allowed and ignored.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WireLine {
    /// The line's item.
    pub item_id: String,
    /// Pieces; absent means the event's `quantity`, else 1.
    #[serde(default, deserialize_with = "number::whole", skip_serializing_if = "Option::is_none")]
    pub quantity: Option<i64>,
    /// Price of one piece; absent means the event's `price`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    #[serde(default, skip_serializing)]
    #[schemars(with = "serde_json::Value")]
    pub item_name: Ignored,
    #[serde(default, skip_serializing)]
    #[schemars(with = "serde_json::Value")]
    pub item_brand: Ignored,
    #[serde(default, skip_serializing)]
    #[schemars(with = "serde_json::Value")]
    pub item_category: Ignored,
    #[serde(default, skip_serializing)]
    #[schemars(with = "serde_json::Value")]
    pub item_category2: Ignored,
    #[serde(default, skip_serializing)]
    #[schemars(with = "serde_json::Value")]
    pub item_category3: Ignored,
    #[serde(default, skip_serializing)]
    #[schemars(with = "serde_json::Value")]
    pub item_category4: Ignored,
    #[serde(default, skip_serializing)]
    #[schemars(with = "serde_json::Value")]
    pub item_category5: Ignored,
    #[serde(default, skip_serializing)]
    #[schemars(with = "serde_json::Value")]
    pub item_list_id: Ignored,
    #[serde(default, skip_serializing)]
    #[schemars(with = "serde_json::Value")]
    pub item_list_name: Ignored,
    #[serde(default, skip_serializing)]
    #[schemars(with = "serde_json::Value")]
    pub item_variant: Ignored,
    #[serde(default, skip_serializing)]
    #[schemars(with = "serde_json::Value")]
    pub index: Ignored,
    #[serde(default, skip_serializing)]
    #[schemars(with = "serde_json::Value")]
    pub affiliation: Ignored,
    #[serde(default, skip_serializing)]
    #[schemars(with = "serde_json::Value")]
    pub coupon: Ignored,
    #[serde(default, skip_serializing)]
    #[schemars(with = "serde_json::Value")]
    pub discount: Ignored,
    #[serde(default, skip_serializing)]
    #[schemars(with = "serde_json::Value")]
    pub location_id: Ignored,
}

/// Time on the wire: RFC 3339 with an offset, or milliseconds since 1970.
#[derive(Debug, Clone, Serialize, JsonSchema)]
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
    // Most of its texts become ids or numbers: none is copied before.
    check::fields(fields::<Standing<'_>>(bytes)?)
}

/// Reads the JSON without checking the fields.
///
/// # Errors
/// [`Code::TooLong`] beyond 64 KiB, [`Code::Malformed`] if it is no JSON object, [`Code::UnknownField`],
/// [`Code::DuplicateField`], [`Code::BadValue`] or [`Code::OutOfRange`] if a field holds something else.
pub fn parse(bytes: &[u8]) -> Result<WireEvent, Reject> {
    fields(bytes)
}

fn fields<'a, S: Deserialize<'a>>(bytes: &'a [u8]) -> Result<WireFields<S>, Reject> {
    if EVENT_BYTES_MAX < bytes.len() {
        let message = format!("the event has {} bytes, expected at most {EVENT_BYTES_MAX}", bytes.len());
        return Err(Reject::new(Code::TooLong, "body", message));
    }
    // Serde's derived structs would also read an array, field by position.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(diagnose(bytes, USER_FIELDS));
    }
    serde_json::from_slice(bytes).map_err(|_| diagnose(bytes, USER_FIELDS))
}

/// Begins the ids of records that the program itself writes; the number after it counts the addresses that a forwarded
/// event has passed.
pub const OWN_ID_PREFIX: &str = "due:";

/// Refuses what only the program itself may write: internal types, and ids that begin with [`OWN_ID_PREFIX`].
///
/// # Errors
/// [`Reject`] with code `internal`, naming the field.
pub fn refuse_own(wire: &WireEvent) -> Result<(), Reject> {
    let name = wire.event_type.as_deref().unwrap_or_default();
    if name == "item_seen" || EventType::from_name(name).is_some_and(EventType::is_internal) {
        let message = "type is reserved for records the program itself writes";
        return Err(Reject::new(Code::Internal, "type", message));
    }
    if wire.event_id.as_deref().is_some_and(|id| id.starts_with(OWN_ID_PREFIX)) {
        let message = format!(
            "event_id begins with \"{OWN_ID_PREFIX}\", which is reserved for records the program itself writes"
        );
        return Err(Reject::new(Code::Internal, "event_id", message));
    }
    Ok(())
}

/// Splits GA4 `items` into one event a line; an event without `items` comes back alone.
///
/// # Errors
/// [`Code::TooLong`] beyond 200 lines, [`Code::BadValue`] for none, for `items` beside `item_id`, or where the type is
/// about a user and not about items.
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
    let about = wire.event_type.as_deref().and_then(EventType::from_name);
    if about.is_some_and(|t| needs(t).item == ItemUse::Refused) {
        return Err(Reject::new(Code::BadValue, "items", "items has no meaning in an event about a user"));
    }
    let id = ids::checked(wire.event_id.as_deref(), "event_id", EVENT_ID_BYTES_MAX)?.to_owned();
    check::replaceable(&wire)?;
    let mut events = Vec::with_capacity(lines.len());
    for (place, line) in lines.into_iter().enumerate() {
        let mut event = wire.clone();
        event.event_id = Some(format!("{id}#{place}"));
        event.item_id = Some(line.item_id);
        event.quantity = line.quantity.or(event.quantity);
        event.price = line.price.or(event.price);
        if event.price.is_none() {
            // GA4 names the currency once, whether or not every line has a price.
            event.currency = None;
        }
        if event.order_id.is_some() {
            event.order_line = Some(place.to_string());
        }
        events.push(event);
    }
    Ok(events)
}
