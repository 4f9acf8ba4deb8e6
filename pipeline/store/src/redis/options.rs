//! Where Redis is and how it is used, checked: what a wrong option says names its field and never its secret.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use crate::StoreError;

/// Addresses of a cluster that are given: a few are enough to learn the others from.
const URLS_MAX: usize = 64;
/// Every key carries it, so each of its bytes costs a megabyte per million users.
const PREFIX_BYTES_MAX: usize = 32;
/// A year: a list that nobody touched for so long serves nobody.
const TTL_MS_MAX: i64 = 366 * 24 * 3_600_000;
/// A wait beyond ten seconds is an outage, and waiting for it is worse than answering from the truth.
const TIMEOUT_MS_MAX: u64 = 10_000;
/// 64 GiB: no machine that serves has more to spare.
const NEAR_BYTES_MAX: u64 = 64 << 30;
/// A chain of certificates has some kilobytes.
const PEM_BYTES_MAX: u64 = 1 << 20;

/// A password that is used and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisPassword(String);

impl RedisPassword {
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RedisPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where Redis 6 or newer is, plain or a cluster, and how long it may take.
#[derive(Clone)]
pub struct RedisCacheOptions {
    /// `redis://host:port`, or `rediss://host:port` for TLS; `/3` behind it chooses database 3 of a single server. A single server
    /// is one address, a cluster some of its nodes. A user name and a password may stand here or in their own fields.
    pub urls: Vec<String>,
    pub cluster: bool,
    /// Of an ACL; the default user needs only a password.
    pub username: Option<String>,
    pub password: Option<RedisPassword>,
    /// The authority that signed the servers' certificates; those of the system where none is given.
    pub tls_ca_file: Option<PathBuf>,
    /// Our own certificate and its key, for servers that ask for one (`tls-auth-clients`, Redis's default).
    pub tls_cert_file: Option<PathBuf>,
    pub tls_key_file: Option<PathBuf>,
    /// Begins every key. What else lives on the server has keys of another prefix.
    pub prefix: String,
    /// How long a list stays that nobody writes again. It only bounds memory: a list is not stale by age.
    pub ttl_ms: i64,
    /// How long a removal is remembered: longer than any reader of before can be on its way.
    pub tombstone_ms: i64,
    /// Bytes of lists that this process holds of its own reads, 0 for none.
    pub near_bytes_max: u64,
    /// To connect, TLS and password included. Only the background waits for it.
    pub connect_timeout_ms: u64,
    /// What a reader waits before it asks the truth instead: a list within one data centre takes 1 ms.
    pub read_timeout_ms: u64,
    /// What one call of a writer may take, all its lists together: the longest that a stream is held up after a commit. Lists
    /// that were not written by then are read from the truth.
    pub write_timeout_ms: u64,
}

impl RedisCacheOptions {
    /// A single server with the defaults.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            urls: vec![url.into()],
            cluster: false,
            username: None,
            password: None,
            tls_ca_file: None,
            tls_cert_file: None,
            tls_key_file: None,
            prefix: "shoptide".to_owned(),
            ttl_ms: 7 * 24 * 3_600_000,
            tombstone_ms: crate::cache::TOMBSTONE_MS,
            near_bytes_max: 0,
            connect_timeout_ms: 1_000,
            read_timeout_ms: 30,
            write_timeout_ms: 500,
        }
    }
}

/// An address without what may stand before its host.
fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "(malformed)".to_owned() };
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{host}")
}

impl fmt::Debug for RedisCacheOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCacheOptions")
            .field("urls", &self.urls.iter().map(|url| shown(url)).collect::<Vec<_>>())
            .field("cluster", &self.cluster)
            .field("username", &self.username)
            .field("password", &self.password)
            .field("tls_ca_file", &self.tls_ca_file)
            .field("tls_cert_file", &self.tls_cert_file)
            .field("tls_key_file", &self.tls_key_file)
            .field("prefix", &self.prefix)
            .field("ttl_ms", &self.ttl_ms)
            .field("tombstone_ms", &self.tombstone_ms)
            .field("near_bytes_max", &self.near_bytes_max)
            .field("connect_timeout_ms", &self.connect_timeout_ms)
            .field("read_timeout_ms", &self.read_timeout_ms)
            .field("write_timeout_ms", &self.write_timeout_ms)
            .finish()
    }
}

/// Certificates as read from their files.
#[derive(Clone, Default)]
pub(super) struct Pem {
    pub authority: Option<Vec<u8>>,
    /// Certificate and key.
    pub own: Option<(Vec<u8>, Vec<u8>)>,
}

/// Options that need no further check.
pub(super) struct Checked {
    pub nodes: Vec<ConnectionInfo>,
    pub cluster: bool,
    pub tls: bool,
    pub pem: Pem,
    pub username: Option<String>,
    pub password: Option<RedisPassword>,
    pub prefix: String,
    pub ttl_ms: i64,
    pub tombstone_ms: i64,
    pub near_bytes_max: u64,
    pub connect_timeout: Duration,
    pub read_timeout: Duration,
    pub write_timeout: Duration,
}

impl RedisCacheOptions {
    /// # Errors
    /// [`StoreError::Unusable`] naming the field and what it may be.
    pub(super) fn checked(&self) -> Result<Checked, StoreError> {
        let nodes = self.nodes()?;
        let is_tls = |node: &ConnectionInfo| matches!(node.addr(), ConnectionAddr::TcpTls { .. });
        let tls = nodes.iter().any(is_tls);
        if tls && !nodes.iter().all(is_tls) {
            return Err(wrong("urls", "mixes redis:// and rediss://, expected one of them"));
        }
        let (username, password) = self.credentials(&nodes)?;
        if username.is_some() && password.is_none() {
            return Err(wrong("password", "is missing, expected with username"));
        }
        let prefix_fits = |byte: u8| byte.is_ascii_graphic() && byte != b'{' && byte != b'}';
        if self.prefix.is_empty()
            || PREFIX_BYTES_MAX < self.prefix.len()
            || !self.prefix.bytes().all(prefix_fits)
        {
            return Err(wrong(
                "prefix",
                format!(
                    "is {:?}, expected 1 to {PREFIX_BYTES_MAX} ASCII characters without spaces and braces",
                    self.prefix
                ),
            ));
        }
        let life = |field, ms: i64| match ms {
            1..=TTL_MS_MAX => Ok(ms),
            _ => Err(wrong(field, format!("is {ms}, expected 1 to {TTL_MS_MAX}"))),
        };
        let wait = |field, ms: u64| match ms {
            1..=TIMEOUT_MS_MAX => Ok(Duration::from_millis(ms)),
            _ => Err(wrong(field, format!("is {ms}, expected 1 to {TIMEOUT_MS_MAX}"))),
        };
        Ok(Checked {
            cluster: self.cluster,
            tls,
            pem: self.pem(tls)?,
            username,
            password,
            prefix: self.prefix.clone(),
            ttl_ms: life("ttl_ms", self.ttl_ms)?,
            tombstone_ms: life("tombstone_ms", self.tombstone_ms)?,
            near_bytes_max: match self.near_bytes_max {
                0..=NEAR_BYTES_MAX => self.near_bytes_max,
                more => {
                    return Err(wrong(
                        "near_bytes_max",
                        format!("is {more}, expected at most {NEAR_BYTES_MAX}"),
                    ));
                }
            },
            connect_timeout: wait("connect_timeout_ms", self.connect_timeout_ms)?,
            read_timeout: wait("read_timeout_ms", self.read_timeout_ms)?,
            write_timeout: wait("write_timeout_ms", self.write_timeout_ms)?,
            nodes,
        })
    }

    fn nodes(&self) -> Result<Vec<ConnectionInfo>, StoreError> {
        let most = if self.cluster { URLS_MAX } else { 1 };
        if self.urls.is_empty() || most < self.urls.len() {
            let hint = if self.cluster { "" } else { ", or cluster = true" };
            return Err(wrong(
                "urls",
                format!("has {} addresses, expected 1 to {most}{hint}", self.urls.len()),
            ));
        }
        self.urls.iter().enumerate().map(|(place, url)| self.node(place, url)).collect()
    }

    fn node(&self, place: usize, url: &str) -> Result<ConnectionInfo, StoreError> {
        let field = format!("urls[{place}]");
        // Neither the address nor what the parser says of it is repeated: a password may stand in it.
        let malformed = || {
            wrong(
                &field,
                "is malformed, expected redis://host:port or rediss://host:port, special characters of a password \
                 percent-encoded",
            )
        };
        let parsed = redis::parse_redis_url(url).ok_or_else(malformed)?;
        if parsed.fragment().is_some() || parsed.query().is_some() {
            return Err(wrong(&field, "has parameters after ? or #, expected none"));
        }
        let info = parsed.into_connection_info().map_err(|_| malformed())?;
        if self.cluster && (info.redis_settings().db() != 0 || matches!(info.addr(), ConnectionAddr::Unix(_)))
        {
            return Err(wrong(&field, "names a database or a socket file, expected neither for a cluster"));
        }
        Ok(info)
    }

    fn credentials(
        &self,
        nodes: &[ConnectionInfo],
    ) -> Result<(Option<String>, Option<RedisPassword>), StoreError> {
        let own = (self.username.clone(), self.password.clone());
        let mut found = own.clone();
        for (place, node) in nodes.iter().enumerate() {
            let settings = node.redis_settings();
            let inside =
                (settings.username().map(str::to_owned), settings.password().map(RedisPassword::new));
            if inside == (None, None) {
                continue;
            }
            if own != (None, None) {
                let field = format!("urls[{place}]");
                return Err(wrong(
                    &field,
                    "holds a user or password, expected there or in username and password",
                ));
            }
            if found != (None, None) && found != inside {
                return Err(wrong("urls", "hold different passwords, expected one for all nodes"));
            }
            found = inside;
        }
        Ok(found)
    }

    fn pem(&self, tls: bool) -> Result<Pem, StoreError> {
        let read = |field, path: &Option<PathBuf>| match path {
            Some(_) if !tls => Err(wrong(field, "is set, expected only with rediss://")),
            Some(path) => read_pem(field, path).map(Some),
            None => Ok(None),
        };
        let authority = read("tls_ca_file", &self.tls_ca_file)?;
        let own =
            match (read("tls_cert_file", &self.tls_cert_file)?, read("tls_key_file", &self.tls_key_file)?) {
                (Some(cert), Some(key)) => Some((cert, key)),
                (None, None) => None,
                (Some(_), None) => {
                    return Err(wrong("tls_key_file", "is missing, expected with tls_cert_file"));
                }
                (None, Some(_)) => {
                    return Err(wrong("tls_cert_file", "is missing, expected with tls_key_file"));
                }
            };
        Ok(Pem { authority, own })
    }
}

fn read_pem(field: &str, path: &Path) -> Result<Vec<u8>, StoreError> {
    let unreadable = |error| wrong(field, format!("{} cannot be read: {error}", path.display()));
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if PEM_BYTES_MAX < bytes {
        return Err(wrong(
            field,
            format!("{} has {bytes} bytes, expected at most {PEM_BYTES_MAX}", path.display()),
        ));
    }
    let pem = std::fs::read(path).map_err(unreadable)?;
    if !pem.windows(11).any(|window| window == b"-----BEGIN ") {
        return Err(wrong(field, format!("{} holds no PEM", path.display())));
    }
    Ok(pem)
}

/// What is wrong with a field, as every option's error says it.
pub(super) fn wrong(field: &str, what: impl fmt::Display) -> StoreError {
    StoreError::Unusable(format!("redis cache: {field} {what}"))
}
