//! Segments of users: rows of a run come in pages and are read by nobody until the pointer names the run.

use std::collections::BTreeMap;

use shoptide_schemas::UserId;

use super::batch::{self, Rows};
use super::commit::at_rest;
use super::conn::SqlConn;
use super::erase::{self, user_keys};
use super::tables;
use super::value::{Row, Value};
use crate::{PublishSegments, SegmentRow, SegmentRunRow, StoreError, user_hash};

/// The pointer that a publish flips.
const SEGMENT_POINTER: &[u8] = b"segment";
/// Begins the pointer of a run that somebody is about to make; its value is his token.
const CLAIM: &str = "segment:";
/// Follows all of them.
const BEYOND_CLAIMS: &[u8] = b"segment;";

fn claim_name(run: u64) -> Vec<u8> {
    format!("{CLAIM}{run:020}").into_bytes()
}

/// Whoever comes first has the number.
pub(super) async fn claim<C: SqlConn>(conn: &mut C, run: u64, token: i64) -> Result<(), StoreError> {
    let name = claim_name(run);
    let mut rows = Rows::with_capacity(tables::POINTER_ONCE.columns.len(), 1);
    rows.push([Value::Bytes(&name), Value::Int(token)]);
    batch::upsert(conn, &tables::POINTER_ONCE, &rows).await
}

pub(super) async fn claimed<C: SqlConn>(conn: &mut C, run: u64, token: i64) -> Result<bool, StoreError> {
    let rows =
        conn.query("SELECT value FROM pointer WHERE name = ?", &[Value::Bytes(&claim_name(run))]).await?;
    Ok(rows.first().map(|row| row.int(0)).transpose()? == Some(token))
}

/// The run that counts.
pub(super) async fn pointer<C: SqlConn>(conn: &mut C, lock: bool) -> Result<Option<u64>, StoreError> {
    let lock = if lock { conn.dialect().for_update() } else { "" };
    let sql = format!("SELECT value FROM pointer WHERE name = ?{lock}");
    let rows = conn.query(&sql, &[Value::Bytes(SEGMENT_POINTER)]).await?;
    rows.first().map(|row| row.number(0)).transpose()
}

/// Users of one shard. An erasure leaves its mark before it takes a user's row away, and this looks for the marks after the rows are
/// written: whichever of the two is first, no row of an erased user stays.
pub(super) async fn put_users<C: SqlConn>(
    conn: &mut C,
    run: u64,
    shard: u32,
    users: &[(UserId, u32)],
) -> Result<(), StoreError> {
    let number = at_rest("run of segments", run)?;
    let sorted: BTreeMap<&UserId, u32> = users.iter().map(|(user, segment)| (user, *segment)).collect();
    let mut rows = Rows::with_capacity(tables::USER_SEGMENT.columns.len(), sorted.len());
    for (user, segment) in &sorted {
        rows.push([shard.into(), Value::Bytes(user.as_bytes()), number, (*segment).into()]);
    }
    batch::upsert(conn, &tables::USER_SEGMENT, &rows).await?;
    let hashes: BTreeMap<_, &UserId> = sorted.into_keys().map(|user| (user_hash(user), user)).collect();
    let mut keys = Rows::with_capacity(1, hashes.len());
    hashes.keys().for_each(|hash| keys.push([Value::Bytes(hash)]));
    let select = ("SELECT user_hash FROM tombstone WHERE shard = ? AND", conn.dialect().for_share());
    let marked = batch::query_among(conn, select, &[shard.into()], &["user_hash"], &keys).await?;
    let mut erased = Vec::new();
    for row in &marked {
        let hash = row.bytes(0)?;
        erased.extend(hashes.iter().find(|(known, _)| known.as_slice() == hash).map(|(_, u)| (*u).clone()));
    }
    erase::users(conn, shard, "user_segment", &erased).await
}

/// The one flip.
pub(super) async fn publish<C: SqlConn>(conn: &mut C, publish: &PublishSegments) -> Result<(), StoreError> {
    const CHANGED: StoreError = StoreError::Changed { what: "the run of segments that counts" };
    let PublishSegments { run, segments, token, kept_from } = publish;
    if pointer(conn, true).await? != run.parent || !claimed(conn, run.run, *token).await? {
        return Err(CHANGED);
    }
    let number = at_rest("run of segments", run.run)?;
    let parent = run.parent.map_or(Ok(Value::Null), |parent| at_rest("run of segments", parent))?;
    let mut rows = Rows::with_capacity(tables::SEGMENT_RUN.columns.len(), 1);
    rows.push([number, parent, Value::Int(run.created_ms), Value::Bytes(&run.data)]);
    batch::upsert(conn, &tables::SEGMENT_RUN, &rows).await?;
    let sorted: BTreeMap<u32, &SegmentRow> = segments.iter().map(|row| (row.segment, row)).collect();
    let mut rows = Rows::with_capacity(tables::SEGMENT.columns.len(), sorted.len());
    for (segment, row) in sorted {
        let users = at_rest("users of a segment", row.users)?;
        rows.push([
            number,
            segment.into(),
            Value::Bytes(row.name.as_bytes()),
            users,
            Value::Bytes(&row.data),
        ]);
    }
    batch::upsert(conn, &tables::SEGMENT, &rows).await?;
    let mut rows = Rows::with_capacity(tables::POINTER.columns.len(), 1);
    rows.push([Value::Bytes(SEGMENT_POINTER), number]);
    batch::upsert(conn, &tables::POINTER, &rows).await?;
    let kept_from = at_rest("run of segments", (*kept_from).min(run.run))?;
    for table in ["segment", "segment_run"] {
        conn.execute(&format!("DELETE FROM {table} WHERE run < ?"), &[kept_from]).await?;
    }
    // Numbers up to this one are gone for good: nobody can publish them any more.
    let beyond = claim_name(run.run.saturating_add(1));
    let sql = "DELETE FROM pointer WHERE name >= ? AND name < ? AND name < ?";
    let names = [CLAIM.as_bytes(), &beyond, BEYOND_CLAIMS].map(Value::Bytes);
    conn.execute(sql, &names).await.map(drop)
}

/// Wants a read transaction.
pub(super) async fn of_run<C: SqlConn>(
    conn: &mut C,
    run: Option<u64>,
) -> Result<Option<(SegmentRunRow, Vec<SegmentRow>)>, StoreError> {
    let run = match run {
        Some(run) => Some(run),
        None => pointer(conn, false).await?,
    };
    let Some(run) = run else { return Ok(None) };
    let number = [at_rest("run of segments", run)?];
    let sql = "SELECT run, parent, created_ms, data FROM segment_run WHERE run = ?";
    let found = conn.query(sql, &number).await?.into_iter().next().map(run_row).transpose()?;
    let Some(found) = found else { return Ok(None) };
    let sql = "SELECT segment, name, users, data FROM segment WHERE run = ? ORDER BY segment";
    let row = |mut row: Row| {
        Ok(SegmentRow {
            segment: row.number(0)?,
            name: row.text(1)?,
            users: row.number(2)?,
            data: row.take_bytes(3)?,
        })
    };
    let segments = conn.query(sql, &number).await?.into_iter().map(row).collect::<Result<_, StoreError>>()?;
    Ok(Some((found, segments)))
}

pub(super) async fn runs<C: SqlConn>(conn: &mut C) -> Result<Vec<SegmentRunRow>, StoreError> {
    let sql = "SELECT run, parent, created_ms, data FROM segment_run ORDER BY run DESC";
    conn.query(sql, &[]).await?.into_iter().map(run_row).collect()
}

fn run_row(mut row: Row) -> Result<SegmentRunRow, StoreError> {
    let parent = row.optional_int(1)?.map(|_| row.number(1)).transpose()?;
    Ok(SegmentRunRow { run: row.number(0)?, parent, created_ms: row.int(2)?, data: row.take_bytes(3)? })
}

/// Wants a read transaction.
pub(super) async fn of_users<C: SqlConn>(
    conn: &mut C,
    shard: u32,
    users: &[UserId],
) -> Result<Vec<Option<u32>>, StoreError> {
    let Some(run) = pointer(conn, false).await? else { return Ok(vec![None; users.len()]) };
    let fixed = [at_rest("run of segments", run)?, shard.into()];
    let select = ("SELECT user_id, segment FROM user_segment WHERE run = ? AND shard = ? AND", "");
    let rows = batch::query_among(conn, select, &fixed, &["user_id"], &user_keys(users)).await?;
    let mut found = BTreeMap::new();
    for row in rows {
        found.insert(UserId::from_trusted(row.bytes(0)?), row.number(1)?);
    }
    Ok(users.iter().map(|user| found.get(user).copied()).collect())
}

/// Wants a read transaction.
pub(super) async fn users_after<C: SqlConn>(
    conn: &mut C,
    after: Option<&(u32, UserId)>,
    limit: usize,
) -> Result<Vec<(u32, UserId, u32)>, StoreError> {
    let Some(run) = pointer(conn, false).await? else { return Ok(Vec::new()) };
    let sql = "SELECT shard, user_id, segment FROM user_segment \
        WHERE run = ? AND (shard > ? OR (shard = ? AND user_id > ?)) ORDER BY shard, user_id LIMIT ?";
    let (shard, user) = after.map_or((-1, &[][..]), |(shard, user)| (i64::from(*shard), user.as_bytes()));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let args = [
        at_rest("run of segments", run)?,
        Value::Int(shard),
        Value::Int(shard),
        Value::Bytes(user),
        Value::Int(limit),
    ];
    let row = |row: &Row| Ok((row.number(0)?, UserId::from_trusted(row.bytes(1)?), row.number(2)?));
    conn.query(sql, &args).await?.iter().map(row).collect()
}

/// Rows of users of runs before one, the oldest first.
pub(super) async fn stale<C: SqlConn>(
    conn: &mut C,
    before: u64,
    limit: usize,
) -> Result<Vec<(u32, UserId, u64)>, StoreError> {
    let sql =
        "SELECT shard, user_id, run FROM user_segment WHERE run < ? ORDER BY run, shard, user_id LIMIT ?";
    let args = [at_rest("run of segments", before)?, Value::Int(i64::try_from(limit).unwrap_or(i64::MAX))];
    let row = |row: &Row| Ok((row.number(0)?, UserId::from_trusted(row.bytes(1)?), row.number(2)?));
    conn.query(sql, &args).await?.iter().map(row).collect()
}

pub(super) async fn forget_users<C: SqlConn>(
    conn: &mut C,
    rows: &[(u32, UserId, u64)],
) -> Result<(), StoreError> {
    let mut sorted: Vec<&(u32, UserId, u64)> = rows.iter().collect();
    sorted.sort_unstable();
    let mut keys = Rows::with_capacity(3, sorted.len());
    for (shard, user, run) in sorted {
        keys.push([(*shard).into(), Value::Bytes(user.as_bytes()), at_rest("run of segments", *run)?]);
    }
    batch::execute_among(conn, "DELETE FROM user_segment WHERE", &[], &["shard", "user_id", "run"], &keys)
        .await
}
