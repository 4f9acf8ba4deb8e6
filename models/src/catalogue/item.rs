//! One row of the catalogue, its bytes at rest, and what an event does to it.

use std::collections::BTreeMap;

use shoptide_schemas::catalogue::ItemFields;
use shoptide_schemas::{CatalogueChange, Currency, Micros};

use crate::codec::{CodecError, Reader, Writer};

const FORMAT: u8 = 1;
const WHAT: &str = "a catalogue row";

/// What the shop says of an item. Everything is empty for an item that only events have named so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CatalogueItem {
    pub title: String,
    pub titles: BTreeMap<String, String>,
    pub brand: String,
    /// Levels separated by `/`, such as `technology/phone`.
    pub category: String,
    pub tags: Vec<String>,
    pub description: String,
    pub price: Option<(Micros, Currency)>,
    /// Pieces; `None` is not counted.
    pub stock: Option<i64>,
    pub hidden: bool,
    pub removed: bool,
    /// No catalogue row yet: users acted on it first.
    pub unlisted: bool,
}

impl CatalogueItem {
    /// Whether any list may hold it.
    pub fn listable(&self) -> bool {
        !self.hidden && !self.removed
    }

    /// Whether it can be had now.
    pub fn in_stock(&self) -> bool {
        self.stock != Some(0)
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_format(FORMAT);
        for text in [&self.title, &self.brand, &self.category, &self.description] {
            out.bytes(text.as_bytes());
        }
        out.uint(self.titles.len() as u64);
        for (language, title) in &self.titles {
            out.bytes(language.as_bytes());
            out.bytes(title.as_bytes());
        }
        out.uint(self.tags.len() as u64);
        self.tags.iter().for_each(|t| out.bytes(t.as_bytes()));
        out.optional(self.price.as_ref().map(|(_, c)| c.0.as_slice()));
        out.int(self.price.map_or(0, |(p, _)| p.0));
        out.int(self.stock.unwrap_or(-1));
        out.uint(u64::from(self.hidden) | u64::from(self.removed) << 1 | u64::from(self.unlisted) << 2);
        out.finish()
    }

    /// # Errors
    /// [`CodecError`] for bytes of another format, cut short, or with something left over.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut from = Reader::new(WHAT, bytes, FORMAT)?;
        let mut item = CatalogueItem {
            title: from.text()?,
            brand: from.text()?,
            category: from.text()?,
            description: from.text()?,
            ..CatalogueItem::default()
        };
        for _ in 0..from.count()? {
            let language = from.text()?;
            item.titles.insert(language, from.text()?);
        }
        for _ in 0..from.count()? {
            item.tags.push(from.text()?);
        }
        let currency = from.optional()?;
        let micros = from.int()?;
        item.price = match currency {
            Some(c) => Some((Micros(micros), c.try_into().map(Currency).map_err(|_| from.damaged())?)),
            None => None,
        };
        item.stock = Some(from.int()?).filter(|s| 0 <= *s);
        let flags = from.uint()?;
        (item.hidden, item.removed, item.unlisted) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
        from.finish()?;
        Ok(item)
    }
}

/// What a row becomes; `None` when the event changes nothing.
pub fn apply(before: Option<&CatalogueItem>, change: &CatalogueChange) -> Option<CatalogueItem> {
    let after = match change {
        CatalogueChange::Upsert(fields) => patched(CatalogueItem::default(), fields),
        CatalogueChange::Patch(fields) => {
            let mut row = before.cloned().unwrap_or_default();
            // A price for a removed item does not bring it back; only an upsert does.
            row.unlisted = before.is_none_or(|b| b.unlisted) && fields.title.is_none();
            patched(row, fields)
        }
        CatalogueChange::Removed => CatalogueItem { removed: true, ..before.cloned().unwrap_or_default() },
        CatalogueChange::Seen if before.is_some() => return None,
        CatalogueChange::Seen => CatalogueItem { unlisted: true, ..CatalogueItem::default() },
    };
    (before != Some(&after)).then_some(after)
}

fn patched(mut row: CatalogueItem, fields: &ItemFields) -> CatalogueItem {
    let set = |to: &mut String, from: &Option<String>| {
        if let Some(value) = from {
            to.clone_from(value);
        }
    };
    set(&mut row.title, &fields.title);
    set(&mut row.brand, &fields.brand);
    set(&mut row.category, &fields.category);
    set(&mut row.description, &fields.description);
    if let Some(titles) = &fields.titles {
        row.titles.clone_from(titles);
    }
    if let Some(tags) = &fields.tags {
        row.tags.clone_from(tags);
    }
    row.price = fields.price.or(row.price);
    row.stock = fields.stock.or(row.stock);
    row.hidden = fields.hidden.unwrap_or(row.hidden);
    row
}
