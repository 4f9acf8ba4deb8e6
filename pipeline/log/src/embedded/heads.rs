//! The `head` table: where each topic-partition begins and ends, and its greatest append time.

use shoptide_schemas::Topic;
use sqlx::{Row, SqliteConnection};

use super::failure::Failure;
use crate::slots::Slots;

/// One row of `head`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub topic: Topic,
    pub partition: u32,
    pub first: i64,
    pub next: i64,
    pub last_ms: i64,
}

/// All heads, in the order of the slots.
pub(super) async fn read_all(connection: &mut SqliteConnection) -> Result<Vec<Head>, Failure> {
    let rows = sqlx::query("SELECT topic, part, first_off, next_off, last_ms FROM head ORDER BY topic, part")
        .fetch_all(connection)
        .await?;
    let mut heads = Vec::with_capacity(rows.len());
    for row in rows {
        let (code, part): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let (Some(topic), Ok(partition)) = (Topic::from_code(code), u32::try_from(part)) else {
            return Err(Failure::unusable(format!(
                "the log names topic {code}, partition {part}, unknown here"
            )));
        };
        heads.push(Head {
            topic,
            partition,
            first: row.try_get(2)?,
            next: row.try_get(3)?,
            last_ms: row.try_get(4)?,
        });
    }
    Ok(heads)
}

/// Changes whenever *another* connection has committed.
pub(super) async fn data_version(connection: &mut SqliteConnection) -> Result<i64, Failure> {
    Ok(sqlx::query_scalar("PRAGMA data_version").fetch_one(connection).await?)
}

/// Begins a transaction that writes, and says the [`data_version`] that it sees.
pub(super) async fn begin(connection: &mut SqliteConnection) -> Result<i64, Failure> {
    Ok(sqlx::query_scalar("BEGIN IMMEDIATE; PRAGMA data_version").fetch_one(connection).await?)
}

/// Tells the slots.
pub(super) fn teach(slots: &Slots, heads: &[Head]) {
    for head in heads {
        if let Ok(index) = slots.index(head.topic, head.partition) {
            slots.learn(index, head.first, head.next);
        }
    }
}
