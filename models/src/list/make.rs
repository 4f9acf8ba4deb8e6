//! Candidates, rules, diversity. Hard rules that depend on the moment (stock, price, this month's budget) are the
//! reader's: a stored list is longer than what is shown, and nothing here needs to be remade when an item sells out.

use std::collections::HashSet;

use shoptide_schemas::{ItemId, ListEntry};

use super::linked::{Linked, UNNUMBERED};
use crate::blend::{BlendParams, Candidate, Scorer, Scratch, Source, Taste};
use crate::mmr::{MmrParams, rerank_categories};
use crate::state::{TasteParams, Tastes, UserState};

/// All that shapes a list beside its inputs.
#[derive(Debug, Clone)]
pub struct ListParams {
    pub taste: TasteParams,
    pub blend: BlendParams,
    pub mmr: MmrParams,
    /// Places of a stored list.
    pub length: usize,
    /// Whether items the user has dealt with may come again.
    pub seen_again: bool,
}

/// Working memory; keep one per thread.
#[derive(Debug, Default)]
pub struct ListScratch {
    scorer: Scratch,
    /// By model index: the stamp of the list in which it is excluded.
    excluded: Vec<u32>,
    stamp: u32,
}

impl ListScratch {
    pub(super) fn scorer(&mut self) -> &mut Scratch {
        &mut self.scorer
    }

    /// Forgets the last list's exclusions and makes room for `n` items.
    fn begin(&mut self, n: usize) {
        if self.excluded.len() < n || self.stamp == u32::MAX {
            self.excluded = vec![0; n];
            self.stamp = 0;
        }
        self.stamp += 1;
    }

    fn exclude(&mut self, index: u32) {
        if let Some(slot) = self.excluded.get_mut(index as usize) {
            *slot = self.stamp;
        }
    }
}

/// Makes a user's list, best first, at most `params.length` places: of what the model knows of him, else of his segment, else of
/// everybody. Empty only if the catalogue has nothing listable.
pub fn make_list(
    user: &UserState,
    linked: &Linked,
    params: &ListParams,
    scratch: &mut ListScratch,
) -> Vec<ListEntry> {
    let tastes = user.tastes(&params.taste);
    scratch.begin(linked.model().map_or(0, |m| m.n_items()));
    for taste in tastes.items.iter().filter(|taste| taste.hidden || !params.seen_again) {
        if let Some(index) = linked.model().and_then(|m| m.index_of(taste.item.as_bytes())) {
            scratch.exclude(index);
        }
    }
    let history = history_of(&tastes, linked);
    let mut entries = from_model(&history, linked, params, scratch);
    if history.is_empty() {
        entries = segment_first(user, &tastes, entries, linked, params, scratch);
    }
    if entries.len() < params.length {
        let seen: HashSet<&ItemId> =
            tastes.items.iter().filter(|t| t.hidden || !params.seen_again).map(|t| t.item).collect();
        fill(&mut entries, linked, params.length, &seen);
        if entries.is_empty() {
            // Everything was seen: show it again rather than nothing, but never what is hidden by a rule.
            let hidden: HashSet<&ItemId> = tastes.items.iter().filter(|t| t.hidden).map(|t| t.item).collect();
            fill(&mut entries, linked, params.length, &hidden);
        }
        if entries.is_empty() {
            fill(&mut entries, linked, params.length, &HashSet::new());
        }
    }
    entries
}

/// What the model knows of a user's tastes, oldest first: the scorer lets what was turned to last count most.
pub(super) fn history_of(tastes: &Tastes<'_>, linked: &Linked) -> Vec<Taste> {
    let mut history = Vec::with_capacity(tastes.items.len());
    for taste in tastes.items.iter().filter(|taste| 0.0 < taste.strength) {
        let Some(item) = linked.model().and_then(|m| m.index_of(taste.item.as_bytes())) else { continue };
        history.push((taste.last_ms, Taste { item, strength: taste.strength }));
    }
    history.sort_unstable_by_key(|(last_ms, taste)| (*last_ms, taste.item));
    history.into_iter().map(|(_, taste)| taste).collect()
}

/// Makes a list for a visitor nobody knows, from the items of the session, oldest first.
pub fn session_list(
    session: &[ItemId],
    linked: &Linked,
    params: &ListParams,
    scratch: &mut ListScratch,
) -> Vec<ListEntry> {
    scratch.begin(linked.model().map_or(0, |m| m.n_items()));
    let mut history: Vec<Taste> = Vec::with_capacity(session.len());
    // An item that came twice stands where it came last.
    for item in session.iter().rev() {
        let Some(index) = linked.model().and_then(|m| m.index_of(item.as_bytes())) else { continue };
        scratch.exclude(index);
        if history.iter().all(|t| t.item != index) {
            history.push(Taste { item: index, strength: 1.0 });
        }
    }
    history.reverse();
    let mut entries = from_model(&history, linked, params, scratch);
    if entries.len() < params.length {
        fill(&mut entries, linked, params.length, &session.iter().collect());
    }
    entries
}

fn from_model(
    history: &[Taste],
    linked: &Linked,
    params: &ListParams,
    scratch: &mut ListScratch,
) -> Vec<ListEntry> {
    let Some(model) = linked.model() else { return Vec::new() };
    let ListScratch { scorer, excluded, stamp } = scratch;
    let out = |index: u32| excluded.get(index as usize) == Some(stamp) || !linked.listable(index);
    let candidates = Scorer::new(model, &params.blend).candidates(history, params.length, &out, scorer);
    let categories = category_numbers(candidates.iter().map(|c| linked.number(c.item)), linked);
    let scores: Vec<f32> = candidates.iter().map(|c| c.score).collect();
    let order = rerank_categories(&scores, &categories, params.length, params.mmr);
    order.into_iter().filter_map(|place| candidates.get(place)).map(|c| entry(c, linked)).collect()
}

fn entry(candidate: &Candidate, linked: &Linked) -> ListEntry {
    ListEntry {
        item: linked.number(candidate.item),
        score: candidate.score,
        source: candidate.source.code(),
        evidence: candidate.evidence.map_or(UNNUMBERED, |e| linked.number(e)),
    }
}

/// Small numbers for the categories of a list, 0 for none: comparing strings 5,000 times would cost more than ranking.
fn category_numbers(numbers: impl Iterator<Item = u32>, linked: &Linked) -> Vec<u16> {
    let mut known: Vec<&str> = Vec::new();
    let number = |number: u32| {
        let Some((_, row)) = linked.catalogue().row(number) else { return 0 };
        if row.category.is_empty() {
            return 0;
        }
        let place = known.iter().position(|k| *k == row.category).unwrap_or_else(|| {
            known.push(&row.category);
            known.len() - 1
        });
        u16::try_from(place + 1).unwrap_or(0)
    };
    numbers.map(number).collect()
}

/// The list of a user of whose items the model knows none: what is popular in the segment that his items and searches speak of, then
/// `entries`, which know nobody.
fn segment_first(
    user: &UserState,
    tastes: &Tastes<'_>,
    entries: Vec<ListEntry>,
    linked: &Linked,
    params: &ListParams,
    scratch: &ListScratch,
) -> Vec<ListEntry> {
    let Some(model) = linked.model() else { return entries };
    let Some(segment) = model.segments().recognise(user, tastes, linked.catalogue()) else { return entries };
    let ListScratch { excluded, stamp, .. } = scratch;
    let out = |index: u32| excluded.get(index as usize) == Some(stamp) || !linked.listable(index);
    let popular: Vec<(u32, u32)> = segment.popular.iter().copied().filter(|(item, _)| !out(*item)).collect();
    // Above whatever knows nobody.
    let base = entries.iter().map(|e| e.score).fold(0.0, f32::max);
    let scores: Vec<f32> = popular.iter().map(|(_, weight)| base + *weight as f32 / 1e6).collect();
    let categories = category_numbers(popular.iter().map(|(item, _)| linked.number(*item)), linked);
    let order = rerank_categories(&scores, &categories, params.length, params.mmr);
    let places = order.into_iter().filter_map(|at| Some((popular.get(at)?.0, *scores.get(at)?)));
    let mut list: Vec<ListEntry> = places
        .map(|(item, score)| ListEntry {
            item: linked.number(item),
            score,
            source: Source::Segment.code(),
            evidence: segment.id,
        })
        .collect();
    let listed: HashSet<u32> = list.iter().map(|e| e.item).collect();
    let missing = params.length.saturating_sub(list.len());
    list.extend(entries.into_iter().filter(|e| !listed.contains(&e.item)).take(missing));
    list
}

/// Fills up with catalogue items, the newest first.
fn fill(entries: &mut Vec<ListEntry>, linked: &Linked, length: usize, out: &HashSet<&ItemId>) {
    let listed: HashSet<u32> = entries.iter().map(|e| e.item).collect();
    let more = linked
        .catalogue()
        .rows()
        .rev()
        .filter(|(number, id, row)| row.listable() && !listed.contains(number) && !out.contains(id));
    let missing = length.saturating_sub(entries.len());
    entries.extend(more.take(missing).map(|(number, ..)| ListEntry {
        item: number,
        score: 0.0,
        source: Source::Catalogue.code(),
        evidence: UNNUMBERED,
    }));
}
