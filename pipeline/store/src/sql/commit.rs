//! The one transaction: states, lists, counters, dead letters and offsets together. Runs inside a transaction that the
//! caller has begun; on any error the caller rolls all of it back.

use std::borrow::Cow;
use std::collections::BTreeMap;

use shoptide_faults::{Break, broken};
use shoptide_schemas::{Topic, UserId};

use super::batch::{self, Rows};
use super::conn::SqlConn;
use super::dialect::Target;
use super::value::Value;
use super::{chats, erase, ratings, tables};
use crate::{Commit, OffsetMove, StoreError, Tally, user_hash};

pub(crate) async fn commit<C: SqlConn>(conn: &mut C, commit: &Commit) -> Result<(), StoreError> {
    check(commit)?;
    expect_offsets(conn, commit).await?;
    if broken(Break::OffsetsFirst) {
        advance_offsets(conn, commit).await?;
        in_two(conn).await?;
    }
    // Before chats go: a turn that is being written either sees them, or is seen.
    tombstones(conn, commit).await?;
    erase::parts(conn, commit).await?;
    erase::lines(conn, commit).await?;
    erase::users(conn, commit.shard, "user_list", &commit.lists_gone).await?;
    erase::users(conn, commit.shard, "user_budget", &commit.budgets_gone).await?;
    for table in chats::TABLES {
        erase::users(conn, commit.shard, table, &commit.chats_gone).await?;
    }
    // As with chats: after the mark of the erasure.
    erase::users(conn, commit.shard, "user_segment", &commit.chats_gone).await?;
    erase::users(conn, commit.shard, "list_todo", &commit.todo_done).await?;
    erase::users(conn, commit.shard, "list_owed", &commit.owed_done).await?;
    parts(conn, commit).await?;
    lines(conn, commit).await?;
    counts(conn, commit).await?;
    ratings::put(conn, commit).await?;
    dead(conn, commit).await?;
    erase::dead_letters(conn, commit).await?;
    outbox(conn, commit).await?;
    lists(conn, commit).await?;
    users(conn, commit.shard, &tables::TODO, &commit.todo).await?;
    users(conn, commit.shard, &tables::OWED, &commit.owed).await?;
    quality(conn, commit).await?;
    items(conn, commit).await?;
    if broken(Break::OffsetsFirst) {
        return Ok(());
    }
    if broken(Break::RowsFirst) {
        in_two(conn).await?;
    }
    advance_offsets(conn, commit).await
}

/// Makes two transactions of one: only for a test that must notice it.
async fn in_two<C: SqlConn>(conn: &mut C) -> Result<(), StoreError> {
    conn.run("COMMIT").await?;
    conn.run(conn.dialect().begin_write()).await
}

/// What can only be a mistake of the caller is refused before anything is written.
fn check(commit: &Commit) -> Result<(), StoreError> {
    if commit.offsets.is_empty() {
        return Err(StoreError::Unusable(format!("commit of shard {} names no offset", commit.shard)));
    }
    for (place, step) in commit.offsets.iter().enumerate() {
        if commit.offsets.iter().take(place).any(|other| other.topic == step.topic) {
            return Err(refused(commit.shard, step, "is named twice"));
        }
        if step.to < step.from {
            return Err(refused(commit.shard, step, "goes backwards"));
        }
        if !step.tally.adds_up() || step.to - step.from < step.tally.logged {
            return Err(refused(commit.shard, step, "has a tally that does not add up"));
        }
    }
    Ok(())
}

fn refused(shard: u32, step: &OffsetMove, why: &str) -> StoreError {
    let OffsetMove { topic, from, to, tally, .. } = step;
    StoreError::Unusable(format!("commit of shard {shard} {topic} from {from} to {to} {why}: {tally:?}"))
}

fn fenced(commit: &Commit, step: &OffsetMove) -> StoreError {
    StoreError::Fenced { shard: commit.shard, topic: step.topic, expected: step.from, epoch: commit.epoch }
}

/// Locks the offset rows (in order of key, as every commit does) and compares them, so that a zombie writes nothing at
/// all and a commit that only stores lists is fenced too.
async fn expect_offsets<C: SqlConn>(conn: &mut C, commit: &Commit) -> Result<(), StoreError> {
    let sql = format!(
        "SELECT topic, next_off, epoch FROM stream_offset WHERE shard = ? ORDER BY topic{}",
        conn.dialect().for_update()
    );
    let mut held = BTreeMap::new();
    for row in conn.query(&sql, &[commit.shard.into()]).await? {
        held.insert(row.int(0)?, (row.int(1)?, row.int(2)?));
    }
    for step in &commit.offsets {
        let stands = held.get(&code(step.topic)).is_some_and(|(next, epoch)| {
            (*next == step.from || broken(Break::NoOffsetTest))
                && (*epoch == commit.epoch || broken(Break::NoEpochTest))
        });
        if !stands {
            return Err(fenced(commit, step));
        }
    }
    Ok(())
}

/// Offsets move last, each exactly one row.
async fn advance_offsets<C: SqlConn>(conn: &mut C, commit: &Commit) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE stream_offset SET next_off = ?, append_ms = ?, logged = logged + ?, applied = applied + ?, \
        duplicate = duplicate + ?, late = late + ?, erased = erased + ?, dead = dead + ?, \
        published_off = COALESCE(?, published_off) \
        WHERE shard = ? AND topic = ? AND next_off = ? AND epoch = ?";
    let sql = match () {
        () if broken(Break::NoEpochTest) => Cow::from(SQL.replace("AND epoch = ?", "AND ? <= epoch")),
        () if broken(Break::NoOffsetTest) => Cow::from(SQL.replace("AND next_off = ?", "AND 0 <= ?")),
        () => Cow::from(SQL),
    };
    for step in commit.offsets.iter().filter(|step| step.from < step.to) {
        let Tally { logged, applied, duplicate, late, erased, dead } = step.tally;
        let numbers = [step.to, step.append_ms, logged, applied, duplicate, late, erased, dead];
        let key = [i64::from(commit.shard), code(step.topic), step.from, commit.epoch];
        let published = commit.published.iter().find(|(topic, _)| *topic == step.topic);
        let published = published.map_or(Value::Null, |(_, off)| Value::Int(*off));
        let mut args: Vec<_> = numbers.into_iter().map(Value::Int).collect();
        args.push(published);
        args.extend(key.into_iter().map(Value::Int));
        if conn.execute(&sql, &args).await? != 1 {
            return Err(fenced(commit, step));
        }
    }
    Ok(())
}

pub(super) fn code(topic: Topic) -> i64 {
    i64::from(topic.code())
}

/// References sorted by key; of several rows of one key the last given stays.
fn sorted<'a, T, K: Ord + 'a>(rows: &'a [T], key: impl Fn(&'a T) -> K) -> BTreeMap<K, &'a T> {
    rows.iter().map(|row| (key(row), row)).collect()
}

async fn parts<C: SqlConn>(conn: &mut C, commit: &Commit) -> Result<(), StoreError> {
    let mut rows = Rows::with_capacity(tables::PART.columns.len(), commit.parts.len());
    for ((user, topic), part) in sorted(&commit.parts, |p| (p.user.as_bytes(), code(p.topic))) {
        if part.shard != commit.shard {
            let message = format!("commit of shard {} holds a part of shard {}", commit.shard, part.shard);
            return Err(StoreError::Unusable(message));
        }
        rows.push([
            commit.shard.into(),
            Value::Bytes(user),
            Value::Int(topic),
            Value::Int(part.upto),
            Value::Bytes(&part.data),
        ]);
    }
    batch::upsert(conn, &tables::PART, &rows).await
}

async fn lines<C: SqlConn>(conn: &mut C, commit: &Commit) -> Result<(), StoreError> {
    let mut rows = Rows::with_capacity(tables::LINE.columns.len(), commit.lines.len());
    for line in sorted(&commit.lines, |line| line).into_keys() {
        rows.push([
            commit.shard.into(),
            Value::Bytes(line.user.as_bytes()),
            Value::Int(i64::from(line.kind)),
            Value::Bytes(line.order.as_bytes()),
            Value::Bytes(line.line.as_bytes()),
        ]);
    }
    batch::upsert(conn, &tables::LINE, &rows).await
}

/// Counts of one commit from which on walking the shard is cheaper than asking for each: only a replay has so many.
const WHOLE_SHARD_ROWS: usize = 20_000;

/// Adds the counts, and deletes the rows that came to nothing: a history that was taken back leaves the same bytes as
/// one that never was, whatever the batches.
async fn counts<C: SqlConn>(conn: &mut C, commit: &Commit) -> Result<(), StoreError> {
    let mut sums: Vec<_> = commit.counts.iter().map(|c| (c.item.as_bytes(), c.day, c.kind, c.n)).collect();
    sums.sort_unstable();
    sums.dedup_by(|later, kept| {
        let same = (later.0, later.1, later.2) == (kept.0, kept.1, kept.2);
        kept.3 += if same { later.3 } else { 0 };
        same
    });
    sums.retain(|(.., n)| *n != 0);
    let mut rows = Rows::with_capacity(tables::COUNT.columns.len(), sums.len());
    let mut keys = Rows::with_capacity(3, sums.len());
    for (item, day, kind, n) in sums {
        let (item, day, kind) = (Value::Bytes(item), Value::from(day), Value::Int(i64::from(kind)));
        rows.push([commit.shard.into(), item, day, kind, Value::Int(n)]);
        keys.push([item, day, kind]);
    }
    batch::upsert(conn, &tables::COUNT, &rows).await?;
    if WHOLE_SHARD_ROWS <= commit.counts.len() {
        // No other row of the shard is ever left at nothing.
        let sql = "DELETE FROM item_count WHERE shard = ? AND n = 0";
        return conn.execute(sql, &[commit.shard.into()]).await.map(drop);
    }
    let head = "DELETE FROM item_count WHERE shard = ? AND n = 0 AND";
    batch::execute_among(conn, head, &[commit.shard.into()], &["item_id", "day", "type"], &keys).await
}

async fn dead<C: SqlConn>(conn: &mut C, commit: &Commit) -> Result<(), StoreError> {
    let mut rows = Rows::with_capacity(tables::DEAD.columns.len(), commit.dead.len());
    for ((topic, offset), dead) in sorted(&commit.dead, |d| (code(d.topic), d.offset)) {
        rows.push([
            commit.shard.into(),
            Value::Int(topic),
            Value::Int(offset),
            Value::Int(dead.append_ms),
            Value::Bytes(dead.reason.as_bytes()),
            Value::Bytes(dead.field.as_bytes()),
            Value::Bytes(dead.message.as_bytes()),
            dead.key.as_deref().into(),
            dead.payload.as_deref().into(),
        ]);
    }
    batch::upsert(conn, &tables::DEAD, &rows).await
}

async fn tombstones<C: SqlConn>(conn: &mut C, commit: &Commit) -> Result<(), StoreError> {
    let hashed: Vec<_> =
        commit.tombstones.iter().map(|(user, topic, off)| (user_hash(user), *topic, *off)).collect();
    let mut rows = Rows::with_capacity(tables::TOMBSTONE.columns.len(), hashed.len());
    for ((hash, topic), (.., off)) in sorted(&hashed, |(hash, topic, _)| (hash, code(*topic))) {
        rows.push([commit.shard.into(), Value::Bytes(hash), Value::Int(topic), Value::Int(*off)]);
    }
    batch::upsert(conn, &tables::TOMBSTONE, &rows).await
}

async fn outbox<C: SqlConn>(conn: &mut C, commit: &Commit) -> Result<(), StoreError> {
    let mut rows = Rows::with_capacity(tables::OUTBOX.columns.len(), commit.outbox.len());
    for ((topic, off), row) in sorted(&commit.outbox, |o| (code(o.topic), o.off)) {
        let (key, payload) = (Value::Bytes(&row.key), Value::Bytes(&row.payload));
        rows.push([commit.shard.into(), Value::Int(topic), Value::Int(off), key, payload]);
    }
    batch::upsert(conn, &tables::OUTBOX, &rows).await
}

async fn lists<C: SqlConn>(conn: &mut C, commit: &Commit) -> Result<(), StoreError> {
    let mut rows = Rows::with_capacity(tables::LIST.columns.len(), commit.lists.len());
    for (user, list) in sorted(&commit.lists, |list| list.user.as_bytes()) {
        rows.push([
            commit.shard.into(),
            Value::Bytes(user),
            Value::Int(list.revision),
            at_rest("model version", list.model_version)?,
            Value::Int(list.last_ms),
            Value::Bytes(&list.data),
        ]);
    }
    batch::upsert(conn, &tables::LIST, &rows).await
}

/// Remembers users in a table that has nothing but their key.
async fn users<C: SqlConn>(
    conn: &mut C,
    shard: u32,
    table: &Target,
    users: &[UserId],
) -> Result<(), StoreError> {
    let mut rows = Rows::with_capacity(table.columns.len(), users.len());
    for user in sorted(users, |user| user.as_bytes()).into_keys() {
        rows.push([shard.into(), Value::Bytes(user)]);
    }
    batch::upsert(conn, table, &rows).await
}

async fn quality<C: SqlConn>(conn: &mut C, commit: &Commit) -> Result<(), StoreError> {
    let mut sums: BTreeMap<(u32, u32), i64> = BTreeMap::new();
    for (day, metric, n) in &commit.quality {
        *sums.entry((*day, *metric)).or_default() += n;
    }
    let mut rows = Rows::with_capacity(tables::QUALITY.columns.len(), sums.len());
    for ((day, metric), n) in sums {
        rows.push([commit.shard.into(), day.into(), metric.into(), Value::Int(n)]);
    }
    batch::upsert(conn, &tables::QUALITY, &rows).await
}

/// Every version given is kept; the newest of each number is the item.
async fn items<C: SqlConn>(conn: &mut C, commit: &Commit) -> Result<(), StoreError> {
    let versions = sorted(&commit.items, |item| (item.num, item.from_off));
    let mut rows = Rows::with_capacity(tables::VERSION.columns.len(), versions.len());
    let mut newest = BTreeMap::new();
    for ((num, from_off), item) in &versions {
        rows.push([(*num).into(), Value::Int(*from_off), Value::Bytes(&item.data)]);
        newest.insert(*num, *item);
    }
    batch::upsert(conn, &tables::VERSION, &rows).await?;
    let mut rows = Rows::with_capacity(tables::ITEM.columns.len(), newest.len());
    for (num, item) in newest {
        let (id, data) = (Value::Bytes(item.item.as_bytes()), Value::Bytes(&item.data));
        rows.push([num.into(), id, Value::Int(item.from_off), data]);
    }
    batch::upsert(conn, &tables::ITEM, &rows).await
}

/// A number of ours as the signed integer that SQL stores.
pub(super) fn at_rest(what: &str, value: u64) -> Result<Value<'static>, StoreError> {
    i64::try_from(value)
        .map(Value::Int)
        .map_err(|_| StoreError::Unusable(format!("{what} is {value}, expected at most {}", i64::MAX)))
}
