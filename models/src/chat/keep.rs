//! How the conditions of a dialogue change: what is said again replaces, what is new is added, what is dropped goes.

use shoptide_schemas::{Currency, Micros};

use super::conditions::Conditions;
use super::slots::*;
use super::state::{DialogueState, Shown};

/// Another thing is looked for: its brand, features and price are its own; for whom it is stays.
pub(super) fn begin_anew(state: &mut DialogueState) {
    let Slots { whom, occasions, .. } = std::mem::take(&mut state.wanted);
    state.wanted = Slots { whom, occasions, ..Slots::default() };
    state.forget_relative();
    state.focus = None;
    state.shown.clear();
    state.seen.clear();
}

/// Takes a message's slots into the conditions: what is said again replaces, what is new is added, what is dropped goes.
pub(super) fn keep(state: &mut DialogueState, slots: &Slots) {
    for dropped in &slots.dropped {
        drop_slot(state, *dropped);
    }
    let before = Conditions::of(state, false);
    let wanted = &mut state.wanted;
    if let Some(price) = slots.price {
        let currency = price.currency.or(wanted.price.and_then(|p| p.currency));
        wanted.price = Some(PriceRange { currency, ..price });
        state.forget_relative();
    }
    let wanted = &mut state.wanted;
    if slots.category.is_some() {
        wanted.category.clone_from(&slots.category);
    }
    // A brand named anew replaces those of before; one that was excluded may be wanted again, and the other way round.
    if !slots.brands.is_empty() {
        wanted.brands.clone_from(&slots.brands);
        wanted.brands_excluded.retain(|b| !slots.brands.contains(b));
    }
    for brand in &slots.brands_excluded {
        wanted.brands.retain(|b| b != brand);
        push(&mut wanted.brands_excluded, brand.clone());
    }
    for feature in &slots.features {
        wanted.features_excluded.retain(|f| f != feature);
        if let Some(opposite) = super::understand::opposite(feature) {
            wanted.features.retain(|f| f != opposite);
        }
        let family = COLORS.contains(&feature.as_str());
        if family {
            // A colour replaces a colour.
            wanted.features.retain(|f| !COLORS.contains(&f.as_str()) || slots.features.contains(f));
        }
        push(&mut wanted.features, feature.clone());
    }
    for feature in &slots.features_excluded {
        wanted.features.retain(|f| f != feature);
        push(&mut wanted.features_excluded, feature.clone());
    }
    if !slots.whom.is_empty() {
        wanted.whom.clone_from(&slots.whom);
    }
    if !slots.occasions.is_empty() {
        wanted.occasions.clone_from(&slots.occasions);
    }
    wanted.quantity = slots.quantity.or(wanted.quantity);
    wanted.sort = match slots.sort {
        Some(Sort::Cheaper) => Some(Sort::PriceAsc),
        Some(Sort::Dearer) => wanted.sort.filter(|s| *s != Sort::PriceAsc),
        other => other.or(wanted.sort),
    };
    if slots.category.is_some() || !slots.text.is_empty() && wanted.category.is_none() {
        wanted.text.clone_from(&slots.text);
    }
    if before != Conditions::of(state, false) {
        state.seen.clear();
    }
}

const COLORS: [&str; 14] = [
    "black",
    "white",
    "red",
    "blue",
    "green",
    "yellow",
    "pink",
    "purple",
    "grey",
    "brown",
    "beige",
    "orange_color",
    "silver",
    "gold",
];

fn drop_slot(state: &mut DialogueState, kind: SlotKind) {
    let wanted = &mut state.wanted;
    match kind {
        SlotKind::Budget => {
            wanted.price = None;
            state.forget_relative();
        }
        SlotKind::Brands => {
            wanted.brands.clear();
            wanted.brands_excluded.clear();
        }
        SlotKind::Category => wanted.category = None,
        SlotKind::Features => {
            wanted.features.clear();
            wanted.features_excluded.clear();
        }
        SlotKind::Whom => wanted.whom.clear(),
        SlotKind::Occasion => wanted.occasions.clear(),
        SlotKind::Sort => wanted.sort = None,
        SlotKind::All => {}
    }
}

/// "Cheaper" is cheaper than the product referred to, else than everything shown; "better" is dearer in the same way. Prices in
/// several currencies are not compared: the one that was named counts, else that of the first product.
pub(super) fn relative(state: &mut DialogueState, slots: &Slots, items: &[u32]) {
    if !matches!(slots.sort, Some(Sort::Cheaper | Sort::Dearer)) || slots.price.is_some() {
        return;
    }
    let price = |shown: &Shown| Some((shown.price?, shown.currency));
    let pointed = items.iter().filter_map(|number| state.shown.iter().find(|s| s.number == *number));
    let mut from: Vec<(Micros, Option<Currency>)> = pointed.filter_map(price).collect();
    if from.is_empty() {
        from = state.shown.iter().filter_map(price).collect();
    }
    let named = state.wanted.price.and_then(|range| range.currency);
    let has = |currency: &Currency| from.iter().any(|(_, of)| *of == Some(*currency));
    let currency = named.filter(has).or(from.first().and_then(|(_, of)| *of));
    let prices = || from.iter().filter(|(_, of)| *of == currency).map(|(price, _)| *price);
    let (below, above) = match slots.sort {
        Some(Sort::Cheaper) => (prices().min().or(state.below), None),
        _ => (None, prices().max().or(state.above)),
    };
    if !from.is_empty() {
        state.relative_currency = currency;
    }
    (state.below, state.above) = (below, above);
}
