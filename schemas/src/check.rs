//! The checks of a user event's fields. A field that is given keeps to its bound whatever the type; one that the
//! type has no use for is then left out.

use crate::event::{EventKind, EventType, Feedback, OrderLine, ShopEvent};
use crate::ids::{self, EventId, ItemId, UserId};
use crate::limits::*;
use crate::money::{Currency, Micros};
use crate::reject::{Code, Reject};
use crate::time::EventMs;
use crate::wire::{WIRE_VERSION, WireEvent, WireTime, from_hex};

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
