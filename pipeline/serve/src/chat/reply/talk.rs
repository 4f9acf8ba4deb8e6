//! Everything that is not about products: questions back, the month's budget, service, opinions, talk.

use shoptide_models::chat::{Opinion, Phrase, PriceProblem, Question, Understood};
use shoptide_schemas::Micros;

use super::super::scene::Scene;
use super::{Draft, Facts, Month};

pub(super) fn ask(scene: &Scene<'_>, understood: &Understood, question: Question) -> Draft {
    let mut draft = Draft::default();
    draft.lines.extend(problem(scene, understood.slots.price_problem));
    match question {
        Question::Category => {
            draft.say(scene.say(Phrase::AskCategory, &[]));
            draft.offer(scene, &[Phrase::NextPhone, Phrase::NextHeadphones]);
        }
        Question::Budget => {
            draft.say(scene.say(Phrase::AskBudget, &[]));
            draft.offer(scene, &[Phrase::NextAnyPrice]);
        }
        Question::Which => draft.say(scene.say(Phrase::AskWhich, &[])),
    }
    draft
}

/// What is wrong with a price that cannot be meant.
pub(super) fn problem(scene: &Scene<'_>, problem: Option<PriceProblem>) -> Option<String> {
    let phrase = match problem? {
        PriceProblem::Zero => Phrase::ZeroPrice,
        PriceProblem::Negative => Phrase::NegativePrice,
        PriceProblem::TooLarge => Phrase::HugePrice,
        PriceProblem::Swapped => return None,
    };
    Some(scene.say(phrase, &[]))
}

pub(super) fn service(scene: &Scene<'_>, facts: &Facts) -> Draft {
    let mut draft = Draft::default();
    match &facts.told {
        Some(told) => draft.say(told.text.clone()),
        None => {
            draft.say(scene.say(Phrase::NotKnown, &[]));
            draft.say(scene.say(Phrase::Person, &[]));
        }
    }
    draft
}

pub(super) fn budget(scene: &Scene<'_>, understood: &Understood, facts: &Facts) -> Draft {
    let mut draft = Draft::default();
    if let Some(problem) = problem(scene, understood.slots.price_problem) {
        draft.say(problem);
        draft.say(scene.say(Phrase::BudgetBad, &[]));
    }
    match facts.month {
        Month::Unasked | Month::Unknown => draft.say(scene.say(Phrase::BudgetUnknown, &[])),
        Month::None => draft.say(scene.say(Phrase::BudgetNone, &[])),
        Month::Is { limit, spent, currency, set } => {
            let money = |micros: i64| scene.money((Micros(micros), currency));
            let left = limit.saturating_sub(spent).max(0);
            let values = [("limit", &*money(limit)), ("spent", &money(spent)), ("left", &money(left))];
            draft.say(scene.say(if set { Phrase::BudgetSet } else { Phrase::BudgetLeft }, &values));
        }
    }
    draft
}

pub(super) fn feedback(scene: &Scene<'_>, items: &[u32], opinion: Opinion) -> Draft {
    let mut draft = Draft::default();
    let phrase = match opinion {
        Opinion::Like => Phrase::Liked,
        Opinion::Dislike => Phrase::Disliked,
        Opinion::Bought => Phrase::Bought,
    };
    for number in items {
        draft.say(scene.say(phrase, &[("title", &scene.title(*number))]));
    }
    draft.offer(scene, &[Phrase::NextMore]);
    draft
}

pub(super) fn small_talk(scene: &Scene<'_>) -> Draft {
    let mut draft = Draft::default();
    draft.say(scene.say(Phrase::Hello, &[]));
    draft.offer(scene, &[Phrase::NextPhone, Phrase::NextHeadphones]);
    draft
}

pub(super) fn decline(scene: &Scene<'_>) -> Draft {
    let mut draft = Draft::default();
    draft.say(scene.say(Phrase::Decline, &[]));
    draft.offer(scene, &[Phrase::NextPhone, Phrase::NextHeadphones]);
    draft
}
