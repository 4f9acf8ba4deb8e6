//! How the conditions of a dialogue change: what is said again replaces, what is new is added, what is dropped goes.

use shoptide_schemas::Micros;

use super::conditions::Conditions;
use super::slots::*;
use super::state::DialogueState;

/// Another thing is looked for: its brand, features and price are its own; for whom it is stays.
pub(super) fn begin_anew(state: &mut DialogueState) {
    let Slots { whom, occasions, .. } = std::mem::take(&mut state.wanted);
    state.wanted = Slots { whom, occasions, ..Slots::default() };
    (state.below, state.above, state.focus) = (None, None, None);
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
        (state.below, state.above) = (None, None);
    }
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
            (state.below, state.above) = (None, None);
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

/// "Cheaper" is cheaper than the product referred to, else than everything shown; "better" is dearer in the same way.
pub(super) fn relative(state: &mut DialogueState, slots: &Slots, items: &[u32]) {
    let priced = |number: &u32| state.shown.iter().find(|s| s.number == *number).and_then(|s| s.price);
    let of_items: Vec<Micros> = items.iter().filter_map(priced).collect();
    let all: Vec<Micros> = state.shown.iter().filter_map(|s| s.price).collect();
    let from = if of_items.is_empty() { all } else { of_items };
    match slots.sort {
        Some(Sort::Cheaper) if slots.price.is_none() => {
            (state.below, state.above) = (from.iter().min().copied().or(state.below), None)
        }
        Some(Sort::Dearer) if slots.price.is_none() => {
            (state.below, state.above) = (None, from.iter().max().copied().or(state.above))
        }
        _ => {}
    }
}
