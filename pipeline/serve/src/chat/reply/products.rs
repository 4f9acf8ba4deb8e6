//! What single products are like: described, compared, their prices of before.

use std::collections::BTreeSet;

use shoptide_models::chat::{Conditions, DialogueState, Phrase};
use shoptide_schemas::{EventMs, Micros};

use super::super::find::find;
use super::super::scene::{Scene, plain};
use super::{Draft, Facts, graph};
use crate::prices::Past;

/// Products that one answer describes.
pub(in super::super) const DESCRIBED_MAX: usize = 3;
/// Products that are compared.
const COMPARED_MAX: usize = 4;
/// Traits of a product that are named.
const TRAITS_MAX: usize = 8;
/// Former prices that are named.
pub(in super::super) const PRICES_MAX: usize = 6;

fn traits(scene: &Scene<'_>, number: u32) -> BTreeSet<String> {
    scene.row(number).map(|(_, item)| scene.known.lexicon.traits_of(item)).unwrap_or_default()
}

/// `小米 14：2999 元，有货。`; nothing is said of a product that is gone.
fn head(scene: &Scene<'_>, number: u32) -> String {
    let Some((_, item)) = scene.row(number).filter(|(_, item)| !item.unlisted) else {
        return scene.say(Phrase::Gone, &[]);
    };
    let stock = match (item.listable(), item.in_stock()) {
        (false, _) => Phrase::NotSold,
        (true, false) => Phrase::SoldOut,
        (true, true) => Phrase::InStock,
    };
    let values = [
        ("title", &*scene.title(number)),
        ("price", &scene.price(number)),
        ("stock", stock.text(scene.language)),
    ];
    scene.say(Phrase::About1, &values)
}

/// What products are like, and whether they have what was asked about, as far as their rows say.
pub(super) fn describe(scene: &Scene<'_>, items: &[u32], features: &[String], facts: &Facts) -> Draft {
    let mut draft = Draft::default();
    for number in items.iter().take(DESCRIBED_MAX) {
        draft.say(head(scene, *number));
        let Some((_, item)) = scene.row(*number).filter(|(_, item)| !item.unlisted) else { continue };
        graph::describe(scene, *number, features, facts.told.is_some(), &mut draft);
        if !features.is_empty() {
            continue;
        }
        if !item.brand.is_empty() {
            draft.say(scene.say(Phrase::OfBrand, &[("brand", &plain(&item.brand))]));
        }
        if !item.category.is_empty() {
            draft.say(scene.say(Phrase::OfCategory, &[("category", &plain(&item.category))]));
        }
        let has = traits(scene, *number);
        if !has.is_empty() {
            let named = scene.features(has.iter().take(TRAITS_MAX));
            draft.say(scene.say(Phrase::Says, &[("traits", &named)]));
        }
    }
    draft.lines.extend(facts.told.as_ref().map(|told| told.text.clone()));
    draft.offer(scene, &[Phrase::NextSimilar, Phrase::NextHistory]);
    draft
}

/// Products, or the best of some brands, beside each other. Products of the last list keep their places in it, as the list stays the one
/// that "the first" counts on; others are a list of their own.
pub(super) fn compare(
    scene: &Scene<'_>,
    after: &DialogueState,
    items: &[u32],
    brands: &[String],
    features: &[String],
) -> Draft {
    let mut draft = Draft::default();
    let conditions = Conditions::of(after, false);
    let listed = !compares_anew(after, items);
    let mut numbers: Vec<u32> = Vec::with_capacity(COMPARED_MAX);
    for item in items.iter().take(COMPARED_MAX) {
        if !numbers.contains(item) {
            numbers.push(*item);
        }
    }
    // With what their scores say of them, where they still meet the conditions; the words of the search before do not bind.
    let named = Conditions { text: String::new(), ..conditions.clone() };
    let mut found = match numbers.as_slice() {
        [] => Vec::new(),
        numbers => find(scene, &named, Some(numbers), COMPARED_MAX).shown,
    };
    // A brand is weighed by the best it has for what is looked for.
    for brand in brands.iter().filter(|_| items.len() < 2) {
        let conditions = Conditions {
            brands: vec![brand.clone()],
            brands_excluded: Vec::new(),
            occasions: conditions.occasions.iter().chain(features).cloned().collect(),
            sort: None,
            ..conditions.clone()
        };
        let mut of_brand = find(scene, &conditions, None, 1);
        match of_brand.shown.pop() {
            Some(best) if numbers.len() < COMPARED_MAX && !numbers.contains(&best.number) => {
                numbers.push(best.number);
                found.push(best);
            }
            Some(_) => {}
            None if 0 < of_brand.over_budget => draft.say(super::show::over_budget(scene, &of_brand)),
            None => draft.say(scene.say(Phrase::NoBrand, &[("brand", &scene.name(brand))])),
        }
    }
    if !listed {
        // What can be had comes first: the places are those of the products.
        numbers.sort_by_key(|number| !found.iter().any(|shown| shown.number == *number));
    }
    if !numbers.is_empty() {
        draft.say(scene.say(Phrase::Compared, &[]));
    }
    for (at, number) in numbers.iter().enumerate() {
        let place = after.shown.iter().position(|shown| shown.number == *number).filter(|_| listed);
        draft.say(format!("{}. {}", place.unwrap_or(at) + 1, head(scene, *number)));
    }
    if let [a, b] = numbers.as_slice() {
        difference(scene, *a, *b, features, &mut draft);
    }
    if 1 < numbers.len() && !features.is_empty() {
        graph::weigh(scene, &numbers, features, &mut draft);
    }
    for number in &numbers {
        match found.iter().find(|shown| shown.number == *number) {
            Some(shown) => {
                let reasons = super::reasons(scene, &conditions, shown);
                draft.products.push((shown.clone(), reasons));
            }
            None => draft.beside.push(*number),
        }
    }
    draft.offer(scene, &[Phrase::NextHistory, Phrase::NextSimilar]);
    draft
}

/// Whether a comparison is a list of its own: it is, unless all of it stands on the last one.
pub(in super::super) fn compares_anew(state: &DialogueState, items: &[u32]) -> bool {
    items.len() < 2 || !state.lists_all(items)
}

fn difference(scene: &Scene<'_>, a: u32, b: u32, features: &[String], draft: &mut Draft) {
    let price = |number: u32| scene.row(number).and_then(|(_, item)| item.price);
    if let (Some((of_a, currency)), Some((of_b, other))) = (price(a), price(b))
        && currency == other
        && of_a != of_b
    {
        let cheaper = if of_a < of_b { a } else { b };
        let by = scene.money((Micros(of_a.0.saturating_sub(of_b.0).saturating_abs()), currency));
        draft.say(scene.say(Phrase::CheaperBy, &[("title", &scene.title(cheaper)), ("by", &by)]));
    }
    if !features.is_empty() {
        return;
    }
    let (of_a, of_b) = (traits(scene, a), traits(scene, b));
    for (own, other, number) in [(&of_a, &of_b, a), (&of_b, &of_a, b)] {
        let only: Vec<&String> = own.difference(other).take(TRAITS_MAX).collect();
        if !only.is_empty() {
            let values = [("title", &*scene.title(number)), ("traits", &scene.features(only))];
            draft.say(scene.say(Phrase::OnlyOne, &values));
        }
    }
    let both: Vec<&String> = of_a.intersection(&of_b).take(TRAITS_MAX).collect();
    if !both.is_empty() {
        draft.say(scene.say(Phrase::BothSay, &[("traits", &scene.features(both))]));
    }
}

/// The day of a moment in UTC, as the shop's days are.
fn day(at: EventMs) -> String {
    at.to_rfc3339().chars().take(10).collect()
}

/// `2999 元（2026-05-04 起）`.
fn once(scene: &Scene<'_>, past: &Past) -> Option<String> {
    let price = scene.money(past.price?);
    Some(match past.since {
        Some(at) => scene.say(Phrase::PriceFrom, &[("price", &price), ("date", &day(at))]),
        None => price,
    })
}

/// What products cost and have cost, the newest first, and since when.
pub(super) fn history(scene: &Scene<'_>, facts: &Facts) -> Draft {
    let mut draft = Draft::default();
    for (number, prices) in &facts.prices {
        let title = scene.title(*number);
        let now = scene.row(*number).and_then(|(_, item)| item.price);
        let (of_now, before) = match prices.split_first() {
            Some((newest, before)) if now.is_some() && newest.price == now => (Some(newest), before),
            _ => (None, prices.as_slice()),
        };
        let price = scene.price(*number);
        let since = of_now.and_then(|now| now.since).map(day);
        let mut values = vec![("title", &*title), ("now", &*price)];
        values.extend(since.as_deref().map(|date| ("date", date)));
        let phrase = if since.is_some() { Phrase::PriceNowSince } else { Phrase::PriceNow };
        draft.say(scene.say(phrase, &values));
        if before.is_empty() {
            draft.say(scene.say(Phrase::PriceSame, &[]));
            continue;
        }
        let named = || before.iter().take(PRICES_MAX);
        let said: Vec<String> = named().filter_map(|past| once(scene, past)).collect();
        let said = said.join(Phrase::Comma.text(scene.language));
        draft.say(scene.say(Phrase::PriceBefore, &[("prices", &said)]));
        let currency = now.or(before.first().and_then(|past| past.price)).map(|(_, currency)| currency);
        let all =
            || prices.iter().filter_map(|past| past.price).chain(now).filter(|(_, of)| Some(*of) == currency);
        if let (Some(low), Some(high)) = (all().min_by_key(|p| p.0), all().max_by_key(|p| p.0)) {
            let values = [("low", &*scene.money(low)), ("high", &scene.money(high))];
            draft.say(scene.say(Phrase::PriceRange, &values));
        }
        if named().any(|past| past.since.is_none()) {
            draft.say(scene.say(Phrase::PriceUndated, &[]));
        }
    }
    if facts.prices.is_empty() {
        draft.say(scene.say(Phrase::NotKnown, &[]));
    }
    draft.offer(scene, &[Phrase::NextSimilar]);
    draft
}
