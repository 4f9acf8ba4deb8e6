//! Which products a message points at, among those shown.

use super::slots::{Reference, Slots, VALUES_MAX, push};
use super::state::{DialogueState, Shown};

/// The products that a message refers to, in its order.
pub fn resolve(state: &DialogueState, slots: &Slots) -> Vec<u32> {
    let mut items: Vec<u32> = Vec::new();
    let shown = &state.shown;
    let number = |shown: Option<&Shown>| shown.map(|s| s.number);
    let by_price = |s: &&Shown| s.price;
    // `the Samsung one`: the one shown of that brand.
    let branded: Vec<u32> =
        shown.iter().filter(|s| slots.brands.contains(&s.brand)).map(|s| s.number).collect();
    let mut add = |item: Option<u32>| {
        if let Some(item) = item {
            push(&mut items, item);
        }
    };
    for reference in &slots.references {
        match reference {
            Reference::Nth(n) => add(number(usize::from(*n).checked_sub(1).and_then(|i| shown.get(i)))),
            Reference::FirstN(n) => shown.iter().take(usize::from(*n)).for_each(|s| add(Some(s.number))),
            Reference::Last => add(number(shown.last())),
            Reference::It if !branded.is_empty() => add(branded.first().copied()),
            Reference::It => add(state.focus.or_else(|| number(shown.first()))),
            Reference::These => shown.iter().take(VALUES_MAX).for_each(|s| add(Some(s.number))),
            Reference::Cheapest => {
                add(number(shown.iter().filter(|s| s.price.is_some()).min_by_key(by_price)))
            }
            Reference::Dearest => {
                add(number(shown.iter().filter(|s| s.price.is_some()).rev().max_by_key(by_price)))
            }
            Reference::BestRated => {
                let best = shown
                    .iter()
                    .rev()
                    .max_by(|a, b| a.rating.unwrap_or(0.0).total_cmp(&b.rating.unwrap_or(0.0)));
                add(number(best));
            }
            Reference::Other => add(number(shown.iter().find(|s| Some(s.number) != state.focus))),
        }
    }
    slots.items.iter().for_each(|item| add(Some(*item)));
    items
}
