//! From conditions to products: all that meet them, those within the month's budget, the best of those by their score, and of these a list
//! with some variety. Each that is shown has been held against its live row.

use std::collections::{BTreeSet, HashMap};

use shoptide_models::catalogue::CatalogueItem;
use shoptide_models::chat::{Candidate, Conditions, Sort};
use shoptide_models::find::{Order, Wanted};
use shoptide_models::list::liking;
use shoptide_models::mmr::rerank;
use shoptide_models::product_score::{
    Known, PreparedWishes, ProductScore, ScoreParams, Shopper as ScoredFor, score,
};
use shoptide_schemas::{Currency, Micros};
use shoptide_search::Ask;

use super::scene::Scene;
use crate::app::with_scratch;

/// Products of one answer, unless fewer are left.
pub(super) const SHOWN: usize = 5;
/// Products that are scored with all their parts; their texts are read, some 50 µs each.
const SCORED_MAX: usize = 48;
/// Products that are held against the user's vector: a dot product each.
const LIKED_MAX: usize = 1_000;
/// Products that the full-text search may find.
const HITS_MAX: usize = 1_000;

/// A product that is shown.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub number: u32,
    pub score: ProductScore,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub shown: Vec<Shown>,
    /// Products that meet the conditions and the month's budget.
    pub count: usize,
    /// Those that meet the conditions and cost more than what is left of the month, and the cheapest of them.
    pub over_budget: usize,
    pub over_from: Option<(Micros, Currency)>,
    /// The conditions' words stand in no product that meets the others.
    pub text_missed: bool,
}

/// Finds the products to show.
/// - `among`: nothing else is shown, and of equals the first comes first
pub(super) fn find(scene: &Scene<'_>, conditions: &Conditions, among: Option<&[u32]>, n: usize) -> Found {
    let mut found = Found::default();
    let mut numbers = meeting(scene, conditions, among);
    let points = text_points(scene, conditions);
    if let Some(points) = &points {
        let said: Vec<u32> = numbers.iter().copied().filter(|n| points.contains_key(n)).collect();
        found.text_missed = said.is_empty();
        if !said.is_empty() {
            numbers = said;
        } else if !names_anything(conditions) {
            numbers.clear();
        }
    }
    over_budget(scene, &mut numbers, &mut found);
    found.count = numbers.len();
    let first = first_by(scene, conditions, numbers, points.as_ref(), among);
    let mut scored = scored(scene, conditions, &first, points.as_ref());
    found.count -= first.len().min(SCORED_MAX) - scored.len().min(first.len());
    if by_price(conditions).is_none() && conditions.sort != Some(Sort::Newest) {
        scored.sort_by(|a, b| b.score.score.total_cmp(&a.score.score));
        scored = varied(scene, scored, n);
    }
    scored.truncate(n);
    found.shown = scored;
    found
}

/// How many products meet conditions, and what the cheapest of them costs: within the month's budget.
pub(super) fn count(scene: &Scene<'_>, conditions: &Conditions) -> (usize, Option<(Micros, Currency)>) {
    let mut numbers = meeting(scene, conditions, None);
    over_budget(scene, &mut numbers, &mut Found::default());
    (numbers.len(), cheapest(scene, &numbers))
}

fn meeting(scene: &Scene<'_>, conditions: &Conditions, among: Option<&[u32]>) -> Vec<u32> {
    let mut numbers = scene.known.shelf.meeting(conditions, &scene.known.lexicon);
    if let Some(among) = among {
        let among: BTreeSet<u32> = among.iter().copied().collect();
        numbers.retain(|number| among.contains(number));
    }
    numbers
}

fn cheapest(scene: &Scene<'_>, numbers: &[u32]) -> Option<(Micros, Currency)> {
    numbers.iter().filter_map(|number| scene.known.shelf.price(*number)).min_by_key(|(price, _)| *price)
}

/// Takes away what costs more than is left of the month. A price in another currency is never compared.
fn over_budget(scene: &Scene<'_>, numbers: &mut Vec<u32>, found: &mut Found) {
    let Some((left, currency)) = scene.shopper.left else { return };
    let over = |number: &u32| {
        let price = scene.known.shelf.price(*number);
        price.is_some_and(|(price, of)| of == currency && left < price.0)
    };
    let (out, within): (Vec<u32>, Vec<u32>) = numbers.iter().partition(|number| over(number));
    *numbers = within;
    (found.over_budget, found.over_from) = (out.len(), cheapest(scene, &out));
}

/// Whether anything but words narrows the search.
fn names_anything(conditions: &Conditions) -> bool {
    conditions.category.is_some() || !conditions.brands.is_empty() || !conditions.features.is_empty()
}

/// Points of the products that say the conditions' words; `None` if there are no words, or nothing that looks for them.
fn text_points(scene: &Scene<'_>, conditions: &Conditions) -> Option<HashMap<u32, u32>> {
    if conditions.text.trim().is_empty() {
        return None;
    }
    let ask = Ask {
        text: conditions.text.clone(),
        wanted: Wanted::default(),
        order: Order::Relevance,
        after: None,
        weights: Vec::new(),
        keep: HITS_MAX,
        completing: false,
    };
    let Some(search) = &scene.app.search else { return Some(in_titles(scene, &conditions.text)) };
    let found = search.find(&ask).inspect_err(|error| tracing::error!(%error, "the search failed")).ok()?;
    Some(found.hits.into_iter().map(|hit| (hit.key.number, hit.points.max(1))).collect())
}

/// Without an index: products whose title holds the words as they are.
fn in_titles(scene: &Scene<'_>, text: &str) -> HashMap<u32, u32> {
    let text = text.to_lowercase();
    let holds = |item: &CatalogueItem| {
        std::iter::once(&item.title).chain(item.titles.values()).any(|t| t.to_lowercase().contains(&text))
    };
    let rows = scene.catalogue().rows().filter(|(_, _, item)| holds(item));
    rows.take(HITS_MAX).map(|(number, ..)| (number, 1)).collect()
}

/// The order of price that was asked for: cheapest first or dearest first.
fn by_price(conditions: &Conditions) -> Option<bool> {
    match conditions.sort {
        Some(Sort::PriceAsc | Sort::Cheaper) => Some(true),
        Some(Sort::PriceDesc | Sort::Dearer) => Some(false),
        _ => None,
    }
}

/// The most promising, by what is known without reading them.
fn first_by(
    scene: &Scene<'_>,
    conditions: &Conditions,
    mut numbers: Vec<u32>,
    points: Option<&HashMap<u32, u32>>,
    among: Option<&[u32]>,
) -> Vec<u32> {
    let shelf = &scene.known.shelf;
    if let Some(ascending) = by_price(conditions) {
        // What has no price is in no order of prices.
        let mut priced: Vec<(i64, u32)> =
            numbers.iter().filter_map(|n| shelf.price(*n).map(|(p, _)| (p.0, *n))).collect();
        if ascending {
            priced.sort_unstable();
        } else {
            priced.sort_unstable_by_key(|(price, number)| (std::cmp::Reverse(*price), *number));
        }
        return priced.into_iter().take(SCORED_MAX).map(|(_, number)| number).collect();
    }
    if conditions.sort == Some(Sort::Newest) {
        numbers.reverse();
        numbers.truncate(SCORED_MAX);
        return numbers;
    }
    let wishes: Vec<&str> = conditions.whom.iter().chain(&conditions.occasions).map(String::as_str).collect();
    let hidden: BTreeSet<u32> = scene.tastes.iter().filter(|t| t.2).map(|t| t.0).collect();
    let place: HashMap<u32, usize> =
        among.unwrap_or_default().iter().enumerate().map(|(at, number)| (*number, at)).collect();
    let mut keyed: Vec<(Key, u32)> = numbers
        .into_iter()
        .map(|number| {
            let key = Key {
                open: !hidden.contains(&number),
                points: points.and_then(|p| p.get(&number)).copied().unwrap_or(0),
                wishes: if wishes.is_empty() { 0 } else { shelf.traits_among(number, &wishes) },
                place: place.get(&number).map_or(0, |at| usize::MAX - at),
                popularity: popularity(scene, number),
            };
            (key, number)
        })
        .collect();
    let best = |a: &(Key, u32), b: &(Key, u32)| b.0.order(&a.0).then(a.1.cmp(&b.1));
    if LIKED_MAX < keyed.len() {
        keyed.select_nth_unstable_by(LIKED_MAX, best);
        keyed.truncate(LIKED_MAX);
    }
    keyed.sort_unstable_by(best);
    let numbers: Vec<u32> = keyed.iter().map(|(_, number)| *number).collect();
    if SCORED_MAX < numbers.len() && points.is_none() && among.is_none() && !scene.tastes.is_empty() {
        return half_liked(scene, numbers);
    }
    numbers.into_iter().take(SCORED_MAX).collect()
}

/// What is best for everyone, and what this user likes best, by turns.
fn half_liked(scene: &Scene<'_>, numbers: Vec<u32>) -> Vec<u32> {
    let likes = likes(scene, &numbers);
    let mut by_liking: Vec<(f32, u32)> = likes.into_iter().zip(numbers.iter().copied()).collect();
    by_liking.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut first = Vec::with_capacity(SCORED_MAX);
    for (of_all, (_, liked)) in numbers.iter().zip(&by_liking) {
        for number in [*of_all, *liked] {
            if first.len() < SCORED_MAX && !first.contains(&number) {
                first.push(number);
            }
        }
    }
    first
}

fn likes(scene: &Scene<'_>, numbers: &[u32]) -> Vec<f32> {
    let (state, lists) = (&scene.shopper.state, &scene.app.context.lists);
    with_scratch(|scratch| liking(state, &scene.linked, numbers, lists, scratch))
}

struct Key {
    open: bool,
    points: u32,
    wishes: usize,
    place: usize,
    popularity: f32,
}

impl Key {
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let key = |k: &Self| (k.open, k.points, k.wishes, k.place);
        key(self).cmp(&key(other)).then(self.popularity.total_cmp(&other.popularity))
    }
}

/// By the model; 0 for what it does not know.
fn popularity(scene: &Scene<'_>, number: u32) -> f32 {
    let Some(model) = scene.linked.model() else { return 0.0 };
    let index = scene.linked.index(number);
    index.and_then(|index| model.popularity().score().get(index as usize)).copied().unwrap_or(0.0)
}

/// Each over the greatest of them; nothing if that says nothing.
fn shares(values: &[f32]) -> Option<Vec<f32>> {
    let greatest = values.iter().copied().filter(|v| v.is_finite()).fold(0.0, f32::max);
    (0.0 < greatest).then(|| values.iter().map(|v| (v / greatest).clamp(0.0, 1.0)).collect())
}

/// Holds candidates against their live rows, and scores those that pass.
fn scored(
    scene: &Scene<'_>,
    conditions: &Conditions,
    numbers: &[u32],
    points: Option<&HashMap<u32, u32>>,
) -> Vec<Shown> {
    let filter = conditions.filter(&scene.known.lexicon);
    let mut wishes = conditions.wishes(&scene.known.lexicon, scene.shop_currency());
    // The filter has seen to the category, of which there may be several spellings.
    wishes.category = None;
    wishes.features_wanted.extend(conditions.whom.iter().chain(&conditions.occasions).cloned());
    let wishes = PreparedWishes::from(&wishes);
    let profile = Some(&scene.profile).filter(|p| !p.brands.is_empty() || !p.categories.is_empty());
    let shopper = ScoredFor { profile, budget: scene.budget() };
    let popular = shares(&numbers.iter().map(|n| popularity(scene, *n)).collect::<Vec<_>>());
    let liked = if scene.tastes.is_empty() { None } else { shares(&likes(scene, numbers)) };
    let text = points.and_then(|points| {
        shares(&numbers.iter().map(|n| points.get(n).map_or(0.0, |p| *p as f32)).collect::<Vec<_>>())
    });
    let at = |of: &Option<Vec<f32>>, place: usize| of.as_ref().and_then(|all| all.get(place)).copied();
    let params = ScoreParams::default();
    let mut shown = Vec::with_capacity(numbers.len());
    for (place, number) in numbers.iter().enumerate() {
        let Some((_, item)) = scene.row(*number) else { continue };
        let traits = scene.known.lexicon.traits_of(item);
        if !filter.admits(Candidate { number: *number, item, traits: &traits }) || !affordable(scene, item) {
            continue;
        }
        let known = Known {
            rating: None,
            popularity: at(&popular, place),
            liking: at(&liked, place),
            text: at(&text, place),
            traits: Some(&traits),
        };
        let score = score(item, known, &wishes, shopper, &params);
        if score.excluded.is_none() {
            shown.push(Shown { number: *number, score });
        }
    }
    shown
}

fn affordable(scene: &Scene<'_>, item: &CatalogueItem) -> bool {
    match (scene.shopper.left, item.price) {
        (Some((left, currency)), Some((price, of))) if currency == of => price.0 <= left,
        _ => true,
    }
}

/// Less of the same: of a brand, of a category.
fn varied(scene: &Scene<'_>, shown: Vec<Shown>, n: usize) -> Vec<Shown> {
    let scores: Vec<f32> = shown.iter().map(|s| s.score.score).collect();
    let row = |at: usize| shown.get(at).and_then(|s| scene.row(s.number)).map(|(_, item)| item);
    let same = |a: usize, b: usize| match (row(a), row(b)) {
        (Some(a), Some(b)) => {
            let brand = !a.brand.is_empty() && a.brand == b.brand;
            let category = a.category == b.category;
            f32::from(u8::from(brand)) * 0.5 + f32::from(u8::from(category)) * 0.5
        }
        _ => 0.0,
    };
    let order = rerank(&scores, n, scene.app.context.lists.mmr, same);
    order.into_iter().filter_map(|at| shown.get(at).cloned()).collect()
}
