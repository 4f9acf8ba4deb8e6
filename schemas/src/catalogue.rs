//! Catalogue events: what the shop says of its items. One topic, keyed by item, read whole by every stream process.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::{event_time, paid};
use crate::diagnose::diagnose;
use crate::fields::{CATALOGUE_FIELDS, CATALOGUE_TYPES};
use crate::ids::{self, EventId, ItemId};
use crate::limits::*;
use crate::money::{Currency, Micros};
use crate::number;
use crate::reject::{Code, Reject};
use crate::time::EventMs;
use crate::wire::WireTime;

/// A catalogue event as JSON; `type` says which of the optional fields matter.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WireCatalogue {
    /// Chosen by the producer, 1 to 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// `item_upsert`, `item_patch`, `item_removed`, `stock` or `price`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// 1 to 128 opaque bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_id: Option<String>,
    /// RFC 3339 with an offset, or integer milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<WireTime>,
    /// The name that people read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Titles in other languages, by language tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub titles: Option<BTreeMap<String, String>>,
    /// Who makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// Levels separated by `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Words that it is found by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// A longer text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A decimal string; needs `currency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    /// ISO 4217, three capital letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Pieces; absent means not counted.
    #[serde(default, deserialize_with = "number::whole", skip_serializing_if = "Option::is_none")]
    pub stock: Option<i64>,
    /// Hidden items are in no list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<bool>,
}

/// The fields of an item that a change sets; `None` leaves (patch) or clears (upsert) it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemFields {
    pub title: Option<String>,
    pub titles: Option<BTreeMap<String, String>>,
    pub brand: Option<String>,
    pub category: Option<String>,
    pub tags: Option<Vec<String>>,
    pub description: Option<String>,
    pub price: Option<(Micros, Currency)>,
    pub stock: Option<i64>,
    pub hidden: Option<bool>,
}

/// What a catalogue event does to its item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogueChange {
    /// The whole row anew.
    Upsert(ItemFields),
    /// Only the given fields.
    Patch(ItemFields),
    Removed,
    /// Written by the trainer: users acted on an item that no catalogue row names yet.
    Seen,
}

/// One checked change of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueEvent {
    pub id: EventId,
    pub item: ItemId,
    pub at: EventMs,
    pub change: CatalogueChange,
}

/// Reads one record of the catalogue topic.
///
/// # Errors
/// A [`Reject`] with the first reason found.
pub fn decode(bytes: &[u8]) -> Result<CatalogueEvent, Reject> {
    check(parse(bytes)?)
}

/// Reads the JSON without checking the fields.
///
/// # Errors
/// [`Code::TooLong`], [`Code::Malformed`], [`Code::UnknownField`], [`Code::DuplicateField`], [`Code::BadValue`] or
/// [`Code::OutOfRange`].
pub fn parse(bytes: &[u8]) -> Result<WireCatalogue, Reject> {
    if EVENT_BYTES_MAX < bytes.len() {
        let message = format!("the event has {} bytes, expected at most {EVENT_BYTES_MAX}", bytes.len());
        return Err(Reject::new(Code::TooLong, "body", message));
    }
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(diagnose(bytes, CATALOGUE_FIELDS));
    }
    serde_json::from_slice(bytes).map_err(|_| diagnose(bytes, CATALOGUE_FIELDS))
}

/// Checks the fields.
///
/// # Errors
/// A [`Reject`] with the first reason found.
pub fn check(wire: WireCatalogue) -> Result<CatalogueEvent, Reject> {
    let id = ids::checked(wire.event_id.as_deref(), "event_id", EVENT_ID_BYTES_MAX)?;
    let id = EventId::from_trusted(id.as_bytes());
    let item = ids::checked(wire.item_id.as_deref(), "item_id", ID_BYTES_MAX)?;
    let item = ItemId::from_trusted(item.as_bytes());
    let at = event_time(wire.occurred_at.as_ref())?;
    let name = wire.event_type.clone().ok_or_else(|| Reject::missing("type"))?;
    let fields = fields(wire)?;
    let change = match name.as_str() {
        "item_upsert" => {
            if fields.title.is_none() {
                return Err(Reject::missing("title"));
            }
            CatalogueChange::Upsert(fields)
        }
        "item_patch" => CatalogueChange::Patch(fields),
        "stock" if fields.stock.is_none() => return Err(Reject::missing("stock")),
        "price" if fields.price.is_none() => return Err(Reject::missing("price")),
        "stock" => CatalogueChange::Patch(ItemFields { stock: fields.stock, ..ItemFields::default() }),
        "price" => CatalogueChange::Patch(ItemFields { price: fields.price, ..ItemFields::default() }),
        "item_removed" => CatalogueChange::Removed,
        "item_seen" => CatalogueChange::Seen,
        _ => return Err(Reject::new(Code::UnknownType, "type", "type names no catalogue event")),
    };
    Ok(CatalogueEvent { id, item, at, change })
}

/// Whether `type` names a catalogue event that producers may send.
pub fn is_catalogue_type(name: &str) -> bool {
    CATALOGUE_TYPES.iter().any(|(known, ..)| *known == name)
}

fn fields(wire: WireCatalogue) -> Result<ItemFields, Reject> {
    let bounded = |value: Option<String>, field: &'static str, max: usize| match value {
        Some(v) if max < v.len() => Err(Reject::new(
            Code::TooLong,
            field,
            format!("{field} has {} bytes, expected at most {max}", v.len()),
        )),
        other => Ok(other),
    };
    let price = paid(wire.price.as_deref(), wire.currency.as_deref())?;
    if let Some(stock) = wire.stock.filter(|s| !(0..=STOCK_MAX).contains(s)) {
        return Err(Reject::new(
            Code::OutOfRange,
            "stock",
            format!("stock is {stock}, expected 0 to {STOCK_MAX}"),
        ));
    }
    if wire.tags.as_ref().is_some_and(|t| TAGS_MAX < t.len() || t.iter().any(|tag| TAG_BYTES_MAX < tag.len()))
    {
        let message = format!("tags are more than {TAGS_MAX} or longer than {TAG_BYTES_MAX} bytes each");
        return Err(Reject::new(Code::TooLong, "tags", message));
    }
    if wire.titles.as_ref().is_some_and(|t| {
        TITLES_MAX < t.len() || t.iter().any(|(l, t)| TAG_BYTES_MAX < l.len() || TITLE_BYTES_MAX < t.len())
    }) {
        let message =
            format!("titles are more than {TITLES_MAX} or longer than {TITLE_BYTES_MAX} bytes each");
        return Err(Reject::new(Code::TooLong, "titles", message));
    }
    if wire.title.as_ref().is_some_and(|t| t.trim().is_empty()) {
        return Err(Reject::new(Code::Blank, "title", "title is blank"));
    }
    Ok(ItemFields {
        title: bounded(wire.title, "title", TITLE_BYTES_MAX)?,
        titles: wire.titles,
        brand: bounded(wire.brand, "brand", BRAND_BYTES_MAX)?,
        category: bounded(wire.category, "category", CATEGORY_BYTES_MAX)?,
        tags: wire.tags,
        description: bounded(wire.description, "description", DESCRIPTION_BYTES_MAX)?,
        price,
        stock: wire.stock,
        hidden: wire.hidden,
    })
}
