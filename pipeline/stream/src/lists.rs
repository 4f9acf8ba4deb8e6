//! Making a user's list, and remembering what it was made from.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use shoptide_live::fold::ShardFold;
use shoptide_models::list::{Linked, ListParams, ListScratch, UNNUMBERED, make_list};
use shoptide_schemas::{StoredList, USER_TOPICS, UserId};
use shoptide_store::{CacheEntry, ListRow};

use crate::StreamContext;
use crate::batch::packed;

/// Names of the prequential counters, by their number at rest.
pub(crate) const QUALITY_METRICS: [&str; 3] = ["predicted", "hit_20", "popular_hit_20"];
/// Items of the popularity yardstick: 20 unseen ones are among the first 200 but for a user who saw 180 of them.
const POPULAR_KEPT: usize = 200;

/// Ranks for one shard; owns the scratch memory and the model bound to the catalogue.
pub(crate) struct Ranker {
    params: Arc<ListParams>,
    rules_version: u64,
    linked: Arc<Linked>,
    scratch: ListScratch,
    measured_version: Option<u64>,
}

impl Ranker {
    pub(crate) fn new(context: &StreamContext) -> Self {
        Self {
            params: context.lists.clone(),
            rules_version: context.rules_version,
            linked: context.live.linked(),
            scratch: ListScratch::default(),
            measured_version: None,
        }
    }

    /// Takes the model and catalogue of this moment.
    pub(crate) fn refresh(&mut self, context: &StreamContext, fold: &mut ShardFold) {
        self.linked = context.live.linked();
        let version = self.linked.model_version();
        if self.measured_version != Some(version) {
            fold.set_popular(popular(&self.linked), self.linked.catalogue().clone());
            self.measured_version = Some(version);
        }
    }

    /// As [`Ranker::refresh`], for a shard in memory that was made anew and has no yardstick yet.
    pub(crate) fn retake(&mut self, context: &StreamContext, fold: &mut ShardFold) {
        self.measured_version = None;
        self.refresh(context, fold);
    }

    /// Makes the list of a user in memory; `None` if he is to have none of his own.
    pub(crate) fn list(
        &mut self,
        fold: &mut ShardFold,
        id: &UserId,
        as_of: &BTreeMap<u8, i64>,
    ) -> Option<(ListRow, CacheEntry)> {
        let (shard, epoch) = (fold.shard(), fold.epoch());
        let user = fold.user_mut(id)?;
        if !user.wants_list() {
            return None;
        }
        // Derived, so a panic here costs one list and not the events of the batch.
        let made = catch_unwind(AssertUnwindSafe(|| {
            make_list(&user.state, &self.linked, &self.params, &mut self.scratch)
        }));
        let Ok(entries) = made else {
            tracing::error!(shard, "making a list panicked, the user keeps the last one");
            self.scratch = ListScratch::default();
            return None;
        };
        let mut list = StoredList {
            epoch,
            revision: user.revision + 1,
            model_version: self.linked.model_version(),
            catalogue_offset: self.linked.catalogue().offset(),
            rules_version: self.rules_version,
            now_ms: user.state.last_ms().unwrap_or(0),
            entries,
            ..StoredList::default()
        };
        for (slot, topic) in list.as_of.iter_mut().zip(USER_TOPICS) {
            *slot = as_of.get(&topic.code()).copied().unwrap_or(0);
        }
        user.note_list(&list);
        let (data, version) = packed(&list);
        let row = ListRow {
            user: id.clone(),
            revision: list.revision,
            model_version: list.model_version,
            last_ms: list.now_ms,
            data: data.clone(),
        };
        Some((row, CacheEntry { shard, user: id.clone(), version, data }))
    }
}

fn popular(linked: &Linked) -> Arc<[u32]> {
    let Some(model) = linked.model() else { return Arc::from([]) };
    let scores = model.popularity().score();
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    let score = |i: &u32| scores.get(*i as usize).copied().unwrap_or(0.0);
    order.sort_by(|a, b| score(b).total_cmp(&score(a)).then(a.cmp(b)));
    order.into_iter().map(|i| linked.number(i)).filter(|n| *n != UNNUMBERED).take(POPULAR_KEPT).collect()
}
