//! [`Truth`] over any database: reads through the pool, writes as values.

use std::sync::Arc;

use async_trait::async_trait;
use shoptide_schemas::{ItemId, Topic, UserId};
use tokio::sync::mpsc;

use super::conn::{Connect, SqlConn};
use super::pool::Pool;
use super::scan::{self, CHUNKS_MAX, Chunks, SCAN_KEYS_MAX};
use super::writes::{Write, Written};
use super::{
    candidates, chats, faq, grow, item_links, jobs, model_files, pages, ratings, reads, reports, segments,
    tables,
};
use crate::{
    Budget, CandidateRow, ChatFeedback, ChatKey, ChatMessage, ChatRecord, ChatSession, ChatTurn, Commit,
    Connections, CountPlace, CountRow, DeadLetter, DeadPage, FaqChange, FaqRow, FoldedTable, Growth,
    ItemCount, ItemLinksRow, ItemRating, ItemRow, ItemVersion, JobRun, JobWrite, Lease, ListHead, ModelPart,
    ModelRow, OffsetRow, OrderLineRow, OutboxRow, PartRow, PublishSegments, RatingsPage, RatingsSeen,
    RunPage, ScheduleRow, SegmentRow, SegmentRunRow, StoreError, Truth, UserRow,
};

/// What a database adds to the shared statements: who writes, and how it ends.
#[async_trait]
pub trait Backend: Send + Sync {
    type Connect: Connect;

    fn readers(&self) -> &Arc<Pool<Self::Connect>>;

    /// Carries out one write, all of it or nothing, whether or not the caller waits for the answer.
    async fn write(&self, write: Write) -> Result<Written, StoreError>;

    /// Lets what is under way finish and closes every connection.
    async fn shut(&self);
}

#[async_trait]
impl<B: Backend> Truth for B {
    async fn assign(&self, shard: u32, bases: &[(Topic, i64)]) -> Result<Vec<OffsetRow>, StoreError> {
        self.write(Write::Assign { shard, bases: bases.to_vec() }).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        self.write(Write::Commit(Box::new(commit))).await.map(drop)
    }

    async fn users(&self, shard: u32, users: &[UserId]) -> Result<Vec<UserRow>, StoreError> {
        let users = users.to_vec();
        self.readers()
            .consistent(move |c| Box::pin(async move { reads::users(c, shard, &users).await }))
            .await
    }

    async fn known_lines(&self, shard: u32, lines: &[OrderLineRow]) -> Result<Vec<bool>, StoreError> {
        let lines = lines.to_vec();
        self.readers()
            .read(move |c| Box::pin(async move { reads::known_lines(c, shard, &lines).await }))
            .await
    }

    async fn offsets(&self) -> Result<Vec<OffsetRow>, StoreError> {
        self.readers().read(|c| Box::pin(reads::offsets_of(c, None, false))).await
    }

    async fn list(&self, shard: u32, user: &UserId) -> Result<Option<Vec<u8>>, StoreError> {
        let user = user.clone();
        self.readers().read(move |c| Box::pin(async move { reads::list(c, shard, &user).await })).await
    }

    async fn todo(&self, shard: u32, limit: usize) -> Result<Vec<UserId>, StoreError> {
        self.readers().read(move |c| Box::pin(reads::first_users(c, &tables::TODO, shard, limit))).await
    }

    async fn owed(&self, shard: u32, limit: usize) -> Result<Vec<UserId>, StoreError> {
        self.readers().read(move |c| Box::pin(reads::first_users(c, &tables::OWED, shard, limit))).await
    }

    async fn lists_after(
        &self,
        shard: u32,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<ListHead>, StoreError> {
        let after = after.cloned();
        self.readers()
            .read(move |c| Box::pin(async move { reads::lists_after(c, shard, after.as_ref(), limit).await }))
            .await
    }

    async fn users_after(
        &self,
        after: Option<(u32, UserId)>,
        limit: usize,
    ) -> Result<Vec<(u32, UserId)>, StoreError> {
        self.readers()
            .consistent(move |c| Box::pin(async move { reads::users_after(c, after.as_ref(), limit).await }))
            .await
    }

    async fn count_users(&self) -> Result<u64, StoreError> {
        self.readers().read(|c| Box::pin(reads::count_users(c))).await
    }

    async fn oldest_model_in_lists(&self) -> Result<Option<u64>, StoreError> {
        self.readers().consistent(|c| Box::pin(reads::oldest_model_in_lists(c))).await
    }

    async fn scan_parts(
        &self,
        since: &[(u32, Topic, i64)],
        sink: &mut (dyn FnMut(PartRow) + Send),
    ) -> Result<Vec<OffsetRow>, StoreError> {
        let since = scan::since_of(since);
        let (sender, mut chunks) = mpsc::channel(CHUNKS_MAX);
        let walk = self.readers().consistent(move |c| {
            Box::pin(async move {
                let offsets = reads::offsets_of(c, None, false).await?;
                scan::parts(c, &since, SCAN_KEYS_MAX, &mut Chunks::new(sender)).await?;
                Ok(offsets)
            })
        });
        let take = async {
            while let Some(chunk) = chunks.recv().await {
                chunk.into_iter().for_each(&mut *sink);
            }
        };
        futures::join!(walk, take).0
    }

    async fn dump(
        &self,
        table: FoldedTable,
        sink: &mut (dyn for<'r> FnMut(&'r [u8]) + Send),
    ) -> Result<(), StoreError> {
        let (sender, mut chunks) = mpsc::channel(CHUNKS_MAX);
        let walk = self.readers().read(move |c| {
            Box::pin(async move { scan::dump(c, table, &mut Chunks::new(sender), |row| row).await })
        });
        let take = async {
            while let Some(chunk) = chunks.recv().await {
                for row in &chunk {
                    sink(row.as_slice());
                }
            }
        };
        futures::join!(walk, take).0
    }

    async fn dump_all(
        &self,
        sink: &mut (dyn for<'r> FnMut(FoldedTable, &'r [u8]) + Send),
    ) -> Result<Vec<OffsetRow>, StoreError> {
        let (sender, mut chunks) = mpsc::channel(CHUNKS_MAX);
        let walk = self.readers().consistent(move |c| {
            Box::pin(async move {
                let offsets = reads::offsets_of(c, None, false).await?;
                let mut chunks = Chunks::new(sender);
                for table in FoldedTable::ALL {
                    scan::dump(c, table, &mut chunks, |row| (table, row)).await?;
                }
                Ok(offsets)
            })
        });
        let take = async {
            while let Some(chunk) = chunks.recv().await {
                for (table, row) in &chunk {
                    sink(*table, row.as_slice());
                }
            }
        };
        futures::join!(walk, take).0
    }

    async fn outbox(&self, shard: u32, limit: usize) -> Result<Vec<OutboxRow>, StoreError> {
        self.readers().read(move |c| Box::pin(reads::outbox(c, shard, limit))).await
    }

    async fn outbox_done(&self, shard: u32, rows: &[(Topic, i64)]) -> Result<(), StoreError> {
        self.write(Write::OutboxDone { shard, rows: rows.to_vec() }).await.map(drop)
    }

    async fn dead_letters(&self, page: DeadPage) -> Result<Vec<DeadLetter>, StoreError> {
        self.readers().read(move |c| Box::pin(async move { reports::dead_letters(c, &page).await })).await
    }

    async fn dead_letters_after(
        &self,
        after: Option<(u32, Topic, i64)>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.readers().read(move |c| Box::pin(pages::dead_letters(c, after, limit))).await
    }

    async fn stored_lists_after(
        &self,
        after: Option<(u32, UserId)>,
        limit: usize,
    ) -> Result<Vec<(u32, UserId, Vec<u8>)>, StoreError> {
        self.readers()
            .read(move |c| Box::pin(async move { pages::lists(c, after.as_ref(), limit).await }))
            .await
    }

    async fn items_after(&self, after: Option<u32>, limit: usize) -> Result<Vec<ItemRow>, StoreError> {
        self.readers().read(move |c| Box::pin(pages::items(c, after, limit))).await
    }

    async fn item_counts_after(
        &self,
        after: Option<CountPlace>,
        limit: usize,
    ) -> Result<Vec<(u32, CountRow)>, StoreError> {
        self.readers()
            .read(move |c| Box::pin(async move { pages::counts(c, after.as_ref(), limit).await }))
            .await
    }

    async fn item_counts(
        &self,
        items: &[ItemId],
        from_day: u32,
        to_day: u32,
    ) -> Result<Vec<ItemCount>, StoreError> {
        let items = items.to_vec();
        self.readers()
            .consistent(move |c| {
                Box::pin(async move { reports::item_counts(c, &items, from_day, to_day).await })
            })
            .await
    }

    async fn rated_from(&self, shard: u32) -> Result<Option<i64>, StoreError> {
        self.readers().read(move |c| Box::pin(ratings::began(c, shard))).await
    }

    async fn ratings_since(&self, seen: &RatingsSeen, limit: usize) -> Result<RatingsPage, StoreError> {
        let seen = seen.clone();
        self.readers()
            .consistent(move |c| Box::pin(async move { ratings::since(c, &seen, limit).await }))
            .await
    }

    async fn item_ratings(&self, items: &[ItemId]) -> Result<Vec<ItemRating>, StoreError> {
        let items = items.to_vec();
        self.readers().read(move |c| Box::pin(async move { ratings::of(c, &items).await })).await
    }

    async fn quality(&self, from_day: u32) -> Result<Vec<(u32, u32, i64)>, StoreError> {
        self.readers().read(move |c| Box::pin(reports::quality(c, from_day))).await
    }

    async fn catalogue(&self) -> Result<(Vec<ItemRow>, Option<OffsetRow>), StoreError> {
        self.readers().consistent(|c| Box::pin(reports::catalogue(c))).await
    }

    async fn catalogue_at(&self, offset: i64) -> Result<Vec<ItemRow>, StoreError> {
        self.readers().read(move |c| Box::pin(reports::catalogue_at(c, offset))).await
    }

    async fn budget(&self, shard: u32, user: &UserId) -> Result<Option<Budget>, StoreError> {
        let user = user.clone();
        self.readers().read(move |c| Box::pin(async move { reports::budget(c, shard, &user).await })).await
    }

    async fn set_budget(&self, shard: u32, user: &UserId, budget: Option<Budget>) -> Result<(), StoreError> {
        self.write(Write::SetBudget { shard, user: user.clone(), budget }).await.map(drop)
    }

    async fn chat_session(&self, key: &ChatKey) -> Result<Option<ChatSession>, StoreError> {
        let key = key.clone();
        self.readers().read(move |c| Box::pin(async move { chats::session(c, &key).await })).await
    }

    async fn chat_turn(&self, turn: ChatTurn) -> Result<(), StoreError> {
        self.write(Write::ChatTurn(Box::new(turn))).await.map(drop)
    }

    async fn chat_messages(
        &self,
        key: &ChatKey,
        after: u32,
        limit: usize,
    ) -> Result<Vec<ChatMessage>, StoreError> {
        let key = key.clone();
        self.readers()
            .read(move |c| Box::pin(async move { chats::messages(c, &key, after, limit).await }))
            .await
    }

    async fn chat_record(
        &self,
        key: &ChatKey,
        turn: u32,
        place: u32,
    ) -> Result<Option<ChatRecord>, StoreError> {
        let key = key.clone();
        self.readers().read(move |c| Box::pin(async move { chats::record(c, &key, turn, place).await })).await
    }

    async fn chat_feedback(
        &self,
        key: &ChatKey,
        turn: u32,
        place: u32,
        feedback: ChatFeedback,
    ) -> Result<(), StoreError> {
        self.write(Write::ChatFeedback { key: key.clone(), turn, place, feedback }).await.map(drop)
    }

    async fn forget_chats(&self, shard: u32, before_ms: i64, turns_max: usize) -> Result<usize, StoreError> {
        let chats = self
            .readers()
            .read(move |c| Box::pin(async move { chats::rested(c, shard, before_ms, turns_max).await }))
            .await?;
        let found = chats.len();
        if 0 < found {
            self.write(Write::ForgetChats { shard, chats, before_ms }).await?;
        }
        Ok(found)
    }

    async fn item_versions(&self, number: u32, limit: usize) -> Result<Vec<ItemVersion>, StoreError> {
        self.readers().read(move |c| Box::pin(reports::item_versions(c, number, limit))).await
    }

    async fn adopt_models(&self, rows: Vec<ModelRow>) -> Result<(), StoreError> {
        self.write(Write::AdoptModels(rows)).await.map(drop)
    }

    async fn publish_model(&self, row: ModelRow) -> Result<(), StoreError> {
        self.write(Write::PublishModel(Box::new(row))).await.map(drop)
    }

    async fn model_pointer(&self) -> Result<Option<u64>, StoreError> {
        self.readers().read(|c| Box::pin(reads::model_pointer(c, false))).await
    }

    async fn models(&self) -> Result<Vec<ModelRow>, StoreError> {
        self.readers().read(|c| Box::pin(reports::models(c))).await
    }

    async fn forget_models(&self, versions: &[u64]) -> Result<(), StoreError> {
        self.write(Write::ForgetModels(versions.to_vec())).await.map(drop)
    }

    async fn candidates(&self) -> Result<(u64, Vec<CandidateRow>), StoreError> {
        self.readers().consistent(|c| Box::pin(candidates::all(c))).await
    }

    async fn put_candidate(&self, row: CandidateRow) -> Result<(), StoreError> {
        self.write(Write::Candidate(Box::new(row))).await.map(drop)
    }

    async fn forget_candidates(&self, numbers: &[u64]) -> Result<(), StoreError> {
        self.write(Write::ForgetCandidates(numbers.to_vec())).await.map(drop)
    }

    async fn put_model_part(&self, part: ModelPart) -> Result<(), StoreError> {
        self.write(Write::ModelPart(Box::new(part))).await.map(drop)
    }

    async fn model_part(&self, version: u64, file: &str, part: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let file = file.to_owned();
        self.readers()
            .read(move |c| Box::pin(async move { model_files::part(c, version, &file, part).await }))
            .await
    }

    async fn faq(&self) -> Result<(u64, Vec<FaqRow>), StoreError> {
        self.readers().consistent(|c| Box::pin(faq::all(c))).await
    }

    async fn faq_revision(&self) -> Result<u64, StoreError> {
        self.readers().read(|c| Box::pin(faq::revision(c))).await
    }

    async fn change_faq(&self, change: FaqChange) -> Result<(), StoreError> {
        self.write(Write::Faq(Box::new(change))).await.map(drop)
    }

    async fn put_item_links(&self, version: u64, rows: Vec<ItemLinksRow>) -> Result<(), StoreError> {
        self.write(Write::ItemLinks { version, rows }).await.map(drop)
    }

    async fn forget_item_links(&self, before: u64) -> Result<(), StoreError> {
        self.write(Write::ForgetItemLinks { before }).await.map(drop)
    }

    async fn item_links(&self, item: &ItemId) -> Result<Option<Vec<u8>>, StoreError> {
        let item = item.clone();
        self.readers().read(move |c| Box::pin(async move { item_links::of(c, &item).await })).await
    }

    async fn job_leases(&self) -> Result<Vec<Lease>, StoreError> {
        self.readers().read(|c| Box::pin(jobs::leases(c))).await
    }

    async fn job_schedules(&self) -> Result<Vec<ScheduleRow>, StoreError> {
        self.readers().read(|c| Box::pin(jobs::schedules(c))).await
    }

    async fn job_runs(&self, page: RunPage) -> Result<Vec<JobRun>, StoreError> {
        self.readers().read(move |c| Box::pin(async move { jobs::runs(c, &page).await })).await
    }

    async fn job_write(&self, write: JobWrite) -> Result<(), StoreError> {
        self.write(Write::Job(Box::new(write))).await.map(drop)
    }

    async fn claim_segments(&self, run: u64, token: i64) -> Result<bool, StoreError> {
        self.write(Write::ClaimSegments { run, token }).await?;
        self.readers().read(move |c| Box::pin(segments::claimed(c, run, token))).await
    }

    async fn put_user_segments(
        &self,
        run: u64,
        shard: u32,
        rows: Vec<(UserId, u32)>,
    ) -> Result<(), StoreError> {
        self.write(Write::UserSegments { run, shard, rows }).await.map(drop)
    }

    async fn publish_segments(&self, publish: PublishSegments) -> Result<(), StoreError> {
        self.write(Write::PublishSegments(Box::new(publish))).await.map(drop)
    }

    async fn segment_run(&self) -> Result<Option<u64>, StoreError> {
        self.readers().read(|c| Box::pin(segments::pointer(c, false))).await
    }

    async fn segments(
        &self,
        run: Option<u64>,
    ) -> Result<Option<(SegmentRunRow, Vec<SegmentRow>)>, StoreError> {
        self.readers().consistent(move |c| Box::pin(segments::of_run(c, run))).await
    }

    async fn segment_runs(&self) -> Result<Vec<SegmentRunRow>, StoreError> {
        self.readers().read(|c| Box::pin(segments::runs(c))).await
    }

    async fn user_segments(&self, shard: u32, users: &[UserId]) -> Result<Vec<Option<u32>>, StoreError> {
        let users = users.to_vec();
        self.readers()
            .consistent(move |c| Box::pin(async move { segments::of_users(c, shard, &users).await }))
            .await
    }

    async fn user_segments_after(
        &self,
        after: Option<(u32, UserId)>,
        limit: usize,
    ) -> Result<Vec<(u32, UserId, u32)>, StoreError> {
        self.readers()
            .consistent(move |c| {
                Box::pin(async move { segments::users_after(c, after.as_ref(), limit).await })
            })
            .await
    }

    async fn forget_user_segments(&self, before: u64, limit: usize) -> Result<usize, StoreError> {
        let rows = self.readers().read(move |c| Box::pin(segments::stale(c, before, limit))).await?;
        let found = rows.len();
        if 0 < found {
            self.write(Write::ForgetUserSegments { rows }).await?;
        }
        Ok(found)
    }

    async fn generation(&self) -> Result<u32, StoreError> {
        self.readers().read(|c| Box::pin(grow::generation(c, false))).await
    }

    async fn ended(&self, generation: u32) -> Result<Vec<(Topic, u32, i64)>, StoreError> {
        self.readers().read(move |c| Box::pin(grow::ended(c, generation))).await
    }

    async fn move_users(&self, shard: u32, epoch: i64, growth: &Growth) -> Result<(), StoreError> {
        let mut place = grow::Place::first();
        while let Some(moves) = grow::next_moves(self.readers(), shard, &mut place, growth).await? {
            for step in moves {
                self.write(Write::Move { shard, epoch: Some(epoch), step: Box::new(step) }).await?;
            }
        }
        Ok(())
    }

    async fn enter_generation(&self, growth: &Growth, epochs: &[(u32, i64)]) -> Result<(), StoreError> {
        let (growth, epochs) = (Box::new(growth.clone()), epochs.to_vec());
        self.write(Write::Enter { growth, epochs }).await.map(drop)
    }

    async fn move_late_budgets(&self, growth: &Growth) -> Result<(), StoreError> {
        for shard in 0..growth.from {
            let mut place = grow::Place::of_readers();
            while !place.past_users() {
                let moves = grow::next_moves(self.readers(), shard, &mut place, growth).await?;
                for step in moves.into_iter().flatten() {
                    self.write(Write::Move { shard, epoch: None, step: Box::new(step) }).await?;
                }
            }
        }
        Ok(())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.readers().read(|c| Box::pin(async move { c.query("SELECT 1", &[]).await.map(drop) })).await
    }

    fn connections(&self) -> Connections {
        self.readers().used()
    }

    async fn close(&self) {
        self.shut().await;
    }
}
