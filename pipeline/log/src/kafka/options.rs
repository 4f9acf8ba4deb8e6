//! How to reach a Kafka cluster, checked, and the settings of the client library that follow from it.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::LogError;

/// Beyond this each partition's thread and buffers are no longer a detail.
const PARTITIONS_MAX: u32 = 1_024;
/// Beyond this the queue is a memory leak with a name: at 4 KiB a place, 4 GiB.
const QUEUE_RECORDS_MAX: usize = 1_000_000;

/// How the bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Security {
    #[default]
    Plaintext,
    Tls,
    SaslPlaintext,
    SaslTls,
}

/// How a client says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SaslMechanism {
    Plain,
    ScramSha256,
    #[default]
    ScramSha512,
}

/// How batches are packed on their way and at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Codec {
    None,
    Gzip,
    Snappy,
    #[default]
    Lz4,
    Zstd,
}

/// How to open a [`KafkaLog`](super::KafkaLog).
#[derive(Clone)]
pub struct KafkaOptions {
    /// `host:port`, with commas between.
    pub brokers: String,
    /// The group of stream processes; one a shop.
    pub group: String,
    /// Before the name of every topic, such as `eu.`; empty for `shop.browse`.
    pub prefix: String,
    pub security: Security,
    pub sasl: SaslMechanism,
    pub user: Option<String>,
    pub password: Option<String>,
    /// PEM file of the authorities to trust; the system's if none.
    pub ca_file: Option<String>,
    pub codec: Codec,
    /// Records that may wait for the brokers' answer, a large one counting once for each 4 KiB; beyond it appends are
    /// refused at once.
    pub queue_records_max: usize,
}

impl KafkaOptions {
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            group: "shoptide".to_owned(),
            prefix: String::new(),
            security: Security::default(),
            sasl: SaslMechanism::default(),
            user: None,
            password: None,
            ca_file: None,
            codec: Codec::default(),
            queue_records_max: 20_000,
        }
    }

    /// # Errors
    /// [`LogError::Unusable`] naming the option and its bound.
    pub(super) fn check(&self) -> Result<(), LogError> {
        let unusable = |message: &str| Err(LogError::Unusable(message.to_owned()));
        if self.brokers.trim().is_empty() {
            return unusable("kafka.brokers is empty, expected host:port, with commas between");
        }
        if self.group.is_empty() {
            return unusable("kafka.group is empty, expected a name");
        }
        if !(1..=QUEUE_RECORDS_MAX).contains(&self.queue_records_max) {
            return Err(LogError::Unusable(format!(
                "kafka.queue_records_max is {}, expected 1 to {QUEUE_RECORDS_MAX}",
                self.queue_records_max
            )));
        }
        let sasl = matches!(self.security, Security::SaslPlaintext | Security::SaslTls);
        match (sasl, self.user.is_some() && self.password.is_some()) {
            (true, false) => {
                unusable("kafka.security asks for SASL, so kafka.user and kafka.password are needed")
            }
            (false, true) => {
                unusable("kafka.user and kafka.password are given, but kafka.security does not use them")
            }
            _ => Ok(()),
        }
    }

    /// What producers, readers and group members share.
    pub(super) fn client(&self, name: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", format!("shoptide-{name}"))
            .set("security.protocol", self.security.name())
            // Find a broker that came back within a second, not within ten.
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.keepalive.enable", "true")
            .set_log_level(RDKafkaLogLevel::Warning);
        if let (Some(user), Some(password)) = (&self.user, &self.password) {
            config
                .set("sasl.mechanism", self.sasl.name())
                .set("sasl.username", user)
                .set("sasl.password", password);
        }
        if let Some(file) = &self.ca_file {
            config.set("ssl.ca.location", file);
        }
        config
    }
}

/// Without the password.
impl std::fmt::Debug for KafkaOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaOptions")
            .field("brokers", &self.brokers)
            .field("group", &self.group)
            .field("prefix", &self.prefix)
            .field("security", &self.security)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Security {
    fn name(self) -> &'static str {
        match self {
            Security::Plaintext => "plaintext",
            Security::Tls => "ssl",
            Security::SaslPlaintext => "sasl_plaintext",
            Security::SaslTls => "sasl_ssl",
        }
    }
}

impl SaslMechanism {
    fn name(self) -> &'static str {
        match self {
            SaslMechanism::Plain => "PLAIN",
            SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
            SaslMechanism::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl Codec {
    pub(super) fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }
}

/// # Errors
/// [`LogError::Unusable`] if a topic has none, or more than this program is made for.
pub(super) fn check_partitions(topic: &str, count: usize) -> Result<u32, LogError> {
    match u32::try_from(count) {
        Ok(count) if (1..=PARTITIONS_MAX).contains(&count) => Ok(count),
        _ => {
            Err(LogError::Unusable(format!("{topic} has {count} partitions, expected 1 to {PARTITIONS_MAX}")))
        }
    }
}
