//! Which products meet conditions, the words among them and what is left of the month; and how many those are.

use std::collections::BTreeSet;

use shoptide_models::catalogue::CatalogueItem;
use shoptide_models::chat::{Candidate, Conditions, Filter, Sort};
use shoptide_schemas::{Currency, Micros};

use super::said::{Said, SaidOnce};
use super::scene::Scene;

/// Products that are counted by their live rows: what takes seven of them away is a matter of moments.
const LIVE_MAX: usize = 8;

/// What may be shown for conditions, before it is scored.
pub(super) struct Selected {
    /// Within the month's budget, in order of number.
    pub numbers: Vec<u32>,
    pub said: Option<Said>,
    /// The conditions' words stand in no product that meets the others.
    pub text_missed: bool,
    /// Those that cost more than what is left of the month.
    pub over: Vec<u32>,
}

/// How many products conditions give.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    pub count: usize,
    /// The cheapest of them.
    pub from: Option<(Micros, Currency)>,
    /// As [`Selected::text_missed`].
    pub text_missed: bool,
    /// Those whose price is in another currency than this.
    pub priced_otherwise: usize,
}

/// How many products [`find`](super::find::find) would have found. A few are held against their live rows as there: the difference between one and
/// none matters most.
/// - `words`: those of the conditions, which one answer counts many times
/// - `currency`: prices in others are counted apart
pub(super) fn count(
    scene: &Scene<'_>,
    conditions: &Conditions,
    among: Option<&[u32]>,
    currency: Currency,
    words: &SaidOnce<'_>,
) -> Counted {
    let numbers = meeting(scene, conditions, among);
    let saying = words.among(scene, &conditions.text, &numbers);
    let (numbers, text_missed) = said_of(conditions, numbers, saying);
    let (_, mut numbers) = parted(scene, conditions, numbers);
    if numbers.len() <= LIVE_MAX {
        let filter = conditions.filter(&scene.known.lexicon, scene.shop_currency());
        numbers.retain(|number| live(scene, &filter, *number).is_some());
    }
    let priced = |number: &&u32| scene.known.shelf.price(**number).is_some_and(|(_, of)| of != currency);
    Counted {
        count: numbers.len(),
        from: cheapest(scene, conditions, &numbers),
        text_missed,
        priced_otherwise: numbers.iter().filter(priced).count(),
    }
}

/// - `among`: nothing else is
pub(super) fn selected(scene: &Scene<'_>, conditions: &Conditions, among: Option<&[u32]>) -> Selected {
    let numbers = meeting(scene, conditions, among);
    let said = Said::among(scene, &conditions.text, &numbers);
    let (numbers, text_missed) = said_of(conditions, numbers, said.as_ref().map(Said::numbers));
    let (over, numbers) = parted(scene, conditions, numbers);
    Selected { numbers, said, text_missed, over }
}

/// What meets all conditions but the words.
fn meeting(scene: &Scene<'_>, conditions: &Conditions, among: Option<&[u32]>) -> Vec<u32> {
    let mut numbers = scene.known.shelf.meeting(conditions, &scene.known.lexicon, scene.shop_currency());
    if let Some(among) = among {
        let among: BTreeSet<u32> = among.iter().copied().collect();
        numbers.retain(|number| among.contains(number));
    }
    numbers
}

/// Those of `numbers` that say the words, if there are any; and whether none does, while the other conditions say enough.
fn said_of(conditions: &Conditions, numbers: Vec<u32>, saying: Option<Vec<u32>>) -> (Vec<u32>, bool) {
    match saying {
        None => (numbers, false),
        Some(saying) if !saying.is_empty() => (saying, false),
        Some(_) if names_anything(conditions) => (numbers, true),
        Some(_) => (Vec::new(), true),
    }
}

/// Those that cost more than what is left of the month, and those that do not.
fn parted(scene: &Scene<'_>, conditions: &Conditions, mut numbers: Vec<u32>) -> (Vec<u32>, Vec<u32>) {
    if by_price(conditions).is_some() {
        // What has no price is in no order of prices.
        numbers.retain(|number| scene.known.shelf.price(*number).is_some());
    }
    numbers.into_iter().partition(|number| over_budget(scene, *number))
}

/// The cheapest of some in the currency of the conditions, else in another.
pub(super) fn cheapest(
    scene: &Scene<'_>,
    conditions: &Conditions,
    numbers: &[u32],
) -> Option<(Micros, Currency)> {
    let currency = currency_of(scene, conditions);
    let prices = numbers.iter().filter_map(|number| scene.known.shelf.price(*number));
    prices.min_by_key(|(price, of)| (*of != currency, *of, *price))
}

/// That of a price that was named, else the shop's.
pub(super) fn currency_of(scene: &Scene<'_>, conditions: &Conditions) -> Currency {
    conditions.bound_in(scene.shop_currency()).unwrap_or(scene.shop_currency())
}

/// Whether something costs more than is left of the month. A price in another currency is never compared.
fn over_budget(scene: &Scene<'_>, number: u32) -> bool {
    let Some((left, currency)) = scene.shopper.left else { return false };
    scene.known.shelf.price(number).is_some_and(|(price, of)| of == currency && left < price.0)
}

/// Whether anything but words narrows the search.
fn names_anything(conditions: &Conditions) -> bool {
    conditions.category.is_some() || !conditions.brands.is_empty() || !conditions.features.is_empty()
}

/// The order of price that was asked for: cheapest first or dearest first.
pub(super) fn by_price(conditions: &Conditions) -> Option<bool> {
    match conditions.sort {
        Some(Sort::PriceAsc | Sort::Cheaper) => Some(true),
        Some(Sort::PriceDesc | Sort::Dearer) => Some(false),
        _ => None,
    }
}

/// The live row of a product with its traits by the words known now, if it still meets the conditions and the budget.
pub(super) fn live<'s>(
    scene: &'s Scene<'_>,
    filter: &Filter<'_>,
    number: u32,
) -> Option<(&'s CatalogueItem, BTreeSet<String>)> {
    let (_, item) = scene.row(number)?;
    passing(scene, filter, number, item, scene.known.lexicon.traits_of(item))
}

/// As [`live`], by the traits that the shelf has read: a word that was learned since may be missing, and with it what it excludes.
pub(super) fn live_as_read<'s>(
    scene: &'s Scene<'_>,
    filter: &Filter<'_>,
    number: u32,
) -> Option<(&'s CatalogueItem, BTreeSet<String>)> {
    let (_, item) = scene.row(number)?;
    passing(scene, filter, number, item, scene.known.traits_as_read(number, item))
}

fn passing<'s>(
    scene: &Scene<'_>,
    filter: &Filter<'_>,
    number: u32,
    item: &'s CatalogueItem,
    traits: BTreeSet<String>,
) -> Option<(&'s CatalogueItem, BTreeSet<String>)> {
    let meets = filter.admits(Candidate { number, item, traits: &traits }) && affordable(scene, item);
    meets.then_some((item, traits))
}

fn affordable(scene: &Scene<'_>, item: &CatalogueItem) -> bool {
    match (scene.shopper.left, item.price) {
        (Some((left, currency)), Some((price, of))) if currency == of => price.0 <= left,
        _ => true,
    }
}
