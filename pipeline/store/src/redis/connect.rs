//! Connections to a single server or to a cluster, behind one type.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo, Pipeline,
    ProtocolVersion, RedisError, RedisFuture, TlsCertificates, TlsMode, Value,
};

use super::failure::Failure;
use super::near::Near;
use super::options::{Checked, Pem, wrong};
use crate::StoreError;

/// How often a cluster's client sends a command again (after MOVED, a lost node): once, the rest is the caller's.
const CLUSTER_RETRIES: u32 = 1;
/// Between those tries, in milliseconds: less than a reader waits at all.
const CLUSTER_RETRY_WAIT_MS: u64 = 10;

/// A connection that many callers use at once.
#[derive(Clone)]
pub(super) enum Conn {
    Single(MultiplexedConnection, Option<Arc<Near>>),
    Cluster(ClusterConnection),
}

impl Conn {
    /// What was read on this connection and has not changed since, if it holds anything at all.
    pub fn near(&self) -> Option<&Arc<Near>> {
        match self {
            Self::Single(_, near) => near.as_ref(),
            Self::Cluster(_) => None,
        }
    }
}

impl ConnectionLike for Conn {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(conn, _) => conn.req_packed_command(cmd),
            Self::Cluster(conn) => conn.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(conn, _) => conn.req_packed_commands(pipeline, offset, count),
            Self::Cluster(conn) => conn.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(conn, _) => conn.get_db(),
            Self::Cluster(conn) => conn.get_db(),
        }
    }
}

/// How a connection is made.
enum Way {
    Single {
        client: Box<Client>,
        /// The same server spoken to so that it tells of changes, and how many bytes are then held.
        near: Option<(Box<Client>, u64)>,
    },
    Cluster(Box<ClusterClient>),
}

/// What connections are made to.
pub(super) struct Target {
    client: Way,
    connect_timeout: Duration,
    /// The crate's own wait for a reply: the longest of ours, which are shorter and lie around each call.
    response_timeout: Duration,
    /// What a reader would ask for, to learn whether it would be answered.
    probe: Vec<u8>,
}

impl Target {
    /// # Errors
    /// [`StoreError::Unusable`] for certificates that cannot be used.
    pub fn new(options: &Checked) -> Result<Self, StoreError> {
        if options.tls && rustls::crypto::CryptoProvider::get_default().is_none() {
            // Somebody else's choice made meanwhile is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let client = if options.cluster { cluster(options) } else { single(options) };
        Ok(Self {
            client: client.map_err(|error| unusable(&options.pem, &error))?,
            connect_timeout: options.connect_timeout,
            response_timeout: options.read_timeout.max(options.write_timeout),
            probe: format!("{}:?", options.prefix).into_bytes(),
        })
    }

    pub fn is_cluster(&self) -> bool {
        matches!(self.client, Way::Cluster(_))
    }

    /// A connection that answers a reader's question, password, TLS and all.
    pub async fn connect(&self) -> Result<Conn, Failure> {
        tokio::time::timeout(self.connect_timeout, self.connect_at_last()).await.unwrap_or(Err(Failure::Late))
    }

    async fn connect_at_last(&self) -> Result<Conn, Failure> {
        match &self.client {
            Way::Single { client, near } => {
                if let Some((client, bytes_max)) = near {
                    match self.connect_near(client, *bytes_max).await {
                        Err(failure @ (Failure::Lost(_) | Failure::Late)) => return Err(failure),
                        // An old proxy or an ACL: whether the rest can be used shows below.
                        Err(failure) => tracing::info!(
                            store = super::STORE,
                            reason = failure.reason(),
                            "the server does not tell of changes, so nothing is held near"
                        ),
                        connected => return connected,
                    }
                }
                let conn = client.get_multiplexed_async_connection_with_config(&self.config()).await?;
                let mut conn = Conn::Single(conn, None);
                // A server that loads its data, is stuck in a script or wants a password takes connections all the same.
                let _: Value = redis::cmd("GET").arg(&self.probe).query_async(&mut conn).await?;
                Ok(conn)
            }
            // The client has asked a node for the slots; which of the others answer is found out slot by slot.
            Way::Cluster(client) => Ok(Conn::Cluster(client.get_async_connection().await?)),
        }
    }
}

impl Target {
    fn config(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(self.response_timeout))
    }

    /// A connection on which the server tells of changes of what it was asked.
    async fn connect_near(&self, client: &Client, bytes_max: u64) -> Result<Conn, Failure> {
        let near = Arc::new(Near::new(bytes_max));
        let ear = near.clone();
        let config = self.config().set_push_sender(move |said| {
            ear.hear(&said);
            Ok::<_, std::convert::Infallible>(())
        });
        let conn = client.get_multiplexed_async_connection_with_config(&config).await?;
        let mut conn = Conn::Single(conn, Some(near));
        // The keys that are asked for with CACHING alone, not what scripts read.
        let tracking = redis::cmd("CLIENT").arg("TRACKING").arg("ON").arg("OPTIN").to_owned();
        tracking.query_async::<()>(&mut conn).await?;
        near_get(&mut conn, &self.probe).await?;
        Ok(conn)
    }
}

/// GET of a key whose next change is wanted to be told, and how long the server will hold it.
pub(super) async fn near_get(conn: &mut Conn, key: &[u8]) -> Result<(Option<Vec<u8>>, Duration), RedisError> {
    let mut question = redis::pipe();
    question.cmd("CLIENT").arg("CACHING").arg("YES").ignore().cmd("GET").arg(key).cmd("PTTL").arg(key);
    let (found, left_ms): (Option<Vec<u8>>, i64) = question.query_async(conn).await?;
    // Negative: no key, or no end; neither is ever written by us.
    Ok((found, Duration::from_millis(u64::try_from(left_ms).unwrap_or(0))))
}

fn certificates(pem: &Pem) -> TlsCertificates {
    TlsCertificates {
        client_tls: pem
            .own
            .clone()
            .map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key }),
        root_cert: pem.authority.clone(),
    }
}

fn credentials(options: &Checked, node: &ConnectionInfo, protocol: ProtocolVersion) -> ConnectionInfo {
    // The library's name is not announced: an ACL may not allow it.
    let mut settings = node.redis_settings().clone().set_protocol(protocol).set_skip_set_lib_name();
    if let Some(username) = &options.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &options.password {
        settings = settings.set_password(password.expose());
    }
    node.clone().set_redis_settings(settings)
}

fn single(options: &Checked) -> Result<Way, RedisError> {
    let Some(node) = options.nodes.first() else {
        return Err((redis::ErrorKind::InvalidClientConfig, "no address").into());
    };
    let client = |protocol| {
        let info = credentials(options, node, protocol);
        match info.addr() {
            ConnectionAddr::TcpTls { .. } => Client::build_with_tls(info, certificates(&options.pem)),
            _ => Client::open(info),
        }
    };
    let near = (0 < options.near_bytes_max)
        .then(|| client(ProtocolVersion::RESP3).map(|client| (Box::new(client), options.near_bytes_max)));
    // RESP2: nothing is pushed to us.
    Ok(Way::Single { client: Box::new(client(ProtocolVersion::RESP2)?), near: near.transpose()? })
}

fn cluster(options: &Checked) -> Result<Way, RedisError> {
    let nodes = options.nodes.iter().map(|node| credentials(options, node, ProtocolVersion::RESP2));
    let mut builder: ClusterClientBuilder = ClusterClient::builder(nodes)
        .use_protocol(ProtocolVersion::RESP2)
        .connection_timeout(options.connect_timeout)
        .response_timeout(options.read_timeout.max(options.write_timeout))
        .retries(CLUSTER_RETRIES)
        .min_retry_wait(1)
        .max_retry_wait(CLUSTER_RETRY_WAIT_MS);
    if let Some(username) = &options.username {
        builder = builder.username(username);
    }
    if let Some(password) = &options.password {
        builder = builder.password(password.expose());
    }
    if options.tls {
        builder = builder.tls(TlsMode::Secure).certs(certificates(&options.pem));
    }
    builder.build().map(Box::new).map(Way::Cluster)
}

fn unusable(pem: &Pem, error: &RedisError) -> StoreError {
    let field = if pem.own.is_some() { "tls_ca_file, tls_cert_file or tls_key_file" } else { "tls_ca_file" };
    wrong(field, format!("cannot be used: {error}"))
}
