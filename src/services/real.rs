//! Kafka, MySQL and Redis, opened with the patience that a restart of a whole machine asks for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use shoptide_config::{Config, KafkaCodec, KafkaSasl, KafkaSecurity, MysqlTls as ConfigTls};
use shoptide_log::{
    Codec, Generation, KafkaLog, KafkaOptions, Log, LogError, SaslMechanism, Security, TopicsOptions,
    patiently,
};
use shoptide_schemas::Topic;
use shoptide_store::{
    Cache, MysqlAddress, MysqlTls, MysqlTruth, MysqlTruthOptions, RedisCache, RedisCacheOptions,
    RedisPassword, StoreError, Truth,
};

pub async fn open_kafka(config: &Config) -> anyhow::Result<Arc<dyn Log>> {
    let options = kafka_options(config);
    let passes = |e: &LogError| matches!(e, LogError::Unavailable { .. });
    let log = patiently(config.store.start_patience, passes, || KafkaLog::open(options.clone())).await;
    let said = match &log {
        Err(error) if passes(error) => tried(config, "Kafka", &config.kafka.brokers, "kafka.brokers"),
        _ => format!("Kafka at {}", config.kafka.brokers),
    };
    Ok(log.context(said)?)
}

pub async fn open_mysql(config: &Config) -> anyhow::Result<Arc<dyn Truth>> {
    let options = mysql_options(config);
    let passes = |e: &StoreError| matches!(e, StoreError::Unavailable { .. });
    let truth = patiently(config.store.start_patience, passes, || MysqlTruth::open(options.clone())).await;
    let address = format!("{}:{}", config.mysql.host, config.mysql.port);
    let said = match &truth {
        Err(error) if passes(error) => tried(config, "MySQL", &address, "mysql.host and mysql.port"),
        _ => format!("MySQL at {address}"),
    };
    Ok(truth.context(said)?)
}

/// Redis may be away: readers are answered from the truth until it comes.
pub async fn open_redis(config: &Config) -> anyhow::Result<Arc<dyn Cache>> {
    let cache = RedisCache::new(&redis_options(config)).context("Redis")?;
    match cache.check().await {
        Ok(report) => {
            for warning in &report.warnings {
                tracing::warn!(version = report.version, warning, "Redis should be set up otherwise");
            }
        }
        Err(error @ StoreError::Unavailable { .. }) => {
            tracing::warn!(%error, "no cache yet, lists are read from the store until it answers");
        }
        Err(error) => return Err(error).context("Redis"),
    }
    Ok(cache)
}

/// Brings the tables to this version; the versions applied.
pub async fn migrate(config: &Config) -> anyhow::Result<Vec<i64>> {
    let migrated = MysqlTruth::migrate(&mysql_options(config)).await;
    migrated.with_context(|| format!("MySQL at {}:{}", config.mysql.host, config.mysql.port))
}

/// Makes the topics that are missing; those made, and those that were there before.
pub async fn create_topics(config: &Config) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let report = shoptide_log::create_topics(&kafka_options(config), &topics_options(config)).await;
    let report = report.with_context(|| format!("Kafka at {}", config.kafka.brokers))?;
    Ok((report.made, report.there_before))
}

/// What is said of a server that never answered.
fn tried(config: &Config, what: &str, address: &str, keys: &str) -> String {
    let seconds = config.store.start_patience.as_secs();
    format!("{what} at {address} did not answer within {seconds} s: check {keys} and that it runs there")
}

/// The generations of topics that are whole.
pub async fn generations(config: &Config) -> anyhow::Result<Vec<Generation>> {
    Ok(shoptide_log::generations(&kafka_options(config)).await?)
}

/// Makes the topics of a generation; those made.
pub async fn grow_topics(config: &Config, generation: u32, partitions: u32) -> anyhow::Result<Vec<String>> {
    let topics = TopicsOptions { partitions, ..topics_options(config) };
    Ok(shoptide_log::grow_topics(&kafka_options(config), &topics, generation).await?.made)
}

/// Lets the brokers refuse every append to a generation.
pub async fn seal_topics(config: &Config, generation: u32) -> anyhow::Result<()> {
    Ok(shoptide_log::seal_topics(&kafka_options(config), generation).await?)
}

/// Where each partition of a generation ends now.
pub async fn partition_ends(
    config: &Config,
    generation: &Generation,
) -> anyhow::Result<Vec<(Topic, u32, i64)>> {
    Ok(shoptide_log::partition_ends(&kafka_options(config), generation).await?)
}

/// `[kafka]`, as the log takes it.
fn kafka_options(config: &Config) -> KafkaOptions {
    let kafka = &config.kafka;
    KafkaOptions {
        group: kafka.group.clone(),
        prefix: kafka.prefix.clone(),
        security: match kafka.security {
            KafkaSecurity::Plaintext => Security::Plaintext,
            KafkaSecurity::Tls => Security::Tls,
            KafkaSecurity::SaslPlaintext => Security::SaslPlaintext,
            KafkaSecurity::SaslTls => Security::SaslTls,
        },
        sasl: match kafka.sasl {
            KafkaSasl::Plain => SaslMechanism::Plain,
            KafkaSasl::ScramSha256 => SaslMechanism::ScramSha256,
            KafkaSasl::ScramSha512 => SaslMechanism::ScramSha512,
        },
        user: kafka.user.clone(),
        password: kafka.password.as_ref().map(|secret| secret.expose().to_owned()),
        ca_file: kafka.ca_file.clone(),
        codec: match kafka.codec {
            KafkaCodec::None => Codec::None,
            KafkaCodec::Gzip => Codec::Gzip,
            KafkaCodec::Snappy => Codec::Snappy,
            KafkaCodec::Lz4 => Codec::Lz4,
            KafkaCodec::Zstd => Codec::Zstd,
        },
        queue_records_max: config.log.queue_records_max,
        ..KafkaOptions::new(kafka.brokers.clone())
    }
}

/// What topics `[kafka]` and `[log]` ask for.
fn topics_options(config: &Config) -> TopicsOptions {
    let ms = |keep: Duration| u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
    TopicsOptions {
        partitions: config.log.partitions,
        replication: config.kafka.replication,
        retention_ms: config.kafka.retention.map(ms),
    }
}

/// `[redis]`, as the cache takes it.
fn redis_options(config: &Config) -> RedisCacheOptions {
    let redis = &config.redis;
    let scheme = if redis.tls { "rediss" } else { "redis" };
    let password = redis.password.as_ref().map(|secret| RedisPassword::new(secret.expose()));
    RedisCacheOptions {
        urls: redis.nodes.iter().map(|node| format!("{scheme}://{node}")).collect(),
        cluster: redis.cluster,
        // A user without a password is the default user of a server without passwords.
        username: redis.user.clone().filter(|_| password.is_some()),
        password,
        tls_ca_file: redis.ca_file.as_ref().map(PathBuf::from),
        prefix: redis.prefix.clone(),
        near_bytes_max: redis.near_bytes_max,
        ttl_ms: i64::try_from(config.store.cache_ttl.as_millis()).unwrap_or(i64::MAX),
        ..RedisCacheOptions::new("")
    }
}

/// `[mysql]`, as the truth takes it.
fn mysql_options(config: &Config) -> MysqlTruthOptions {
    let mysql = &config.mysql;
    let address = MysqlAddress {
        host: mysql.host.clone(),
        port: mysql.port,
        database: mysql.database.clone(),
        user: mysql.user.clone(),
        password: mysql.password.as_ref().map(|secret| secret.expose().to_owned()),
        tls: match mysql.tls {
            ConfigTls::Off => MysqlTls::Off,
            ConfigTls::Required => MysqlTls::Required,
            ConfigTls::Verified => MysqlTls::Verified,
        },
        ca_file: mysql.ca_file.clone(),
    };
    MysqlTruthOptions::new(&address).connections(mysql.connections)
}
