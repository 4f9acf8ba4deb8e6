//! The dialogue's one step: what the state becomes, and what is to be done.

use super::conditions::Conditions;
use super::keep::{begin_anew, keep, relative};
use super::resolve::resolve;
use super::slots::*;
use super::state::{DialogueState, Question};
use serde::{Deserialize, Serialize};

/// What the answer is made of. Whoever carries it out retrieves, scores and finds the words; lists it shows go back by
/// [`DialogueState::show`].
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Show what meets the conditions; if nothing does, say which to relax ([`Conditions::relaxations`]).
    Show(Conditions),
    /// One short question back.
    Ask(Question),
    /// Weigh these products, or, if they are fewer than two, these brands, by `features`: features, occasions and people.
    Compare {
        items: Vec<u32>,
        brands: Vec<String>,
        features: Vec<String>,
    },
    /// Show what is like a product (or a brand, if none was named) within conditions.
    Similar {
        item: Option<u32>,
        conditions: Conditions,
    },
    /// Say what goes with the first of the products.
    GoesWith {
        items: Vec<u32>,
    },
    /// Say what the products are like; `features` is what was asked about: features, occasions and people.
    Describe {
        items: Vec<u32>,
        features: Vec<String>,
    },
    PriceHistory {
        items: Vec<u32>,
    },
    /// Look it up in the FAQ.
    Service {
        items: Vec<u32>,
    },
    /// The month's budget: say what is left, or set it.
    Budget {
        set: Option<PriceRange>,
    },
    Feedback {
        items: Vec<u32>,
        opinion: Opinion,
    },
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
    GoesWith,
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
            Action::GoesWith { .. } => ActionKind::GoesWith,
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
    let ask = |question: Question, otherwise: Action| {
        if asked.is_none() { Action::Ask(question) } else { otherwise }
    };
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
            Action::Compare { items, brands, features: asked_about(slots) }
        }
        Intent::Similar => {
            let item =
                items.first().copied().or(state.focus).or_else(|| state.shown.first().map(|s| s.number));
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
            if slots.together {
                return Action::GoesWith { items };
            }
            Action::Describe { items, features: asked_about(slots) }
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
fn search(
    state: &mut DialogueState,
    understood: &Understood,
    asked: Option<Question>,
    items: &[u32],
) -> Action {
    let slots = &understood.slots;
    let other = slots.category.is_some()
        && state.wanted.category.is_some()
        && slots.category != state.wanted.category;
    if other && understood.intent == Intent::Find {
        begin_anew(state);
    }
    if slots.dropped.contains(&SlotKind::All) {
        let language = state.language;
        *state = DialogueState { language, turns: state.turns, ..DialogueState::default() };
    }
    keep(state, slots);
    relative(state, slots, items);
    let wrong_price = matches!(
        slots.price_problem,
        Some(PriceProblem::Zero | PriceProblem::Negative | PriceProblem::TooLarge)
    );
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

/// What a question is about: `does it have NFC`, `is it good for running`, `is it for children`.
fn asked_about(slots: &Slots) -> Vec<String> {
    slots.features.iter().chain(&slots.occasions).chain(&slots.whom).cloned().collect()
}

fn first_shown(state: &DialogueState, n: usize) -> Vec<u32> {
    state.shown.iter().take(n).map(|s| s.number).collect()
}

/// The product spoken of, else the only one or the first shown.
fn focus(state: &DialogueState) -> Vec<u32> {
    let focus = state.focus.or(match state.shown.as_slice() {
        [only] => Some(only.number),
        _ => None,
    });
    focus.into_iter().collect()
}
