//! Every write of the truth as a value, so that one task can own the connection that carries them out.

use shoptide_faults::{Break, broken};
use shoptide_schemas::{Topic, UserId};

use super::batch::{self, Rows};
use super::commit::{at_rest, code, commit};
use super::conn::SqlConn;
use super::grow::{self, Move};
use super::value::Value;
use super::{candidates, chats, erase, faq, item_links, jobs, model_files, ratings, reads, segments, tables};
use crate::{
    Budget, CandidateRow, ChatFeedback, ChatKey, ChatTurn, Commit, FaqChange, Growth, ItemLinksRow, JobWrite,
    ModelPart, ModelRow, OffsetRow, PublishSegments, StoreError,
};

/// The pointer that a publish flips.
pub(super) const MODEL_POINTER: &[u8] = b"model";

/// One transaction to carry out.
#[derive(Debug)]
pub enum Write {
    Assign { shard: u32, bases: Vec<(Topic, i64)> },
    Commit(Box<Commit>),
    OutboxDone { shard: u32, rows: Vec<(Topic, i64)> },
    SetBudget { shard: u32, user: UserId, budget: Option<Budget> },
    PublishModel(Box<ModelRow>),
    AdoptModels(Vec<ModelRow>),
    ForgetModels(Vec<u64>),
    Candidate(Box<CandidateRow>),
    ForgetCandidates(Vec<u64>),
    ModelPart(Box<ModelPart>),
    Move { shard: u32, epoch: Option<i64>, step: Box<Move> },
    ChatTurn(Box<ChatTurn>),
    ChatFeedback { key: ChatKey, turn: u32, place: u32, feedback: ChatFeedback },
    ForgetChats { shard: u32, chats: Vec<(UserId, String)>, before_ms: i64 },
    Enter { growth: Box<Growth>, epochs: Vec<(u32, i64)> },
    Faq(Box<FaqChange>),
    ItemLinks { version: u64, rows: Vec<ItemLinksRow> },
    ForgetItemLinks { before: u64 },
    Job(Box<JobWrite>),
    ClaimSegments { run: u64, token: i64 },
    UserSegments { run: u64, shard: u32, rows: Vec<(UserId, u32)> },
    PublishSegments(Box<PublishSegments>),
    ForgetUserSegments { rows: Vec<(u32, UserId, u64)> },
}

/// What it gives back: the offset rows of an assignment, else nothing.
pub type Written = Vec<OffsetRow>;

/// Carries out one write within a transaction that the caller has begun and ends.
pub(crate) async fn run<C: SqlConn>(conn: &mut C, write: &Write) -> Result<Written, StoreError> {
    match write {
        Write::Assign { shard, bases } => return assign(conn, *shard, bases).await,
        Write::Commit(batch) => commit(conn, batch).await?,
        Write::OutboxDone { shard, rows } => outbox_done(conn, *shard, rows).await?,
        Write::SetBudget { shard, user, budget: None } => {
            erase::users(conn, *shard, "user_budget", std::slice::from_ref(user)).await?;
        }
        Write::SetBudget { shard, user, budget: Some(budget) } => {
            set_budget(conn, *shard, user, budget).await?
        }
        Write::PublishModel(row) => publish_model(conn, row).await?,
        Write::AdoptModels(rows) => adopt_models(conn, rows).await?,
        Write::ForgetModels(versions) => forget_models(conn, versions).await?,
        Write::Candidate(row) => candidates::put(conn, row).await?,
        Write::ForgetCandidates(numbers) => candidates::forget(conn, numbers).await?,
        Write::ModelPart(part) => model_files::put(conn, part).await?,
        Write::Move { shard, epoch, step } => grow::carry_out(conn, *shard, *epoch, step).await?,
        Write::ChatTurn(turn) => {
            chats::put_turn(conn, turn).await?;
            if let Some((shard, user, budget)) = &turn.budget {
                set_budget(conn, *shard, user, budget).await?;
            }
        }
        Write::ChatFeedback { key, turn, place, feedback } => {
            chats::put_feedback(conn, key, *turn, *place, feedback).await?
        }
        Write::ForgetChats { shard, chats, before_ms } => {
            chats::forget(conn, *shard, chats, *before_ms).await?
        }
        Write::Enter { growth, epochs } => grow::enter(conn, growth, epochs).await?,
        Write::Faq(change) => faq::change(conn, change).await?,
        Write::ItemLinks { version, rows } => item_links::put(conn, *version, rows).await?,
        Write::ForgetItemLinks { before } => item_links::drop_before(conn, *before).await?,
        Write::Job(write) => jobs::write(conn, write).await?,
        Write::ClaimSegments { run, token } => segments::claim(conn, *run, *token).await?,
        Write::UserSegments { run, shard, rows } => segments::put_users(conn, *run, *shard, rows).await?,
        Write::PublishSegments(publish) => segments::publish(conn, publish).await?,
        Write::ForgetUserSegments { rows } => segments::forget_users(conn, rows).await?,
    }
    Ok(Vec::new())
}

/// All topics of an assignment get one epoch, greater than any the shard has seen, so that one number fences a commit
/// over all of them.
pub(super) async fn assign<C: SqlConn>(
    conn: &mut C,
    shard: u32,
    bases: &[(Topic, i64)],
) -> Result<Vec<OffsetRow>, StoreError> {
    let before = reads::offsets_of(conn, Some(shard), true).await?;
    let highest = before.iter().map(|row| row.epoch).max().unwrap_or(0);
    let epoch = if broken(Break::EpochStays) { highest.max(1) } else { highest.saturating_add(1) };
    let mut bases = bases.to_vec();
    bases.sort_unstable();
    bases.dedup_by_key(|(topic, _)| *topic);
    let mut rows = Rows::with_capacity(tables::OFFSET.columns.len(), bases.len());
    let mut topics = Rows::with_capacity(1, bases.len());
    for (topic, base) in &bases {
        let (topic, base, zero) = (Value::Int(code(*topic)), Value::Int(*base), Value::Int(0));
        rows.push([shard.into(), topic, base, zero, base, zero, zero, zero, zero, zero, zero, zero, base]);
        topics.push([topic]);
    }
    batch::upsert(conn, &tables::OFFSET, &rows).await?;
    if bases.iter().any(|(topic, _)| *topic == Topic::Feedback) {
        let last = before.iter().find(|row| row.topic == Topic::Feedback).map(|row| row.epoch);
        ratings::taken_over(conn, shard, last, epoch).await?;
    }
    let head = "UPDATE stream_offset SET epoch = ? WHERE shard = ? AND";
    batch::execute_among(conn, head, &[Value::Int(epoch), shard.into()], &["topic"], &topics).await?;
    let after = reads::offsets_of(conn, Some(shard), false).await?;
    Ok(after.into_iter().filter(|row| bases.iter().any(|(topic, _)| *topic == row.topic)).collect())
}

async fn outbox_done<C: SqlConn>(conn: &mut C, shard: u32, done: &[(Topic, i64)]) -> Result<(), StoreError> {
    let mut done: Vec<_> = done.iter().map(|(topic, off)| (code(*topic), *off)).collect();
    done.sort_unstable();
    let mut keys = Rows::with_capacity(2, done.len());
    done.into_iter().for_each(|(topic, off)| keys.push([Value::Int(topic), Value::Int(off)]));
    batch::execute_among(
        conn,
        "DELETE FROM outbox WHERE shard = ? AND",
        &[shard.into()],
        &["topic", "off"],
        &keys,
    )
    .await
}

async fn set_budget<C: SqlConn>(
    conn: &mut C,
    shard: u32,
    user: &UserId,
    b: &Budget,
) -> Result<(), StoreError> {
    let mut rows = Rows::with_capacity(tables::BUDGET.columns.len(), 1);
    let (user, currency) = (Value::Bytes(user.as_bytes()), Value::Bytes(&b.currency.0));
    rows.push([shard.into(), user, Value::Int(b.month.0), currency, Value::Int(b.updated_ms)]);
    batch::upsert(conn, &tables::BUDGET, &rows).await
}

async fn publish_model<C: SqlConn>(conn: &mut C, row: &ModelRow) -> Result<(), StoreError> {
    let pointer = reads::model_pointer(conn, true).await?;
    let expected = pointer.unwrap_or(0).saturating_add(1);
    if row.version != expected {
        let message = format!("published model has version {}, expected {expected}", row.version);
        return Err(StoreError::Unusable(message));
    }
    put_model(conn, row).await?;
    point_to_model(conn, row.version).await?;
    model_files::drop_unpublished(conn, row).await
}

async fn put_model<C: SqlConn>(conn: &mut C, row: &ModelRow) -> Result<(), StoreError> {
    let version = at_rest("model version", row.version)?;
    let parent = row.parent.map_or(Ok(Value::Null), |parent| at_rest("parent version", parent))?;
    let mut rows = Rows::with_capacity(tables::MODEL.columns.len(), 1);
    rows.push([
        version,
        parent,
        Value::Bytes(row.kind.as_bytes()),
        Value::Bytes(row.file.as_bytes()),
        at_rest("model size", row.bytes)?,
        Value::Int(row.created_ms),
        Value::Bytes(&row.lineage),
        Value::Bytes(&row.report),
    ]);
    batch::upsert(conn, &tables::MODEL, &rows).await?;
    Ok(())
}

async fn point_to_model<C: SqlConn>(conn: &mut C, version: u64) -> Result<(), StoreError> {
    let mut rows = Rows::with_capacity(tables::POINTER.columns.len(), 1);
    rows.push([Value::Bytes(MODEL_POINTER), at_rest("model version", version)?]);
    batch::upsert(conn, &tables::POINTER, &rows).await
}

/// Takes over a chain of another store; the last of it is the published one.
async fn adopt_models<C: SqlConn>(conn: &mut C, rows: &[ModelRow]) -> Result<(), StoreError> {
    if let Some(published) = reads::model_pointer(conn, true).await? {
        return Err(StoreError::Unusable(format!("model version {published} is published here already")));
    }
    for row in rows {
        put_model(conn, row).await?;
    }
    match rows.last() {
        Some(row) => point_to_model(conn, row.version).await,
        None => Ok(()),
    }
}

async fn forget_models<C: SqlConn>(conn: &mut C, versions: &[u64]) -> Result<(), StoreError> {
    let pointer = reads::model_pointer(conn, true).await?;
    if let Some(served) = pointer.filter(|pointer| versions.contains(pointer)) {
        return Err(StoreError::Unusable(format!(
            "model version {served} is the published one, it cannot be forgotten"
        )));
    }
    let mut keys = Rows::with_capacity(1, versions.len());
    for version in versions {
        keys.push([at_rest("model version", *version)?]);
    }
    batch::execute_among(conn, "DELETE FROM model WHERE", &[], &["version"], &keys).await?;
    batch::execute_among(conn, "DELETE FROM model_file WHERE", &[], &["version"], &keys).await
}
