//! A page of what was found: its places, the facets beside it, and where the next page begins.

use std::collections::BTreeMap;

use serde::Serialize;
use shoptide_models::blend::Source;
use shoptide_models::catalogue::Catalogue;
use shoptide_models::find::{Count, Cursor, Order, PriceRange, SEEN_MAX};
use shoptide_models::find::{Key, Place as Reached};
use shoptide_models::product_score::Rating;
use shoptide_models::rated::Ratings;
use shoptide_models::state::UserState;
use shoptide_schemas::{Code, Micros, Reject, Topic};
use shoptide_search::{Ask, Found, Hit, Matched, Search};
use utoipa::ToSchema;

use super::ask::{SearchAsk, SearchSort};
use super::liking::{seen_now, unseen};
use super::shown::shown;
use crate::app::App;
use crate::error::ApiError;
use crate::read::{Amount, Pick, Place};
use crate::recommend::{json, unwritable};

/// Places beyond a page that are asked of the index, for those that the live catalogue takes away.
const MARGIN: usize = 32;
/// How often it is looked further when more than that were taken away: an import that hides everything is under way.
const LOOKS_MAX: usize = 4;
/// Of what was found best, so many come into a personal order.
const PERSONAL_MAX: usize = 500;

#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"list_id": "q-0f1e2d3c4b5a6978-412", "total": 2, "sort": "relevance", "matched": "all",
    "items": [{"rank": 1, "item_id": "TECH1005", "title": "Headphones", "brand": "Aurora", "category": "technology/audio",
        "price": "1299.00", "currency": "CNY", "score": 72.0, "source": "search", "in_stock": true, "rating": {"mean": 4.62, "count": 32}}],
    "facets": {"brands": [{"value": "Aurora", "count": 2}], "categories": [{"value": "technology/audio", "count": 2}],
        "prices": [{"min": "1000.00", "max": "2000.00", "count": 2}]},
    "currency": "CNY", "cursor": "AbC-_9", "as_of": {"shop.catalogue": 412}, "model_version": 12, "complete": true}))]
pub(crate) struct SearchAnswer<'a> {
    /// Send it back as `list_id` of the events that the page leads to.
    pub list_id: String,
    /// Items that pass every filter, on all pages.
    pub total: u64,
    /// The order they are in: `relevance` also where a personal one was asked for and the store is silent.
    pub sort: &'static str,
    /// `all`: the items have every word; `some`: none has all, these have some.
    pub matched: &'static str,
    pub items: Vec<SearchPlace<'a>>,
    pub facets: Facets,
    /// The shop's, of `price_min`, `price_max` and the facets.
    pub currency: String,
    /// Of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The offset up to which changes of the catalogue can be found.
    pub as_of: BTreeMap<&'static str, i64>,
    /// Of a personal order; else 0.
    pub model_version: u64,
    /// `false` while the index is being made after a start: items may be missing.
    pub complete: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SearchPlace<'a> {
    #[serde(flatten)]
    pub place: Place<'a>,
    pub in_stock: bool,
    /// Absent where nobody has rated it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rating: Option<RatingSaid>,
}

/// What shoppers gave a product.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct RatingSaid {
    /// 0 to 5, two decimals.
    pub mean: f64,
    /// Shoppers.
    pub count: u32,
}

impl From<Rating> for RatingSaid {
    fn from(Rating { mean, count }: Rating) -> Self {
        Self { mean: (f64::from(mean) * 100.0).round() / 100.0, count }
    }
}

/// Each facet counts as if its own filter were not there.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Facets {
    /// Most first, at most 20.
    pub brands: Vec<ValueCount>,
    /// As items name them, most first, at most 20.
    pub categories: Vec<ValueCount>,
    /// Cheapest first, at most 6.
    pub prices: Vec<PriceCount>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ValueCount {
    pub value: String,
    pub count: u64,
}

impl From<Count> for ValueCount {
    fn from(count: Count) -> Self {
        Self { value: count.name, count: count.count }
    }
}

/// Prices from `min` to below `max`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PriceCount {
    #[schema(value_type = String)]
    pub min: Amount,
    #[schema(value_type = String)]
    pub max: Amount,
    pub count: u64,
}

impl From<PriceRange> for PriceCount {
    fn from(range: PriceRange) -> Self {
        Self { min: Amount(Micros(range.min)), max: Amount(Micros(range.max)), count: range.count }
    }
}

/// What stands on a page: places, and where the next begins.
struct Page {
    hits: Vec<(Hit, f32)>,
    next: Option<Reached>,
}

/// Looks, and writes what it found. Works for milliseconds.
pub(super) fn answer(
    app: &App,
    index: &Search,
    ask: &SearchAsk,
    user: Option<&UserState>,
) -> Result<axum::response::Response, ApiError> {
    let question = ask.question();
    let cursor = ask.cursor.as_deref().map(|text| Cursor::parse(text, question)).transpose();
    let cursor = cursor.map_err(|e| ApiError::bad(Reject::new(Code::BadValue, "cursor", e.to_string())))?;
    let (catalogue, ratings) = (app.context.live.catalogue(), app.context.live.ratings());
    let mut look = Ask {
        text: ask.text.clone(),
        wanted: ask.wanted.clone(),
        order: match ask.sort {
            SearchSort::Price => Order::Price,
            SearchSort::Rating => Order::Rating,
            SearchSort::Relevance | SearchSort::Personal => Order::Relevance,
        },
        after: None,
        weights: cursor.as_ref().map(|c| c.weights.clone()).unwrap_or_default(),
        keep: ask.n + MARGIN,
        completing: false,
    };
    let (found, page, personal) = match (cursor.map(|c| c.place), user) {
        (Some(Reached::Seen(seen)), user) => liked(app, index, ask, look, user, &seen, &catalogue)?,
        (None, Some(user)) => liked(app, index, ask, look, Some(user), &[], &catalogue)?,
        (reached, _) => {
            if let Some(Reached::Behind(key)) = reached {
                look.after = Some(key);
            }
            ordered(app, index, ask, look, &catalogue)?
        }
    };
    let sort = match ask.sort {
        SearchSort::Personal if !personal => SearchSort::Relevance,
        sort => sort,
    };
    let cursor = page.next.map(|place| Cursor { question, weights: found.weights.clone(), place }.to_text());
    let Found { counts, matched, offset, complete, .. } = found;
    let all = |counts: Vec<Count>| counts.into_iter().map(ValueCount::from).collect();
    let body = SearchAnswer {
        list_id: format!("q-{question:016x}-{}", catalogue.offset()),
        total: counts.total,
        sort: sort.name(),
        matched: if matched == Matched::All { "all" } else { "some" },
        items: page.hits.iter().enumerate().filter_map(|hit| place(hit, &catalogue, &ratings)).collect(),
        facets: Facets {
            brands: all(counts.brands),
            categories: all(counts.categories),
            prices: counts.prices.into_iter().map(PriceCount::from).collect(),
        },
        currency: app.context.options.currency.to_string(),
        cursor,
        as_of: BTreeMap::from([(Topic::Catalogue.name(), offset)]),
        model_version: if personal { app.context.live.model().map_or(0, |m| m.version()) } else { 0 },
        complete,
    };
    serde_json::to_vec(&body).map(json).map_err(unwritable)
}

pub(super) fn place<'a>(
    (at, (hit, score)): (usize, &(Hit, f32)),
    catalogue: &'a Catalogue,
    ratings: &Ratings,
) -> Option<SearchPlace<'a>> {
    let pick = Pick { item: hit.key.number, score: *score, source: Source::Catalogue, evidence: None };
    let place = Place { source: "search", ..Place::new(at + 1, &pick, catalogue)? };
    let (_, item) = catalogue.row(hit.key.number)?;
    let rating = ratings.get(hit.key.number).rating().map(RatingSaid::from);
    Some(SearchPlace { place, in_stock: item.in_stock(), rating })
}

/// In an order that items alone decide.
fn ordered(
    app: &App,
    index: &Search,
    ask: &SearchAsk,
    mut look: Ask,
    catalogue: &Catalogue,
) -> Result<(Found, Page, bool), ApiError> {
    let mut found = index.find(&look)?;
    let mut hits = Vec::with_capacity(ask.n);
    let mut last: Option<Key> = None;
    let (mut beyond, mut looked) = (found.counts.beyond, 1);
    let mut offered = std::mem::take(&mut found.hits);
    loop {
        for hit in offered.drain(..) {
            if ask.n <= hits.len() {
                break;
            }
            (last, beyond) = (Some(hit.key), beyond.saturating_sub(1));
            if shown(catalogue, hit.key.number, &ask.wanted, app.context.options.currency).is_some() {
                hits.push((hit, hit.points as f32));
            }
        }
        if ask.n <= hits.len() || beyond == 0 || LOOKS_MAX <= looked {
            break;
        }
        looked += 1;
        look.after = last;
        look.weights.clone_from(&found.weights);
        let more = index.find(&look)?;
        (beyond, offered) = (more.counts.beyond, more.hits);
    }
    let next = last.filter(|_| 0 < beyond).map(Reached::Behind);
    Ok((found, Page { hits, next }, false))
}

/// In the user's order.
fn liked(
    app: &App,
    index: &Search,
    ask: &SearchAsk,
    mut look: Ask,
    user: Option<&UserState>,
    seen: &[u32],
    catalogue: &Catalogue,
) -> Result<(Found, Page, bool), ApiError> {
    look.keep = PERSONAL_MAX + seen.len();
    let mut found = index.find(&look)?;
    let mut hits = unseen(std::mem::take(&mut found.hits), seen);
    hits.truncate(PERSONAL_MAX);
    hits.retain(|hit| shown(catalogue, hit.key.number, &ask.wanted, app.context.options.currency).is_some());
    // The store has fallen silent since the first page: what was found best goes on.
    let mut hits = match user {
        Some(user) => app.by_liking(hits, user),
        None => hits.into_iter().map(|hit| (hit, hit.points as f32)).collect(),
    };
    let more = ask.n < hits.len();
    hits.truncate(ask.n);
    let seen = seen_now(seen, hits.iter().map(|(hit, _)| hit.key.number));
    let next = (more && seen.len() < SEEN_MAX).then_some(Reached::Seen(seen));
    Ok((found, Page { hits, next }, user.is_some()))
}
