//! What shoppers gave each item: sums that add up across shards, folded with everything else, and what of them is new to a reader.

use std::collections::BTreeMap;

use shoptide_schemas::{ItemId, Topic};

use super::batch::{self, Rows};
use super::commit::code;
use super::conn::SqlConn;
use super::reads::limit_of;
use super::tables;
use super::value::{Row, Value};
use crate::rows::RatedUpto;
use crate::{Commit, ItemRating, RatingsPage, RatingsSeen, StoreError};

/// Begins the names of the pointer rows that say from which offset on a shard's ratings are counted as they are folded.
const RATED: &str = "rated:";
/// Of a shard all of whose ratings are.
const FROM_THE_FIRST: i64 = -1;
/// Begins the names of the pointer rows that say at which epoch a shard was last taken over by a program that counts them.
const RATER: &str = "rater:";

fn name_of(prefix: &str, shard: u32) -> Vec<u8> {
    format!("{prefix}{shard}").into_bytes()
}

async fn pointer<C: SqlConn>(conn: &mut C, prefix: &str, shard: u32) -> Result<Option<i64>, StoreError> {
    let name = name_of(prefix, shard);
    let rows = conn.query("SELECT value FROM pointer WHERE name = ?", &[Value::Bytes(&name)]).await?;
    rows.first().map(|row| row.int(0)).transpose()
}

async fn forget<C: SqlConn>(conn: &mut C, prefix: &str, shard: u32) -> Result<(), StoreError> {
    let name = name_of(prefix, shard);
    conn.execute("DELETE FROM pointer WHERE name = ?", &[Value::Bytes(&name)]).await.map(drop)
}

/// A shard got an owner who counts ratings. What is summed of it counts on only if the last owner counted too: in a rolling upgrade it may
/// have been an older program, and then it is summed anew.
/// - `before`: the epoch of the last owner; `None` for a shard that begins here, of which nothing was left out
pub(super) async fn taken_over<C: SqlConn>(
    conn: &mut C,
    shard: u32,
    before: Option<i64>,
    epoch: i64,
) -> Result<(), StoreError> {
    match before {
        None => begin(conn, shard, FROM_THE_FIRST).await?,
        Some(before) if pointer(conn, RATER, shard).await? != Some(before) => {
            conn.execute("DELETE FROM item_rating WHERE shard = ?", &[shard.into()]).await?;
            forget(conn, RATED, shard).await?;
        }
        Some(_) => {}
    }
    counted_at(conn, shard, epoch).await
}

/// The epoch of a shard was raised by a program that counts.
pub(super) async fn counted_at<C: SqlConn>(conn: &mut C, shard: u32, epoch: i64) -> Result<(), StoreError> {
    let name = name_of(RATER, shard);
    let mut rows = Rows::with_capacity(tables::POINTER.columns.len(), 1);
    rows.push([Value::Bytes(&name), Value::Int(epoch)]);
    batch::upsert(conn, &tables::POINTER, &rows).await
}

/// Adds what a batch does. Rows that come to nothing stay, or readers would not see that they did.
pub(super) async fn put<C: SqlConn>(conn: &mut C, commit: &Commit) -> Result<(), StoreError> {
    let mut sums: BTreeMap<&[u8], (i64, i64, i64)> = BTreeMap::new();
    for row in &commit.ratings {
        let (n, hundredths, upto) = sums.entry(row.item.as_bytes()).or_insert((0, 0, row.upto));
        *n += row.n;
        *hundredths += row.hundredths;
        *upto = row.upto.max(*upto);
    }
    let mut rows = Rows::with_capacity(tables::RATING.columns.len(), sums.len());
    for (item, (n, hundredths, upto)) in sums {
        let numbers = [n, hundredths, upto].map(Value::Int);
        let [n, hundredths, upto] = numbers;
        rows.push([commit.shard.into(), Value::Bytes(item), n, hundredths, upto]);
    }
    batch::upsert(conn, &tables::RATING, &rows).await?;
    match commit.rated_from {
        Some(from) => begin(conn, commit.shard, from).await,
        None => Ok(()),
    }
}

/// Notes that a shard's ratings are counted as they are folded, from an offset on. What was noted before stays.
async fn begin<C: SqlConn>(conn: &mut C, shard: u32, from: i64) -> Result<(), StoreError> {
    let name = name_of(RATED, shard);
    let mut rows = Rows::with_capacity(tables::POINTER_ONCE.columns.len(), 1);
    rows.push([Value::Bytes(&name), Value::Int(from)]);
    batch::upsert(conn, &tables::POINTER_ONCE, &rows).await
}

pub(super) async fn began<C: SqlConn>(conn: &mut C, shard: u32) -> Result<Option<i64>, StoreError> {
    pointer(conn, RATED, shard).await
}

/// The same of all shards.
async fn all_began<C: SqlConn>(conn: &mut C) -> Result<BTreeMap<u32, i64>, StoreError> {
    let sql = "SELECT name, value FROM pointer WHERE name >= ? AND name < ? ORDER BY name";
    // `;` follows `:`.
    let args = [Value::Bytes(b"rated:"), Value::Bytes(b"rated;")];
    let mut all = BTreeMap::new();
    for mut row in conn.query(sql, &args).await? {
        let from = row.int(1)?;
        let shard = row.text(0)?.strip_prefix(RATED).and_then(|shard| shard.parse().ok());
        all.extend(shard.map(|shard: u32| (shard, from)));
    }
    Ok(all)
}

/// The users of shard `heir` come from a shard whose ratings may not be counted yet: then neither are theirs.
pub(super) async fn inherit<C: SqlConn>(conn: &mut C, from: u32, heir: u32) -> Result<(), StoreError> {
    match began(conn, from).await? {
        Some(_) => Ok(()),
        None => forget(conn, RATED, heir).await,
    }
}

/// Wants a read transaction.
pub(super) async fn since<C: SqlConn>(
    conn: &mut C,
    seen: &RatingsSeen,
    limit: usize,
) -> Result<RatingsPage, StoreError> {
    let sql = "SELECT shard, next_off FROM stream_offset WHERE topic = ? ORDER BY shard";
    let rated_from = all_began(conn).await?;
    let mut stands: Vec<(u32, RatedUpto)> = Vec::new();
    for row in conn.query(sql, &[Value::Int(code(Topic::Feedback))]).await? {
        let (shard, offset) = (row.number(0)?, row.int(1)?);
        let rated_from = rated_from.get(&shard).copied();
        stands.push((shard, RatedUpto { offset, item: Vec::new(), rated_from }));
    }
    if seen.0.is_empty() {
        let seen = RatingsSeen(stands.into_iter().collect());
        return Ok(RatingsPage { ratings: all(conn).await?, seen, more: false });
    }
    let mut page = RatingsPage { ratings: Vec::new(), seen: seen.clone(), more: false };
    let mut changed: Vec<Vec<u8>> = Vec::new();
    for (shard, next) in stands {
        let known = page.seen.0.get(&shard).filter(|known| known.rated_from == next.rated_from).cloned();
        let RatedUpto { offset: upto, item: after, .. } =
            known.unwrap_or(RatedUpto { offset: i64::MIN, ..RatedUpto::default() });
        if next.offset <= upto && after.is_empty() {
            continue;
        }
        let room = limit.max(1).saturating_sub(changed.len());
        if room == 0 {
            page.more = true;
            break;
        }
        let sql = "SELECT upto, item_id FROM item_rating WHERE shard = ? AND upto >= ? AND (upto > ? OR item_id > ?) \
            ORDER BY upto, item_id LIMIT ?";
        let args = [shard.into(), Value::Int(upto), Value::Int(upto), Value::Bytes(&after), limit_of(room)];
        let rows = conn.query(sql, &args).await?;
        let full = rows.len() == room;
        page.more |= full;
        let mut reached = next;
        for mut row in rows {
            let item = row.take_bytes(1)?;
            if full {
                (reached.offset, reached.item) = (row.int(0)?, item.clone());
            }
            changed.push(item);
        }
        page.seen.0.insert(shard, reached);
    }
    page.ratings = sums(conn, changed).await?;
    Ok(page)
}

/// All items that were ever rated.
async fn all<C: SqlConn>(conn: &mut C) -> Result<Vec<ItemRating>, StoreError> {
    let (n, hundredths) = (conn.dialect().sum("n"), conn.dialect().sum("hundredths"));
    let sql = format!("SELECT item_id, {n}, {hundredths} FROM item_rating GROUP BY item_id ORDER BY item_id");
    conn.query(&sql, &[]).await?.into_iter().map(rating).collect()
}

pub(super) async fn of<C: SqlConn>(conn: &mut C, items: &[ItemId]) -> Result<Vec<ItemRating>, StoreError> {
    sums(conn, items.iter().map(|item| item.as_bytes().to_vec()).collect()).await
}

async fn sums<C: SqlConn>(conn: &mut C, mut items: Vec<Vec<u8>>) -> Result<Vec<ItemRating>, StoreError> {
    items.sort_unstable();
    items.dedup();
    let mut keys = Rows::with_capacity(1, items.len());
    items.iter().for_each(|item| keys.push([Value::Bytes(item)]));
    let (n, hundredths) = (conn.dialect().sum("n"), conn.dialect().sum("hundredths"));
    let head = format!("SELECT item_id, {n}, {hundredths} FROM item_rating WHERE");
    let select = (head.as_str(), "GROUP BY item_id ORDER BY item_id");
    let rows = batch::query_among(conn, select, &[], &["item_id"], &keys).await?;
    rows.into_iter().map(rating).collect()
}

fn rating(row: Row) -> Result<ItemRating, StoreError> {
    Ok(ItemRating { item: ItemId::from_trusted(row.bytes(0)?), n: row.int(1)?, hundredths: row.int(2)? })
}
