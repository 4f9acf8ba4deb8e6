//! Rows change their shard when a larger generation of topics begins. Everything here may be done again from the start, until
//! [`enter`], one transaction, makes the new generation the one that is folded.

use std::collections::BTreeMap;
use std::sync::Arc;

use shoptide_schemas::{Topic, USER_TOPICS, UserId};

use super::batch::{self, Rows};
use super::commit::code;
use super::conn::{Connect, SqlConn};
use super::erase::user_keys;
use super::pool::Pool;
use super::reads::topic_of;
use super::value::Value;
use super::{ratings, reads, tables, writes};
use crate::{Growth, StoreError};

/// Rows of one transaction: what a commit of the stream has, so that nothing waits longer than it is used to.
const PAGE_ROWS: i64 = 512;
/// The pointer row that names the generation that is folded.
const GENERATION: &[u8] = b"generation";
/// Begins the names of the pointer rows that say where the partitions of former generations ended.
const ENDED: &str = "ended:";
/// Tables keyed by shard and user. Those that readers ask come last: they miss them for the shortest time. A dialogue comes after its
/// messages, so that whoever finds it finds them.
const BY_USER: [&str; 10] = [
    "user_part",
    "order_line",
    "list_todo",
    "list_owed",
    "user_list",
    "user_segment",
    "chat_record",
    "chat_message",
    "chat_session",
    "user_budget",
];
/// Of those, the first that readers write to, in the shard of before for as long as they have not heard of the new generation.
const FIRST_OF_READERS: usize = 6;

/// One transaction of the way, done only while the epoch of the mover stands.
#[derive(Debug)]
pub enum Move {
    Users { table: &'static str, to: u32, users: Vec<UserId> },
    Tombstones { to: u32 },
    Dead { to: u32, letters: Vec<(Topic, i64)> },
}

/// Pages through a shard and yields what moves next, table by table.
pub(super) async fn next_moves<C: Connect>(
    readers: &Arc<Pool<C>>,
    shard: u32,
    place: &mut Place,
    growth: &Growth,
) -> Result<Option<Vec<Move>>, StoreError> {
    if let Some(table) = BY_USER.get(place.table) {
        let after = place.after.take();
        let users = readers
            .read(move |c| Box::pin(async move { users_after(c, table, shard, after.as_ref()).await }))
            .await?;
        let mut homes: BTreeMap<u32, Vec<UserId>> = BTreeMap::new();
        for user in &users {
            let home = growth.home(user);
            // One who was never at home here has lost nothing here.
            if home != shard && home % growth.from.max(1) == shard {
                homes.entry(home).or_default().push(user.clone());
            }
        }
        match users.last() {
            Some(last) => place.after = Some(last.clone()),
            None => place.table += 1,
        }
        return Ok(Some(homes.into_iter().map(|(to, users)| Move::Users { table, to, users }).collect()));
    }
    if !place.tombstones {
        place.tombstones = true;
        return Ok(Some(growth.heirs(shard).map(|to| Move::Tombstones { to }).collect()));
    }
    let after = place.letter;
    let letters =
        readers.read(move |c| Box::pin(async move { letters_after(c, shard, after).await })).await?;
    let Some((topic, off, _)) = letters.last() else { return Ok(None) };
    place.letter = (code(*topic), *off);
    let mut homes: BTreeMap<u32, Vec<(Topic, i64)>> = BTreeMap::new();
    for (topic, off, key) in &letters {
        if let Some(home) = key.as_ref().and_then(|key| growth.home_of_key(key, shard)) {
            homes.entry(home).or_default().push((*topic, *off));
        }
    }
    Ok(Some(homes.into_iter().map(|(to, letters)| Move::Dead { to, letters }).collect()))
}

/// How far the way through a shard has come.
#[derive(Debug)]
pub(super) struct Place {
    table: usize,
    after: Option<UserId>,
    tombstones: bool,
    letter: (i64, i64),
}

impl Place {
    pub(super) fn first() -> Self {
        Self { table: 0, after: None, tombstones: false, letter: (-1, -1) }
    }

    /// Only what may be written without owning the shard.
    pub(super) fn of_readers() -> Self {
        Self { table: FIRST_OF_READERS, ..Self::first() }
    }

    pub(super) fn past_users(&self) -> bool {
        BY_USER.len() <= self.table
    }
}

async fn users_after<C: SqlConn>(
    conn: &mut C,
    table: &str,
    shard: u32,
    after: Option<&UserId>,
) -> Result<Vec<UserId>, StoreError> {
    let sql = format!(
        "SELECT DISTINCT user_id FROM {table} WHERE shard = ? AND user_id > ? ORDER BY user_id LIMIT ?"
    );
    let after = Value::Bytes(after.map_or(&[], |user| user.as_bytes()));
    let rows = conn.query(&sql, &[shard.into(), after, Value::Int(PAGE_ROWS)]).await?;
    rows.iter().map(|row| Ok(UserId::from_trusted(row.bytes(0)?))).collect()
}

/// A dead letter and its key, if it is short enough to be a user's.
type Letter = (Topic, i64, Option<Vec<u8>>);

async fn letters_after<C: SqlConn>(
    conn: &mut C,
    shard: u32,
    (topic, off): (i64, i64),
) -> Result<Vec<Letter>, StoreError> {
    const SQL: &str = "SELECT topic, off, CASE WHEN LENGTH(record_key) <= 128 THEN record_key END FROM dead_letter \
        WHERE shard = ? AND (topic > ? OR (topic = ? AND off > ?)) ORDER BY topic, off LIMIT ?";
    let args = [shard.into(), Value::Int(topic), Value::Int(topic), Value::Int(off), Value::Int(PAGE_ROWS)];
    let rows = conn.query(SQL, &args).await?;
    rows.into_iter()
        .map(|mut row| Ok((topic_of(row.int(0)?)?, row.int(1)?, row.take_optional_bytes(2)?)))
        .collect()
}

/// Carries out one move. `epoch`: that of the mover's assignment; `None` once there is nothing left to be fenced from.
pub(super) async fn carry_out<C: SqlConn>(
    conn: &mut C,
    shard: u32,
    epoch: Option<i64>,
    step: &Move,
) -> Result<(), StoreError> {
    if let Some(epoch) = epoch {
        let rows = reads::offsets_of(conn, Some(shard), true).await?;
        let ours = rows.iter().filter(|row| row.topic.is_user());
        if let Some(row) = ours.into_iter().find(|row| row.epoch != epoch) {
            return Err(StoreError::Fenced { shard, topic: row.topic, expected: row.next_off, epoch });
        }
    }
    match step {
        Move::Users { table, to, users } => move_users(conn, table, shard, *to, users).await,
        Move::Tombstones { to } => {
            // Whose a hash is cannot be told: all heirs get all. It is one more row that nobody asks for.
            conn.execute("DELETE FROM tombstone WHERE shard = ?", &[(*to).into()]).await?;
            let sql = "INSERT INTO tombstone (shard, user_hash, topic, off) \
                SELECT ?, user_hash, topic, off FROM tombstone WHERE shard = ?";
            conn.execute(sql, &[(*to).into(), shard.into()]).await.map(drop)
        }
        Move::Dead { to, letters } => {
            let mut keys = Rows::with_capacity(2, letters.len());
            letters.iter().for_each(|(topic, off)| keys.push([Value::Int(code(*topic)), Value::Int(*off)]));
            let head = "UPDATE dead_letter SET shard = ? WHERE shard = ? AND";
            batch::execute_among(conn, head, &[(*to).into(), shard.into()], &["topic", "off"], &keys).await
        }
    }
}

async fn move_users<C: SqlConn>(
    conn: &mut C,
    table: &str,
    shard: u32,
    to: u32,
    users: &[UserId],
) -> Result<(), StoreError> {
    let mut users = users.to_vec();
    match table {
        // A reader that already lives in the new generation may have set one there: the later one stays.
        "user_budget" => {
            let (here, there) = (budgets(conn, shard, &users).await?, budgets(conn, to, &users).await?);
            let stale = |user: &UserId| there.get(user).is_some_and(|there| here.get(user) <= Some(there));
            let (drop, keep): (Vec<_>, Vec<_>) = users.into_iter().partition(stale);
            super::erase::users(conn, shard, table, &drop).await?;
            super::erase::users(conn, to, table, &keep).await?;
            users = keep;
        }
        // Derived: what was left there by an attempt that was given up is made again.
        "user_list" | "list_todo" | "list_owed" | "user_segment" => {
            super::erase::users(conn, to, table, &users).await?
        }
        _ => {}
    }
    let head = format!("UPDATE {table} SET shard = ? WHERE shard = ? AND");
    batch::execute_among(conn, &head, &[to.into(), shard.into()], &["user_id"], &user_keys(&users)).await
}

async fn budgets<C: SqlConn>(
    conn: &mut C,
    shard: u32,
    users: &[UserId],
) -> Result<BTreeMap<UserId, i64>, StoreError> {
    let head = "SELECT user_id, updated_ms FROM user_budget WHERE shard = ? AND";
    let rows = batch::query_among(conn, (head, ""), &[shard.into()], &["user_id"], &user_keys(users)).await?;
    rows.iter().map(|row| Ok((UserId::from_trusted(row.bytes(0)?), row.int(1)?))).collect()
}

/// The new generation is folded from now on: every shard's offsets step over to it, the new shards begin there, and where the
/// partitions before ended is kept. One transaction for all shards; a repeat does nothing.
pub(super) async fn enter<C: SqlConn>(
    conn: &mut C,
    growth: &Growth,
    epochs: &[(u32, i64)],
) -> Result<(), StoreError> {
    // The cache finds nobody's list under his new shard, so there is nothing older to replace.
    const STEP: &str = "UPDATE stream_offset SET next_off = ?, published_off = ?, epoch = ? \
        WHERE shard = ? AND topic = ? AND next_off = ? AND epoch = ?";
    let stands = generation(conn, true).await?;
    if stands == growth.generation {
        return Ok(());
    }
    if stands.saturating_add(1) != growth.generation {
        return Err(StoreError::Unusable(format!(
            "generation {} cannot follow generation {stands}",
            growth.generation
        )));
    }
    let top = epochs.iter().map(|(_, epoch)| *epoch).max().unwrap_or(0).saturating_add(1);
    let mut pointers = vec![(GENERATION.to_vec(), i64::from(growth.generation))];
    for &(topic, shard, end) in &growth.ends {
        let epoch = epochs.iter().find(|(of, _)| *of == shard).map_or(0, |(_, epoch)| *epoch);
        let numbers = [growth.begin, growth.begin, top, i64::from(shard), code(topic), end, epoch];
        if conn.execute(STEP, &numbers.map(Value::Int)).await? != 1 {
            return Err(StoreError::Fenced { shard, topic, expected: end, epoch });
        }
        let name = format!("{ENDED}{}:{}:{shard}", growth.generation.saturating_sub(1), code(topic));
        pointers.push((name.into_bytes(), end));
    }
    for shard in growth.from..growth.to {
        writes::assign(conn, shard, &USER_TOPICS.map(|topic| (topic, growth.begin))).await?;
        ratings::inherit(conn, shard % growth.from.max(1), shard).await?;
        // Lists that moved here were written under the epochs of the shard that they came from.
        let sql = "UPDATE stream_offset SET epoch = ? WHERE shard = ?";
        conn.execute(sql, &[Value::Int(top), shard.into()]).await?;
    }
    for shard in 0..growth.to {
        ratings::counted_at(conn, shard, top).await?;
    }
    let mut rows = Rows::with_capacity(tables::POINTER.columns.len(), pointers.len());
    pointers.iter().for_each(|(name, value)| rows.push([Value::Bytes(name), Value::Int(*value)]));
    batch::upsert(conn, &tables::POINTER, &rows).await
}

/// The generation that is folded; the first where none was ever entered.
pub(super) async fn generation<C: SqlConn>(conn: &mut C, lock: bool) -> Result<u32, StoreError> {
    let lock = if lock { conn.dialect().for_update() } else { "" };
    let sql = format!("SELECT value FROM pointer WHERE name = ?{lock}");
    let rows = conn.query(&sql, &[Value::Bytes(GENERATION)]).await?;
    rows.first().map_or(Ok(1), |row| row.number(0))
}

/// Where the partitions of a former generation ended.
pub(super) async fn ended<C: SqlConn>(
    conn: &mut C,
    generation: u32,
) -> Result<Vec<(Topic, u32, i64)>, StoreError> {
    let prefix = format!("{ENDED}{generation}:");
    let beyond = format!("{ENDED}{generation};");
    let sql = "SELECT name, value FROM pointer WHERE name >= ? AND name < ? ORDER BY name";
    let args = [Value::Bytes(prefix.as_bytes()), Value::Bytes(beyond.as_bytes())];
    let damaged = || StoreError::Unusable(format!("where generation {generation} ended cannot be read"));
    let mut ends = Vec::new();
    for mut row in conn.query(sql, &args).await? {
        let end = row.int(1)?;
        let name = row.text(0)?;
        let (topic, shard) = name.trim_start_matches(&prefix).split_once(':').ok_or_else(damaged)?;
        let topic = topic_of(topic.parse().map_err(|_| damaged())?)?;
        ends.push((topic, shard.parse().map_err(|_| damaged())?, end));
    }
    Ok(ends)
}
