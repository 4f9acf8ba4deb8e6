//! What a text may become, as it is typed.

use std::borrow::Cow;

use serde::Serialize;
use shoptide_models::find::{Order, Wanted, completions};
use shoptide_search::{Ask, Found, Search};
use utoipa::ToSchema;

use super::answer::ValueCount;
use super::ask::SuggestAsk;
use super::shown::shown;
use crate::app::App;
use crate::error::ApiError;
use crate::read::text_of;
use crate::recommend::{json, unwritable};

/// Items whose titles are looked at for the words that the text may end in.
const TITLES_MAX: usize = 100;

#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"completions": ["wireless"], "brands": [{"value": "Aurora", "count": 12}],
    "categories": [{"value": "technology/audio", "count": 12}], "items": [{"item_id": "TECH1005", "title": "Wireless headphones"}]}))]
pub(crate) struct SuggestAnswer<'a> {
    /// The text with its last word completed, the likeliest first.
    pub completions: Vec<String>,
    /// Of what the text finds, most first.
    pub brands: Vec<ValueCount>,
    pub categories: Vec<ValueCount>,
    pub items: Vec<SuggestedItem<'a>>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SuggestedItem<'a> {
    #[schema(value_type = String)]
    pub item_id: Cow<'a, str>,
    pub title: &'a str,
}

/// Looks, and writes what it found. Works for milliseconds.
pub(super) fn suggest(
    app: &App,
    index: &Search,
    ask: &SuggestAsk,
) -> Result<axum::response::Response, ApiError> {
    let catalogue = app.context.live.catalogue();
    let wanted = Wanted::default();
    let mut body = SuggestAnswer {
        completions: Vec::new(),
        brands: Vec::new(),
        categories: Vec::new(),
        items: Vec::new(),
    };
    if !ask.text.trim().is_empty() {
        let look = Ask {
            text: ask.text.clone(),
            wanted: wanted.clone(),
            order: Order::Relevance,
            after: None,
            weights: Vec::new(),
            keep: TITLES_MAX,
            completing: true,
        };
        let Found { counts, hits, .. } = index.find(&look)?;
        let currency = app.context.options.currency;
        let found: Vec<_> =
            hits.iter().filter_map(|hit| shown(&catalogue, hit.key.number, &wanted, currency)).collect();
        let titles = found
            .iter()
            .flat_map(|(_, item)| std::iter::once(&item.title).chain(item.titles.values()))
            .map(String::as_str);
        body.completions = completions(&ask.text, titles, ask.n);
        let first = |counts: Vec<_>| counts.into_iter().take(ask.n).map(ValueCount::from).collect();
        (body.brands, body.categories) = (first(counts.brands), first(counts.categories));
        body.items = found
            .into_iter()
            .take(ask.n)
            .map(|(id, item)| SuggestedItem { item_id: text_of(id.as_bytes()), title: &item.title })
            .collect();
    }
    serde_json::to_vec(&body).map(json).map_err(unwritable)
}
