//! The first walk: users of a hash below a bound that falls as more of them come, so that the same users are the sample wherever they
//! live and in whatever order they are read.

use std::collections::BTreeMap;

use shoptide_models::segments::{Habits, ItemSpace, Sample, Shop};
use shoptide_models::state::{Part, UserState};
use shoptide_schemas::UserId;
use shoptide_store::PartRow;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{SegmentContext, SegmentJobError};

/// What the walk brought.
pub(super) struct Sampled {
    pub learned: Sample,
    /// Walked, the sample or not.
    pub users: u64,
    /// By user of the sample.
    pub habits: Vec<Habits>,
    /// Greatest event time at the cut.
    pub now_ms: i64,
    /// (topic, shard, first offset that is not in it).
    pub cut: Vec<(String, u32, i64)>,
}

struct One {
    taste: Vec<(u32, f32)>,
    habits: Habits,
    last_ms: i64,
}

/// The users of the smallest hashes.
struct Smallest<'a> {
    context: &'a SegmentContext,
    space: &'a ItemSpace,
    shop: &'a Shop,
    by_hash: BTreeMap<(u64, UserId), One>,
    users: u64,
    now_ms: i64,
}

impl Smallest<'_> {
    fn take(&mut self, user: UserId, state: &UserState) {
        self.users += 1;
        let Some(last_ms) = state.last_ms() else { return };
        self.now_ms = self.now_ms.max(last_ms);
        if state.forward().is_some() {
            return;
        }
        let key = (xxh3_64_with_seed(user.as_bytes(), self.context.params.seed()), user);
        let max = self.context.params.sample_users();
        if max <= self.by_hash.len() && self.by_hash.last_key_value().is_some_and(|(last, _)| *last < key) {
            return;
        }
        let catalogue = &self.context.catalogue;
        let taste = self.space.taste(state, catalogue, &self.context.taste);
        let habits = self.shop.habits(state, catalogue, last_ms);
        self.by_hash.insert(key, One { taste, habits, last_ms });
        if max < self.by_hash.len() {
            self.by_hash.pop_last();
        }
    }
}

/// Walks all users at one cut.
///
/// # Errors
/// [`SegmentJobError::Store`]; [`SegmentJobError::Damaged`] for a part that cannot be read.
pub(super) async fn read(
    context: &SegmentContext,
    space: &ItemSpace,
    shop: &Shop,
) -> Result<Sampled, SegmentJobError> {
    let mut smallest = Smallest { context, space, shop, by_hash: BTreeMap::new(), users: 0, now_ms: 0 };
    let mut user: Option<(UserId, UserState)> = None;
    let mut damaged = None;
    // Parts of one user come one after another.
    let mut sink = |row: PartRow| {
        let part = match Part::decode(&row.data) {
            Ok(part) => part,
            Err(error) => {
                damaged.get_or_insert(format!("stored part: {error}"));
                return;
            }
        };
        if user.as_ref().is_none_or(|(id, _)| *id != row.user)
            && let Some((id, state)) = user.replace((row.user, UserState::default()))
        {
            smallest.take(id, &state);
        }
        let slot = user.as_mut().and_then(|(_, state)| state.parts.get_mut(usize::from(row.topic.code())));
        if let Some(slot) = slot {
            *slot = part;
        }
    };
    let offsets = context.truth.scan_parts(&[], &mut sink).await?;
    if let Some((id, state)) = user {
        smallest.take(id, &state);
    }
    if let Some(reason) = damaged {
        return Err(SegmentJobError::Damaged(reason));
    }
    let now_ms = smallest.now_ms;
    let mut made = Sampled {
        learned: Sample::default(),
        users: smallest.users,
        habits: Vec::with_capacity(smallest.by_hash.len()),
        now_ms,
        cut: offsets
            .iter()
            .filter(|o| o.topic.is_user())
            .map(|o| (o.topic.name().to_owned(), o.shard, o.next_off))
            .collect(),
    };
    for One { taste, mut habits, last_ms } in smallest.by_hash.into_values() {
        habits.recency_days = Habits::recency_days(last_ms, now_ms);
        made.learned.tastes.push(taste);
        made.learned.habits.push(habits.scaled());
        made.habits.push(habits);
    }
    Ok(made)
}
