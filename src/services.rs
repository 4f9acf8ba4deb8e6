//! Log and truth as the configuration chooses them: files of the data directory, or Kafka and MySQL.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use shoptide_config::{
    Config, KafkaCodec, KafkaSasl, KafkaSecurity, LogKind, MysqlTls as ConfigTls, StoreKind,
};
use shoptide_log::{Codec, KafkaLog, KafkaOptions, Log, LogError, SaslMechanism, Security, TopicsOptions};
use shoptide_store::{MysqlAddress, MysqlTls, MysqlTruth, MysqlTruthOptions, StoreError, Truth};

use crate::data_dir::DataDir;

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
