//! A personal order: of what was found best, first what this user likes.

use std::cmp::Ordering;
use std::collections::HashSet;

use shoptide_models::find::blend;
use shoptide_models::list::liking;
use shoptide_models::state::UserState;
use shoptide_schemas::UserId;
use shoptide_search::Hit;

use crate::app::{App, Waits, with_scratch};
use crate::error::ApiError;

/// Forwarding addresses that are followed: as many as the fold itself follows.
const HOPS_MAX: usize = 3;

impl App {
    /// What is known of a user, or of the one he turned out to be, with that one's id; of an unknown one, nothing.
    ///
    /// # Errors
    /// If the store does not answer in time.
    pub(crate) async fn known_user(
        &self,
        asked: &UserId,
        waits: Waits,
    ) -> Result<(UserId, UserState), ApiError> {
        let mut user = asked.clone();
        let mut state = self.state(self.shard_of(asked), asked, waits.left()).await?;
        for _ in 0..HOPS_MAX {
            let Some(known) = state.forward().cloned() else { break };
            state = self.state(self.shard_of(&known), &known, waits.left()).await?;
            user = known;
        }
        Ok((user, state))
    }

    /// Puts hits into the user's order, each with its score. Cost: a dot product for each hit.
    pub(super) fn by_liking(&self, hits: Vec<Hit>, user: &UserState) -> Vec<(Hit, f32)> {
        let linked = self.context.live.linked();
        let numbers: Vec<u32> = hits.iter().map(|hit| hit.key.number).collect();
        let likes = with_scratch(|scratch| liking(user, &linked, &numbers, &self.context.lists, scratch));
        let found: Vec<(u32, bool)> = hits.iter().map(|hit| (hit.points, hit.exact)).collect();
        let mut scored: Vec<(Hit, f32)> = hits.into_iter().zip(blend(&found, &likes)).collect();
        scored.sort_by(|(a, of_a), (b, of_b)| of_b.total_cmp(of_a).then_with(|| b.key.cmp(&a.key)));
        scored
    }
}

/// Leaves out what was shown on the pages before.
pub(super) fn unseen(hits: Vec<Hit>, seen: &[u32]) -> Vec<Hit> {
    let seen: HashSet<u32> = seen.iter().copied().collect();
    hits.into_iter().filter(|hit| !seen.contains(&hit.key.number)).collect()
}

/// What was shown so far and now, in order of number.
pub(super) fn seen_now(seen: &[u32], shown: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut all: Vec<u32> = seen.iter().copied().chain(shown).collect();
    all.sort_unstable_by(Ord::cmp);
    all.dedup_by(|a, b| a.cmp(&b) == Ordering::Equal);
    all
}
