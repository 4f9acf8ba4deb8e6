//! The commented `default.toml` and the checked types it becomes: defaults, a file over them, the environment over that.
//! Whoever holds a [`Config`] need not check it again; what cannot be used is a [`ConfigError`] that names the key.

mod assistant;
mod bounds;
mod cron;
mod error;
mod gate;
mod lake;
mod layers;
mod nearest;
mod ranking;
mod raw;
mod rules;
mod running;
mod schedules;
mod secret;
mod secret_source;
mod segments;
mod serve;
mod services;
mod shown;
mod sql;
mod value;

use std::collections::BTreeMap;
use std::path::Path;

use shoptide_models::als::AlsParams;
use shoptide_models::blend::BlendParams;
use shoptide_models::item_item::ItemItemParams;
use shoptide_models::list::ListParams;
use shoptide_models::mmr::MmrParams;
use shoptide_models::popularity::PopularityParams;
use shoptide_models::state::TasteParams;

pub use assistant::AssistantConfig;
pub use cron::Cron;
pub use error::{ConfigError, Origin};
pub use gate::{GateConfig, GateMetric, Promote};
pub use lake::LakeConfig;
pub use layers::{DEFAULT_TOML, OTHER_VARIABLES, VARIABLE_PREFIX};
pub use ranking::ListRules;
pub use running::{
    CacheKind, LogConfig, LogKind, ShopConfig, StoreConfig, StoreKind, StreamConfig, TrainConfig,
};
pub use schedules::{JobsConfig, Missed, RunRules, ScheduleConfig};
pub use secret::{MASK, Secret};
pub use segments::SegmentsConfig;
pub use serve::{CorsOrigins, ServeConfig};
pub use services::{KafkaCodec, KafkaConfig, KafkaSasl, KafkaSecurity, MysqlConfig, MysqlTls, RedisConfig};
pub use shown::{check, process_variables, show};
pub use sql::SqlConfig;

use error::Problem;
use layers::Effective;
use raw::Raw;

/// Everything that is configured, checked. Made only by [`Config::load`]; it is passed down, there is no global one.
#[derive(Debug, Clone)]
pub struct Config {
    pub shop: ShopConfig,
    pub log: LogConfig,
    pub store: StoreConfig,
    pub kafka: KafkaConfig,
    pub mysql: MysqlConfig,
    pub redis: RedisConfig,
    /// `[weights]`, `[half_lives_days]` and `list.bought_hidden_days`.
    pub tastes: TasteParams,
    pub als: AlsParams,
    pub item_item: ItemItemParams,
    pub popularity: PopularityParams,
    pub blend: BlendParams,
    pub mmr: MmrParams,
    pub list: ListRules,
    pub stream: StreamConfig,
    pub train: TrainConfig,
    pub segments: SegmentsConfig,
    pub gate: GateConfig,
    pub serve: ServeConfig,
    pub sql: SqlConfig,
    pub assistant: AssistantConfig,
    pub lake: LakeConfig,
    pub jobs: JobsConfig,
    /// By name.
    pub schedules: Vec<ScheduleConfig>,
    rules_version: u64,
    effective: Effective,
}

impl Config {
    /// Reads the defaults, then `file` over them, then those of `env` that begin with [`VARIABLE_PREFIX`].
    ///
    /// # Errors
    /// [`ConfigError`] for the first thing found that cannot be used.
    ///
    /// ```
    /// use shoptide_config::Config;
    /// let env = [("SHOPTIDE_SERVE__PORT".to_owned(), "9000".to_owned())];
    /// let config = Config::load(None, env.into_iter())?;
    /// assert_eq!(config.serve.address().to_string(), "127.0.0.1:9000");
    /// # Ok::<(), shoptide_config::ConfigError>(())
    /// ```
    pub fn load(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let effective = Effective::load(file, env)?;
        let raw: Raw = effective.to_table().try_into().map_err(|e: toml::de::Error| {
            // Types were checked key by key before, so this can only be about a key that one side lacks.
            ConfigError::Defaults { reason: e.message().to_owned() }
        })?;
        let blame = |problem| effective.blame(problem);
        let config = Self {
            shop: ShopConfig::try_from(&raw.shop).map_err(blame)?,
            log: LogConfig::try_from(&raw.log).map_err(blame)?,
            store: StoreConfig::try_from(&raw.store).map_err(blame)?,
            kafka: KafkaConfig::check(&raw.kafka, &effective)?,
            mysql: MysqlConfig::check(&raw.mysql, &effective)?,
            redis: RedisConfig::check(&raw.redis, &effective)?,
            tastes: ranking::tastes(&raw.weights, &raw.half_lives_days, raw.list.bought_hidden_days)
                .map_err(blame)?,
            als: ranking::als(&raw.als).map_err(blame)?,
            item_item: ranking::item_item(&raw.item_item).map_err(blame)?,
            popularity: ranking::popularity(&raw.popularity).map_err(blame)?,
            blend: ranking::blend(&raw.blend).map_err(blame)?,
            mmr: ranking::mmr(&raw.mmr).map_err(blame)?,
            list: ListRules::try_from(&raw.list).map_err(blame)?,
            stream: StreamConfig::try_from(&raw.stream).map_err(blame)?,
            train: TrainConfig::try_from(&raw.train).map_err(blame)?,
            segments: SegmentsConfig::try_from(&raw.segments).map_err(blame)?,
            gate: GateConfig::try_from(&raw.gate).map_err(blame)?,
            serve: ServeConfig::check(&raw.serve, &effective)?,
            sql: SqlConfig::try_from(&raw.sql).map_err(blame)?,
            assistant: AssistantConfig::check(&raw.assistant, &effective)?,
            lake: LakeConfig::check(&raw.lake, &effective)?,
            jobs: JobsConfig::check(&raw.jobs).map_err(blame)?,
            schedules: schedules::schedules(raw.schedule.iter(), &raw.jobs).map_err(blame)?,
            rules_version: rules::rules_version(&effective),
            effective,
        };
        config.check_addresses().map_err(|problem| config.effective.blame(problem))?;
        Ok(config)
    }

    /// What is chosen must say where it is.
    fn check_addresses(&self) -> Result<(), Problem> {
        let needs = |chosen, kind, address, what: &str| {
            if chosen { Err(Problem::conflict(kind, address, what)) } else { Ok(()) }
        };
        let (log, store) = (&self.log, &self.store);
        let kafka = log.kind == LogKind::Kafka && self.kafka.brokers.is_empty();
        needs(kafka, "log.kind", "kafka.brokers", "Kafka needs the addresses of its brokers")?;
        let mysql = store.kind == StoreKind::Mysql
            && (self.mysql.host.is_empty() || self.mysql.database.is_empty() || self.mysql.user.is_empty());
        needs(mysql, "store.kind", "mysql.host", "MySQL needs a host, a database and a user")?;
        let redis = store.cache == CacheKind::Redis && self.redis.nodes.is_empty();
        needs(redis, "store.cache", "redis.nodes", "Redis needs the address of at least one node")
    }

    /// Checks that every schedule names a job that there is.
    ///
    /// # Errors
    /// [`ConfigError`] for the first that does not, with the names of those that there are.
    pub fn check_jobs(&self, known: &[&str]) -> Result<(), ConfigError> {
        let Some(schedule) = self.schedules.iter().find(|s| !known.contains(&s.job.as_str())) else {
            return Ok(());
        };
        let (key, expected) =
            (format!("schedule.{}.job", schedule.name), format!("one of {}", known.join(", ")));
        Err(self.effective.blame(Problem::bound(&key, bounds::quoted(&schedule.job), &expected)))
    }

    /// Hash of everything that changes what a list contains; equal rules give equal numbers.
    pub fn rules_version(&self) -> u64 {
        self.rules_version
    }

    /// The keys that shape what a model is trained to, each with its value as a variable of the environment would say it.
    pub fn shaping(&self) -> BTreeMap<String, String> {
        rules::shaping(&self.effective)
    }

    /// This configuration with what another said of shaping, as of [`Config::shaping`]; `None` if its keys or values are not of
    /// this program.
    pub fn shaped_as(shaping: &BTreeMap<String, String>) -> Option<Self> {
        let variable = |key: &str| format!("{VARIABLE_PREFIX}{}", key.replace('.', "__").to_uppercase());
        Config::load(None, shaping.iter().map(|(key, value)| (variable(key), value.clone()))).ok()
    }

    /// Everything that shapes a list, as `shoptide-models` takes it.
    pub fn list_params(&self) -> ListParams {
        ListParams {
            taste: self.tastes.clone(),
            blend: self.blend,
            mmr: self.mmr,
            length: self.list.length,
            seen_again: self.list.seen_again,
        }
    }

    /// What is in force as TOML, secrets masked, with where each value came from.
    pub fn show(&self) -> String {
        shown::render(&self.effective)
    }
}

/// Two configurations are equal if they say the same, wherever each value came from.
impl PartialEq for Config {
    fn eq(&self, other: &Self) -> bool {
        // Taken apart by name, so that a new table cannot be forgotten here.
        let Config {
            shop,
            log,
            store,
            kafka,
            mysql,
            redis,
            tastes,
            als,
            item_item,
            popularity,
            blend,
            mmr,
            list,
            stream,
            train,
            segments,
            gate,
            serve,
            sql,
            assistant,
            jobs,
            schedules,
            lake,
            rules_version: _,
            effective: _,
        } = self;
        (kafka, mysql, redis) == (&other.kafka, &other.mysql, &other.redis)
            && (shop, log, store, tastes) == (&other.shop, &other.log, &other.store, &other.tastes)
            && (als, item_item, popularity) == (&other.als, &other.item_item, &other.popularity)
            && (blend, mmr, list) == (&other.blend, &other.mmr, &other.list)
            && (stream, train, segments, gate, serve, sql, assistant)
                == (
                    &other.stream,
                    &other.train,
                    &other.segments,
                    &other.gate,
                    &other.serve,
                    &other.sql,
                    &other.assistant,
                )
            && (lake, jobs, schedules) == (&other.lake, &other.jobs, &other.schedules)
    }
}
