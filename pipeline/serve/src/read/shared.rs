//! What can be said without knowing anybody: the blend without a history, what is trending, what is popular, and last
//! the catalogue, newest first.

use std::collections::HashSet;
use std::sync::Arc;

use shoptide_models::blend::Source;
use shoptide_models::list::{Linked, ListParams, ListScratch, UNNUMBERED, session_list};
use shoptide_models::state::{Tastes, UserState};
use shoptide_schemas::{ItemId, ListEntry};

use super::rules::{Pick, Rules};

/// Items kept in order of trend. A category that none of them is in is filled from the catalogue.
const TRENDING_KEPT_MAX: usize = 10_000;

/// Made once a model; the rules of the moment are applied by whoever reads.
pub(crate) struct SharedLists {
    linked: Arc<Linked>,
    /// As for a visitor whose session is empty.
    pub nobody: Vec<ListEntry>,
    /// Catalogue numbers, trending first, then popular.
    pub trending: Vec<Pick>,
}

impl SharedLists {
    pub fn make(linked: Arc<Linked>, params: &ListParams, scratch: &mut ListScratch) -> Self {
        let nobody = session_list(&[], &linked, params, scratch);
        let trending = trending(&linked);
        Self { linked, nobody, trending }
    }

    /// Whether this is still what would be made: of the same model, and of a catalogue with the same numbers.
    pub fn fits(&self, linked: &Linked) -> bool {
        self.linked.model_version() == linked.model_version()
            && self.linked.catalogue().len() == linked.catalogue().len()
    }

    pub fn model_version(&self) -> u64 {
        self.linked.model_version()
    }

    /// What is popular in the segment that a user's items and searches speak of; nothing if they speak of none.
    pub fn segment_of(&self, user: &UserState, tastes: &Tastes<'_>) -> Vec<Pick> {
        let Some(model) = self.linked.model() else { return Vec::new() };
        let Some(segment) = model.segments().recognise(user, tastes, self.linked.catalogue()) else {
            return Vec::new();
        };
        let numbered = segment.popular.iter().map(|(index, weight)| (self.linked.number(*index), *weight));
        let pick = |(item, weight): (u32, u32)| {
            let score = weight as f32 / 1e6;
            Pick { item, score, source: Source::Segment, evidence: Some(segment.id) }
        };
        numbered.filter(|(number, _)| *number != UNNUMBERED).map(pick).collect()
    }
}

fn trending(linked: &Linked) -> Vec<Pick> {
    let Some(model) = linked.model() else { return Vec::new() };
    let (trend, score) = (model.popularity().trending(), model.popularity().score());
    let mut order: Vec<(f32, f32, u32)> = trend
        .iter()
        .zip(score)
        .zip(0_u32..)
        .map(|((trend, score), index)| (*trend, *score, linked.number(index)))
        .filter(|(trend, score, number)| *number != UNNUMBERED && (0.0 < *trend || 0.0 < *score))
        .collect();
    let best_first = |a: &(f32, f32, u32), b: &(f32, f32, u32)| {
        b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2))
    };
    if TRENDING_KEPT_MAX < order.len() {
        order.select_nth_unstable_by(TRENDING_KEPT_MAX, best_first);
        order.truncate(TRENDING_KEPT_MAX);
    }
    order.sort_unstable_by(best_first);
    let pick = |(trend, score, item): (f32, f32, u32)| {
        let (score, source) =
            if 0.0 < trend { (trend, Source::Trending) } else { (score, Source::Popularity) };
        Pick { item, score, source, evidence: None }
    };
    order.into_iter().map(pick).collect()
}

/// Fills up to `n` places: what his segment likes, the blend for nobody, then trending, popular, and the catalogue, newest first.
pub(crate) fn fill(
    picks: &mut Vec<Pick>,
    n: usize,
    rules: &Rules<'_>,
    shared: &SharedLists,
    segment: &[Pick],
    avoided: &dyn Fn(&ItemId) -> bool,
) {
    let mut taken: HashSet<u32> = picks.iter().map(|p| p.item).collect();
    let newest = (0..rules.catalogue.len()).rev();
    let newest = newest.map(|item| Pick { item, score: 0.0, source: Source::Catalogue, evidence: None });
    // Without a model the list for nobody is the catalogue as it was; the live one is newer.
    let nobody = shared.nobody.iter().map(Pick::from).filter(|p| p.source != Source::Catalogue);
    for pick in segment.iter().copied().chain(nobody).chain(shared.trending.iter().copied()).chain(newest) {
        if n <= picks.len() {
            break;
        }
        let fits = rules.allowed(pick.item).is_some_and(|(id, _)| !avoided(id));
        if fits && taken.insert(pick.item) {
            picks.push(pick);
        }
    }
}
