//! Log, truth and cache as the configuration chooses them: files of the data directory and memory, or Kafka, MySQL and Redis.

#[cfg(feature = "services")]
mod real;

use std::sync::Arc;
use std::time::Duration;

use shoptide_config::{CacheKind, Config, LogKind, StoreKind};
use shoptide_log::{Log, PatientLog};
use shoptide_store::{Cache, LocalCache, LocalCacheOptions, Truth};

#[cfg(not(feature = "services"))]
use self::absent as real;
use crate::data_dir::{DataDir, system_clock};

pub use real::{create_topics, migrate};
#[cfg(feature = "services")]
pub use real::{generations, grow_topics, partition_ends, seal_topics};

/// Opens the log for a process that serves or folds.
pub async fn open_log(config: &Config, data: &DataDir) -> anyhow::Result<Arc<dyn Log>> {
    match config.log.kind {
        LogKind::Embedded => Ok(data.open_log(config).await?),
        LogKind::Kafka => real::open_kafka(config).await,
    }
}

/// Opens the log for a command, whose work of hours is not given up because a broker is restarted.
pub async fn open_log_patiently(config: &Config, data: &DataDir) -> anyhow::Result<Arc<dyn Log>> {
    let log = open_log(config, data).await?;
    Ok(match config.log.kind {
        LogKind::Embedded => log,
        LogKind::Kafka => Arc::new(PatientLog::new(log, config.store.start_patience)),
    })
}

/// Opens the truth to read and write.
pub async fn open_truth(config: &Config, data: &DataDir) -> anyhow::Result<Arc<dyn Truth>> {
    match config.store.kind {
        StoreKind::Embedded => Ok(data.open_truth(config).await?),
        StoreKind::Mysql => real::open_mysql(config).await,
    }
}

/// Opens the truth for a command that runs beside others or on a shop at rest.
pub async fn open_truth_to_read(config: &Config, data: &DataDir) -> anyhow::Result<Arc<dyn Truth>> {
    match config.store.kind {
        StoreKind::Embedded => Ok(data.open_truth_to_read().await?),
        StoreKind::Mysql => real::open_mysql(config).await,
    }
}

/// Opens the cache. `local_ttl`: how long a process of its own may show a list that it was not told to replace.
pub async fn open_cache(
    config: &Config,
    entries_max: usize,
    local_ttl: Duration,
) -> anyhow::Result<Arc<dyn Cache>> {
    match config.store.cache {
        CacheKind::Local => Ok(open_local_cache(entries_max, local_ttl)),
        CacheKind::Redis => real::open_redis(config).await,
    }
}

/// The cache of this process alone.
pub fn open_local_cache(entries_max: usize, ttl: Duration) -> Arc<dyn Cache> {
    Arc::new(LocalCache::new(LocalCacheOptions {
        entries_max,
        ttl_ms: i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX),
        clock: system_clock(),
    }))
}

/// In place of the clients, in a binary that was built without them.
#[cfg(not(feature = "services"))]
mod absent {
    use super::{Arc, Cache, Config, Log, Truth};
    use crate::app::Refused;

    fn refused<T>(what: &str) -> anyhow::Result<T> {
        let message =
            format!("{what} needs a binary with the clients of the services: cargo build --release");
        Err(Refused(message).into())
    }

    pub async fn open_kafka(_: &Config) -> anyhow::Result<Arc<dyn Log>> {
        refused("log.kind = \"kafka\"")
    }

    pub async fn open_mysql(_: &Config) -> anyhow::Result<Arc<dyn Truth>> {
        refused("store.kind = \"mysql\"")
    }

    pub async fn open_redis(_: &Config) -> anyhow::Result<Arc<dyn Cache>> {
        refused("store.cache = \"redis\"")
    }

    /// Versions applied.
    pub async fn migrate(_: &Config) -> anyhow::Result<Vec<i64>> {
        refused("migrate")
    }

    /// Topics made, and those that were there before.
    pub async fn create_topics(_: &Config) -> anyhow::Result<(Vec<String>, Vec<String>)> {
        refused("topics create")
    }
}
