//! The dialogue's one step: what the state becomes, and what is to be done.

use serde::{Deserialize, Serialize};
use shoptide_schemas::Micros;

use super::conditions::Conditions;
use super::slots::*;
use super::state::{DialogueState, Question, Shown};

/// What the answer is made of. Whoever carries it out retrieves, scores and finds the words; lists it shows go back by
/// [`DialogueState::show`].
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Show what meets the conditions; if nothing does, say which to relax ([`Conditions::relaxations`]).
    Show(Conditions),
    /// One short question back.
    Ask(Question),
    /// Weigh these products, or, if they are fewer than two, these brands.
    Compare { items: Vec<u32>, brands: Vec<String>, features: Vec<String> },
    /// Show what is like a product (or a brand, if none was named) within conditions.
    Similar { item: Option<u32>, conditions: Conditions },
    /// Say what the products are like; `features` is what was asked about.
    Describe { items: Vec<u32>, features: Vec<String> },
    PriceHistory { items: Vec<u32> },
    /// Look it up in the FAQ.
    Service { items: Vec<u32> },
    /// The month's budget: say what is left, or set it.
    Budget { set: Option<PriceRange> },
    Feedback { items: Vec<u32>, opinion: Opinion },
    SmallTalk,
    /// Say what the shop can help with.
    Decline,
}

/// An action's name and nothing else, for events and records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    Show,
    Ask,
    Compare,
    Similar,
    Describe,
    PriceHistory,
    Service,
    Budget,
    Feedback,
    SmallTalk,
    Decline,
}

impl Action {
    pub fn kind(&self) -> ActionKind {
        match self {
            Action::Show(_) => ActionKind::Show,
            Action::Ask(_) => ActionKind::Ask,
            Action::Compare { .. } => ActionKind::Compare,
            Action::Similar { .. } => ActionKind::Similar,
            Action::Describe { .. } => ActionKind::Describe,
            Action::PriceHistory { .. } => ActionKind::PriceHistory,
            Action::Service { .. } => ActionKind::Service,
            Action::Budget { .. } => ActionKind::Budget,
            Action::Feedback { .. } => ActionKind::Feedback,
            Action::SmallTalk => ActionKind::SmallTalk,
            Action::Decline => ActionKind::Decline,
        }
    }
}

/// One step. The same state and message always give the same.
pub fn next(state: &DialogueState, understood: &Understood) -> (DialogueState, Action) {
    let mut after = state.clone();
    after.turns = state.turns.saturating_add(1);
    after.language = understood.language.or(state.language);
    let asked = after.asked.take();
    let action = act(&mut after, understood, asked);
    after.asked = match &action {
        Action::Ask(question) => Some(*question),
        _ => None,
    };
    after.bound();
    (after, action)
}

fn act(state: &mut DialogueState, understood: &Understood, asked: Option<Question>) -> Action {
    let slots = &understood.slots;
    let items = resolve(state, slots);
    // A question is put only if the message before it was not answered by one.
    let ask = |question: Question, otherwise: Action| if asked.is_none() { Action::Ask(question) } else { otherwise };
    match understood.intent {
        Intent::Find | Intent::Refine => search(state, understood, asked, &items),
        Intent::Compare => {
            if let [only] = items.as_slice() {
                state.focus = Some(*only);
            }
            let brands = slots.brands.clone();
            let items = if items.is_empty() && brands.len() < 2 { first_shown(state, 2) } else { items };
            if items.len() + brands.len() < 2 {
                return ask(Question::Which, Action::Show(Conditions::of(state, false)));
            }
            Action::Compare { items, brands, features: slots.features.clone() }
        }
        Intent::Similar => {
            let item = items.first().copied().or(state.focus).or_else(|| state.shown.first().map(|s| s.number));
            if item.is_none() && slots.brands.is_empty() && slots.category.is_none() {
                return ask(Question::Which, Action::Show(Conditions::of(state, false)));
            }
            keep(state, slots);
            relative(state, slots, &items);
            state.focus = item.or(state.focus);
            let mut conditions = Conditions::of(state, false);
            conditions.unwanted.extend(item);
            // Like a brand's, not that brand's: what is named is the example.
            if item.is_none() {
                conditions.brands.retain(|b| !slots.brands.contains(b));
            }
            Action::Similar { item, conditions }
        }
        Intent::AskProduct => {
            if items.is_empty() && !slots.brands.is_empty() && state.shown.is_empty() {
                // A product that the shop does not name: what there is of the brand is the nearest answer.
                return search(state, understood, asked, &items);
            }
            let items = if items.is_empty() { focus(state) } else { items };
            if items.is_empty() {
                return ask(Question::Which, Action::Show(Conditions::of(state, false)));
            }
            state.focus = items.first().copied();
            Action::Describe { items, features: slots.features.clone() }
        }
        Intent::AskPriceHistory => {
            let items = if items.is_empty() { focus(state) } else { items };
            if items.is_empty() {
                return ask(Question::Which, Action::Show(Conditions::of(state, false)));
            }
            state.focus = items.first().copied();
            Action::PriceHistory { items }
        }
        Intent::OrderOrService => Action::Service { items },
        Intent::Budget => Action::Budget { set: slots.price },
        Intent::Feedback => {
            let opinion = understood.opinion.unwrap_or(Opinion::Like);
            let items = if items.is_empty() { focus(state) } else { items };
            if items.is_empty() {
                return ask(Question::Which, Action::SmallTalk);
            }
            if opinion != Opinion::Like {
                for item in &items {
                    if !state.unwanted.contains(item) {
                        state.unwanted.push(*item);
                    }
                }
            } else {
                state.focus = items.first().copied();
            }
            Action::Feedback { items, opinion }
        }
        Intent::SmallTalk => Action::SmallTalk,
        Intent::OutOfScope => Action::Decline,
    }
}

/// Find and refine: the conditions of before with what is new, unless too little is known to look for anything.
fn search(state: &mut DialogueState, understood: &Understood, asked: Option<Question>, items: &[u32]) -> Action {
    let slots = &understood.slots;
    let other = slots.category.is_some() && state.wanted.category.is_some() && slots.category != state.wanted.category;
    if other && understood.intent == Intent::Find {
        begin_anew(state);
    }
    if slots.dropped.contains(&SlotKind::All) {
        let language = state.language;
        *state = DialogueState { language, turns: state.turns, ..DialogueState::default() };
    }
    keep(state, slots);
    relative(state, slots, items);
    let wrong_price = matches!(slots.price_problem, Some(PriceProblem::Zero | PriceProblem::Negative | PriceProblem::TooLarge));
    if wrong_price && asked.is_none() {
        return Action::Ask(Question::Budget);
    }
    if too_little(state) && asked.is_none() && !slots.more {
        return Action::Ask(Question::Category);
    }
    Action::Show(Conditions::of(state, slots.more))
}

/// Nothing says what is looked for: a price or a wish for cheap things fits every shelf.
fn too_little(state: &DialogueState) -> bool {
    let wanted = &state.wanted;
    wanted.category.is_none()
        && wanted.text.is_empty()
        && wanted.brands.is_empty()
        && wanted.features.is_empty()
        && wanted.occasions.is_empty()
        && wanted.whom.is_empty()
        && state.shown.is_empty()
}

/// Another thing is looked for: its brand, features and price are its own; for whom it is stays.
fn begin_anew(state: &mut DialogueState) {
    let Slots { whom, occasions, .. } = std::mem::take(&mut state.wanted);
    state.wanted = Slots { whom, occasions, ..Slots::default() };
    (state.below, state.above, state.focus) = (None, None, None);
    state.shown.clear();
    state.seen.clear();
}

/// Takes a message's slots into the conditions: what is said again replaces, what is new is added, what is dropped goes.
fn keep(state: &mut DialogueState, slots: &Slots) {
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
    if slots.category.is_some() {
        wanted.text.clone_from(&slots.text);
    } else if !slots.text.is_empty() && wanted.category.is_none() {
        wanted.text.clone_from(&slots.text);
    }
    if before != Conditions::of(state, false) {
        state.seen.clear();
    }
}

const COLORS: [&str; 14] = [
    "black", "white", "red", "blue", "green", "yellow", "pink", "purple", "grey", "brown", "beige", "orange_color", "silver", "gold",
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
fn relative(state: &mut DialogueState, slots: &Slots, items: &[u32]) {
    let priced = |number: &u32| state.shown.iter().find(|s| s.number == *number).and_then(|s| s.price);
    let of_items: Vec<Micros> = items.iter().filter_map(priced).collect();
    let all: Vec<Micros> = state.shown.iter().filter_map(|s| s.price).collect();
    let from = if of_items.is_empty() { all } else { of_items };
    match slots.sort {
        Some(Sort::Cheaper) if slots.price.is_none() => (state.below, state.above) = (from.iter().min().copied().or(state.below), None),
        Some(Sort::Dearer) if slots.price.is_none() => (state.below, state.above) = (None, from.iter().max().copied().or(state.above)),
        _ => {}
    }
}

fn first_shown(state: &DialogueState, n: usize) -> Vec<u32> {
    state.shown.iter().take(n).map(|s| s.number).collect()
}

/// The product spoken of, else the only one or the first shown.
fn focus(state: &DialogueState) -> Vec<u32> {
    let focus = state.focus.or_else(|| match state.shown.as_slice() {
        [only] => Some(only.number),
        _ => None,
    });
    focus.into_iter().collect()
}

/// The products that a message refers to, in its order.
pub fn resolve(state: &DialogueState, slots: &Slots) -> Vec<u32> {
    let mut items: Vec<u32> = Vec::new();
    let shown = &state.shown;
    let number = |shown: Option<&Shown>| shown.map(|s| s.number);
    let by_price = |s: &&Shown| s.price;
    // `the Samsung one`: the one shown of that brand.
    let branded: Vec<u32> = shown.iter().filter(|s| slots.brands.contains(&s.brand)).map(|s| s.number).collect();
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
            Reference::Cheapest => add(number(shown.iter().filter(|s| s.price.is_some()).min_by_key(by_price))),
            Reference::Dearest => add(number(shown.iter().filter(|s| s.price.is_some()).rev().max_by_key(by_price))),
            Reference::BestRated => {
                let best = shown.iter().rev().max_by(|a, b| a.rating.unwrap_or(0.0).total_cmp(&b.rating.unwrap_or(0.0)));
                add(number(best));
            }
            Reference::Other => add(number(shown.iter().find(|s| Some(s.number) != state.focus))),
        }
    }
    slots.items.iter().for_each(|item| add(Some(*item)));
    items
}
