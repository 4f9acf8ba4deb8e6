//! An item's list: what is like it by one model, before any rule of the moment. The cache holds it for all processes, so that one of
//! them goes over the whole model and the others read.

use std::collections::HashSet;
use std::sync::Arc;

use shoptide_models::blend::Source;
use shoptide_models::list::{Linked, UNNUMBERED};
use shoptide_models::snapshot::Snapshot;
use shoptide_models::vector::cosine;
use shoptide_schemas::{ItemId, ListEntry, StoredList, UserId};
use shoptide_store::{CacheEntry, ITEM_LISTS};

use crate::app::App;
use crate::read::{cached, fill};

/// Places of an item's list: twice what one answer may show, for what is sold out or of another category.
pub(super) const PLACES_MAX: usize = 200;
/// For how long a list serves after a newer model came: models are refreshed every second under load, and hardly move in it.
const OLD_MODEL_MAX_MS: i64 = 2_000;

/// Finds the list of an item that the cache holds, if its model is good enough.
pub(super) async fn held(app: &App, linked: &Linked, item: &ItemId) -> Option<StoredList> {
    let list = cached(app, ITEM_LISTS, &owner(item)).await?;
    let age_ms = app.now_ms().saturating_sub(list.now_ms);
    let good = list.model_version == linked.model_version() || (0..OLD_MODEL_MAX_MS).contains(&age_ms);
    // Numbers of a model that this process has not seen may be of items that it does not know yet.
    (good && list.catalogue_offset <= linked.catalogue().offset()).then_some(list)
}

/// Puts a list into the cache, unless a newer one is there.
pub(super) async fn hold(app: &App, item: &ItemId, list: &StoredList) {
    let data = Arc::from(list.encode());
    fill(app, CacheEntry { shard: ITEM_LISTS, user: owner(item), version: list.version_key(), data }).await;
}

fn owner(item: &ItemId) -> UserId {
    UserId::from_trusted(item.as_bytes())
}

/// Goes over the model: items that the same users prefer, then the nearest by factors, best first. `None` if the model does not know
/// the item.
pub(super) fn made(linked: &Linked, number: u32, now_ms: i64) -> Option<StoredList> {
    let (model, index) = (linked.model()?, linked.index(number)?);
    let mut taken = HashSet::from([number, UNNUMBERED]);
    let mut entries = Vec::new();
    let mut take = |item, score, source: Source| {
        if entries.len() < PLACES_MAX && taken.insert(item) {
            entries.push(ListEntry { item, score, source: source.code(), evidence: UNNUMBERED });
        }
    };
    let (items, scores) = model.neighbours().row(index);
    items.iter().zip(scores).for_each(|(item, score)| take(linked.number(*item), *score, Source::ItemItem));
    // Some of the best may be taken already.
    let wanted = PLACES_MAX + items.len();
    for (score, item) in nearest(model, linked, index, wanted, |_| true) {
        take(item, score, Source::Factors);
    }
    let list = StoredList {
        epoch: i64::try_from(linked.model_version()).unwrap_or(i64::MAX),
        revision: linked.catalogue().offset(),
        model_version: linked.model_version(),
        catalogue_offset: linked.catalogue().offset(),
        now_ms,
        entries,
        ..StoredList::default()
    };
    // As the cache gives it back, so that every process shows the same scores.
    StoredList::decode(&list.encode()).ok()
}

/// The `wanted` nearest items by factors among those `allowed`, best first, with their cosine; only those above 0.
pub(super) fn nearest(
    model: &Snapshot,
    linked: &Linked,
    index: u32,
    wanted: usize,
    allowed: impl Fn(u32) -> bool,
) -> Vec<(f32, u32)> {
    let side = model.side();
    let Some(target) = side.item(index) else { return Vec::new() };
    let indices = 0..u32::try_from(side.n_items()).unwrap_or(u32::MAX);
    let mut scored: Vec<(f32, u32)> = indices
        .filter(|other| *other != index)
        .filter_map(|other| Some((cosine(side.item(other)?, target), linked.number(other))))
        .filter(|(score, number)| 0.0 < *score && allowed(*number))
        .collect();
    let best_first = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    if wanted < scored.len() {
        scored.select_nth_unstable_by(wanted, best_first);
        scored.truncate(wanted);
    }
    scored.sort_unstable_by(best_first);
    scored
}
