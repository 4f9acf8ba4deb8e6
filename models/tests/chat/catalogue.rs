//! A small fixed shop, and the state after a list of three phones.

use std::collections::BTreeMap;

use shoptide_models::catalogue::{Catalogue, CatalogueBuilder, CatalogueItem};
use shoptide_models::chat::{DialogueState, Lexicon, Shown};
use shoptide_schemas::{Currency, ItemId, Micros};

#[derive(serde::Deserialize)]
struct Row {
    item_id: String,
    title: String,
    title_en: String,
    brand: String,
    category: String,
    tags: Vec<String>,
    price: String,
    currency: String,
    stock: i64,
}

pub fn catalogue() -> Catalogue {
    let mut builder = CatalogueBuilder::default();
    for (number, line) in include_str!("catalogue.jsonl").lines().enumerate() {
        let row: Row = serde_json::from_str(line).unwrap();
        let item = CatalogueItem {
            title: row.title,
            titles: BTreeMap::from([("en".to_owned(), row.title_en)]),
            brand: row.brand,
            category: row.category,
            tags: row.tags,
            price: Some((
                Micros::parse(&row.price, "price").unwrap(),
                Currency::parse(&row.currency).unwrap(),
            )),
            stock: Some(row.stock),
            ..CatalogueItem::default()
        };
        builder.put(ItemId::parse(&row.item_id).unwrap(), item, number as u32);
    }
    builder.finish(0)
}

pub fn lexicon() -> Lexicon {
    Lexicon::of(&catalogue())
}

pub fn shown(number: u32, catalogue: &Catalogue, lexicon: &Lexicon) -> Shown {
    let (_, item) = catalogue.row(number).unwrap();
    Shown {
        number,
        brand: lexicon.brand_of(item),
        price: item.price.map(|(p, _)| p),
        currency: item.price.map(|(_, c)| c),
        rating: None,
    }
}

/// What `"after": "phones"` stands for: 小米 14, 华为 Mate 60 and 云帆 1010 were shown for `手机`.
pub fn after_phones(lexicon: &Lexicon) -> DialogueState {
    let catalogue = catalogue();
    let mut state = DialogueState::default();
    state.wanted.category = Some("phone".to_owned());
    state.show([2, 4, 9].map(|n| shown(n, &catalogue, lexicon)).to_vec());
    state
}
