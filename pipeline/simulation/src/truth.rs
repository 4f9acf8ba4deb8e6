//! The truth as one process meets it: the embedded one behind a network that is slow, loses answers, or is gone.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use shoptide_schemas::{ItemId, Topic, UserId};
use shoptide_store::*;

use crate::helper::Helper;
use crate::world::{Service, World};

/// The published version as it was read last: the followers ask four times a second.
pub type Pointer = Arc<Mutex<Option<Option<u64>>>>;

#[derive(Clone)]
pub struct SimTruth {
    pub world: Arc<World>,
    pub helper: Arc<Helper>,
    pub store: Arc<SqliteTruth>,
    pub pointer: Pointer,
    /// Where the files of models are.
    pub models: std::path::PathBuf,
    pub process: u32,
}

impl SimTruth {
    async fn ask<T, F>(
        &self,
        what: &'static str,
        call: impl FnOnce(Arc<SqliteTruth>) -> F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let world = &self.world;
        world.way(self.process).await;
        if world.is_away(Service::Truth) {
            world.saw("truth away");
            return Err(StoreError::Unavailable { store: "simulation", reason: "an outage".to_owned() });
        }
        let answer = self.helper.call(call(self.store.clone()));
        world.note(self.process, || {
            let how = match &answer {
                Ok(_) => "ok".to_owned(),
                Err(error) => error.to_string(),
            };
            format!("{what}: {how}")
        });
        world.alive(self.process).await;
        world.way(self.process).await;
        answer
    }

    fn forget_pointer(&self) {
        *self.pointer.lock().unwrap() = None;
    }

    /// A refusal must have a reason: somebody else took the shard over.
    fn judge_refusal(&self, shard: u32, epoch: i64) {
        let store = self.store.clone();
        let rows = self.helper.call(async move { store.offsets().await }).unwrap();
        if rows.iter().any(|r| r.shard == shard && r.epoch == epoch) {
            self.world
                .violated(format!("shard {shard}: refused at its own epoch {epoch}, nobody took it over"));
        }
    }
}

#[async_trait]
impl Truth for SimTruth {
    async fn assign(&self, shard: u32, bases: &[(Topic, i64)]) -> Result<Vec<OffsetRow>, StoreError> {
        let bases = bases.to_vec();
        let rows = self.ask("assign", |t| async move { t.assign(shard, &bases).await }).await;
        if let Ok(rows) = &rows {
            let epoch = rows.iter().map(|r| r.epoch).max().unwrap_or(0);
            self.world.note(self.process, || format!("owns shard {shard} at epoch {epoch}"));
        }
        rows
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        let (shard, epoch) = (commit.shard, commit.epoch);
        let steps: Vec<_> = commit.offsets.iter().map(|o| (o.topic.code(), o.from, o.to)).collect();
        let lists: Vec<String> = commit.lists.iter().map(|l| format!("{} {}", l.user, l.revision)).collect();
        let published: Vec<_> = commit.published.iter().map(|(topic, off)| (topic.code(), *off)).collect();
        self.world.note(self.process, || {
            format!("commits shard {shard} epoch {epoch} {steps:?} published {published:?} lists {lists:?}")
        });
        let done = self.ask("commit", |t| async move { t.commit(commit).await }).await;
        match &done {
            Err(StoreError::Fenced { .. }) => self.judge_refusal(shard, epoch),
            Err(StoreError::Unknown { .. }) => self.world.saw("commit unknown"),
            Err(StoreError::Unusable(why)) => self.world.violated(format!("a commit was unusable: {why}")),
            _ => {}
        }
        done
    }

    async fn users(&self, shard: u32, users: &[UserId]) -> Result<Vec<UserRow>, StoreError> {
        let users = users.to_vec();
        self.ask("users", |t| async move { t.users(shard, &users).await }).await
    }

    async fn known_lines(&self, shard: u32, lines: &[OrderLineRow]) -> Result<Vec<bool>, StoreError> {
        let lines = lines.to_vec();
        self.ask("known_lines", |t| async move { t.known_lines(shard, &lines).await }).await
    }

    async fn offsets(&self) -> Result<Vec<OffsetRow>, StoreError> {
        self.ask("offsets", |t| async move { t.offsets().await }).await
    }

    async fn list(&self, shard: u32, user: &UserId) -> Result<Option<Vec<u8>>, StoreError> {
        let user = user.clone();
        self.ask("list", |t| async move { t.list(shard, &user).await }).await
    }

    async fn todo(&self, shard: u32, limit: usize) -> Result<Vec<UserId>, StoreError> {
        self.ask("todo", |t| async move { t.todo(shard, limit).await }).await
    }

    async fn owed(&self, shard: u32, limit: usize) -> Result<Vec<UserId>, StoreError> {
        self.ask("owed", |t| async move { t.owed(shard, limit).await }).await
    }

    async fn lists_after(
        &self,
        shard: u32,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<ListHead>, StoreError> {
        let after = after.cloned();
        self.ask("lists_after", |t| async move { t.lists_after(shard, after.as_ref(), limit).await }).await
    }

    async fn users_after(
        &self,
        after: Option<(u32, UserId)>,
        limit: usize,
    ) -> Result<Vec<(u32, UserId)>, StoreError> {
        self.ask("users_after", |t| async move { t.users_after(after, limit).await }).await
    }

    async fn count_users(&self) -> Result<u64, StoreError> {
        self.ask("count_users", |t| async move { t.count_users().await }).await
    }

    async fn oldest_model_in_lists(&self) -> Result<Option<u64>, StoreError> {
        self.ask("oldest_model_in_lists", |t| async move { t.oldest_model_in_lists().await }).await
    }

    async fn scan_parts(
        &self,
        since: &[(u32, Topic, i64)],
        sink: &mut (dyn FnMut(PartRow) + Send),
    ) -> Result<Vec<OffsetRow>, StoreError> {
        let since = since.to_vec();
        let scanned = self.ask("scan_parts", |t| async move {
            let mut parts = Vec::new();
            let rows = t.scan_parts(&since, &mut |part| parts.push(part)).await?;
            Ok((rows, parts))
        });
        let (rows, parts) = scanned.await?;
        parts.into_iter().for_each(sink);
        Ok(rows)
    }

    async fn dump_all(
        &self,
        sink: &mut (dyn for<'r> FnMut(FoldedTable, &'r [u8]) + Send),
    ) -> Result<Vec<OffsetRow>, StoreError> {
        let (rows, offsets) = self
            .ask("dump_all", |t| async move {
                let mut rows = Vec::new();
                let offsets = t.dump_all(&mut |table, row| rows.push((table, row.to_vec()))).await?;
                Ok((rows, offsets))
            })
            .await?;
        rows.iter().for_each(|(table, row)| sink(*table, row));
        Ok(offsets)
    }

    async fn dump(
        &self,
        table: FoldedTable,
        sink: &mut (dyn for<'r> FnMut(&'r [u8]) + Send),
    ) -> Result<(), StoreError> {
        let dumped = self.ask("dump", |t| async move {
            let mut rows = Vec::new();
            t.dump(table, &mut |row| rows.push(row.to_vec())).await?;
            Ok(rows)
        });
        dumped.await?.iter().for_each(|row| sink(row));
        Ok(())
    }

    async fn outbox(&self, shard: u32, limit: usize) -> Result<Vec<OutboxRow>, StoreError> {
        self.ask("outbox", |t| async move { t.outbox(shard, limit).await }).await
    }

    async fn outbox_done(&self, shard: u32, rows: &[(Topic, i64)]) -> Result<(), StoreError> {
        let rows = rows.to_vec();
        self.ask("outbox_done", |t| async move { t.outbox_done(shard, &rows).await }).await
    }

    async fn dead_letters(&self, page: DeadPage) -> Result<Vec<DeadLetter>, StoreError> {
        self.ask("dead_letters", |t| async move { t.dead_letters(page).await }).await
    }

    async fn rated_from(&self, shard: u32) -> Result<Option<i64>, StoreError> {
        self.ask("rated_from", |t| async move { t.rated_from(shard).await }).await
    }

    async fn ratings_since(&self, seen: &RatingsSeen, limit: usize) -> Result<RatingsPage, StoreError> {
        let seen = seen.clone();
        self.ask("ratings_since", |t| async move { t.ratings_since(&seen, limit).await }).await
    }

    async fn item_ratings(&self, items: &[ItemId]) -> Result<Vec<ItemRating>, StoreError> {
        let items = items.to_vec();
        self.ask("item_ratings", |t| async move { t.item_ratings(&items).await }).await
    }

    async fn item_counts(
        &self,
        items: &[ItemId],
        from_day: u32,
        to_day: u32,
    ) -> Result<Vec<ItemCount>, StoreError> {
        let items = items.to_vec();
        self.ask("item_counts", |t| async move { t.item_counts(&items, from_day, to_day).await }).await
    }

    async fn quality(&self, from_day: u32) -> Result<Vec<(u32, u32, i64)>, StoreError> {
        self.ask("quality", |t| async move { t.quality(from_day).await }).await
    }

    async fn catalogue(&self) -> Result<(Vec<ItemRow>, Option<OffsetRow>), StoreError> {
        self.ask("catalogue", |t| async move { t.catalogue().await }).await
    }

    async fn catalogue_at(&self, offset: i64) -> Result<Vec<ItemRow>, StoreError> {
        self.ask("catalogue_at", |t| async move { t.catalogue_at(offset).await }).await
    }

    async fn budget(&self, shard: u32, user: &UserId) -> Result<Option<Budget>, StoreError> {
        let user = user.clone();
        self.ask("budget", |t| async move { t.budget(shard, &user).await }).await
    }

    async fn set_budget(&self, shard: u32, user: &UserId, budget: Option<Budget>) -> Result<(), StoreError> {
        let user = user.clone();
        self.ask("set_budget", |t| async move { t.set_budget(shard, &user, budget).await }).await
    }

    async fn publish_model(&self, row: ModelRow) -> Result<(), StoreError> {
        self.forget_pointer();
        let (file, bytes, world) = (self.models.join(&row.file), row.bytes, self.world.clone());
        let done = self.ask("publish_model", |t| async move {
            t.publish_model(row).await?;
            // At this very moment others may begin to read it.
            if std::fs::metadata(&file).map_or(0, |held| held.len()) != bytes {
                world
                    .violated(format!("a model is published whose file {:?} is not whole", file.file_name()));
            }
            Ok(())
        });
        let done = done.await;
        self.forget_pointer();
        done
    }

    async fn model_pointer(&self) -> Result<Option<u64>, StoreError> {
        if let Some(known) = *self.pointer.lock().unwrap() {
            return Ok(known);
        }
        let read = self.ask("model_pointer", |t| async move { t.model_pointer().await }).await?;
        *self.pointer.lock().unwrap() = Some(read);
        Ok(read)
    }

    async fn models(&self) -> Result<Vec<ModelRow>, StoreError> {
        self.ask("models", |t| async move { t.models().await }).await
    }

    async fn forget_models(&self, versions: &[u64]) -> Result<(), StoreError> {
        let versions = versions.to_vec();
        self.ask("forget_models", |t| async move { t.forget_models(&versions).await }).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.ask("ping", |t| async move { t.ping().await }).await
    }

    /// Belongs to the run, not to a process.
    async fn close(&self) {}
}
