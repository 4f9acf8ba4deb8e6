//! Products for conditions; or, when none meets them, which to give up and what that gives.

use shoptide_models::chat::{
    Condition, Conditions, DialogueState, Phrase, PriceProblem, PriceRange, RELAXATIONS_MAX, Relaxation,
    Understood,
};
use shoptide_schemas::Micros;

use super::super::find::{Found, SHOWN, find};
use super::super::said::SaidOnce;
use super::super::scene::{Scene, plain};
use super::super::select::{Counted, count};
use super::talk::problem;
use super::{Draft, Facts};
use crate::budgets::Certainty;

/// Conditions that are named as ones to give up.
const NAMED_MAX: usize = 3;

pub(super) fn show(
    scene: &Scene<'_>,
    understood: &Understood,
    conditions: &Conditions,
    facts: &Facts,
) -> Draft {
    let mut draft = Draft::default();
    draft.lines.extend(problem(scene, understood.slots.price_problem));
    if understood.slots.price_problem == Some(PriceProblem::Swapped)
        && let Some(range) = range_of(scene, conditions)
    {
        draft.say(scene.say(Phrase::SwappedPrice, &[("range", &range)]));
    }
    let found = find(scene, conditions, facts.among.as_deref(), SHOWN);
    if found.shown.is_empty() {
        let (among, more) = (facts.among.as_deref(), understood.slots.more);
        nothing(scene, conditions, among, &found, more, &mut draft);
        return draft;
    }
    let mut met = conditions.clone();
    if found.text_missed {
        draft.say(scene.say(Phrase::NoSuchText, &[("text", &plain(&conditions.text))]));
        met.text.clear();
    }
    let (what, n, count) = (what(scene, &met), found.shown.len(), found.count.max(found.shown.len()));
    let values = [("what", &*what), ("n", &*n.to_string()), ("count", &*count.to_string())];
    let phrase = match (facts.among.is_some() || what.is_empty(), n < count) {
        (true, _) => Phrase::Picked,
        (false, true) => Phrase::Found,
        (false, false) => Phrase::FoundAll,
    };
    draft.say(scene.say(phrase, &values));
    budget_notes(scene, &found, &mut draft);
    let cheaper = found.shown.iter().any(|s| scene.row(s.number).is_some_and(|(_, i)| i.price.is_some()));
    draft.show(scene, conditions, found.shown);
    if n < count {
        draft.offer(scene, &[Phrase::NextMore]);
    }
    if cheaper && conditions.below.is_none() {
        draft.offer(scene, &[Phrase::NextCheaper]);
    }
    if 1 < n {
        draft.offer(scene, &[Phrase::NextCompare]);
    }
    draft.offer(scene, &[Phrase::NextSimilar]);
    draft
}

fn budget_notes(scene: &Scene<'_>, found: &Found, draft: &mut Draft) {
    if let (Some((left, currency)), true) = (scene.shopper.left, 0 < found.over_budget) {
        let left = scene.money((Micros(left.max(0)), currency));
        let values = [("count", &*found.over_budget.to_string()), ("left", &left)];
        draft.say(scene.say(Phrase::BudgetHides, &values));
        draft.offer(scene, &[Phrase::NextBudget]);
    }
    if scene.shopper.certainty.is_some_and(|c| c != Certainty::Sure) {
        draft.say(scene.say(Phrase::BudgetNotSure, &[]));
    }
}

/// What is like a product, within the conditions.
pub(super) fn similar(
    scene: &Scene<'_>,
    after: &DialogueState,
    item: Option<u32>,
    conditions: &Conditions,
    facts: &Facts,
) -> Draft {
    let mut draft = Draft::default();
    let Some(item) = item else {
        let found = find(scene, conditions, None, SHOWN);
        if found.shown.is_empty() {
            nothing(scene, conditions, None, &found, false, &mut draft);
        } else {
            draft.say(scene.say(Phrase::Picked, &[("n", &found.shown.len().to_string())]));
            budget_notes(scene, &found, &mut draft);
            draft.show(scene, conditions, found.shown);
        }
        return draft;
    };
    let title = scene.title(item);
    // What is like it may be called otherwise: the words of the search before do not bind.
    let conditions = Conditions { text: String::new(), ..conditions.clone() };
    let mut found = find(scene, &conditions, facts.among.as_deref(), SHOWN);
    if found.shown.is_empty() {
        // Nobody has seen enough of it: the others of its kind.
        let category = scene.row(item).map(|(_, row)| row.category.clone()).unwrap_or_default();
        let same: Vec<u32> = scene
            .catalogue()
            .rows()
            .filter(|(number, _, row)| *number != item && !category.is_empty() && row.category == category)
            .map(|(number, ..)| number)
            .collect();
        found = find(scene, &conditions, Some(&same), SHOWN);
    }
    if found.shown.is_empty() {
        draft.say(scene.say(Phrase::NothingLikeIt, &[("title", &title)]));
        // Whoever gives a condition up is shown what meets the others, like it or not.
        let others = Conditions::of(after, false);
        relax(scene, &others, None, &SaidOnce::new(&others.text), &mut draft);
        return draft;
    }
    draft.say(scene.say(Phrase::LikeIt, &[("title", &title)]));
    budget_notes(scene, &found, &mut draft);
    draft.show(scene, &conditions, found.shown);
    draft.offer(scene, &[Phrase::NextCheaper, Phrase::NextCompare]);
    draft
}

/// Nothing is shown: why, and which condition to give up.
fn nothing(
    scene: &Scene<'_>,
    conditions: &Conditions,
    among: Option<&[u32]>,
    found: &Found,
    more: bool,
    draft: &mut Draft,
) {
    if found.count == 0 && 0 < found.over_budget {
        draft.say(over_budget(scene, found));
        draft.offer(scene, &[Phrase::NextBudget]);
        return;
    }
    let what = what(scene, conditions);
    if more || what.is_empty() {
        draft.say(scene.say(Phrase::NothingLeft, &[]));
    } else {
        draft.say(scene.say(Phrase::Nothing, &[("what", &what)]));
    }
    let words = SaidOnce::new(&conditions.text);
    otherwise_priced(scene, conditions, among, &words, draft);
    relax(scene, conditions, among, &words, draft);
}

/// Says how many would meet the conditions but are priced in another currency, so that no bound can be held against them.
fn otherwise_priced(
    scene: &Scene<'_>,
    conditions: &Conditions,
    among: Option<&[u32]>,
    words: &SaidOnce<'_>,
    draft: &mut Draft,
) {
    let Some(currency) = conditions.bound_in(scene.shop_currency()) else { return };
    let others = count(scene, &conditions.at_any_price(), among, currency, words).priced_otherwise;
    if 0 < others {
        let values = [("count", &*others.to_string()), ("currency", currency.as_str())];
        draft.say(scene.say(Phrase::OtherCurrency, &values));
    }
}

/// All that meet the conditions cost more than what is left of the month.
pub(super) fn over_budget(scene: &Scene<'_>, found: &Found) -> String {
    let from = found.over_from.map_or_else(String::new, |from| scene.money(from));
    let left = scene
        .shopper
        .left
        .map_or_else(String::new, |(left, currency)| scene.money((Micros(left.max(0)), currency)));
    let values = [("count", &*found.over_budget.to_string()), ("left", &left), ("from", &from)];
    scene.say(Phrase::BudgetHidesAll, &values)
}

/// Says which conditions to give up and what each gives: as many as are shown to whoever gives it up.
fn relax(
    scene: &Scene<'_>,
    conditions: &Conditions,
    among: Option<&[u32]>,
    words: &SaidOnce<'_>,
    draft: &mut Draft,
) {
    let mut counted: Vec<(Conditions, Counted)> = Vec::with_capacity(RELAXATIONS_MAX);
    let relaxations = conditions.relaxations(|weaker| {
        let found = count(scene, weaker, among, scene.shop_currency(), words);
        counted.push((weaker.clone(), found));
        found.count
    });
    let found =
        |of: &Relaxation| counted.iter().find(|(own, _)| *own == of.conditions).map(|(_, found)| *found);
    let missed = |of: &Relaxation| found(of).is_some_and(|found| found.text_missed);
    let (aside, mut named): (Vec<_>, Vec<_>) = relaxations.into_iter().partition(missed);
    if named.is_empty() && !aside.is_empty() {
        // It would be said again to whoever gives one up.
        draft.say(scene.say(Phrase::WordsAside, &[("text", &plain(&conditions.text))]));
        named = aside;
    }
    if named.is_empty() {
        draft.say(scene.say(Phrase::NothingEither, &[]));
        draft.offer(scene, &[Phrase::NextHeadphones]);
    }
    for relaxation in named.into_iter().take(NAMED_MAX) {
        let giving_up = giving_up(scene, &relaxation.without);
        let count = relaxation.count.to_string();
        draft.say(match found(&relaxation).and_then(|found| found.from) {
            Some(from) => {
                let values = [("without", &*giving_up), ("count", &count), ("from", &scene.money(from))];
                scene.say(Phrase::Without, &values)
            }
            None => scene.say(Phrase::WithoutPrice, &[("without", &*giving_up), ("count", &count)]),
        });
        match relaxation.without {
            Condition::Price => draft.offer(scene, &[Phrase::NextAnyPrice]),
            // "Any price" gives up the range too.
            Condition::Relative if conditions.price.is_none() => draft.offer(scene, &[Phrase::NextAnyPrice]),
            Condition::Brands => draft.offer(scene, &[Phrase::NextAnyBrand]),
            _ => {}
        }
    }
}

fn giving_up(scene: &Scene<'_>, condition: &Condition) -> String {
    let of = |phrase, name: &str| scene.say(phrase, &[("name", name)]);
    match condition {
        Condition::Price => scene.say(Phrase::WithoutBudgetLimit, &[]),
        Condition::Relative => scene.say(Phrase::WithoutRelative, &[]),
        Condition::Category => scene.say(Phrase::WithoutCategory, &[]),
        Condition::Brands => scene.say(Phrase::WithoutBrands, &[]),
        Condition::Seen => scene.say(Phrase::WithSeen, &[]),
        Condition::BrandExcluded(key) => of(Phrase::WithBrand, &scene.name(key)),
        Condition::Feature(key) => of(Phrase::WithoutFeature, &scene.feature(key)),
        Condition::FeatureExcluded(key) => of(Phrase::WithFeature, &scene.feature(key)),
    }
}

/// The conditions in words, so that whoever was misread sees it: `手机、3000 元以内、拍照、不要苹果`.
fn what(scene: &Scene<'_>, conditions: &Conditions) -> String {
    let mut all: Vec<String> = Vec::new();
    let named = |keys: &[String]| keys.iter().map(|key| scene.feature(key)).collect::<Vec<_>>();
    all.extend(conditions.category.iter().chain(&conditions.brands).map(|key| scene.name(key)));
    all.extend(range_of(scene, conditions));
    let currency = conditions.relative_currency.unwrap_or(scene.shop_currency());
    for (phrase, price) in [(Phrase::Below, conditions.below), (Phrase::Above, conditions.above)] {
        all.extend(price.map(|price| scene.say(phrase, &[("price", &scene.money((price, currency)))])));
    }
    all.extend(named(&conditions.features));
    all.extend(named(&conditions.whom));
    all.extend(named(&conditions.occasions));
    let out = conditions.brands_excluded.iter().map(|key| scene.name(key));
    for name in out.chain(named(&conditions.features_excluded)) {
        all.push(scene.say(Phrase::NotThis, &[("name", &name)]));
    }
    if !conditions.text.is_empty() {
        all.push(scene.say(Phrase::Quoted, &[("text", &plain(&conditions.text))]));
    }
    all.join(Phrase::Comma.text(scene.language))
}

fn range_of(scene: &Scene<'_>, conditions: &Conditions) -> Option<String> {
    let range = conditions.price?;
    let currency = range.currency.unwrap_or(scene.shop_currency());
    let money = |price: Micros| scene.money((price, currency));
    Some(match range {
        PriceRange { about: Some(about), .. } => scene.say(Phrase::About, &[("about", &money(about))]),
        PriceRange { min: Some(min), max: Some(max), .. } => {
            scene.say(Phrase::Between, &[("min", &money(min)), ("max", &money(max))])
        }
        PriceRange { max: Some(max), .. } => scene.say(Phrase::UpTo, &[("max", &money(max))]),
        PriceRange { min: Some(min), .. } => scene.say(Phrase::From, &[("min", &money(min))]),
        _ => return None,
    })
}
