//! The users that a shard holds in memory. Those of the last batches are open; the others are packed into few bytes, for most of them
//! wait for minutes until they act again.

use std::collections::HashMap;

use ahash::RandomState;
use shoptide_models::codec::{CodecError, Reader, Writer};
use shoptide_models::state::Part;
use shoptide_schemas::UserId;

use super::packed::{DEAD_SHARE, Meta, PackedUsers};
use super::user::CachedUser;

/// Users that stay open: several batches of users, each of some kilobytes. Who acts every second is hardly ever packed.
const OPEN_MAX: usize = 1_024;
const FORMAT: u8 = 1;
const WHAT: &str = "a packed user";

/// How many users a shard holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    pub users_max: usize,
    /// Of the packed ones.
    pub bytes_max: usize,
}

pub(super) struct Users {
    open: HashMap<UserId, CachedUser, RandomState>,
    packed: PackedUsers,
    room: Room,
}

impl Users {
    pub fn new(room: Room) -> Self {
        Self { open: HashMap::default(), packed: PackedUsers::default(), room }
    }

    pub fn holds(&self, id: &UserId) -> bool {
        self.open.contains_key(id) || self.packed.meta(id).is_some()
    }

    /// An open user.
    pub fn get(&self, id: &UserId) -> Option<&CachedUser> {
        self.open.get(id)
    }

    /// Revision and model version of a user's list, 0 without one.
    pub fn listed(&self, id: &UserId) -> Option<(i64, u64)> {
        let open = self.open.get(id).map(|user| (user.revision, user.model_version));
        open.or_else(|| self.packed.meta(id).map(|meta| (meta.revision, meta.model_version)))
    }

    /// A user, opened if he was packed.
    pub fn get_mut(&mut self, id: &UserId) -> Option<&mut CachedUser> {
        self.open(id);
        self.open.get_mut(id)
    }

    /// A user as [`Users::get_mut`]; one that nobody knew is new.
    pub fn get_or_new(&mut self, id: &UserId) -> &mut CachedUser {
        // Nobody is packed in a long replay: one search less per event.
        if 0 < self.packed.len() {
            self.open(id);
        }
        self.open.entry(id.clone()).or_insert_with(CachedUser::new)
    }

    /// Forgets everybody.
    pub fn clear(&mut self) {
        self.open.clear();
        self.packed = PackedUsers::default();
    }

    /// Opens a user. False if he is not held.
    pub fn open(&mut self, id: &UserId) -> bool {
        // What cannot be read is not held: the truth is asked.
        if 0 < self.packed.len()
            && let Some(Ok(user)) = self.packed.take(id, unpack)
        {
            self.open.insert(id.clone(), user);
        }
        self.open.contains_key(id)
    }

    pub fn insert(&mut self, id: UserId, user: CachedUser) {
        self.forget(&id);
        self.open.insert(id, user);
    }

    pub fn forget(&mut self, id: &UserId) {
        self.open.remove(id);
        self.packed.take(id, |_, _| ());
    }

    /// All of them, the last touched first.
    pub fn by_recency(&self) -> Vec<UserId> {
        let open = self.open.iter().map(|(id, user)| (id.clone(), user.tick));
        let mut users: Vec<(UserId, u64)> = open.chain(self.packed.ids()).collect();
        users.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        users.into_iter().map(|(id, _)| id).collect()
    }

    /// Packs whom the last batches did not touch, and lets go of an eighth if there is no room, the longest untouched.
    pub fn trim(&mut self) {
        let open_max = OPEN_MAX.min(self.room.users_max / 2);
        if open_max < self.open.len() {
            let kept_max = open_max - open_max / 8;
            let first_kept = nth_oldest(self.open.values().map(|user| user.tick), self.open.len() - kept_max);
            // Of one batch all or none: hardly more than a batch too many stays open.
            for (id, user) in self.open.extract_if(|_, user| user.tick < first_kept) {
                self.packed.put(&id, meta(&user), &pack(&user));
            }
        }
        let held = self.open.len() + self.packed.len();
        // What is dead takes its share of the room.
        let bytes_max = self.room.bytes_max - self.room.bytes_max / DEAD_SHARE;
        let bytes = self.packed.live_bytes();
        if self.room.users_max < held || bytes_max < bytes {
            let share = |held: usize, max: usize| held.saturating_sub(max - max / 8);
            let heavy = share(bytes, bytes_max) * self.packed.len() / bytes.max(1);
            let surplus = share(held, self.room.users_max).max(heavy);
            self.packed.let_go(nth_oldest(self.packed.ticks(), surplus));
        }
        self.packed.compact();
    }
}

/// The tick that `n` others do not exceed; the last one if there are no more.
fn nth_oldest(ticks: impl Iterator<Item = u64>, n: usize) -> u64 {
    let mut ticks: Vec<u64> = ticks.collect();
    ticks.sort_unstable();
    ticks.get(n).or(ticks.last()).copied().unwrap_or(0)
}

fn meta(user: &CachedUser) -> Meta {
    Meta { tick: user.tick, revision: user.revision, model_version: user.model_version }
}

fn pack(user: &CachedUser) -> Vec<u8> {
    // Whom a batch has changed is packed only after its commit.
    let CachedUser { state, erased, upto, top, revision: _, model_version: _, tick: _, changed: _ } = user;
    let mut out = Writer::with_format(FORMAT);
    for (erased, upto) in erased.iter().zip(upto) {
        // Offsets are never negative.
        out.int(erased.unwrap_or(-1));
        out.int(*upto);
    }
    out.uint(top.len() as u64);
    top.iter().for_each(|item| out.uint(u64::from(*item)));
    for part in &state.parts {
        let bytes = (!part.is_empty()).then(|| part.encode());
        out.optional(bytes.as_deref());
    }
    out.finish()
}

fn unpack(meta: Meta, bytes: &[u8]) -> Result<CachedUser, CodecError> {
    let Meta { tick, revision, model_version } = meta;
    let mut from = Reader::new(WHAT, bytes, FORMAT)?;
    let mut user = CachedUser { tick, revision, model_version, ..CachedUser::new() };
    for (erased, upto) in user.erased.iter_mut().zip(&mut user.upto) {
        *erased = Some(from.int()?).filter(|offset| 0 <= *offset);
        *upto = from.int()?;
    }
    let top = from.count()?;
    user.top.reserve_exact(top);
    for _ in 0..top {
        user.top.push(from.u32()?);
    }
    for part in &mut user.state.parts {
        if let Some(bytes) = from.optional()? {
            *part = Part::decode(bytes)?;
        }
    }
    from.finish()?;
    Ok(user)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use shoptide_models::state::{Act, ActCount, ItemEntry};
    use shoptide_schemas::{ItemId, StoredList};

    use super::*;

    fn id(n: usize) -> UserId {
        UserId::from_trusted(n.to_string().as_bytes())
    }

    fn user(n: usize, tick: u64) -> CachedUser {
        let mut user = CachedUser { tick, ..CachedUser::new() };
        user.erased[1] = Some(n as i64);
        user.upto = [n as i64, -1, 0, i64::MAX, 7];
        (user.revision, user.model_version, user.top) = (9, u64::MAX, vec![0, 7, u32::MAX]);
        user.state.parts[2].last_ms = n as i64 + 1;
        user.state.parts[2].recent.extend([u64::MAX, 3]);
        user.state.parts[2].items.push(ItemEntry {
            item: ItemId::from_trusted(b"\xff\0item"),
            last_ms: 1,
            last_act: Act::VIEW,
            last_off: 5,
            rating: Some(250),
            thread: Some("t".into()),
            acts: vec![ActCount { act: Act::VIEW, day: 3, n: 2 }],
        });
        user
    }

    #[test]
    fn a_packed_user_is_the_same_opened() {
        for user in [CachedUser::new(), user(3, 5)] {
            let packed = pack(&user);
            assert_eq!(unpack(meta(&user), &packed).unwrap(), user);
            for cut in 0..packed.len() {
                assert!(unpack(meta(&user), packed.get(..cut).unwrap()).is_err(), "cut at {cut}");
            }
        }
        let mut listed = CachedUser::new();
        listed.note_list(&StoredList { revision: 4, ..StoredList::default() });
        assert_eq!(unpack(meta(&listed), &pack(&listed)).unwrap(), listed);
    }

    #[test]
    fn who_was_not_touched_is_packed_and_then_let_go() {
        let mut users = Users::new(Room { users_max: 100, bytes_max: usize::MAX });
        for n in 0..200 {
            users.insert(id(n), user(n, n as u64));
            users.trim();
            assert!(users.open.len() <= 51 && users.open.len() + users.packed.len() <= 101);
        }
        assert!(users.holds(&id(199)) && users.holds(&id(140)) && !users.holds(&id(0)));
        assert!(users.get(&id(199)).is_some() && users.get(&id(140)).is_none(), "the last ones are open");
        assert_eq!(
            (users.listed(&id(199)), users.listed(&id(140)), users.listed(&id(0))),
            (Some((9, u64::MAX)), Some((9, u64::MAX)), None)
        );
        assert_eq!(users.get_mut(&id(140)).cloned(), Some(user(140, 140)));
        assert!(users.get(&id(140)).is_some() && users.get_mut(&id(0)).is_none());
        let recent = users.by_recency();
        assert_eq!(recent.first(), Some(&id(199)));
        assert!(recent.is_sorted_by_key(|id| std::cmp::Reverse(
            std::str::from_utf8(id.as_bytes()).unwrap().parse::<u64>().unwrap()
        )));
        users.forget(&id(140));
        users.forget(&id(141));
        assert!(!users.holds(&id(140)) && !users.holds(&id(141)));
    }

    #[test]
    fn they_stay_within_their_bytes() {
        let mut users = Users::new(Room { users_max: 10_000, bytes_max: 100_000 });
        for n in 0..5_000 {
            users.insert(id(n), user(n, n as u64 / 100));
            if n % 100 == 99 {
                users.trim();
                assert!(users.packed.live_bytes() <= 90_000, "{}", users.packed.live_bytes());
            }
        }
        assert!(50_000 < users.packed.live_bytes() && users.holds(&id(4_999)) && !users.holds(&id(0)));
    }
}
