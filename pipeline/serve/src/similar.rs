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
use shoptide_models::vector::cosine;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;
use crate::items::unknown;
use crate::params::{PathItem, ShortQuery};
use crate::read::{Ask, Pick, Place, Rules, text_of};

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
    app.questions.scan(move || answer(&linked, number, &ask)).await?
}

/// Goes over all items of the model, and over all of the catalogue.
fn answer(linked: &Linked, number: u32, ask: &Ask) -> Result<Response, ApiError> {
    let catalogue = linked.catalogue();
    let (id, row) = catalogue.row(number).filter(|(_, row)| !row.removed).ok_or_else(unknown)?;
    let rules = Rules::new(catalogue, ask, None);
    let mut chosen = Chosen { rules: &rules, n: ask.n, taken: HashSet::from([number]), picks: Vec::new() };
    if let (Some(model), Some(index)) = (linked.model(), linked.index(number)) {
        chosen.neighbours(model, linked, index);
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
    let place = |(at, pick): (usize, &Pick)| {
        let place = Place::new(at + 1, pick, catalogue)?;
        Some(if at < modelled { place } else { Place { source: "category", ..place } })
    };
    let items = chosen.picks.iter().enumerate().filter_map(place).collect();
    let answer =
        SimilarAnswer { item_id: text_of(id.as_bytes()), model_version: linked.model_version(), items };
    Ok(axum::Json(answer).into_response())
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

    fn neighbours(&mut self, model: &Snapshot, linked: &Linked, index: u32) {
        let (items, scores) = model.neighbours().row(index);
        let near = items.iter().zip(scores).map(|(item, score)| Pick {
            item: linked.number(*item),
            score: *score,
            source: Source::ItemItem,
            evidence: None,
        });
        self.extend(near);
    }

    fn nearest(&mut self, model: &Snapshot, linked: &Linked, index: u32) {
        let Some(target) = model.side().item(index).filter(|_| self.picks.len() < self.n) else { return };
        let side = model.side();
        let indices = 0..u32::try_from(side.n_items()).unwrap_or(u32::MAX);
        let mut scored: Vec<(f32, u32)> = indices
            .filter(|other| *other != index)
            .filter_map(|other| Some((cosine(side.item(other)?, target), linked.number(other))))
            .filter(|(score, number)| 0.0 < *score && self.rules.allowed(*number).is_some())
            .collect();
        let best_first = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        // Some of the best may be taken already.
        let wanted = self.n + self.taken.len();
        if wanted < scored.len() {
            scored.select_nth_unstable_by(wanted, best_first);
            scored.truncate(wanted);
        }
        scored.sort_unstable_by(best_first);
        let pick = |(score, item)| Pick { item, score, source: Source::Factors, evidence: None };
        self.extend(scored.into_iter().map(pick));
    }
}
