//! From conditions to products: all that meet them, those within the month's budget, the best of those by their score, and of these a list
//! with some variety. Each that is shown has been held against its live row.

use std::collections::{BTreeSet, HashMap};

use shoptide_models::chat::{Conditions, Sort};
use shoptide_models::list::liking;
use shoptide_models::mmr::rerank;
use shoptide_models::product_score::{
    Known, PreparedWishes, ProductScore, ScoreParams, Shopper as ScoredFor, score,
};
use shoptide_schemas::{Currency, Micros};

use super::said::Said;
use super::scene::Scene;
use super::select::{Selected, by_price, cheapest, currency_of, live, live_as_read, selected};
use crate::app::with_scratch;

/// Products of one answer, unless fewer are left.
pub(super) const SHOWN: usize = 5;
/// Products that are scored with all their parts; their texts are read, some 50 µs each.
const SCORED_MAX: usize = 48;
/// Products that are held against the user's vector: a dot product each.
const LIKED_MAX: usize = 1_000;

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

/// Candidates, before their texts are read.
struct First {
    numbers: Vec<u32>,
    /// How much the user likes each, if that was asked to find them: asking again costs as much as it did then.
    likes: Option<Vec<f32>>,
}

impl From<Vec<u32>> for First {
    fn from(numbers: Vec<u32>) -> Self {
        Self { numbers, likes: None }
    }
}

/// Finds the products to show.
/// - `among`: nothing else is shown, and of equals the first comes first
pub(super) fn find(scene: &Scene<'_>, conditions: &Conditions, among: Option<&[u32]>, n: usize) -> Found {
    let Selected { numbers, said, text_missed, over } = selected(scene, conditions, among);
    let over_from = cheapest(scene, conditions, &over);
    let mut found = Found { text_missed, over_budget: over.len(), over_from, ..Found::default() };
    found.count = numbers.len();
    let rated = by_rating(scene, conditions, &numbers);
    let first = match rated {
        true => best_rated(scene, numbers).into(),
        false => first_by(scene, conditions, numbers, said.as_ref(), among),
    };
    let mut scored = scored(scene, conditions, &first, said.as_ref());
    found.count -= first.numbers.len() - scored.len();
    let by_score = !rated && by_price(conditions).is_none() && conditions.sort != Some(Sort::Newest);
    if by_score {
        scored.sort_by(|a, b| b.score.score.total_cmp(&a.score.score));
    }
    let filter = conditions.filter(&scene.known.lexicon, scene.shop_currency());
    // Each turn takes one of the scored away or is the last.
    loop {
        let best =
            if by_score { varied(scene, &scored, n) } else { scored.iter().take(n).cloned().collect() };
        let gone: BTreeSet<u32> =
            best.iter().map(|s| s.number).filter(|number| live(scene, &filter, *number).is_none()).collect();
        if gone.is_empty() {
            found.shown = best;
            return found;
        }
        found.count = found.count.saturating_sub(gone.len());
        scored.retain(|s| !gone.contains(&s.number));
    }
}

/// Whether the best rated come first: it was asked for, and somebody has rated one of them.
fn by_rating(scene: &Scene<'_>, conditions: &Conditions, numbers: &[u32]) -> bool {
    conditions.sort == Some(Sort::Rating) && numbers.iter().any(|n| 0 < scene.rating(*n).rank())
}

/// As the search orders them; what nobody has rated comes behind, the popular first.
fn best_rated(scene: &Scene<'_>, numbers: Vec<u32>) -> Vec<u32> {
    let keyed = numbers.into_iter().map(|n| (scene.rating(n).rank(), popularity(scene, n), n));
    let mut keyed: Vec<(u64, f32, u32)> = keyed.collect();
    keyed.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)).then(b.2.cmp(&a.2)));
    keyed.into_iter().take(SCORED_MAX).map(|(.., number)| number).collect()
}

/// The most promising, by what is known without reading them.
fn first_by(
    scene: &Scene<'_>,
    conditions: &Conditions,
    mut numbers: Vec<u32>,
    said: Option<&Said>,
    among: Option<&[u32]>,
) -> First {
    let shelf = &scene.known.shelf;
    if let Some(ascending) = by_price(conditions) {
        // What is priced in another currency comes behind, each in its own.
        let own = currency_of(scene, conditions);
        let place = |(price, of): (Micros, Currency)| {
            (of != own, of, if ascending { price.0 } else { price.0.saturating_neg() })
        };
        let mut priced: Vec<_> = numbers.iter().filter_map(|n| Some((place(shelf.price(*n)?), *n))).collect();
        priced.sort_unstable();
        return priced.into_iter().take(SCORED_MAX).map(|(_, number)| number).collect::<Vec<_>>().into();
    }
    if conditions.sort == Some(Sort::Newest) {
        numbers.reverse();
        numbers.truncate(SCORED_MAX);
        return numbers.into();
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
                points: said.map_or(0, |said| said.points(number)),
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
    let mut numbers: Vec<u32> = keyed.iter().map(|(_, number)| *number).collect();
    if SCORED_MAX < numbers.len() && said.is_none() && among.is_none() && !scene.tastes.is_empty() {
        return half_liked(scene, numbers);
    }
    numbers.truncate(SCORED_MAX);
    numbers.into()
}

/// What is best for everyone, and what this user likes best, by turns.
fn half_liked(scene: &Scene<'_>, numbers: Vec<u32>) -> First {
    let by_all: Vec<(f32, u32)> = likes(scene, &numbers).into_iter().zip(numbers).collect();
    let mut by_liking = by_all.clone();
    by_liking.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut first, mut likes) = (Vec::with_capacity(SCORED_MAX), Vec::with_capacity(SCORED_MAX));
    for (like, number) in by_all.into_iter().zip(by_liking).flat_map(|(of_all, liked)| [of_all, liked]) {
        if first.len() < SCORED_MAX && !first.contains(&number) {
            first.push(number);
            likes.push(like);
        }
    }
    First { numbers: first, likes: Some(likes) }
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

/// Holds candidates against their live rows by the traits that the shelf has read, and scores those that pass.
fn scored(scene: &Scene<'_>, conditions: &Conditions, first: &First, said: Option<&Said>) -> Vec<Shown> {
    let numbers = &first.numbers;
    let filter = conditions.filter(&scene.known.lexicon, scene.shop_currency());
    let mut wishes = conditions.wishes(&scene.known.lexicon, scene.shop_currency());
    // The filter has seen to the category, of which there may be several spellings.
    wishes.category = None;
    wishes.features_wanted.extend(conditions.whom.iter().chain(&conditions.occasions).cloned());
    let wishes = PreparedWishes::from(&wishes);
    let profile = Some(&scene.profile).filter(|p| !p.brands.is_empty() || !p.categories.is_empty());
    let shopper = ScoredFor { profile, budget: scene.budget() };
    let popular = shares(&numbers.iter().map(|n| popularity(scene, *n)).collect::<Vec<_>>());
    let liked = match &first.likes {
        Some(likes) => shares(likes),
        None if scene.tastes.is_empty() => None,
        None => shares(&likes(scene, numbers)),
    };
    let text =
        said.and_then(|said| shares(&numbers.iter().map(|n| said.points(*n) as f32).collect::<Vec<_>>()));
    let at = |of: &Option<Vec<f32>>, place: usize| of.as_ref().and_then(|all| all.get(place)).copied();
    let params = ScoreParams::default();
    let mut shown = Vec::with_capacity(numbers.len());
    for (place, number) in numbers.iter().enumerate() {
        let Some((item, traits)) = live_as_read(scene, &filter, *number) else { continue };
        let known = Known {
            rating: scene.rating(*number).rating(),
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

/// Less of the same: of a brand, of a category.
fn varied(scene: &Scene<'_>, shown: &[Shown], n: usize) -> Vec<Shown> {
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
