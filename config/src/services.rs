//! `[kafka]`, `[mysql]` and `[redis]`: where the real services are and how they are spoken to. They are checked whether or
//! not `log.kind`, `store.kind` and `store.cache` choose them, so that a slip is found before the day of the change.

use std::time::Duration;

use crate::bounds::{text, whole};
use crate::error::{ConfigError, Problem};
use crate::layers::Effective;
use crate::raw::{RawKafka, RawMysql, RawRedis};
use crate::secret::Secret;
use crate::secret_source::secret;

/// A password of one character is a password.
const PASSWORD_BYTES_MIN: usize = 1;
/// Names and addresses: longer ones are pasted files.
const TEXT_BYTES_MAX: usize = 1024;
/// Ten years.
const RETENTION_DAYS_MAX: i64 = 3_650;

/// How the bytes to Kafka travel, and how a client says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KafkaSecurity {
    Plaintext,
    Tls,
    SaslPlaintext,
    SaslTls,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KafkaSasl {
    Plain,
    ScramSha256,
    ScramSha512,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KafkaCodec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// `[kafka]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KafkaConfig {
    /// Empty unless `log.kind` is `kafka`.
    pub brokers: String,
    pub group: String,
    pub prefix: String,
    pub security: KafkaSecurity,
    pub sasl: KafkaSasl,
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub ca_file: Option<String>,
    pub codec: KafkaCodec,
    pub replication: u16,
    /// `None`: for ever.
    pub retention: Option<Duration>,
}

/// Whether and how the server must prove who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MysqlTls {
    Off,
    /// Encrypted, whoever answers.
    Required,
    /// Encrypted, and the server's certificate is one of the authority's for this host.
    Verified,
}

/// `[mysql]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MysqlConfig {
    pub host: String,
    pub port: u16,
    pub database: String,
    pub user: String,
    pub password: Option<Secret>,
    pub tls: MysqlTls,
    pub ca_file: Option<String>,
    pub connections: usize,
}

/// `[redis]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisConfig {
    /// `host:port` of each.
    pub nodes: Vec<String>,
    pub cluster: bool,
    pub prefix: String,
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub tls: bool,
    pub ca_file: Option<String>,
    /// Bytes of lists that a process holds of its own reads.
    pub near_bytes_max: u64,
}

impl KafkaConfig {
    pub(crate) fn check(raw: &RawKafka, effective: &Effective) -> Result<Self, ConfigError> {
        let blame = |problem| effective.blame(problem);
        let password = secret(
            effective,
            "kafka.password",
            &raw.password,
            "kafka.password_file",
            &raw.password_file,
            PASSWORD_BYTES_MIN,
        )?;
        let security = |name: &str| match name {
            "plaintext" => Some(KafkaSecurity::Plaintext),
            "tls" => Some(KafkaSecurity::Tls),
            "sasl-plaintext" => Some(KafkaSecurity::SaslPlaintext),
            "sasl-tls" => Some(KafkaSecurity::SaslTls),
            _ => None,
        };
        let securities = "\"plaintext\", \"tls\", \"sasl-plaintext\" or \"sasl-tls\"";
        let sasl = |name: &str| match name {
            "plain" => Some(KafkaSasl::Plain),
            "scram-sha-256" => Some(KafkaSasl::ScramSha256),
            "scram-sha-512" => Some(KafkaSasl::ScramSha512),
            _ => None,
        };
        let codec = |name: &str| match name {
            "none" => Some(KafkaCodec::None),
            "gzip" => Some(KafkaCodec::Gzip),
            "snappy" => Some(KafkaCodec::Snappy),
            "lz4" => Some(KafkaCodec::Lz4),
            "zstd" => Some(KafkaCodec::Zstd),
            _ => None,
        };
        let days: u64 =
            whole("kafka.retention_days", raw.retention_days, 0..=RETENTION_DAYS_MAX).map_err(blame)?;
        let topic_part = |name: &str| {
            let fits = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
            (fits && name.len() <= 100).then(|| name.to_owned())
        };
        let kafka = Self {
            brokers: plain("kafka.brokers", &raw.brokers).map_err(blame)?,
            group: text("kafka.group", &raw.group, "a name of letters, digits, . _ -", |name| {
                topic_part(name).filter(|name| !name.is_empty())
            })
            .map_err(blame)?,
            prefix: text("kafka.prefix", &raw.prefix, "letters, digits, . _ -, at most 100", topic_part)
                .map_err(blame)?,
            security: text("kafka.security", &raw.security, securities, security).map_err(blame)?,
            sasl: text("kafka.sasl", &raw.sasl, "\"plain\", \"scram-sha-256\" or \"scram-sha-512\"", sasl)
                .map_err(blame)?,
            user: optional("kafka.user", &raw.user).map_err(blame)?,
            password,
            ca_file: optional("kafka.ca_file", &raw.ca_file).map_err(blame)?,
            codec: text(
                "kafka.codec",
                &raw.codec,
                "\"none\", \"gzip\", \"snappy\", \"lz4\" or \"zstd\"",
                codec,
            )
            .map_err(blame)?,
            replication: whole("kafka.replication", raw.replication, 1..=15).map_err(blame)?,
            retention: (0 < days).then(|| Duration::from_secs(days * 86_400)),
        };
        let sasl = matches!(kafka.security, KafkaSecurity::SaslPlaintext | KafkaSecurity::SaslTls);
        if sasl && (kafka.user.is_none() || kafka.password.is_none()) {
            let rule = "SASL needs a user and a password";
            return Err(blame(Problem::conflict("kafka.security", "kafka.user", rule)));
        }
        Ok(kafka)
    }
}

impl MysqlConfig {
    pub(crate) fn check(raw: &RawMysql, effective: &Effective) -> Result<Self, ConfigError> {
        let blame = |problem| effective.blame(problem);
        let password = secret(
            effective,
            "mysql.password",
            &raw.password,
            "mysql.password_file",
            &raw.password_file,
            PASSWORD_BYTES_MIN,
        )?;
        let tls = |name: &str| match name {
            "off" => Some(MysqlTls::Off),
            "required" => Some(MysqlTls::Required),
            "verified" => Some(MysqlTls::Verified),
            _ => None,
        };
        Ok(Self {
            host: plain("mysql.host", &raw.host).map_err(blame)?,
            port: whole("mysql.port", raw.port, 1..=65_535).map_err(blame)?,
            database: plain("mysql.database", &raw.database).map_err(blame)?,
            user: plain("mysql.user", &raw.user).map_err(blame)?,
            password,
            tls: text("mysql.tls", &raw.tls, "\"off\", \"required\" or \"verified\"", tls).map_err(blame)?,
            ca_file: optional("mysql.ca_file", &raw.ca_file).map_err(blame)?,
            connections: whole("mysql.connections", raw.connections, 2..=256).map_err(blame)?,
        })
    }
}

impl RedisConfig {
    pub(crate) fn check(raw: &RawRedis, effective: &Effective) -> Result<Self, ConfigError> {
        let blame = |problem| effective.blame(problem);
        let password = secret(
            effective,
            "redis.password",
            &raw.password,
            "redis.password_file",
            &raw.password_file,
            PASSWORD_BYTES_MIN,
        )?;
        let node = |node: &String| {
            text("redis.nodes", node, "host:port", |node| {
                let (host, port) = node.rsplit_once(':')?;
                (!host.is_empty() && port.parse::<u16>().is_ok_and(|port| 0 < port)).then(|| node.to_owned())
            })
        };
        Ok(Self {
            nodes: raw.nodes.iter().map(node).collect::<Result<_, _>>().map_err(blame)?,
            cluster: raw.cluster,
            prefix: plain("redis.prefix", &raw.prefix).map_err(blame)?,
            user: optional("redis.user", &raw.user).map_err(blame)?,
            password,
            tls: raw.tls,
            ca_file: optional("redis.ca_file", &raw.ca_file).map_err(blame)?,
            near_bytes_max: whole::<u64>("redis.near_mib", raw.near_mib, 0..=65_536).map_err(blame)? << 20,
        })
    }
}

/// A text of one line, possibly empty.
fn plain(key: &'static str, value: &str) -> Result<String, Problem> {
    let fits = |value: &str| value.len() <= TEXT_BYTES_MAX && !value.chars().any(char::is_control);
    text(key, value, "one line of at most 1024 bytes", |value| fits(value).then(|| value.to_owned()))
}

fn optional(key: &'static str, value: &str) -> Result<Option<String>, Problem> {
    Ok(Some(plain(key, value)?).filter(|value| !value.is_empty()))
}
