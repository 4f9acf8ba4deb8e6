//! The truth as somebody else reads it: plain SQL on a connection of the test.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, Row};

use crate::log_reader::Place;
use crate::servers::Servers;

/// User topics by their number at rest.
pub fn topic_name(code: i64) -> String {
    shoptide_schemas::Topic::from_code(code).unwrap().name().to_owned()
}

pub struct Tables {
    conn: MySqlConnection,
}

/// Where a shard stands in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetRow {
    pub shard: u32,
    pub topic: String,
    pub next_off: i64,
    pub epoch: i64,
}

impl Tables {
    pub async fn of(servers: &Servers, database: &str) -> Self {
        let conn = MySqlConnection::connect(&format!("{}/{database}", servers.mysql)).await.unwrap();
        Self { conn }
    }

    /// A new connection, if the server takes one.
    pub async fn again(servers: &Servers, database: &str) -> Option<Self> {
        let connecting = MySqlConnection::connect(&format!("{}/{database}", servers.mysql));
        let conn = tokio::time::timeout(Duration::from_secs(2), connecting).await.ok()?.ok()?;
        Some(Self { conn })
    }

    /// A statement for the server itself.
    pub async fn server(servers: &Servers, sql: &str) {
        let mut conn = MySqlConnection::connect(&servers.mysql).await.unwrap();
        conn.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
    }

    pub async fn run(&mut self, sql: &str) {
        self.conn.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
    }

    /// One number; 0 where there is no row.
    pub async fn number(&mut self, sql: &str) -> i64 {
        let row = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_optional(&mut self.conn).await.unwrap();
        row.map_or(0, |row| row.try_get_unchecked::<Option<i64>, _>(0).unwrap().unwrap_or(0))
    }

    pub async fn offsets(&mut self) -> Vec<OffsetRow> {
        self.try_offsets().await.unwrap()
    }

    pub async fn try_offsets(&mut self) -> Result<Vec<OffsetRow>, sqlx::Error> {
        let sql = "SELECT shard, topic, next_off, epoch FROM stream_offset ORDER BY shard, topic";
        let rows = sqlx::query(sql).fetch_all(&mut self.conn).await?;
        let row = |row: &sqlx::mysql::MySqlRow| OffsetRow {
            shard: row.get::<i64, _>(0) as u32,
            topic: topic_name(row.get(1)),
            next_off: row.get(2),
            epoch: row.get(3),
        };
        Ok(rows.iter().map(row).collect())
    }

    /// Every stored list by shard and user.
    pub async fn lists(&mut self) -> BTreeMap<(u32, Vec<u8>), Vec<u8>> {
        let sql = "SELECT shard, user_id, data FROM user_list";
        let rows = sqlx::query(sql).fetch_all(&mut self.conn).await.unwrap();
        rows.iter().map(|row| ((row.get::<i64, _>(0) as u32, row.get(1)), row.get(2))).collect()
    }

    /// One user's stored list.
    pub async fn list(&mut self, shard: u32, user: &[u8]) -> Result<Option<Vec<u8>>, sqlx::Error> {
        let sql = "SELECT data FROM user_list WHERE shard = ? AND user_id = ?";
        let row = sqlx::query(sql).bind(shard).bind(user).fetch_optional(&mut self.conn).await?;
        Ok(row.map(|row| row.get(0)))
    }

    /// Why each refused record was refused.
    pub async fn dead_letters(&mut self) -> BTreeMap<Place, String> {
        let sql = "SELECT shard, topic, off, reason FROM dead_letter";
        let rows = sqlx::query(sql).fetch_all(&mut self.conn).await.unwrap();
        let letter = |row: &sqlx::mysql::MySqlRow| {
            let place = (topic_name(row.get(1)), row.get::<i64, _>(0) as u32, row.get(2));
            (place, String::from_utf8(row.get_unchecked::<Vec<u8>, _>(3)).unwrap())
        };
        rows.iter().map(letter).collect()
    }

    /// Micro-units a month by user.
    pub async fn budgets(&mut self) -> BTreeMap<String, i64> {
        let rows = sqlx::query("SELECT user_id, month_micros FROM user_budget").fetch_all(&mut self.conn);
        let budget = |row: &sqlx::mysql::MySqlRow| (String::from_utf8(row.get(0)).unwrap(), row.get(1));
        rows.await.unwrap().iter().map(budget).collect()
    }
}
