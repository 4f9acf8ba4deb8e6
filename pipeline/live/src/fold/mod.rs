//! What a batch of records does to a shard: users in memory, decisions of `models`, and one [`Commit`] for the store.
//! No I/O here: the caller loads the users and facts that [`ShardFold::wants`] names, and carries the commit out.

mod batch;
mod decoded;
mod feed;
mod narrow;
mod packed;
mod replay;
mod sum;
mod user;
mod users;
mod whole;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use shoptide_log::Record;
use shoptide_models::catalogue::{Catalogue, CatalogueBuilder};
use shoptide_models::codec::CodecError;
use shoptide_schemas::limits::ID_BYTES_MAX;
use shoptide_schemas::{ShopEvent, Topic, UserId};
use shoptide_store::{Commit, OrderLineRow, UserRow};

use self::users::Users;
pub use decoded::{Decoded, decode};
pub use feed::{Fed, Feed, LogFeed};
pub use narrow::Narrow;
pub use replay::{REPLAY_READ, ReplayError, replay, replay_rated};
pub use sum::{SumError, sum_ratings};
pub use user::{CachedUser, state_of};
pub use users::Room;
pub use whole::{Stretch, WholeRun, first_bases};

/// Called with every user event before it is folded; tests make it panic.
pub type Inspect = Arc<dyn Fn(&ShopEvent) + Send + Sync>;

/// What must be looked up before a batch can be folded.
#[derive(Debug, Default)]
pub struct Wants {
    pub users: Vec<UserId>,
    pub lines: Vec<OrderLineRow>,
}

/// What a batch did to one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Touch {
    /// At least one event was of this moment, not of an import.
    pub live: bool,
    /// The list must go: the user was erased or became somebody else.
    pub gone: bool,
    /// Append time of the last event, for freshness.
    pub appended_ms: i64,
}

/// What a batch comes to.
#[derive(Debug, Default)]
pub struct Folded {
    /// Folded tables, dead letters, outbox and offsets; the caller adds lists.
    pub commit: Commit,
    pub touched: BTreeMap<UserId, Touch>,
    /// Prequential: (predicted, hits of the list at 20, hits of popularity at 20).
    pub quality: [i64; 3],
}

/// A record whose fold panicked, by its place in the batch. The users of the batch must be dropped and loaded anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panicked {
    pub place: usize,
}

/// One shard in memory: its users, and for shard 0 the catalogue as the truth will have it.
pub struct ShardFold {
    shard: u32,
    epoch: i64,
    partitions: u32,
    users: Users,
    tick: u64,
    catalogue: Option<CatalogueBuilder>,
    /// Next offset by topic code, as the truth has it.
    positions: BTreeMap<u8, i64>,
    inspect: Option<Inspect>,
    /// Catalogue numbers by popularity, for the prequential yardstick.
    popular: Arc<[u32]>,
    numbers: Arc<Catalogue>,
}

impl ShardFold {
    /// - `positions`: the truth's next offset of each topic the shard reads
    /// - `room`: users kept in memory; the longest untouched make room
    pub fn new(
        shard: u32,
        epoch: i64,
        partitions: u32,
        positions: BTreeMap<u8, i64>,
        catalogue: Option<&Catalogue>,
        room: Room,
    ) -> Self {
        Self {
            shard,
            epoch,
            partitions,
            users: Users::new(room),
            tick: 0,
            catalogue: catalogue.map(CatalogueBuilder::from),
            positions,
            inspect: None,
            popular: Arc::from([]),
            numbers: Arc::default(),
        }
    }

    pub fn with_inspect(mut self, inspect: Option<Inspect>) -> Self {
        self.inspect = inspect;
        self
    }

    /// The yardstick of prequential quality: items by popularity, and the catalogue that numbers them.
    pub fn set_popular(&mut self, popular: Arc<[u32]>, numbers: Arc<Catalogue>) {
        self.popular = popular;
        self.numbers = numbers;
    }

    pub fn shard(&self) -> u32 {
        self.shard
    }

    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    pub fn positions(&self) -> &BTreeMap<u8, i64> {
        &self.positions
    }

    /// Opens the users of the batch that are in memory (also those whom refused records name as their key), and names those that
    /// are not, and the order lines it claims.
    pub fn wants(&mut self, records: &[Record], batch: &[Decoded]) -> Wants {
        let mut wants = Wants::default();
        let mut asked = HashSet::new();
        for (record, decoded) in records.iter().zip(batch) {
            let event = decoded.user_event();
            let refused = || keyed_user(record).filter(|_| matches!(decoded, Decoded::Dead(_)));
            let Some(user) = event.map(|e| e.user.clone()).or_else(refused) else { continue };
            if !self.users.open(&user) && asked.insert(user.clone()) {
                wants.users.push(user);
            }
            if let Some((event, line)) = event.and_then(|e| Some((e, e.order_line()?))) {
                wants.lines.push(line_row(event, line));
            }
        }
        wants
    }

    /// Takes loaded users into memory.
    ///
    /// # Errors
    /// [`CodecError`] if a stored part cannot be read: the shard must stop, not guess.
    pub fn admit(&mut self, rows: Vec<UserRow>) -> Result<(), CodecError> {
        for row in rows {
            let user = CachedUser::read(&row, self.tick)?;
            self.users.insert(row.user, user);
        }
        Ok(())
    }

    /// Revision and model version of the stored list of a user in memory, 0 without one.
    pub fn listed(&self, user: &UserId) -> Option<(i64, u64)> {
        self.users.listed(user)
    }

    pub fn holds(&self, user: &UserId) -> bool {
        self.users.holds(user)
    }

    pub fn user_mut(&mut self, user: &UserId) -> Option<&mut CachedUser> {
        self.users.get_mut(user)
    }

    /// Users in memory, the last touched first.
    pub fn users_by_recency(&self) -> Vec<UserId> {
        self.users.by_recency()
    }

    /// Forgets users whose state in memory may not be the truth's.
    pub fn forget<'a>(&mut self, users: impl Iterator<Item = &'a UserId>) {
        for user in users {
            self.users.forget(user);
        }
    }

    /// Forgets everybody: the truth has all that was folded.
    pub(super) fn clear_users(&mut self) {
        self.users.clear();
    }

    /// The catalogue in memory, if this topic is the one that changes it.
    pub(super) fn catalogue_so_far(&self, topic: Topic) -> Option<Catalogue> {
        let catalogue = self.catalogue.as_ref().filter(|_| topic == Topic::Catalogue);
        catalogue.map(|catalogue| catalogue.so_far().clone())
    }

    /// Forgets everybody, and goes back to a catalogue of before.
    pub(super) fn begin_again(&mut self, catalogue: Option<Catalogue>) {
        self.users.clear();
        if let Some(catalogue) = catalogue {
            self.catalogue = Some(CatalogueBuilder::from(&catalogue));
        }
    }

    /// Makes room once a batch is committed.
    pub fn trim(&mut self) {
        self.users.trim();
    }
}

/// The user whom a record of a user topic names as its key; foreign keys that can be no id are nobody's.
fn keyed_user(record: &Record) -> Option<UserId> {
    let key =
        record.key.as_ref().filter(|k| record.topic.is_user() && (1..=ID_BYTES_MAX).contains(&k.len()))?;
    Some(UserId::from_trusted(key))
}

fn line_row(event: &ShopEvent, line: &shoptide_schemas::event::OrderLine) -> OrderLineRow {
    OrderLineRow {
        user: event.user.clone(),
        kind: event.event_type as u8,
        order: line.order.clone(),
        line: line.line.clone(),
    }
}
