//! What a commit deletes or blanks. Deletions come before the rows that the same commit puts in.

use shoptide_schemas::UserId;

use super::batch::{self, Rows};
use super::commit::code;
use super::conn::SqlConn;
use super::value::Value;
use crate::{Commit, StoreError};

/// Deletes the rows of these users in a table keyed by shard and user.
pub(super) async fn users<C: SqlConn>(
    conn: &mut C,
    shard: u32,
    table: &str,
    users: &[UserId],
) -> Result<(), StoreError> {
    let head = format!("DELETE FROM {table} WHERE shard = ? AND");
    batch::execute_among(conn, &head, &[shard.into()], &["user_id"], &user_keys(users)).await
}

pub(super) async fn lines<C: SqlConn>(conn: &mut C, commit: &Commit) -> Result<(), StoreError> {
    users(conn, commit.shard, "order_line", &commit.lines_gone).await
}

pub(super) async fn parts<C: SqlConn>(conn: &mut C, commit: &Commit) -> Result<(), StoreError> {
    let mut gone: Vec<_> =
        commit.parts_gone.iter().map(|(user, topic)| (user.as_bytes(), code(*topic))).collect();
    gone.sort_unstable();
    gone.dedup();
    let mut keys = Rows::with_capacity(2, gone.len());
    gone.into_iter().for_each(|(user, topic)| keys.push([Value::Bytes(user), Value::Int(topic)]));
    let head = "DELETE FROM user_part WHERE shard = ? AND";
    batch::execute_among(conn, head, &[commit.shard.into()], &["user_id", "topic"], &keys).await
}

/// Blanks what dead letters hold of erased users: of the same topic, before the erasure.
pub(super) async fn dead_letters<C: SqlConn>(conn: &mut C, commit: &Commit) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE dead_letter SET record_key = NULL, payload = NULL \
        WHERE shard = ? AND topic = ? AND off < ? AND record_key = ?";
    for (user, topic, off) in &commit.dead_redacted {
        let (topic, off) = (Value::Int(code(*topic)), Value::Int(*off));
        conn.execute(SQL, &[commit.shard.into(), topic, off, Value::Bytes(user.as_bytes())]).await?;
    }
    Ok(())
}

/// Users as sorted keys, each once.
pub(super) fn user_keys(users: &[UserId]) -> Rows<'_> {
    let mut sorted: Vec<_> = users.iter().map(UserId::as_bytes).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut keys = Rows::with_capacity(1, sorted.len());
    sorted.into_iter().for_each(|user| keys.push([Value::Bytes(user)]));
    keys
}
