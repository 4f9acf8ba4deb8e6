//! The lists of a rebuilt shop: what the stream would have made of each user, model and catalogue of the moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;
use shoptide_live::fold::state_of;
use shoptide_models::list::{Linked, ListParams, ListScratch, make_list};
use shoptide_models::state::UserState;
use shoptide_schemas::topic::PARTS;
use shoptide_schemas::{StoredList, Topic, USER_TOPICS, UserId};
use shoptide_store::{Commit, ListRow, OffsetMove, Tally, Truth, UserRow};

use super::ReplayToError;

/// Users of one step: their states and lists are some 20 MiB.
const USERS: usize = 1_000;

/// One user's list as the stream stores it; none if he is to have none of his own.
/// - `as_of`: next offset of his partition by topic
pub(super) fn list_of(
    state: &UserState,
    erased: bool,
    made_from: (&Linked, &ListParams, u64),
    (epoch, as_of): (i64, [i64; PARTS]),
    scratch: &mut ListScratch,
) -> Option<StoredList> {
    let (linked, params, rules_version) = made_from;
    let now_ms = state.last_ms().filter(|_| !erased && state.forward().is_none())?;
    Some(StoredList {
        epoch,
        revision: 1,
        model_version: linked.model_version(),
        catalogue_offset: linked.catalogue().offset(),
        rules_version,
        now_ms,
        as_of,
        entries: make_list(state, linked, params, scratch),
    })
}

/// Makes and stores the lists of all users. Returns how many.
pub(super) async fn make_all(
    truth: &dyn Truth,
    linked: &Linked,
    params: &ListParams,
    rules_version: u64,
) -> Result<u64, ReplayToError> {
    let mut stands: BTreeMap<u32, (i64, [i64; PARTS])> = BTreeMap::new();
    for row in truth.offsets().await?.into_iter().filter(|row| row.topic.is_user()) {
        let (epoch, as_of) = stands.entry(row.shard).or_default();
        *epoch = row.epoch;
        let place = USER_TOPICS.iter().position(|topic| *topic == row.topic);
        if let Some(slot) = place.and_then(|place| as_of.get_mut(place)) {
            *slot = row.next_off;
        }
    }
    let (mut after, mut made) = (None, 0);
    loop {
        let page = truth.users_after(after.take(), USERS).await?;
        let full = page.len() == USERS;
        after = page.last().cloned();
        let mut shards: BTreeMap<u32, Vec<UserId>> = BTreeMap::new();
        page.into_iter().for_each(|(shard, user)| shards.entry(shard).or_default().push(user));
        for (shard, users) in shards {
            let Some((epoch, as_of)) = stands.get(&shard).copied() else { continue };
            let rows = truth.users(shard, &users).await?;
            let lists = tokio::task::block_in_place(|| {
                let list = |scratch: &mut ListScratch, row: &UserRow| {
                    let (state, erased) = (state_of(&row.parts)?, row.erased.iter().any(Option::is_some));
                    let list =
                        list_of(&state, erased, (linked, params, rules_version), (epoch, as_of), scratch);
                    Ok(list.map(|list| list_row(&row.user, &list)))
                };
                rows.par_iter()
                    .map_init(ListScratch::default, list)
                    .collect::<Result<Vec<_>, ReplayToError>>()
            })?;
            let lists: Vec<ListRow> = lists.into_iter().flatten().collect();
            made += lists.len() as u64;
            let at = as_of.first().copied().unwrap_or(0);
            truth.commit(standing(shard, epoch, Topic::Browse, at, lists)).await?;
        }
        if !full {
            return Ok(made);
        }
    }
}

pub(super) fn list_row(user: &UserId, list: &StoredList) -> ListRow {
    ListRow {
        user: user.clone(),
        revision: list.revision,
        model_version: list.model_version,
        last_ms: list.now_ms,
        data: Arc::from(list.encode()),
    }
}

/// A commit that moves nothing.
pub(super) fn standing(shard: u32, epoch: i64, topic: Topic, at: i64, lists: Vec<ListRow>) -> Commit {
    let step = OffsetMove { topic, from: at, to: at, append_ms: 0, tally: Tally::default() };
    Commit { shard, epoch, offsets: vec![step], lists, ..Commit::default() }
}
