//! What goes into the truth and comes out of it. States and lists are opaque bytes here: `models` gives them meaning.

use std::sync::Arc;

use shoptide_schemas::topic::PARTS;
use shoptide_schemas::{Currency, ItemId, Micros, Topic, UserId};

/// How the records of one (shard, topic) ended; they add up: `logged` is the sum of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub logged: i64,
    pub applied: i64,
    pub duplicate: i64,
    pub late: i64,
    pub erased: i64,
    pub dead: i64,
}

impl Tally {
    pub fn adds_up(&self) -> bool {
        self.logged == self.applied + self.duplicate + self.late + self.erased + self.dead
    }

    pub fn add(&mut self, other: &Tally) {
        self.logged += other.logged;
        self.applied += other.applied;
        self.duplicate += other.duplicate;
        self.late += other.late;
        self.erased += other.erased;
        self.dead += other.dead;
    }
}

/// What a tombstone keeps of an erased user: 128 bits of XXH3 of the id, big-endian.
pub fn user_hash(user: &UserId) -> [u8; 16] {
    xxhash_rust::xxh3::xxh3_128(user.as_bytes()).to_be_bytes()
}

/// Where a shard stands in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetRow {
    pub shard: u32,
    pub topic: Topic,
    pub next_off: i64,
    pub epoch: i64,
    pub base_off: i64,
    /// The lists that records before this offset asked for are made, and the cache has them.
    pub published_off: i64,
    /// Append time of the last record folded; 0 before the first.
    pub append_ms: i64,
    pub tally: Tally,
}

/// One topic's step within a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetMove {
    pub topic: Topic,
    pub from: i64,
    pub to: i64,
    pub append_ms: i64,
    /// What this commit adds.
    pub tally: Tally,
}

/// A user's part of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRow {
    pub shard: u32,
    pub user: UserId,
    pub topic: Topic,
    /// Offset of the last record folded in.
    pub upto: i64,
    pub data: Vec<u8>,
}

/// What the truth holds of a user when a shard meets him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    pub user: UserId,
    /// By user topic: last offset folded in, and the encoded part.
    pub parts: [Option<(i64, Vec<u8>)>; PARTS],
    /// By user topic: the offset of the erasure, if the user was erased there.
    pub erased: [Option<i64>; PARTS],
    /// The stored list.
    pub list: Option<Vec<u8>>,
}

/// An order line that is unique for ever.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderLineRow {
    pub user: UserId,
    /// Event type code: a purchase and its refund are two lines.
    pub kind: u8,
    pub order: String,
    pub line: String,
}

/// A count to add (or take back).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountRow {
    pub item: ItemId,
    pub day: u32,
    pub kind: u8,
    pub n: i64,
}

/// Where a walk over the counts stands: the key of the last row that it has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountPlace {
    pub shard: u32,
    pub item: ItemId,
    pub day: u32,
    pub kind: u8,
}

/// What a batch adds to the ratings of an item, or takes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatingRow {
    pub item: ItemId,
    pub n: i64,
    pub hundredths: i64,
    /// Offset of the last record of `shop.feedback` that did.
    pub upto: i64,
}

/// The ratings of an item, summed over shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRating {
    pub item: ItemId,
    pub n: i64,
    pub hundredths: i64,
}

/// How far a reader has seen what became of ratings: nothing yet, or what [`RatingsPage::seen`] said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RatingsSeen(pub(crate) std::collections::BTreeMap<u32, RatedUpto>);

/// Of one shard: all changes before this offset, and of those at it the items up to this one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RatedUpto {
    pub offset: i64,
    pub item: Vec<u8>,
    /// [`crate::Truth::rated_from`] then: where it is another, the shard was summed up anew, below offsets that were seen.
    pub rated_from: Option<i64>,
}

/// Items whose ratings changed, each with the sums of now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RatingsPage {
    pub ratings: Vec<ItemRating>,
    pub seen: RatingsSeen,
    /// There is more than what was asked for at most.
    pub more: bool,
}

/// A refused record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub shard: u32,
    pub topic: Topic,
    pub offset: i64,
    pub append_ms: i64,
    pub reason: String,
    pub field: String,
    pub message: String,
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
}

/// A page of dead letters, newest append first unless one is named.
#[derive(Debug, Clone, Default)]
pub struct DeadPage {
    pub reason: Option<String>,
    pub at: Option<(u32, Topic, i64)>,
    pub limit: usize,
}

/// A record that a fold owes to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    pub topic: Topic,
    /// Offset of the record that caused it: with shard and topic, its name for ever.
    pub off: i64,
    pub key: Vec<u8>,
    pub payload: Vec<u8>,
}

/// A list to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRow {
    pub user: UserId,
    pub revision: i64,
    pub model_version: u64,
    pub last_ms: i64,
    pub data: Arc<[u8]>,
}

/// What a sweep needs to know of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListHead {
    pub user: UserId,
    pub revision: i64,
    pub model_version: u64,
    pub last_ms: i64,
}

/// A catalogue row: number, id, the offset that made this version, encoded fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRow {
    pub num: u32,
    pub item: ItemId,
    pub from_off: i64,
    pub data: Vec<u8>,
}

/// One version of a catalogue row: the offset that made it, and its encoded fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemVersion {
    pub from_off: i64,
    pub data: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemCount {
    pub item: ItemId,
    pub kind: u8,
    pub n: i64,
}

/// What a user may spend a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    pub month: Micros,
    pub currency: Currency,
    pub updated_ms: i64,
}

/// A part of the file of a model that is about to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelPart {
    pub version: u64,
    pub file: String,
    /// Counted from 0.
    pub part: u32,
    pub data: Vec<u8>,
}

/// A published model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRow {
    pub version: u64,
    pub parent: Option<u64>,
    /// `full` or `delta`.
    pub kind: String,
    /// File name within the data directory's `models`.
    pub file: String,
    pub bytes: u64,
    pub created_ms: i64,
    /// JSON of `models`' lineage.
    pub lineage: Vec<u8>,
    /// JSON of how it came to be; empty where nobody said.
    pub report: Vec<u8>,
}

/// A training that was not published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateRow {
    /// From 1, rising with each candidate; no version of what is served.
    pub number: u64,
    /// The version that was served when it was trained.
    pub parent: Option<u64>,
    /// File name within the data directory's `models`.
    pub file: String,
    pub bytes: u64,
    pub created_ms: i64,
    /// JSON of `models`' lineage.
    pub lineage: Vec<u8>,
    /// JSON of how it came to be, and why it is not served.
    pub report: Vec<u8>,
}

impl CandidateRow {
    /// The number under which the parts of its file are kept: behind those of all versions, so that a publish leaves them alone.
    pub fn parts_version(number: u64) -> u64 {
        CANDIDATE_PARTS.saturating_add(number)
    }
}

/// No chain of versions gets here: one a millisecond would take centuries.
pub(crate) const CANDIDATE_PARTS: u64 = 1 << 60;

/// All that one batch of one shard does. Rows are sorted by key by the store before they are written; of two rows of one key
/// the later one stays. What goes (`*_gone`, `*_done`) goes before the other rows come.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    pub shard: u32,
    pub epoch: i64,
    /// At least one; also named without a step (`from == to`) by writes of lists alone, which the epoch still fences.
    pub offsets: Vec<OffsetMove>,
    pub parts: Vec<PartRow>,
    /// Parts to delete, by (user, topic).
    pub parts_gone: Vec<(UserId, Topic)>,
    pub lines: Vec<OrderLineRow>,
    /// Users all of whose order lines go (erasure).
    pub lines_gone: Vec<UserId>,
    pub counts: Vec<CountRow>,
    pub ratings: Vec<RatingRow>,
    /// From this offset of `shop.feedback` on the shard's ratings are counted as they are folded: [`crate::Truth::rated_from`].
    pub rated_from: Option<i64>,
    pub dead: Vec<DeadLetter>,
    /// Dead letters whose key is this user are redacted (erasure): key and payload go. Only those of the same topic
    /// below the offset, or the interleaving of topics would show.
    pub dead_redacted: Vec<(UserId, Topic, i64)>,
    /// Erasures: user and the topic and offset at which it was read.
    pub tombstones: Vec<(UserId, Topic, i64)>,
    pub outbox: Vec<OutboxRow>,
    pub lists: Vec<ListRow>,
    pub lists_gone: Vec<UserId>,
    pub todo: Vec<UserId>,
    pub todo_done: Vec<UserId>,
    /// By topic that moves: [`OffsetRow::published_off`] from now on. A topic that is not named keeps its own.
    pub published: Vec<(Topic, i64)>,
    /// Users whose list of this commit no record asked for: the cache is owed them until `owed_done`.
    pub owed: Vec<UserId>,
    pub owed_done: Vec<UserId>,
    /// (day, metric, n) to add.
    pub quality: Vec<(u32, u32, i64)>,
    /// Catalogue rows, new or changed; each is also kept as a version.
    pub items: Vec<ItemRow>,
    /// Users whose budget goes (erasure).
    pub budgets_gone: Vec<UserId>,
    /// Users all of whose chats go (erasure).
    pub chats_gone: Vec<UserId>,
}

/// A question with its answer, as bytes of [`shoptide_schemas::FaqEntry`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaqRow {
    pub id: String,
    pub data: Vec<u8>,
}

/// What one change does to the questions: takes away, then puts.
#[derive(Debug, Clone, Default)]
pub struct FaqChange {
    /// Takes away all that are not put.
    pub replace: bool,
    pub gone: Vec<String>,
    pub put: Vec<FaqRow>,
    /// How many there may be afterwards.
    pub entries_max: usize,
}

/// What users' acts say of an item, as bytes that `models` gives their meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemLinksRow {
    pub item: ItemId,
    pub data: Vec<u8>,
}

/// The folded tables that a replay must reproduce byte for byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoldedTable {
    Offsets,
    Parts,
    OrderLines,
    Counts,
    Ratings,
    DeadLetters,
    Tombstones,
    Items,
    ItemVersions,
}

impl FoldedTable {
    pub const ALL: [FoldedTable; 9] = [
        FoldedTable::Offsets,
        FoldedTable::Parts,
        FoldedTable::OrderLines,
        FoldedTable::Counts,
        FoldedTable::Ratings,
        FoldedTable::DeadLetters,
        FoldedTable::Tombstones,
        FoldedTable::Items,
        FoldedTable::ItemVersions,
    ];

    pub fn name(self) -> &'static str {
        match self {
            FoldedTable::Offsets => "stream_offset",
            FoldedTable::Parts => "user_part",
            FoldedTable::OrderLines => "order_line",
            FoldedTable::Counts => "item_count",
            FoldedTable::Ratings => "item_rating",
            FoldedTable::DeadLetters => "dead_letter",
            FoldedTable::Tombstones => "tombstone",
            FoldedTable::Items => "item",
            FoldedTable::ItemVersions => "item_version",
        }
    }
}

/// The shard under which the cache holds lists of items, each under its item's id: no partition has this number.
pub const ITEM_LISTS: u32 = u32::MAX;

/// A list for the cache, with the version that decides.
#[derive(Debug, Clone)]
pub struct CacheEntry {
    pub shard: u32,
    /// Whose list it is; under [`ITEM_LISTS`] an item's.
    pub user: UserId,
    /// [`shoptide_schemas::StoredList::version_key`].
    pub version: String,
    pub data: Arc<[u8]>,
}
