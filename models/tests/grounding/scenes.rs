//! Scenes: the facts of a turn in a small shop, and replies to hold against them. Also read by the tests of whoever asks a model.

use std::collections::BTreeMap;

use shoptide_models::catalogue::{Catalogue, CatalogueItem};
use shoptide_models::chat::{Conditions, DialogueState, Lexicon, next, understand};
use shoptide_models::grounding::{Facts, Product};
use shoptide_schemas::{Currency, ItemId, Micros};

#[path = "../chat/catalogue.rs"]
#[allow(dead_code)]
mod catalogue;

#[derive(serde::Deserialize)]
struct SceneRow {
    message: String,
    items: Vec<ItemRow>,
    quotes: Vec<String>,
    all_met: bool,
}

#[derive(serde::Deserialize)]
struct ItemRow {
    id: String,
    price: Option<String>,
    currency: Option<String>,
    stock: Option<i64>,
    rating: Option<f32>,
    #[serde(default)]
    lacks: Vec<String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    pub scene: String,
    #[serde(default)]
    pub kind: String,
    pub reply: String,
    /// What must not leave; all of it if nothing is named.
    #[serde(default)]
    pub bad: Vec<String>,
    /// What an honest reply becomes without its marks of emphasis; the reply itself if nothing is said.
    pub text: Option<String>,
}

fn row(catalogue: &Catalogue, id: &str) -> CatalogueItem {
    let id = ItemId::parse(id).unwrap();
    let found = catalogue.rows().find(|(_, own, _)| **own == id);
    found.unwrap().2.clone()
}

pub fn scenes() -> BTreeMap<String, Facts> {
    let catalogue = catalogue::catalogue();
    let lexicon = Lexicon::of(&catalogue);
    let rows: BTreeMap<String, SceneRow> = serde_json::from_str(include_str!("scenes.json")).unwrap();
    let facts = |scene: SceneRow| {
        let state = DialogueState::default();
        let understood = understand(&scene.message, &lexicon, &state);
        let (state, _) = next(&state, &understood);
        let products = scene.items.into_iter().map(|own| {
            let mut item = row(&catalogue, &own.id);
            if let (Some(price), Some(currency)) = (&own.price, &own.currency) {
                let price = Micros::parse(price, "price").unwrap();
                item.price = Some((price, Currency::parse(currency).unwrap()));
            }
            item.stock = own.stock.or(item.stock);
            let mut product = Product::of(&own.id, &item, &lexicon, own.rating);
            product.lacks.extend(own.lacks);
            product
        });
        Facts {
            products: products.collect(),
            quotes: scene.quotes,
            wanted: Conditions::of(&state, false),
            all_met: scene.all_met,
        }
    };
    rows.into_iter().map(|(name, scene)| (name, facts(scene))).collect()
}

pub fn replies(file: &str) -> Vec<Reply> {
    let lines = file.lines().filter(|l| !l.trim().is_empty());
    lines.map(|l| serde_json::from_str(l).expect(l)).collect()
}
