//! A database of its own for each test, on the server that `SHOPTIDE_TEST_MYSQL` names.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use shoptide_store::{MysqlTruth, MysqlTruthOptions};
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};

static NUMBER: AtomicU32 = AtomicU32::new(0);

pub struct Database {
    server: String,
    name: String,
}

/// What an address ends with: nothing, or with `SHOPTIDE_TEST_MYSQL_TLS` set that the server must prove who it is.
fn tls() -> String {
    match std::env::var_os("SHOPTIDE_TEST_MYSQL_TLS") {
        Some(_) => format!("?ssl-mode=VERIFY_IDENTITY&ssl-ca={}", std::env::var("SHOPTIDE_TEST_CA").unwrap()),
        None => String::new(),
    }
}

impl Database {
    /// An empty database; nothing where no server is named, said once a test.
    pub async fn new() -> Option<Self> {
        let Ok(server) = std::env::var("SHOPTIDE_TEST_MYSQL") else {
            assert!(std::env::var_os("CI").is_none(), "SHOPTIDE_TEST_MYSQL names no server");
            println!("skipped: SHOPTIDE_TEST_MYSQL names no server");
            return None;
        };
        let name = format!("test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let database = Self { server, name };
        database.sql(&format!("CREATE DATABASE {}", database.name)).await;
        Some(database)
    }

    pub fn options(&self) -> MysqlTruthOptions {
        let (server, tls) = (&self.server, tls());
        MysqlTruthOptions::from_url(&format!("{server}/{}{tls}", self.name)).unwrap().connections(4)
    }

    pub async fn truth(&self) -> Arc<MysqlTruth> {
        MysqlTruth::migrate(&self.options()).await.unwrap();
        MysqlTruth::open(self.options()).await.unwrap()
    }

    /// A connection to this database, beside the truth's.
    pub async fn connection(&self) -> MySqlConnection {
        MySqlConnection::connect(&format!("{}/{}", self.server, self.name)).await.unwrap()
    }

    /// Runs a statement on a connection of its own, beside the truth's.
    pub async fn sql(&self, sql: &str) {
        let mut conn = MySqlConnection::connect(&self.server).await.unwrap();
        conn.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
    }

    /// Takes the database away. After a failed test it stays, to be looked at, until the server goes.
    pub async fn drop(self) {
        self.sql(&format!("DROP DATABASE {}", self.name)).await;
    }
}
