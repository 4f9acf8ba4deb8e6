//! Chooses what a user is shown: the places of his list that the rules of this moment allow, and what fills the rest.

use std::collections::HashSet;
use std::sync::Arc;

use shoptide_models::catalogue::Catalogue;
use shoptide_models::state::UserState;
use shoptide_schemas::{ItemId, StoredList, UserId};

use super::ask::Ask;
use super::find::{Found, find};
use super::rules::{Pick, Rules};
use super::shared::{SharedLists, fill};
use crate::app::{App, Waits};
use crate::budgets::{Certainty, Left};

/// What is shown, and what it was chosen from.
pub(crate) struct Chosen {
    /// Whoever the user turned out to be.
    pub user: UserId,
    pub shard: u32,
    pub list: Option<Arc<StoredList>>,
    /// The user's parts, if they were needed.
    pub state: Option<Arc<UserState>>,
    pub catalogue: Arc<Catalogue>,
    pub picks: Vec<Pick>,
    /// At least one place is of the user's own list.
    pub personal: bool,
    pub model_version: u64,
    /// How well the budget is known that the places were held against.
    pub budget: Certainty,
    /// What is left of the reader's patience.
    pub waits: Waits,
    /// Made of the list that the cache held and of the catalogue alone: no budget, nothing filled up.
    pub plain: bool,
}

/// With `exclude_known`, nothing that the user has dealt with is chosen. `held`: what the cache has of the user.
pub(crate) async fn choose(
    app: &Arc<App>,
    asked: &UserId,
    ask: &Ask,
    exclude_known: bool,
    held: Option<Arc<[u8]>>,
    waits: Waits,
) -> Chosen {
    let Found { user, shard, list, mut state, held } = find(app, asked.clone(), held, waits).await;
    // The parts cost a query: they are read only for a budget, a reason, or a list that is too short.
    let Left { left, certainty: budget } = app.left_of_month(shard, &user, &mut state, waits).await;
    if state.is_none() && (ask.explain || exclude_known) {
        state = app.state(shard, &user, waits.left()).await.ok().map(Arc::new);
    }
    let catalogue = app.context.live.catalogue();
    let mut rules = Rules::new(&catalogue, ask, left);
    if let Some(known) = state.as_deref().filter(|_| exclude_known) {
        rules.exclude(known.parts.iter().flat_map(|p| &p.items).map(|entry| &entry.item));
    }
    let mut picks = list.as_ref().map(|list| rules.pick(&list.entries, ask.n)).unwrap_or_default();
    let personal = !picks.is_empty();
    let plain = held && picks.len() == ask.n && left.is_none() && budget == Certainty::Sure;
    let mut model_version = list.as_ref().map_or(0, |list| list.model_version);
    if picks.len() < ask.n {
        if state.is_none() && list.is_some() {
            state = app.state(shard, &user, waits.left()).await.ok().map(Arc::new);
        }
        let shared = app.shared_lists();
        fill_for(app, &mut picks, ask.n, &rules, &shared, state.as_deref());
        if !personal {
            model_version = shared.model_version();
        }
    }
    drop(rules);
    Chosen { user, shard, list, state, catalogue, picks, personal, model_version, budget, waits, plain }
}

/// Fills a user's list without what the list itself leaves out; only if nothing at all remains, with less restraint.
fn fill_for(
    app: &App,
    picks: &mut Vec<Pick>,
    n: usize,
    rules: &Rules<'_>,
    shared: &SharedLists,
    state: Option<&UserState>,
) {
    let lists = &app.context.lists;
    let tastes = state.map(|s| s.tastes(&lists.taste)).unwrap_or_default();
    let hidden: HashSet<&ItemId> = tastes.items.iter().filter(|t| t.hidden).map(|t| t.item).collect();
    let seen: HashSet<&ItemId> = tastes.items.iter().filter(|_| !lists.seen_again).map(|t| t.item).collect();
    let segment = state.map(|state| shared.segment_of(state, &tastes)).unwrap_or_default();
    fill(picks, n, rules, shared, &segment, &|id| hidden.contains(id) || seen.contains(id));
    if picks.is_empty() && !seen.is_empty() {
        fill(picks, n, rules, shared, &segment, &|id| hidden.contains(id));
    }
    if picks.is_empty() && !hidden.is_empty() {
        fill(picks, n, rules, shared, &segment, &|_| false);
    }
}
