//! The checks of a user event's fields. A field that is given keeps to its bound whatever the type is; one that the
//! type has no use for is then left out.

use std::ops::Deref;

use crate::event::{EventKind, EventType, Feedback, OrderLine, ShopEvent};
use crate::ids::{self, EventId, ItemId, UserId};
use crate::limits::*;
use crate::money::{Currency, Micros};
use crate::reject::{Code, Reject};
use crate::time::EventMs;
use crate::wire::{WIRE_VERSION, WireEvent, WireFields, WireTime, from_hex};

/// Checks the fields of one line.
///
/// # Errors
/// A [`Reject`] with the first reason found.
pub fn check(wire: WireEvent) -> Result<ShopEvent, Reject> {
    fields(wire)
}

pub(crate) fn fields<S>(mut wire: WireFields<S>) -> Result<ShopEvent, Reject>
where
    S: Deref<Target = str> + Into<String>,
{
    let version = wire.v.unwrap_or(WIRE_VERSION);
    if !(1..=WIRE_VERSION).contains(&version) {
        let message = format!("v is {version}, expected 1 to {WIRE_VERSION}");
        return Err(Reject::new(Code::UnknownVersion, "v", message));
    }
    if wire.items.is_some() {
        return Err(Reject::new(Code::Unsplit, "items", "items must be one record a line in the log"));
    }
    let name = wire.event_type.as_deref().ok_or_else(|| Reject::missing("type"))?;
    let event_type = EventType::from_name(name).ok_or_else(|| {
        Reject::new(Code::UnknownType, "type", "type names no event of the event reference")
    })?;
    let id = EventId::from_trusted(checked_event_id(wire.event_id.as_deref())?.as_bytes());
    let user =
        UserId::from_trusted(ids::checked(wire.user_id.as_deref(), "user_id", ID_BYTES_MAX)?.as_bytes());
    let at = event_time(wire.occurred_at.as_ref())?;
    if wire.context.as_ref().is_some_and(|c| CONTEXT_BYTES_MAX < c.get().len()) {
        let message = format!("context is longer than {CONTEXT_BYTES_MAX} bytes");
        return Err(Reject::new(Code::TooLong, "context", message));
    }
    let list = text(wire.list_id.take(), "list_id", SHORT_ID_BYTES_MAX)?;
    let session = text(wire.session_id.take(), "session_id", SHORT_ID_BYTES_MAX)?;
    let historical = wire.historical;
    let kind = Given::of(wire)?.kind(event_type, &user, list.is_some())?;
    Ok(ShopEvent { id, event_type, user, at, historical, list, session, kind })
}

/// Reads the time of an event of either kind.
pub(crate) fn event_time(time: Option<&WireTime>) -> Result<EventMs, Reject> {
    match time.ok_or_else(|| Reject::missing("occurred_at"))? {
        WireTime::Ms(ms) => EventMs::from_ms(*ms),
        WireTime::Text(text) => EventMs::from_rfc3339(text),
    }
}

/// Price and currency exist together or not at all.
pub(crate) fn paid(
    price: Option<&str>,
    currency: Option<&str>,
) -> Result<Option<(Micros, Currency)>, Reject> {
    match (price, currency) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Reject::new(Code::Missing, "price", "currency without price")),
        (Some(_), None) => Err(Reject::new(Code::Missing, "currency", "price without currency")),
        (Some(price), Some(currency)) => {
            Ok(Some((Micros::parse(price, "price")?, Currency::parse(currency)?)))
        }
    }
}

/// Checks what a line of `items` may replace: what no line keeps is checked nowhere else.
pub(crate) fn replaceable(wire: &WireEvent) -> Result<(), Reject> {
    quantity(wire.quantity)?;
    if let Some(price) = &wire.price {
        Micros::parse(price, "price")?;
    }
    if let Some(currency) = &wire.currency {
        Currency::parse(currency)?;
    }
    if wire.order_line.is_some() {
        ids::checked(wire.order_line.as_deref(), "order_line", ORDER_LINE_BYTES_MAX)?;
    }
    Ok(())
}

/// A split line carries `#` and its place behind the producer's id.
fn checked_event_id(id: Option<&str>) -> Result<&str, Reject> {
    let split_line = id.and_then(|id| id.rsplit_once('#')).is_some_and(|(head, line)| {
        let is_place =
            (1..LINE_SUFFIX_BYTES_MAX).contains(&line.len()) && line.bytes().all(|b| b.is_ascii_digit());
        head.len() <= EVENT_ID_BYTES_MAX && is_place
    });
    ids::checked(id, "event_id", EVENT_ID_BYTES_MAX + if split_line { LINE_SUFFIX_BYTES_MAX } else { 0 })
}

/// The fields that types pick from, each within its bound.
struct Given {
    item: Option<ItemId>,
    quantity: u32,
    paid: Option<(Micros, Currency)>,
    query: Option<String>,
    hundredths: Option<u16>,
    text: Option<String>,
    thread: Option<String>,
    order: Option<OrderLine>,
    feedback: Option<Feedback>,
    known: Option<UserId>,
    part: Option<String>,
}

impl Given {
    fn of<S: Deref<Target = str> + Into<String>>(wire: WireFields<S>) -> Result<Self, Reject> {
        let order_line = text(wire.order_line, "order_line", ORDER_LINE_BYTES_MAX)?;
        let order = text(wire.order_id, "order_id", SHORT_ID_BYTES_MAX)?.map(|order| {
            // Prefixed, so that item `0` of one producer never meets line 0 of another.
            let of_item = || format!("item:{}", wire.item_id.as_deref().unwrap_or_default());
            OrderLine { order, line: order_line.unwrap_or_else(of_item) }
        });
        Ok(Self {
            item: wire.item_id.as_deref().map(ItemId::parse).transpose()?,
            quantity: quantity(wire.quantity)?,
            paid: paid(wire.price.as_deref(), wire.currency.as_deref())?,
            query: text(wire.query, "query", QUERY_BYTES_MAX)?,
            hundredths: wire.rating.map(hundredths).transpose()?,
            text: text(wire.text, "text", TEXT_BYTES_MAX)?,
            thread: text(wire.thread_id, "thread_id", SHORT_ID_BYTES_MAX)?,
            order,
            feedback: wire.feedback.as_deref().map(feedback).transpose()?,
            known: text(wire.known_user_id, "known_user_id", ID_BYTES_MAX)?
                .map(|known| UserId::from_trusted(known.as_bytes())),
            part: wire.part.map(Into::into),
        })
    }

    fn kind(self, event_type: EventType, user: &UserId, has_list: bool) -> Result<EventKind, Reject> {
        let Given { item, quantity, paid, query, hundredths, text, thread, order, feedback, known, part } =
            self;
        if part.is_some() && event_type != EventType::PartAbsorbed {
            return Err(Reject::new(
                Code::Internal,
                "part",
                "part is reserved for records the program itself writes",
            ));
        }
        Ok(match event_type {
            EventType::ViewItem => EventKind::View { item: needed(item, "item_id")? },
            EventType::ViewItemList => EventKind::ListSeen { item },
            EventType::Search => EventKind::Search { query: needed(query, "query")?, item },
            EventType::AddToWishlist => EventKind::Wish { item: needed(item, "item_id")? },
            EventType::AddToCart => EventKind::CartAdd { item: needed(item, "item_id")?, quantity },
            EventType::RemoveFromCart => EventKind::CartRemove { item: needed(item, "item_id")?, quantity },
            EventType::BeginCheckout => EventKind::Checkout,
            EventType::Purchase => {
                EventKind::Purchase { item: needed(item, "item_id")?, quantity, paid, order }
            }
            EventType::Refund => EventKind::Refund { item: needed(item, "item_id")?, quantity, paid, order },
            EventType::ForumPost => EventKind::Post { item, thread, text: needed(text, "text")? },
            EventType::ForumReply => {
                EventKind::Reply { item, thread: needed(thread, "thread_id")?, text: needed(text, "text")? }
            }
            EventType::ForumLike => EventKind::Like { item, thread: needed(thread, "thread_id")? },
            EventType::RateItem => {
                EventKind::Rate { item: needed(item, "item_id")?, hundredths: needed(hundredths, "rating")? }
            }
            EventType::RecommendationShown if has_list => EventKind::Shown { item },
            EventType::RecommendationShown => return Err(Reject::missing("list_id")),
            EventType::RecommendationClicked => EventKind::Clicked { item: needed(item, "item_id")? },
            EventType::RecommendationFeedback => EventKind::Feedback {
                item: needed(item, "item_id")?,
                feedback: needed(feedback, "feedback")?,
            },
            EventType::ChatIntent => EventKind::ChatIntent { query, item },
            EventType::Identify => {
                let known = needed(known, "known_user_id")?;
                if known == *user {
                    let message = "known_user_id is the user_id itself";
                    return Err(Reject::new(Code::BadValue, "known_user_id", message));
                }
                EventKind::Identify { known }
            }
            EventType::UserErased => EventKind::Erased,
            EventType::PartAbsorbed => {
                let part = from_hex(&needed(part, "part")?)
                    .ok_or_else(|| Reject::new(Code::BadValue, "part", "part is not hexadecimal"))?;
                EventKind::Absorbed { from: needed(known, "known_user_id")?, part }
            }
        })
    }
}

fn needed<T>(value: Option<T>, field: &'static str) -> Result<T, Reject> {
    value.ok_or_else(|| Reject::missing(field))
}

fn text<S>(value: Option<S>, field: &'static str, bytes_max: usize) -> Result<Option<String>, Reject>
where
    S: Deref<Target = str> + Into<String>,
{
    if value.is_some() {
        ids::checked(value.as_deref(), field, bytes_max)?;
    }
    Ok(value.map(Into::into))
}

fn quantity(given: Option<i64>) -> Result<u32, Reject> {
    let quantity = given.unwrap_or(1);
    u32::try_from(quantity).ok().filter(|q| (1..=QUANTITY_MAX).contains(&i64::from(*q))).ok_or_else(|| {
        let message = format!("quantity is {quantity}, expected 1 to {QUANTITY_MAX}");
        Reject::new(Code::OutOfRange, "quantity", message)
    })
}

fn feedback(name: &str) -> Result<Feedback, Reject> {
    Feedback::ALL.into_iter().find(|f| f.name() == name).ok_or_else(|| {
        Reject::new(Code::BadValue, "feedback", "feedback is none of like, dislike, not_interested, bought")
    })
}

/// Rounds half up what the producer wrote: `2.675` is 268, although the nearest float is a little less than that.
fn hundredths(rating: f64) -> Result<u16, Reject> {
    if !(0.0..=5.0).contains(&rating) {
        return Err(Reject::new(Code::OutOfRange, "rating", "rating is outside 0 to 5"));
    }
    // The shortest decimal that names the float is what was written; it never has an exponent here.
    let written = rating.abs().to_string();
    let (whole, fraction) = written.split_once('.').unwrap_or((&written, ""));
    let mut digits = fraction.bytes().map(|b| u16::from(b.saturating_sub(b'0'))).chain(std::iter::repeat(0));
    let mut next = || digits.next().unwrap_or(0);
    let (tenth, hundredth, thousandth) = (next(), next(), next());
    let whole = whole.parse::<u16>().unwrap_or(0);
    Ok(whole * 100 + tenth * 10 + hundredth + u16::from(5 <= thousandth))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratings_round_half_up_as_written() {
        for (rating, expected) in [
            (0.0, 0),
            (-0.0, 0),
            (5.0, 500),
            (4.5, 450),
            (4.994, 499),
            (4.995, 500),
            (2.675, 268),
            (1.005, 101),
            (0.285, 29),
            (0.0049, 0),
            (1e-300, 0),
            (4.999_999_999_999_999, 500),
        ] {
            assert_eq!(hundredths(rating).unwrap(), expected, "{rating}");
        }
        for rating in [-0.1, -f64::MIN_POSITIVE, 5.01, f64::NAN, f64::INFINITY, 5.000_000_000_000_001] {
            assert_eq!(hundredths(rating).unwrap_err().code, Code::OutOfRange, "{rating}");
        }
        assert!(
            (0..=500).all(|h| hundredths(f64::from(h) / 100.0).unwrap() == h),
            "what is stored is read back"
        );
    }
}
