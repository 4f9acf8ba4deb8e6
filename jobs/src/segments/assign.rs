//! The second walk: everybody, page by page, as the store has him now.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;
use shoptide_live::fold::state_of;
use shoptide_models::catalogue::Catalogue;
use shoptide_models::segments::{Fitted, ItemSpace, Pairs, Shop};
use shoptide_models::state::{TasteParams, UserState};
use shoptide_schemas::UserId;
use shoptide_schemas::time::DAY_MS;
use shoptide_store::UserRow;

use super::popular::PopularItems;
use super::{SegmentContext, SegmentJobError};

/// Users read, assigned and written together: some MiB of parts, and rows of a few statements.
const PAGE_USERS: usize = 1_024;
/// What somebody liked counts half as much a month after he was last seen: what a segment likes is what it likes now.
const HALF_LIFE_DAYS: f64 = 30.0;

/// What the walk brought.
pub(super) struct Assigned {
    /// Users with at least one event, the forwarded aside.
    pub users: u64,
    /// By segment.
    pub sizes: BTreeMap<u32, u64>,
    /// By segment, by catalogue number.
    pub popular: BTreeMap<u32, Vec<(u32, f64)>>,
    pub pairs: Pairs,
}

/// One user of a page.
struct One {
    segment: Option<u32>,
    /// Catalogue number and weight.
    likes: Vec<(u32, f64)>,
}

/// Assigns all users and writes the rows of run `run`. `ids`: the segment of each centre.
pub(super) async fn everybody(
    context: &SegmentContext,
    space: &Arc<(ItemSpace, Shop)>,
    fitted: &Arc<Fitted>,
    ids: &[u32],
    run: u64,
    now_ms: i64,
) -> Result<Assigned, SegmentJobError> {
    let mut made =
        Assigned { users: 0, sizes: BTreeMap::new(), popular: BTreeMap::new(), pairs: Pairs::default() };
    let mut popular: BTreeMap<u32, PopularItems> = BTreeMap::new();
    let mut after: Option<(u32, UserId)> = None;
    loop {
        let page = context.truth.users_after(after.take(), PAGE_USERS).await?;
        after = page.last().cloned();
        if after.is_none() {
            break;
        }
        for same in page.chunk_by(|a, b| a.0 == b.0) {
            let Some((shard, _)) = same.first() else { continue };
            let users: Vec<UserId> = same.iter().map(|(_, user)| user.clone()).collect();
            context.progress.add(users.len() as u64);
            let rows = context.truth.users(*shard, &users).await?;
            let before = context.truth.user_segments(*shard, &users).await?;
            let work = Work {
                space: space.clone(),
                fitted: fitted.clone(),
                ids: ids.to_vec(),
                taste: context.taste.clone(),
                catalogue: context.catalogue.clone(),
                now_ms,
            };
            let ones = context.workers.run(move || work.page(&rows)).await.map_err(SegmentJobError::Work)?;
            let mut put = Vec::with_capacity(users.len());
            for ((user, one), before) in users.into_iter().zip(ones).zip(before) {
                let one = one.map_err(SegmentJobError::Damaged)?;
                let segment = one.as_ref().and_then(|one| one.segment);
                made.users += u64::from(one.is_some());
                made.pairs.add(before, segment);
                let (Some(segment), Some(one)) = (segment, one) else { continue };
                *made.sizes.entry(segment).or_default() += 1;
                let popular = popular.entry(segment).or_default();
                one.likes.iter().for_each(|(item, weight)| popular.add(*item, *weight));
                put.push((user, segment));
            }
            if !put.is_empty() {
                context.truth.put_user_segments(run, *shard, put).await?;
            }
        }
    }
    made.popular =
        popular.into_iter().map(|(segment, items)| (segment, items.best(context.popular_items))).collect();
    Ok(made)
}

/// What a page needs on the threads that work.
struct Work {
    space: Arc<(ItemSpace, Shop)>,
    fitted: Arc<Fitted>,
    ids: Vec<u32>,
    taste: TasteParams,
    catalogue: Arc<Catalogue>,
    now_ms: i64,
}

impl Work {
    fn page(&self, rows: &[UserRow]) -> Vec<Result<Option<One>, String>> {
        rows.par_iter()
            .map(|row| {
                let state = state_of(&row.parts).map_err(|e| format!("stored part: {e}"))?;
                Ok(self.one(&state))
            })
            .collect()
    }

    fn one(&self, state: &UserState) -> Option<One> {
        let last_ms = state.last_ms().filter(|_| state.forward().is_none())?;
        let (space, shop) = &*self.space;
        let taste = space.taste(state, &self.catalogue, &self.taste);
        let habits = shop.habits(state, &self.catalogue, self.now_ms).scaled();
        let segment = self.fitted.assign(&taste, &habits);
        let segment = segment.and_then(|place| self.ids.get(place as usize).copied());
        let age_days = (self.now_ms - last_ms).max(0) as f64 / DAY_MS as f64;
        let faded = (-age_days / HALF_LIFE_DAYS).exp2();
        let tastes = state.tastes(&self.taste);
        let liked = tastes.items.iter().filter(|taste| 0.0 < taste.strength);
        let likes = liked
            .filter_map(|t| Some((self.catalogue.number(t.item)?, f64::from(t.strength).sqrt() * faded)))
            .collect();
        Some(One { segment, likes })
    }
}
