//! The configuration as it is written, one struct a table. Nothing in it is checked yet but the types; whole numbers are
//! `i64` here, so that a negative one is refused by name and bound and not by the parser.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::secret::Secret;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Raw {
    pub shop: RawShop,
    pub log: RawLog,
    pub store: RawStore,
    pub kafka: RawKafka,
    pub mysql: RawMysql,
    pub redis: RawRedis,
    /// By name of the act, and `rating_neutral`.
    pub weights: BTreeMap<String, f64>,
    pub half_lives_days: RawHalfLives,
    pub als: RawAls,
    pub item_item: RawItemItem,
    pub popularity: RawPopularity,
    pub blend: RawBlend,
    pub mmr: RawMmr,
    pub list: RawList,
    pub stream: RawStream,
    pub train: RawTrain,
    pub segments: RawSegments,
    pub gate: RawGate,
    pub serve: RawServe,
    pub sql: RawSql,
    pub assistant: RawAssistant,
    pub jobs: RawJobs,
    /// By name.
    #[serde(default)]
    pub schedule: BTreeMap<String, RawSchedule>,
    pub lake: RawLake,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawShop {
    pub currency: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLog {
    pub kind: String,
    pub partitions: i64,
    pub queue_records_max: i64,
    pub group_commit_records_max: i64,
    pub fsync: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawStore {
    pub kind: String,
    pub cache: String,
    pub cache_entries_max: i64,
    pub cache_ttl_s: i64,
    pub read_connections: i64,
    pub start_patience_s: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawHalfLives {
    pub browse: f64,
    pub cart: f64,
    pub order: f64,
    pub forum: f64,
    pub feedback: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAls {
    pub rank: i64,
    pub sweeps: i64,
    pub alpha: f64,
    pub unobserved_weight: f64,
    pub regularization: f64,
    pub reg_exponent: f64,
    pub seed: i64,
    pub solver: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawItemItem {
    pub k: i64,
    pub shrinkage: f64,
    pub user_exponent: f64,
    pub target_exponent: f64,
    pub user_items_max: i64,
    pub near_places: f64,
    pub far_weight: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPopularity {
    pub half_life_days: f64,
    pub trending_half_life_days: f64,
    pub trending_prior: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBlend {
    pub factors: f64,
    pub item_item: f64,
    pub popularity: f64,
    pub trending: f64,
    pub recency_places: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawMmr {
    pub lambda: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawList {
    pub length: i64,
    pub shown_default: i64,
    pub seen_again: bool,
    pub bought_hidden_days: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawStream {
    pub batch_records_max: i64,
    pub batch_bytes_max: i64,
    pub users_cached_max: i64,
    pub users_cached_mib: i64,
    pub list_versions_behind_max: i64,
    pub sweep_lists_per_s: i64,
    pub list_every_ms: i64,
    pub chats_kept_days: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTrain {
    pub full_every_s: i64,
    pub refresh_every_ms: i64,
    pub first_after_events: i64,
    pub models_kept_min: i64,
    pub full_after_changed_share: f64,
    pub fulls_kept_min: i64,
    pub candidates_kept_max: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawGate {
    pub promote: String,
    pub metrics: Vec<String>,
    pub tolerance: f64,
    pub users_min: i64,
    pub users_max: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSegments {
    pub k: i64,
    pub k_min: i64,
    pub k_max: i64,
    pub dims: i64,
    pub habits_weight: f64,
    pub sample_users: i64,
    pub popular_items: i64,
    pub runs_kept: i64,
    pub seed: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawServe {
    pub host: String,
    pub port: i64,
    pub status_address: String,
    pub connections_max: i64,
    pub header_timeout_ms: i64,
    pub body_timeout_ms: i64,
    pub request_timeout_ms: i64,
    pub drain_ms: i64,
    pub metrics: bool,
    pub cors_origins: Vec<String>,
    pub write_key: Secret,
    pub write_key_file: String,
    pub read_key: Secret,
    pub read_key_file: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawKafka {
    pub brokers: String,
    pub group: String,
    pub prefix: String,
    pub security: String,
    pub sasl: String,
    pub user: String,
    pub password: Secret,
    pub password_file: String,
    pub ca_file: String,
    pub codec: String,
    pub replication: i64,
    pub retention_days: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawMysql {
    pub host: String,
    pub port: i64,
    pub database: String,
    pub user: String,
    pub password: Secret,
    pub password_file: String,
    pub tls: String,
    pub ca_file: String,
    pub connections: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRedis {
    pub nodes: Vec<String>,
    pub cluster: bool,
    pub prefix: String,
    pub user: String,
    pub password: Secret,
    pub password_file: String,
    pub tls: bool,
    pub ca_file: String,
    pub near_mib: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAssistant {
    pub model: String,
    pub base_url: String,
    pub key: Secret,
    pub key_file: String,
    pub timeout_ms: i64,
    pub retries_max: i64,
    pub turns_max: i64,
    pub answer_tokens_max: i64,
    pub user_tokens_max: i64,
    pub visitors_tokens_max: i64,
    pub day_tokens_max: i64,
    pub users_max: i64,
    pub rounds_max: i64,
    pub calls_max: i64,
    pub failures_max: i64,
    pub rest_ms: i64,
    pub million_in_cost: String,
    pub million_out_cost: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawJobs {
    pub lease_s: i64,
    pub running_max: i64,
    pub history_max: i64,
    pub timeout_s: i64,
    pub retries: i64,
    pub retry_first_s: i64,
    pub missed: String,
    pub missed_max: i64,
}

/// What is not said is as in `[jobs]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSchedule {
    pub cron: Option<String>,
    pub job: Option<String>,
    pub timeout_s: Option<i64>,
    pub retries: Option<i64>,
    pub retry_first_s: Option<i64>,
    pub missed: Option<String>,
    pub missed_max: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSql {
    pub memory_mib: i64,
    pub spill_mib: i64,
    pub spill_dir: String,
    pub threads: i64,
    pub table_rows_max: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLake {
    pub url: String,
    pub endpoint: String,
    pub region: String,
    pub access_key: String,
    pub secret_key: Secret,
    pub secret_key_file: String,
    pub every_s: i64,
    pub step_records_max: i64,
    pub sorted_mib_max: i64,
    pub file_rows_max: i64,
    pub file_mib_max: i64,
    pub compact_below_kib: i64,
    pub compact_files_min: i64,
    pub retention_days: i64,
    pub grace_s: i64,
}
