//! The truth in MySQL 8 or MariaDB. Shards commit at the same time, each on a connection of its own; what is asked runs in a
//! task of its own, so a caller that goes away never leaves a transaction half done.

mod conn;
mod schema;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shoptide_faults::Break;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

use self::conn::MysqlConn;
use super::conn::{Connect, SqlConn};
use super::points;
use super::pool::{Pool, closed};
use super::truth::Backend;
use super::writes::{self, Write, Written};
use crate::StoreError;

/// How errors call this store.
const STORE: &str = "mysql";
/// How often a transaction that lost against another (1205, 1213) is run again from its start before the caller decides.
/// Two shards share no row, so it takes a person's session or a job to lose even once.
const LOST_TRIES_MAX: u32 = 5;

/// Whether and how the server must prove who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MysqlTls {
    #[default]
    Off,
    /// Encrypted, whoever answers.
    Required,
    /// Encrypted, by a certificate of the authority for this host.
    Verified,
}

/// Where the database is.
#[derive(Clone)]
pub struct MysqlAddress {
    pub host: String,
    pub port: u16,
    pub database: String,
    pub user: String,
    pub password: Option<String>,
    pub tls: MysqlTls,
    /// PEM file of the authority; the system's if none.
    pub ca_file: Option<String>,
}

/// Where the database is and how it is used. The password in it is not printed.
#[derive(Clone)]
pub struct MysqlTruthOptions {
    address: MySqlConnectOptions,
    connections: usize,
    /// How long a connection may take to be made.
    connect_timeout: Duration,
    /// How long a statement may take before its connection is given up.
    statement_timeout: Duration,
}

impl MysqlTruthOptions {
    pub fn new(address: &MysqlAddress) -> Self {
        let mut options = MySqlConnectOptions::new()
            .host(&address.host)
            .port(address.port)
            .database(&address.database)
            .username(&address.user)
            .ssl_mode(match address.tls {
                MysqlTls::Off => MySqlSslMode::Disabled,
                MysqlTls::Required => MySqlSslMode::Required,
                MysqlTls::Verified => MySqlSslMode::VerifyIdentity,
            });
        if let Some(password) = &address.password {
            options = options.password(password);
        }
        if let Some(file) = &address.ca_file {
            options = options.ssl_ca(file);
        }
        Self::of(options)
    }

    /// Connections of this process: commits at a time, and reads beside them.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// `mysql://user:password@host:port/database`.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] if it is malformed, without repeating it.
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        conn::connect_options(url).map(Self::of)
    }

    fn of(address: MySqlConnectOptions) -> Self {
        Self {
            address: conn::settled(address),
            connections: 16,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
        }
    }
}

/// The truth on a server.
pub struct MysqlTruth {
    pool: Arc<Pool<Server>>,
}

impl MysqlTruth {
    /// Connects and checks that the server can hold the truth and that its schema is of this version.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] if the address is malformed, access is denied, the database or its schema is missing, of another
    /// version, or the server's settings would lose data: the message says what to do. [`StoreError::Unavailable`] if it
    /// does not answer.
    pub async fn open(options: MysqlTruthOptions) -> Result<Arc<Self>, StoreError> {
        let server = Server::new(&options);
        let mut conn = server.connect().await?;
        schema::check_server(&mut conn).await?;
        schema::check_version(&mut conn).await?;
        let pool = Pool::new(server, options.connections);
        pool.give_back(conn);
        Ok(Arc::new(Self { pool }))
    }

    /// Brings the schema to this version: the only statements that change it. Safe to run twice, by two processes at once, and
    /// again after a crash in its middle. Returns the versions applied.
    ///
    /// # Errors
    /// As [`MysqlTruth::open`], and [`StoreError::Unusable`] if the schema is of a newer version, which stays as it is.
    pub async fn migrate(options: &MysqlTruthOptions) -> Result<Vec<i64>, StoreError> {
        let mut conn = Server::new(options).connect().await?;
        schema::check_server(&mut conn).await?;
        let applied = schema::migrate(&mut conn).await?;
        conn.close().await;
        Ok(applied)
    }
}

/// Opens connections to the server.
pub struct Server {
    options: MySqlConnectOptions,
    connect_timeout: Duration,
    statement_timeout: Duration,
}

impl Server {
    fn new(options: &MysqlTruthOptions) -> Self {
        Self {
            options: options.address.clone(),
            connect_timeout: options.connect_timeout,
            statement_timeout: options.statement_timeout,
        }
    }
}

#[async_trait]
impl Connect for Server {
    type Conn = MysqlConn;
    const STORE: &'static str = STORE;

    async fn connect(&self) -> Result<MysqlConn, StoreError> {
        MysqlConn::connect(&self.options, self.connect_timeout, self.statement_timeout).await
    }
}

#[async_trait]
impl Backend for MysqlTruth {
    type Connect = Server;

    fn readers(&self) -> &Arc<Pool<Server>> {
        &self.pool
    }

    async fn write(&self, write: Write) -> Result<Written, StoreError> {
        let permit = self.pool.permit().await?;
        let pool = self.pool.clone();
        if shoptide_faults::broken(Break::TransactionOfCaller) {
            return in_caller(&pool, &write).await;
        }
        let task = tokio::spawn(async move {
            let _permit = permit;
            carry_out(&pool, &write).await
        });
        let lost =
            |_| StoreError::Unknown { store: STORE, reason: "the write ended before it answered".into() };
        task.await.map_err(lost)?
    }

    async fn shut(&self) {
        self.pool.close().await;
    }
}

/// One write in one transaction, all of it or nothing, from its start again if it lost against another.
async fn carry_out(pool: &Pool<Server>, write: &Write) -> Result<Written, StoreError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut conn = pool.connection().await?;
        conn.run(conn.dialect().begin_write()).await?;
        let outcome = match writes::run(&mut conn, write).await {
            Ok(written) => points::written(STORE, write).await.map(|()| written),
            Err(error) => Err(error),
        };
        let lost = conn.lost_against_another();
        match outcome {
            Ok(written) => {
                points::commit(&mut conn, STORE, write).await.map_err(lost_in_commit)?;
                pool.give_back(conn);
                return Ok(written);
            }
            // After 1213 the server has rolled back and would run on without a transaction; after 1205 it would commit half of
            // it. In both cases the connection goes.
            Err(_) if lost && shoptide_faults::broken(Break::KeepHalf) => {
                conn.run("COMMIT").await?;
                return Ok(Written::new());
            }
            Err(_) if lost && tries < LOST_TRIES_MAX => {
                conn.close().await;
                tracing::info!(store = STORE, tries, "a transaction lost against another, running it again");
            }
            Err(error) => {
                let refused = matches!(error, StoreError::Fenced { .. } | StoreError::Changed { .. });
                if refused && conn.run("ROLLBACK").await.is_ok() {
                    pool.give_back(conn);
                } else {
                    conn.close().await;
                }
                return Err(error);
            }
        }
    }
}

/// What must never be, for the test that must notice it: the caller's future holds the transaction, and a caller who goes away
/// gives the connection back to the pool as it is.
async fn in_caller(pool: &Pool<Server>, write: &Write) -> Result<Written, StoreError> {
    struct Lent<'p>(&'p Pool<Server>, Option<MysqlConn>);
    impl Drop for Lent<'_> {
        fn drop(&mut self) {
            if let Some(conn) = self.1.take() {
                self.0.give_back(conn);
            }
        }
    }
    let mut lent = Lent(pool, Some(pool.connection().await?));
    let Some(conn) = &mut lent.1 else { return Err(lost_in_commit(closed::<Server>())) };
    conn.run(conn.dialect().begin_write()).await?;
    let written = writes::run(conn, write).await?;
    conn.run("COMMIT").await.map_err(lost_in_commit)?;
    Ok(written)
}

/// Whatever is said instead of "committed": only the offsets can tell.
fn lost_in_commit(error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable { store, reason } => StoreError::Unknown { store, reason },
        other => StoreError::Unknown { store: STORE, reason: other.to_string() },
    }
}
