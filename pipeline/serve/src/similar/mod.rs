//! Items like an item: those that the same users prefer, else those nearest by factors, else those of its category.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shoptide_models::blend::Source;
use shoptide_models::list::Linked;
use shoptide_models::snapshot::Snapshot;
use shoptide_schemas::{ItemId, StoredList};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;
use crate::items::unknown;
use crate::params::{PathItem, ShortQuery};
use crate::read::{Ask, Pick, Place, Rules, text_of};

mod list;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SimilarAnswer<'a> {
    #[schema(value_type = String)]
    pub item_id: Cow<'a, str>,
    /// 0 before the first model.
    pub model_version: u64,
    /// `source` is `item_item`, `factors` or `category`.
    pub items: Vec<Place<'a>>,
}

/// Similar items
///
/// Items that the same users prefer, then the nearest by the model's factors, then others of the same category.
#[utoipa::path(
    get, path = "/v1/items/{id}/similar", tag = "read",
    params(
        ("id" = String, Path, description = "Opaque, 1 to 128 bytes, percent-encoded.", min_length = 1),
        ("n" = Option<u32>, Query, description = "Places.", minimum = 1, maximum = 100),
        ("category" = Option<String>, Query, description = "A category, or the beginning of one up to a `/`."),
    ),
    responses((status = 200, description = "Nearest first.", body = SimilarAnswer), (status = 404, description = "No such item.", body = crate::error::ErrorBody)),
)]
pub(crate) async fn similar(
    State(app): State<Arc<App>>,
    PathItem(item): PathItem,
    ShortQuery(ask): ShortQuery,
) -> Result<Response, ApiError> {
    let linked = app.context.live.linked();
    let number = linked.catalogue().number(&item).ok_or_else(unknown)?;
    if let Some(list) = list::held(&app, &linked, &item).await
        && let Some(answer) = of_list(&linked, number, &ask, &list)?
    {
        return Ok(answer);
    }
    let now_ms = app.now_ms();
    let (answer, made) = app
        .questions
        .scan(move || {
            let made = list::made(&linked, number, now_ms);
            (answer(&linked, number, &ask, made.as_ref()), made)
        })
        .await?;
    if let (Ok(_), Some(made)) = (&answer, &made) {
        list::hold(&app, &item, made).await;
    }
    answer
}

/// Numbers of the items like an item, best first, before any rule of the moment.
pub(crate) async fn like(app: &Arc<App>, number: u32) -> Vec<u32> {
    let linked = app.context.live.linked();
    let Some((item, _)) = linked.catalogue().row(number) else { return Vec::new() };
    if let Some(list) = list::held(app, &linked, item).await {
        return list.entries.iter().map(|entry| entry.item).collect();
    }
    let (item, now_ms) = (item.clone(), app.now_ms());
    let Ok(Some(made)) = app.questions.scan(move || list::made(&linked, number, now_ms)).await else {
        return Vec::new();
    };
    list::hold(app, &item, &made).await;
    made.entries.iter().map(|entry| entry.item).collect()
}

/// The answer, if the list alone has enough that may be shown now.
fn of_list(linked: &Linked, number: u32, ask: &Ask, list: &StoredList) -> Result<Option<Response>, ApiError> {
    let catalogue = linked.catalogue();
    let (id, _) = catalogue.row(number).filter(|(_, row)| !row.removed).ok_or_else(unknown)?;
    let picks = Rules::new(catalogue, ask, None).pick(&list.entries, ask.n);
    Ok((picks.len() == ask.n).then(|| said(linked, id, list.model_version, &picks, picks.len())))
}

/// Goes over the catalogue for what the list lacks.
fn answer(linked: &Linked, number: u32, ask: &Ask, list: Option<&StoredList>) -> Result<Response, ApiError> {
    let catalogue = linked.catalogue();
    let (id, row) = catalogue.row(number).filter(|(_, row)| !row.removed).ok_or_else(unknown)?;
    let rules = Rules::new(catalogue, ask, None);
    let mut chosen = Chosen { rules: &rules, n: ask.n, taken: HashSet::from([number]), picks: Vec::new() };
    chosen.extend(list.iter().flat_map(|list| &list.entries).map(Pick::from));
    // Beyond a full list there may be more that the rules of the moment allow.
    if list.is_some_and(|list| list.entries.len() == list::PLACES_MAX)
        && let (Some(model), Some(index)) = (linked.model(), linked.index(number))
    {
        chosen.nearest(model, linked, index);
    }
    let modelled = chosen.picks.len();
    if !row.category.is_empty() {
        let same = catalogue.rows().rev().filter(|(_, _, other)| other.category == row.category);
        chosen.extend(same.map(|(item, ..)| Pick {
            item,
            score: 0.0,
            source: Source::Catalogue,
            evidence: None,
        }));
    }
    let model_version = list.map_or(linked.model_version(), |list| list.model_version);
    Ok(said(linked, id, model_version, &chosen.picks, modelled))
}

/// The answer in its words; places from `modelled` on are of the same category, and no more is known of them.
fn said(linked: &Linked, id: &ItemId, model_version: u64, picks: &[Pick], modelled: usize) -> Response {
    let place = |(at, pick): (usize, &Pick)| {
        let place = Place::new(at + 1, pick, linked.catalogue())?;
        Some(if at < modelled { place } else { Place { source: "category", ..place } })
    };
    let items = picks.iter().enumerate().filter_map(place).collect();
    axum::Json(SimilarAnswer { item_id: text_of(id.as_bytes()), model_version, items }).into_response()
}

struct Chosen<'r, 'a> {
    rules: &'r Rules<'a>,
    n: usize,
    taken: HashSet<u32>,
    picks: Vec<Pick>,
}

impl Chosen<'_, '_> {
    fn extend(&mut self, picks: impl Iterator<Item = Pick>) {
        for pick in picks {
            if self.n <= self.picks.len() {
                break;
            }
            if self.rules.allowed(pick.item).is_some() && self.taken.insert(pick.item) {
                self.picks.push(pick);
            }
        }
    }

    /// The nearest of all that may be shown.
    fn nearest(&mut self, model: &Snapshot, linked: &Linked, index: u32) {
        let allowed = |number| self.rules.allowed(number).is_some();
        // Some of the best may be taken already.
        let wanted = self.n + self.taken.len();
        let near = list::nearest(model, linked, index, wanted, allowed);
        self.extend(near.into_iter().map(|(score, item)| Pick {
            item,
            score,
            source: Source::Factors,
            evidence: None,
        }));
    }
}
