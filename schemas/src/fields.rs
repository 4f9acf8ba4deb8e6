//! The fields of the wire as a table: what each holds and its bound. The JSON Schemas, the event reference and the
//! words of a refusal are made from it; tests hold the decoder to it.

use crate::event::EventType;
use crate::limits::*;
use crate::time::{EVENT_MS_MAX, EVENT_MS_MIN};
use crate::wire::WIRE_VERSION;

/// What a field of the wire holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Holds {
    /// Text that is not blank, of at most so many bytes.
    Text {
        bytes_max: usize,
    },
    /// Text that may be blank, of at most so many bytes.
    AnyText {
        bytes_max: usize,
    },
    /// The producer's event id, or that of a split line.
    EventId,
    /// A name out of a closed set.
    Name,
    /// A whole number.
    Whole {
        min: i64,
        max: i64,
    },
    /// A number.
    Number {
        min: f64,
        max: f64,
    },
    Flag,
    /// RFC 3339 or milliseconds.
    Time,
    /// A decimal string.
    Decimal,
    Currency,
    /// Any JSON, carried as it is, of at most so many bytes.
    Carried {
        bytes_max: usize,
    },
    /// Any JSON, not even carried.
    Ignored,
    /// GA4 lines.
    Lines,
    /// A list of texts.
    Tags,
    /// An object of texts.
    Titles,
}

/// One key of an event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field {
    pub name: &'static str,
    pub holds: Holds,
}

const fn field(name: &'static str, holds: Holds) -> Field {
    Field { name, holds }
}

const fn text(name: &'static str, bytes_max: usize) -> Field {
    field(name, Holds::Text { bytes_max })
}

const fn any_text(name: &'static str, bytes_max: usize) -> Field {
    field(name, Holds::AnyText { bytes_max })
}

/// Every key of a user event. `part` is the program's own.
pub const USER_FIELDS: &[Field] = &[
    field("v", Holds::Whole { min: 1, max: WIRE_VERSION as i64 }),
    field("event_id", Holds::EventId),
    field("type", Holds::Name),
    text("user_id", ID_BYTES_MAX),
    field("occurred_at", Holds::Time),
    field("historical", Holds::Flag),
    text("item_id", ID_BYTES_MAX),
    field("quantity", Holds::Whole { min: 1, max: QUANTITY_MAX }),
    field("price", Holds::Decimal),
    field("currency", Holds::Currency),
    text("session_id", SHORT_ID_BYTES_MAX),
    text("query", QUERY_BYTES_MAX),
    field("rating", Holds::Number { min: 0.0, max: 5.0 }),
    text("text", TEXT_BYTES_MAX),
    text("thread_id", SHORT_ID_BYTES_MAX),
    text("order_id", SHORT_ID_BYTES_MAX),
    text("order_line", ORDER_LINE_BYTES_MAX),
    text("list_id", SHORT_ID_BYTES_MAX),
    field("feedback", Holds::Name),
    text("known_user_id", ID_BYTES_MAX),
    field("context", Holds::Carried { bytes_max: CONTEXT_BYTES_MAX }),
    field("items", Holds::Lines),
    any_text("part", EVENT_BYTES_MAX),
];

/// Every key of a line of `items`; those that are ignored are GA4's.
pub const LINE_FIELDS: &[Field] = &[
    text("item_id", ID_BYTES_MAX),
    field("quantity", Holds::Whole { min: 1, max: QUANTITY_MAX }),
    field("price", Holds::Decimal),
    field("item_name", Holds::Ignored),
    field("item_brand", Holds::Ignored),
    field("item_category", Holds::Ignored),
    field("item_category2", Holds::Ignored),
    field("item_category3", Holds::Ignored),
    field("item_category4", Holds::Ignored),
    field("item_category5", Holds::Ignored),
    field("item_list_id", Holds::Ignored),
    field("item_list_name", Holds::Ignored),
    field("item_variant", Holds::Ignored),
    field("index", Holds::Ignored),
    field("affiliation", Holds::Ignored),
    field("coupon", Holds::Ignored),
    field("discount", Holds::Ignored),
    field("location_id", Holds::Ignored),
];

/// Every key of a catalogue event.
pub const CATALOGUE_FIELDS: &[Field] = &[
    text("event_id", EVENT_ID_BYTES_MAX),
    field("type", Holds::Name),
    text("item_id", ID_BYTES_MAX),
    field("occurred_at", Holds::Time),
    text("title", TITLE_BYTES_MAX),
    field("titles", Holds::Titles),
    any_text("brand", BRAND_BYTES_MAX),
    any_text("category", CATEGORY_BYTES_MAX),
    field("tags", Holds::Tags),
    any_text("description", DESCRIPTION_BYTES_MAX),
    field("price", Holds::Decimal),
    field("currency", Holds::Currency),
    field("stock", Holds::Whole { min: 0, max: STOCK_MAX }),
    field("hidden", Holds::Flag),
];

/// Required of every user event.
pub const USER_REQUIRED: &[&str] = &["event_id", "type", "user_id", "occurred_at"];
/// Allowed in every user event.
pub const USER_OPTIONAL: &[&str] = &["v", "historical", "session_id", "list_id", "context"];
/// Required of every catalogue event.
pub const CATALOGUE_REQUIRED: &[&str] = &["event_id", "type", "item_id", "occurred_at"];

/// Catalogue events that producers may send: name, meaning, and what each needs beside the common fields.
pub const CATALOGUE_TYPES: &[(&str, &str, &[&str])] = &[
    ("item_upsert", "The whole item anew: a field that is absent is cleared.", &["title"]),
    ("item_patch", "Only the fields given change.", &[]),
    ("item_removed", "The item is gone and in no list.", &[]),
    ("stock", "The item's stock changed.", &["stock"]),
    ("price", "The item's price changed.", &["price", "currency"]),
];

/// What a type makes of `item_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemUse {
    /// `item_id`, or `items` before the split.
    Required,
    Optional,
    /// It is about the user, not an item: `items` is refused.
    Refused,
}

/// What a type needs beside the common fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    pub item: ItemUse,
    pub required: &'static [&'static str],
    pub optional: &'static [&'static str],
}

/// The table of user events' types.
pub fn needs(event_type: EventType) -> Needs {
    use ItemUse::{Optional, Refused, Required};
    let (item, required, optional): (_, &[_], &[_]) = match event_type {
        EventType::ViewItem | EventType::AddToWishlist | EventType::RecommendationClicked => {
            (Required, &[], &[])
        }
        EventType::ViewItemList | EventType::BeginCheckout => (Optional, &[], &[]),
        EventType::Search => (Optional, &["query"], &[]),
        EventType::AddToCart | EventType::RemoveFromCart => (Required, &[], &["quantity"]),
        EventType::Purchase | EventType::Refund => {
            (Required, &[], &["quantity", "price", "currency", "order_id", "order_line"])
        }
        EventType::ForumPost => (Optional, &["text"], &["thread_id"]),
        EventType::ForumReply => (Optional, &["thread_id", "text"], &[]),
        EventType::ForumLike => (Optional, &["thread_id"], &[]),
        EventType::RateItem => (Required, &["rating"], &[]),
        EventType::RecommendationShown => (Optional, &["list_id"], &[]),
        EventType::RecommendationFeedback => (Required, &["feedback"], &[]),
        EventType::ChatIntent => (Optional, &[], &["query"]),
        EventType::Identify => (Refused, &["known_user_id"], &[]),
        EventType::UserErased => (Refused, &[], &[]),
        EventType::PartAbsorbed => (Refused, &["known_user_id", "part"], &[]),
    };
    Needs { item, required, optional }
}

/// The bound in words, for the event reference and for refusals.
pub fn expected(holds: Holds) -> String {
    match holds {
        Holds::Text { bytes_max } => format!("text of 1 to {bytes_max} bytes, not blank"),
        Holds::AnyText { bytes_max } => format!("text of at most {bytes_max} bytes"),
        Holds::EventId => format!("text of 1 to {EVENT_ID_BYTES_MAX} bytes, not blank"),
        Holds::Name => "a name of the event reference".to_owned(),
        Holds::Whole { min, max } if min == max => format!("{min}"),
        Holds::Whole { min, max } => format!("a whole number, {min} to {max}"),
        Holds::Number { min, max } => format!("a number, {min} to {max}"),
        Holds::Flag => "true or false".to_owned(),
        Holds::Time => {
            format!(
                "an RFC 3339 time with an offset, or whole milliseconds, {EVENT_MS_MIN} to {}",
                EVENT_MS_MAX - 1
            )
        }
        Holds::Decimal => "a decimal string such as \"1299.00\"".to_owned(),
        Holds::Currency => "three capital letters".to_owned(),
        Holds::Carried { bytes_max } => format!("any JSON of at most {bytes_max} bytes"),
        Holds::Ignored => "any JSON".to_owned(),
        Holds::Lines => format!("a list of 1 to {LINES_MAX} lines"),
        Holds::Tags => format!("a list of at most {TAGS_MAX} texts of at most {TAG_BYTES_MAX} bytes"),
        Holds::Titles => {
            format!("an object of at most {TITLES_MAX} texts of at most {TITLE_BYTES_MAX} bytes")
        }
    }
}
