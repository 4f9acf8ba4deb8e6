//! Catalogue rows on the way: the first row that names an item tells its title, brand, category and price.

use std::collections::{BTreeMap, HashSet};

use shoptide_schemas::catalogue::{self, WireCatalogue};
use shoptide_schemas::wire::WireTime;
use shoptide_schemas::{EventType, limits};
use xxhash_rust::xxh3::xxh3_64;

use super::columns::RowView;
use super::mapping::CatalogueRule;
use super::row::{GoodRow, Reader};

/// Items remembered as told, twice over: an item is told again after so many others, which changes nothing.
const SEEN_MAX: usize = 65_536;

/// A window of items in bounded memory: the current generation and the one before it.
#[derive(Debug, Default)]
pub(crate) struct SeenItems {
    current: HashSet<u64>,
    before: HashSet<u64>,
}

impl SeenItems {
    fn contains(&mut self, item: &str) -> bool {
        let hash = xxh3_64(item.as_bytes());
        if self.current.contains(&hash) {
            return true;
        }
        let known = self.before.contains(&hash);
        if known {
            self.keep(hash);
        }
        known
    }

    fn insert(&mut self, item: &str) {
        self.keep(xxh3_64(item.as_bytes()));
    }

    fn keep(&mut self, hash: u64) {
        if SEEN_MAX <= self.current.len() {
            self.before = std::mem::take(&mut self.current);
        }
        self.current.insert(hash);
    }
}

impl Reader<'_> {
    /// The catalogue row that a good row makes, if it is the first of its item. Goods that come back tell nothing.
    pub(crate) fn catalogue_row(
        &self,
        rule: &CatalogueRule,
        row: RowView<'_>,
        good: &GoodRow,
        event_id: &str,
        seen: &mut SeenItems,
    ) -> Option<WireCatalogue> {
        let item = good.wire.item_id.as_ref()?;
        if good.checked.event_type == EventType::Refund || seen.contains(item) {
            return None;
        }
        let words: Vec<_> =
            self.columns.title.iter().filter_map(|p| self.text(row, &Some(p.clone()))).collect();
        let title = words.iter().map(|w| w.trim()).collect::<Vec<_>>().join(" ");
        let title = match title.trim() {
            "" if rule.title_or_id => item.clone(),
            "" => return None,
            title => cut(title, limits::TITLE_BYTES_MAX),
        };
        let category = self.text(row, &self.columns.category).map(|c| match &rule.category_separator {
            Some(separator) => c.replace(separator.as_str(), "/"),
            None => c.into_owned(),
        });
        let price = if rule.price {
            self.text(row, &self.columns.price).filter(|p| !p.starts_with('-'))
        } else {
            None
        };
        let mut wire = WireCatalogue {
            event_id: Some(format!("{event_id}c")),
            event_type: Some("item_upsert".to_owned()),
            item_id: Some(item.clone()),
            occurred_at: Some(WireTime::Ms(good.checked.at.0)),
            title: Some(title),
            titles: None::<BTreeMap<_, _>>,
            brand: self.text(row, &self.columns.brand).map(|b| cut(&b, limits::BRAND_BYTES_MAX)),
            category: category.map(|c| cut(&c, limits::CATEGORY_BYTES_MAX)),
            currency: price.is_some().then(|| self.currency(row)).flatten(),
            price: price.map(|p| p.into_owned()),
            ..WireCatalogue::default()
        };
        if catalogue::check(wire.clone()).is_err() {
            // Its price is the only field a file can spoil; the item is worth naming without it.
            (wire.price, wire.currency) = (None, None);
            catalogue::check(wire.clone()).ok()?;
        }
        seen.insert(item);
        Some(wire)
    }
}

/// At most `max` bytes of whole characters.
fn cut(text: &str, max: usize) -> String {
    text.get(..text.floor_char_boundary(max)).unwrap_or_default().to_owned()
}
