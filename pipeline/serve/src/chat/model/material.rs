//! What a model may rest on in a turn: the products that the rules show, and what they say of them.

use shoptide_assistant::{Ask, Text};
use shoptide_models::catalogue::CatalogueItem;
use shoptide_models::chat::{Action, Candidate, Conditions, Language, Lexicon, Phrase, opposite};
use shoptide_models::grounding::{Facts as Grounds, Product};
use shoptide_schemas::Currency;

use super::super::reply::{DESCRIBED_MAX, Draft, Facts, Month};
use super::super::scene::{Scene, plain};
use super::super::turn::Read;
use super::quotes::quotes;
use crate::budgets::Certainty;

/// A reply that a model may word.
pub(in super::super) struct Material {
    pub ask: Ask,
    pub limits: Limits,
}

/// What every product that is named must keep to, whoever found it.
pub(in super::super) struct Limits {
    pub conditions: Conditions,
    /// What is left of the user's month.
    pub left: Option<(i64, Currency)>,
    pub language: Language,
}

impl Limits {
    pub fn admit(&self, number: u32, item: &CatalogueItem, lexicon: &Lexicon, shop: Currency) -> bool {
        let traits = lexicon.traits_of(item);
        let affordable = match (self.left, item.price) {
            (Some((left, currency)), Some((price, of))) => currency != of || price.0 <= left,
            _ => true,
        };
        affordable
            && self.conditions.filter(lexicon, shop).admits(Candidate { number, item, traits: &traits })
    }
}

/// What the model is given; nothing where the rules' own words must stand whole.
pub(in super::super) fn material(
    scene: &Scene<'_>,
    read: &Read,
    facts: &Facts,
    draft: &Draft,
    message: &str,
) -> Option<Material> {
    let conditions = match &read.action {
        Action::Show(conditions) | Action::Similar { conditions, .. } => conditions.clone(),
        _ => Conditions::of(&read.after, false),
    };
    if !may_word(scene, read, facts, draft, &conditions) {
        return None;
    }
    let numbers = numbers(read, draft);
    let mut products = Vec::with_capacity(numbers.len());
    let mut texts = Vec::new();
    for number in &numbers {
        let (id, item) = scene.row(*number).filter(|(_, item)| item.listable() && !item.unlisted)?;
        let rating = scene.rating(*number).rating().map(|rating| rating.mean);
        let mut product = Product::of(&id.to_string(), item, &scene.known.lexicon, rating);
        product.lacks = asked(read).filter_map(|key| lacking(&product, key)).collect();
        if !item.description.trim().is_empty() {
            let origin = format!("description of {}", product.id);
            texts.push(Text { origin, text: plain(&item.description) });
        }
        products.push(product);
    }
    let quotes = quotes(scene, &read.action, facts, draft, &numbers);
    let all_met = matches!(read.action, Action::Show(_))
        && !products.is_empty()
        && conditions.text.is_empty()
        && conditions.whom.is_empty()
        && conditions.occasions.is_empty();
    let limits = Limits { conditions: conditions.clone(), left: scene.shopper.left, language: read.language };
    let ask = Ask {
        message: message.to_owned(),
        language: Some(read.language),
        facts: Grounds { products, quotes, wanted: conditions, all_met },
        texts,
    };
    Some(Material { ask, limits })
}

/// Whether nothing is lost if a model words it. What was done, what is asked back, which condition to give up, and what is known only by halves
/// is said by the rules, whole.
fn may_word(scene: &Scene<'_>, read: &Read, facts: &Facts, draft: &Draft, conditions: &Conditions) -> bool {
    let sure = scene.shopper.certainty.is_none_or(|certainty| certainty == Certainty::Sure);
    let shows = !numbers(read, draft).is_empty();
    let worth_it = match &read.action {
        Action::Show(_) | Action::Similar { .. } | Action::GoesWith { .. } => {
            shows && !misses_text(scene, draft, conditions)
        }
        Action::Compare { .. } | Action::Describe { .. } | Action::PriceHistory { .. } => shows,
        Action::Budget { set } => set.is_none() && facts.month != Month::Unknown,
        Action::Service { .. } | Action::SmallTalk | Action::Decline => true,
        Action::Ask(_) | Action::Feedback { .. } => false,
    };
    sure && worth_it && read.understood.slots.price_problem.is_none()
}

/// Whether the draft owns that no product has the shopper's words.
fn misses_text(scene: &Scene<'_>, draft: &Draft, conditions: &Conditions) -> bool {
    let line = scene.say(Phrase::NoSuchText, &[("text", &plain(&conditions.text))]);
    draft.lines.contains(&line)
}

/// The products that are spoken of, in their order.
fn numbers(read: &Read, draft: &Draft) -> Vec<u32> {
    match &read.action {
        Action::Describe { items, .. } | Action::PriceHistory { items } => {
            items.iter().copied().take(DESCRIBED_MAX).collect()
        }
        Action::Compare { items, .. } if 2 <= items.len() => items.clone(),
        _ => draft.products.iter().map(|(shown, _)| shown.number).collect(),
    }
}

/// Features that the message asks about.
fn asked(read: &Read) -> impl Iterator<Item = &String> {
    let features: &[String] = match &read.action {
        Action::Describe { features, .. } | Action::Compare { features, .. } => features,
        _ => &[],
    };
    features.iter()
}

/// A feature whose opposite the product has.
fn lacking(product: &Product, key: &str) -> Option<String> {
    let other = opposite(key)?;
    (product.keys.contains(other) && !product.keys.contains(key)).then(|| key.to_owned())
}
