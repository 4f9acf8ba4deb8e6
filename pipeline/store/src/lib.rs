//! The truth and the cache. [`Truth`] is what one transaction makes: states, lists, counters, dead letters and offsets
//! together, compare-and-set on (offset, epoch). [`Cache`] holds ready lists and is never newer than the truth.

mod cache;
mod chats;
mod growth;
mod health;
mod jobs;
#[cfg(feature = "redis")]
mod redis;
mod rows;
mod segments;
mod sql;

use async_trait::async_trait;
use shoptide_schemas::{ItemId, Topic, UserId};

pub use cache::{Clock, LocalCache, LocalCacheOptions};
pub use chats::*;
pub use growth::Growth;
pub use health::{CacheFailures, CacheHealth, CacheState, Connections};
pub use jobs::*;
#[cfg(feature = "redis")]
pub use redis::{RedisCache, RedisCacheOptions, RedisPassword, RedisReport, RedisState};
pub use rows::*;
pub use segments::*;
#[cfg(feature = "mysql")]
pub use sql::{MysqlAddress, MysqlTls, MysqlTruth, MysqlTruthOptions};
pub use sql::{SqliteTruth, SqliteTruthOptions};

/// Bytes of one part of a model file: a row that any server takes in one packet, beside what else is written.
pub const MODEL_PART_BYTES_MAX: usize = 1024 * 1024;

/// What a caller can do about a failure.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Retry with backoff: the same call may succeed later. Nothing was written.
    #[error("{store} cannot be reached: {reason}")]
    Unavailable { store: &'static str, reason: String },
    /// Goes on without: what was to be written has no room, what is held is served. Room is for a person to make.
    #[error("{store}: {reason}")]
    Full { store: &'static str, reason: String },
    /// The outcome of a commit is unknown: read the offsets again, never run it again blindly.
    #[error("{store} was lost during a commit: {reason}")]
    Unknown { store: &'static str, reason: String },
    /// Another owner took the shard, or the offsets moved: drop everything held of it.
    #[error("shard {shard} {topic} is not at offset {expected} of epoch {epoch} any more")]
    Fenced { shard: u32, topic: Topic, expected: i64, epoch: i64 },
    /// The row is not as the caller last saw it, or is gone: read it again. Nothing was written.
    #[error("{what} has changed since it was read")]
    Changed { what: &'static str },
    /// Stop: stored data is of another version or damaged.
    #[error("{0}")]
    Unusable(String),
}

/// The truth.
#[async_trait]
pub trait Truth: Send + Sync {
    /// Takes a shard over: raises the epoch of each topic's offset row (made at `base` if missing) and returns them.
    async fn assign(&self, shard: u32, bases: &[(Topic, i64)]) -> Result<Vec<OffsetRow>, StoreError>;

    /// The one transaction. All of it or nothing.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] if any offset row is not where the commit expects it, or of another epoch.
    async fn commit(&self, commit: Commit) -> Result<(), StoreError>;

    /// Users with all their parts and what is known of their list, in the order asked; unknown users have no parts.
    async fn users(&self, shard: u32, users: &[UserId]) -> Result<Vec<UserRow>, StoreError>;

    /// Which of these order lines were seen before.
    async fn known_lines(&self, shard: u32, lines: &[OrderLineRow]) -> Result<Vec<bool>, StoreError>;

    /// All offset rows.
    async fn offsets(&self) -> Result<Vec<OffsetRow>, StoreError>;

    /// One user's stored list, as bytes of [`shoptide_schemas::StoredList`].
    async fn list(&self, shard: u32, user: &UserId) -> Result<Option<Vec<u8>>, StoreError>;

    /// Users whose list is still to be made, in order of id.
    async fn todo(&self, shard: u32, limit: usize) -> Result<Vec<UserId>, StoreError>;

    /// Users whose list the cache may not have although no record after [`OffsetRow::published_off`] asked for it.
    async fn owed(&self, shard: u32, limit: usize) -> Result<Vec<UserId>, StoreError>;

    /// Pages through a shard's lists in order of user, for the sweep after a publish.
    async fn lists_after(
        &self,
        shard: u32,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<ListHead>, StoreError>;

    /// Users in order of (shard, id), at most `limit` after `after`.
    async fn users_after(
        &self,
        after: Option<(u32, UserId)>,
        limit: usize,
    ) -> Result<Vec<(u32, UserId)>, StoreError>;

    async fn count_users(&self) -> Result<u64, StoreError>;

    /// The smallest model version that a stored list names, if one does; lists from before the first model name none.
    async fn oldest_model_in_lists(&self) -> Result<Option<u64>, StoreError>;

    /// Walks every part that changed since a cut (all parts if `since` is empty) and returns the offset rows, both of one
    /// consistent read: the cut at which the parts are exact. Order: shard, user, topic.
    async fn scan_parts(
        &self,
        since: &[(u32, Topic, i64)],
        sink: &mut (dyn FnMut(PartRow) + Send),
    ) -> Result<Vec<OffsetRow>, StoreError>;

    /// Walks a folded table in canonical order, each row as its columns' bytes, for verification.
    async fn dump(
        &self,
        table: FoldedTable,
        sink: &mut (dyn for<'r> FnMut(&'r [u8]) + Send),
    ) -> Result<(), StoreError>;

    /// Walks every folded table, each as [`Truth::dump`] does, and returns the offset rows, all of one consistent read: what
    /// stands there belongs together even while shards commit.
    async fn dump_all(
        &self,
        sink: &mut (dyn for<'r> FnMut(FoldedTable, &'r [u8]) + Send),
    ) -> Result<Vec<OffsetRow>, StoreError>;

    /// Outbox rows of a shard in order, at most `limit`.
    async fn outbox(&self, shard: u32, limit: usize) -> Result<Vec<OutboxRow>, StoreError>;
    async fn outbox_done(&self, shard: u32, rows: &[(Topic, i64)]) -> Result<(), StoreError>;

    async fn dead_letters(&self, page: DeadPage) -> Result<Vec<DeadLetter>, StoreError>;

    /// Dead letters in order of (shard, topic, offset), at most `limit` behind `after`.
    async fn dead_letters_after(
        &self,
        after: Option<(u32, Topic, i64)>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let _ = (after, limit);
        Err(no_pages())
    }

    /// Stored lists with their shard and user, as bytes of [`shoptide_schemas::StoredList`], in order of (shard, user), at most
    /// `limit` behind `after`.
    async fn stored_lists_after(
        &self,
        after: Option<(u32, UserId)>,
        limit: usize,
    ) -> Result<Vec<(u32, UserId, Vec<u8>)>, StoreError> {
        let _ = (after, limit);
        Err(no_pages())
    }

    /// Rows of the catalogue in order of number, at most `limit` behind `after`.
    async fn items_after(&self, after: Option<u32>, limit: usize) -> Result<Vec<ItemRow>, StoreError> {
        let _ = (after, limit);
        Err(no_pages())
    }

    /// Rows of `item_count`, each with its shard, in the order of its key, at most `limit` behind `after`.
    async fn item_counts_after(
        &self,
        after: Option<CountPlace>,
        limit: usize,
    ) -> Result<Vec<(u32, CountRow)>, StoreError> {
        let _ = (after, limit);
        Err(no_pages())
    }

    /// Sums of `item_count` over shards and days `from..=to` by (item, type); all items if `items` is empty.
    async fn item_counts(
        &self,
        items: &[ItemId],
        from_day: u32,
        to_day: u32,
    ) -> Result<Vec<ItemCount>, StoreError>;

    /// From which offset of `shop.feedback` on a shard's ratings are counted as they are folded; -1 for all of them. `None`: they are not yet, the store is from
    /// before there were sums; whoever takes the shard over adds what its parts hold, with [`Commit::rated_from`].
    async fn rated_from(&self, shard: u32) -> Result<Option<i64>, StoreError> {
        let _ = shard;
        Ok(Some(0))
    }

    /// Items whose ratings changed since a reader last looked, with their sums of now, and how far that is; some `limit` items at
    /// most, but all of them to a reader who has seen nothing.
    async fn ratings_since(&self, seen: &RatingsSeen, limit: usize) -> Result<RatingsPage, StoreError> {
        let _ = limit;
        Ok(RatingsPage { seen: seen.clone(), ..RatingsPage::default() })
    }

    /// Sums of the ratings of some items; those that were never rated are left out.
    async fn item_ratings(&self, items: &[ItemId]) -> Result<Vec<ItemRating>, StoreError> {
        let _ = items;
        Ok(Vec::new())
    }

    /// Sums of the quality counters over shards, by (day, metric).
    async fn quality(&self, from_day: u32) -> Result<Vec<(u32, u32, i64)>, StoreError>;

    /// The whole catalogue in order of number, and the offset row of its topic, of one consistent read.
    async fn catalogue(&self) -> Result<(Vec<ItemRow>, Option<OffsetRow>), StoreError>;

    /// The catalogue as it was before `offset`: of each item the newest version with `from_off < offset`.
    async fn catalogue_at(&self, offset: i64) -> Result<Vec<ItemRow>, StoreError>;

    async fn budget(&self, shard: u32, user: &UserId) -> Result<Option<Budget>, StoreError>;
    async fn set_budget(&self, shard: u32, user: &UserId, budget: Option<Budget>) -> Result<(), StoreError>;

    /// A dialogue, if this user has it.
    async fn chat_session(&self, key: &ChatKey) -> Result<Option<ChatSession>, StoreError> {
        let _ = key;
        Err(no_chats())
    }

    /// Writes one turn of a dialogue with the products that it showed, and what else it does; all of it or nothing.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the dialogue has not [`ChatTurn::before`] turns, if something was said of a product of
    /// [`ChatTurn::feedback`] before, or if the user was erased.
    async fn chat_turn(&self, turn: ChatTurn) -> Result<(), StoreError> {
        let _ = turn;
        Err(no_chats())
    }

    /// Messages of a dialogue in their order, at most `limit` after turn `after`.
    async fn chat_messages(
        &self,
        key: &ChatKey,
        after: u32,
        limit: usize,
    ) -> Result<Vec<ChatMessage>, StoreError> {
        let _ = (key, after, limit);
        Err(no_chats())
    }

    /// One product that a turn showed, if it did.
    async fn chat_record(
        &self,
        key: &ChatKey,
        turn: u32,
        place: u32,
    ) -> Result<Option<ChatRecord>, StoreError> {
        let _ = (key, turn, place);
        Err(no_chats())
    }

    /// Notes what the user says of a product that he was shown.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if there is no such record, or he has said something of it.
    async fn chat_feedback(
        &self,
        key: &ChatKey,
        turn: u32,
        place: u32,
        feedback: ChatFeedback,
    ) -> Result<(), StoreError> {
        let _ = (key, turn, place, feedback);
        Err(no_chats())
    }

    /// Forgets dialogues of a shard that nothing was said in since `before_ms`, with their messages and records: the longest
    /// rested first, at most `turns_max` turns together or one dialogue. Returns how many there were.
    async fn forget_chats(&self, shard: u32, before_ms: i64, turns_max: usize) -> Result<usize, StoreError> {
        let _ = (shard, before_ms, turns_max);
        Ok(0)
    }

    /// Versions of a catalogue row, the newest first, at most `limit`.
    async fn item_versions(&self, number: u32, limit: usize) -> Result<Vec<ItemVersion>, StoreError> {
        let _ = (number, limit);
        Err(StoreError::Unusable("this store keeps no versions".to_owned()))
    }

    /// Adds a model row and flips the pointer, in one transaction; the file is there before.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] never; [`StoreError::Unusable`] if the version is not the pointer's successor.
    async fn publish_model(&self, row: ModelRow) -> Result<(), StoreError>;

    /// Takes a chain of models over from another store, in order; the last is published from now on. Their files are there before.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] if a model is published here already.
    async fn adopt_models(&self, rows: Vec<ModelRow>) -> Result<(), StoreError> {
        Err(StoreError::Unusable(format!("this store takes over no models, {} of them", rows.len())))
    }
    async fn model_pointer(&self) -> Result<Option<u64>, StoreError>;
    async fn models(&self) -> Result<Vec<ModelRow>, StoreError>;
    /// With the rows go the parts of their files.
    async fn forget_models(&self, versions: &[u64]) -> Result<(), StoreError>;

    /// Candidates in order of number, and the number of the last that there was.
    async fn candidates(&self) -> Result<(u64, Vec<CandidateRow>), StoreError> {
        Ok((0, Vec::new()))
    }

    /// Adds a candidate; the file is there before. Nothing that is served changes.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] if the number does not follow the last one's: another trainer was faster.
    async fn put_candidate(&self, row: CandidateRow) -> Result<(), StoreError> {
        Err(StoreError::Unusable(format!("this store keeps no candidates, {} among them", row.number)))
    }

    /// With the rows go the parts of their files.
    async fn forget_candidates(&self, numbers: &[u64]) -> Result<(), StoreError> {
        let _ = numbers;
        Ok(())
    }

    /// Keeps one part of a model file for processes on other machines. Nobody sees it before [`Truth::publish_model`] names
    /// the file; if that never happens, the next publish takes it away.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] for a part of more than [`MODEL_PART_BYTES_MAX`].
    async fn put_model_part(&self, part: ModelPart) -> Result<(), StoreError> {
        Err(StoreError::Unusable(format!("this store keeps no model files, {} among them", part.file)))
    }

    /// One part of a model file, if it is kept.
    async fn model_part(&self, version: u64, file: &str, part: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let _ = (version, file, part);
        Ok(None)
    }

    /// The questions that shoppers ask, by id, and how often they were changed, of one consistent read.
    async fn faq(&self) -> Result<(u64, Vec<FaqRow>), StoreError> {
        Ok((0, Vec::new()))
    }

    /// How often the questions were changed: whoever holds them reads again when it rises.
    async fn faq_revision(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    /// Changes questions, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Full`] if there would be more than [`FaqChange::entries_max`]; nothing is changed then.
    async fn change_faq(&self, change: FaqChange) -> Result<(), StoreError> {
        let _ = change;
        Err(StoreError::Unusable("this store keeps no questions".to_owned()))
    }

    /// Keeps what users' acts say of items, as of a model version; rows of other items stay as they are.
    async fn put_item_links(&self, version: u64, rows: Vec<ItemLinksRow>) -> Result<(), StoreError> {
        let _ = (version, rows);
        Err(StoreError::Unusable("this store keeps no links of items".to_owned()))
    }

    /// Takes away the links that were made before a version.
    async fn forget_item_links(&self, before: u64) -> Result<(), StoreError> {
        let _ = before;
        Ok(())
    }

    /// What users' acts say of an item, if anything is kept.
    async fn item_links(&self, item: &ItemId) -> Result<Option<Vec<u8>>, StoreError> {
        let _ = item;
        Ok(None)
    }

    /// The leases of jobs, by name.
    async fn job_leases(&self) -> Result<Vec<Lease>, StoreError> {
        Ok(Vec::new())
    }

    /// The schedules that a leader has met, by name.
    async fn job_schedules(&self) -> Result<Vec<ScheduleRow>, StoreError> {
        Ok(Vec::new())
    }

    /// Runs of jobs, the newest first.
    async fn job_runs(&self, page: RunPage) -> Result<Vec<JobRun>, StoreError> {
        let _ = page;
        Ok(Vec::new())
    }

    /// Changes a lease or what is known of runs, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the lease is another's by now, or the run is there already or has ended: nothing was written.
    async fn job_write(&self, write: JobWrite) -> Result<(), StoreError> {
        let _ = write;
        Err(StoreError::Unusable("this store keeps no runs of jobs".to_owned()))
    }

    /// Takes the number of a run of segments for whoever brings this token; `false` if somebody else has it.
    async fn claim_segments(&self, run: u64, token: i64) -> Result<bool, StoreError> {
        let _ = (run, token);
        Err(no_segments())
    }

    /// Notes users of a run that is on its way; of a user who was erased meanwhile nothing stays.
    async fn put_user_segments(
        &self,
        run: u64,
        shard: u32,
        rows: Vec<(UserId, u32)>,
    ) -> Result<(), StoreError> {
        let _ = (run, shard, rows);
        Err(no_segments())
    }

    /// The run counts from now on, whole. Runs before [`PublishSegments::kept_from`] are forgotten, but for rows of users:
    /// [`Truth::forget_user_segments`].
    ///
    /// # Errors
    /// [`StoreError::Changed`] if its parent is not the run that counts, or its number is another's.
    async fn publish_segments(&self, publish: PublishSegments) -> Result<(), StoreError> {
        let _ = publish;
        Err(no_segments())
    }

    /// The run that counts, if there is one.
    async fn segment_run(&self) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }

    /// A run with its segments by number, of one consistent read: the one that counts, or one that is still kept.
    async fn segments(
        &self,
        run: Option<u64>,
    ) -> Result<Option<(SegmentRunRow, Vec<SegmentRow>)>, StoreError> {
        let _ = run;
        Ok(None)
    }

    /// Runs that are kept, the newest first.
    async fn segment_runs(&self) -> Result<Vec<SegmentRunRow>, StoreError> {
        Ok(Vec::new())
    }

    /// The segment of each of these users in the run that counts, in the order asked.
    async fn user_segments(&self, shard: u32, users: &[UserId]) -> Result<Vec<Option<u32>>, StoreError> {
        let _ = shard;
        Ok(vec![None; users.len()])
    }

    /// Users of the run that counts in order of (shard, id), at most `limit` after `after`.
    async fn user_segments_after(
        &self,
        after: Option<(u32, UserId)>,
        limit: usize,
    ) -> Result<Vec<(u32, UserId, u32)>, StoreError> {
        let _ = (after, limit);
        Ok(Vec::new())
    }

    /// Takes away some `limit` rows of users of runs before one, the oldest first, and says how many there were.
    async fn forget_user_segments(&self, before: u64, limit: usize) -> Result<usize, StoreError> {
        let _ = (before, limit);
        Ok(0)
    }

    /// The generation of topics that is folded, from 1.
    async fn generation(&self) -> Result<u32, StoreError> {
        Ok(1)
    }

    /// Where the partitions of a former generation ended.
    async fn ended(&self, generation: u32) -> Result<Vec<(Topic, u32, i64)>, StoreError> {
        let _ = generation;
        Ok(Vec::new())
    }

    /// Moves the users of a shard who will live elsewhere to where that is. May be repeated.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] if the shard is no longer the caller's, by the epoch of his assignment.
    async fn move_users(&self, shard: u32, epoch: i64, growth: &Growth) -> Result<(), StoreError> {
        let _ = (shard, epoch, growth);
        Err(StoreError::Unusable("this store cannot grow".to_owned()))
    }

    /// One transaction: the new generation is what is folded. A repeat does nothing.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] if a shard is not at its end, or of another epoch.
    async fn enter_generation(&self, growth: &Growth, epochs: &[(u32, i64)]) -> Result<(), StoreError> {
        let _ = (growth, epochs);
        Err(StoreError::Unusable("this store cannot grow".to_owned()))
    }

    /// Budgets that readers set in the shards of before while the generation changed.
    async fn move_late_budgets(&self, growth: &Growth) -> Result<(), StoreError> {
        let _ = growth;
        Ok(())
    }

    /// A cheap round trip, for readiness.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Connections in use now, for metrics.
    fn connections(&self) -> Connections {
        Connections::default()
    }
    async fn close(&self);
}

fn no_segments() -> StoreError {
    StoreError::Unusable("this store keeps no segments".to_owned())
}

fn no_chats() -> StoreError {
    StoreError::Unusable("this store keeps no chats".to_owned())
}

fn no_pages() -> StoreError {
    StoreError::Unusable("this store cannot be read page by page".to_owned())
}

/// The cache of ready lists: a value is replaced only by a newer one, and may vanish at any moment.
#[async_trait]
pub trait Cache: Send + Sync {
    /// The packed list of a user, if held and not expired.
    async fn get(&self, shard: u32, user: &UserId) -> Result<Option<std::sync::Arc<[u8]>>, StoreError>;

    /// Sets lists whose version key is greater than what is held; the same version stays longer, others are left alone.
    ///
    /// # Errors
    /// Any error means that some of them may not be set, so that an older list may be held: bring them again later.
    async fn set_if_newer(&self, entries: Vec<CacheEntry>) -> Result<(), StoreError>;

    /// Forgets a user (erasure), and for a while refuses every list of him: a late reader, or a write that was given up on its
    /// way, may bring one of before, even one newer than what was held.
    ///
    /// # Errors
    /// Any error means that the user may still be held, until the list expires: remove again later.
    async fn remove(&self, shard: u32, user: &UserId) -> Result<(), StoreError>;

    /// Forgets every list, not the removals.
    async fn clear(&self) -> Result<(), StoreError>;

    /// How it is now, without asking: for health and metrics. One in this process is always well.
    fn health(&self) -> CacheHealth {
        CacheHealth::default()
    }
}
