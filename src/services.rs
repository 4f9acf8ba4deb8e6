//! Log, truth and cache as the configuration chooses them: files of the data directory, or Kafka and MySQL.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use shoptide_config::{
    CacheKind, Config, KafkaCodec, KafkaSasl, KafkaSecurity, LogKind, MysqlTls as ConfigTls, StoreKind,
};
use shoptide_log::{Codec, KafkaLog, KafkaOptions, Log, LogError, SaslMechanism, Security, TopicsOptions};
use shoptide_store::{
    Cache, LocalCache, LocalCacheOptions, MysqlAddress, MysqlTls, MysqlTruth, MysqlTruthOptions, RedisCache,
    RedisCacheOptions, RedisPassword, StoreError, Truth,
};

use crate::data_dir::{DataDir, system_clock};

/// How long a start waits for a server that does not answer: a restart of the machine brings all of them up at once.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pauses between two tries, doubled from the first to the last.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LAST: Duration = Duration::from_secs(5);

/// Opens the log.
pub async fn open_log(config: &Config, data: &DataDir) -> anyhow::Result<Arc<dyn Log>> {
    match config.log.kind {
        LogKind::Embedded => Ok(data.open_log(config).await?),
        LogKind::Kafka => {
            let options = kafka_options(config);
            let passes = |e: &LogError| matches!(e, LogError::Unavailable { .. });
            let log = patiently(passes, || KafkaLog::open(options.clone())).await;
            Ok(log.with_context(|| format!("Kafka at {}", config.kafka.brokers))?)
        }
    }
}

/// Opens the truth to read and write.
pub async fn open_truth(config: &Config, data: &DataDir) -> anyhow::Result<Arc<dyn Truth>> {
    match config.store.kind {
        StoreKind::Embedded => Ok(data.open_truth(config).await?),
        StoreKind::Mysql => open_mysql(config).await,
    }
}

/// Opens the truth for a command that runs beside others or on a shop at rest.
pub async fn open_truth_to_read(config: &Config, data: &DataDir) -> anyhow::Result<Arc<dyn Truth>> {
    match config.store.kind {
        StoreKind::Embedded => Ok(data.open_truth_to_read().await?),
        StoreKind::Mysql => open_mysql(config).await,
    }
}

async fn open_mysql(config: &Config) -> anyhow::Result<Arc<dyn Truth>> {
    let options = mysql_options(config);
    let passes = |e: &StoreError| matches!(e, StoreError::Unavailable { .. });
    let truth = patiently(passes, || MysqlTruth::open(options.clone())).await;
    Ok(truth.with_context(|| format!("MySQL at {}:{}", config.mysql.host, config.mysql.port))?)
}

/// Opens the cache. `local_ttl`: how long a process of its own may show a list that it was not told to replace.
///
/// Redis may be away: readers are answered from the truth until it comes.
pub async fn open_cache(
    config: &Config,
    entries_max: usize,
    local_ttl: Duration,
) -> anyhow::Result<Arc<dyn Cache>> {
    let ms = |ttl: Duration| i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
    match config.store.cache {
        CacheKind::Local => Ok(Arc::new(LocalCache::new(LocalCacheOptions {
            entries_max,
            ttl_ms: ms(local_ttl),
            clock: system_clock(),
        }))),
        CacheKind::Redis => {
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
    }
}

/// Tries until it works, or fails in a way that waiting does not mend, or the patience is over.
async fn patiently<T, E: std::fmt::Display, F: Future<Output = Result<T, E>>>(
    passes: impl Fn(&E) -> bool,
    open: impl Fn() -> F,
) -> Result<T, E> {
    let (began, mut pause) = (Instant::now(), RETRY_FIRST);
    loop {
        match open().await {
            Err(error) if passes(&error) && began.elapsed() + pause < PATIENCE => {
                tracing::warn!(%error, "not there yet, trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_LAST);
            }
            outcome => return outcome,
        }
    }
}

/// `[kafka]`, as the log takes it.
pub fn kafka_options(config: &Config) -> KafkaOptions {
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
pub fn topics_options(config: &Config) -> TopicsOptions {
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
        ttl_ms: i64::try_from(config.store.cache_ttl.as_millis()).unwrap_or(i64::MAX),
        ..RedisCacheOptions::new("")
    }
}

/// `[mysql]`, as the truth takes it.
pub fn mysql_options(config: &Config) -> MysqlTruthOptions {
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
