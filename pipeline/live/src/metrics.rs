//! Every metric of the program: names as constants, label sets closed, nothing about users.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

pub use crate::job_metrics::JobMetrics;

/// Metric names, `shoptide_<what>_<unit>[_total]`.
pub mod names {
    pub const RECORDS_TOTAL: &str = "shoptide_records_total";
    pub const SHARD_UP: &str = "shoptide_shard_up";
    pub const LAG_RECORDS: &str = "shoptide_lag_records";
    pub const FRESHNESS_SECONDS: &str = "shoptide_freshness_seconds";
    pub const BATCH_RECORDS: &str = "shoptide_batch_records";
    pub const COMMIT_SECONDS: &str = "shoptide_commit_seconds";
    pub const COMMIT_FAILURES_TOTAL: &str = "shoptide_commit_failures_total";
    pub const LISTS_MADE_TOTAL: &str = "shoptide_lists_made_total";
    pub const LIST_AGE_SECONDS: &str = "shoptide_list_age_seconds";
    pub const MODEL_VERSION: &str = "shoptide_model_version";
    pub const MODEL_FAILURES_TOTAL: &str = "shoptide_model_failures_total";
    pub const CATALOGUE_ITEMS: &str = "shoptide_catalogue_items";
    pub const TRAIN_SECONDS: &str = "shoptide_train_seconds";
    pub const QUALITY_EVENTS_TOTAL: &str = "shoptide_quality_events_total";
    pub const COLLECTED_TOTAL: &str = "shoptide_collected_events_total";
    pub const HTTP_SECONDS: &str = "shoptide_http_request_seconds";
    pub const HTTP_REQUESTS_TOTAL: &str = "shoptide_http_requests_total";
    pub const CACHE_READS_TOTAL: &str = "shoptide_cache_reads_total";
    pub const CACHE_STATE: &str = "shoptide_cache_state";
    pub const CACHE_FAILURES_TOTAL: &str = "shoptide_cache_failures_total";
    pub const DEPENDENCY_UP: &str = "shoptide_dependency_up";
    pub const SHARD_TRUNCATED: &str = "shoptide_shard_truncated";
    pub const DEAD_LETTERS_TOTAL: &str = "shoptide_dead_letters_total";
    pub const QUALITY_MEASURED: &str = "shoptide_quality_measured_timestamp_seconds";
    pub const MODEL_ADOPTED: &str = "shoptide_model_adopted_timestamp_seconds";
    pub const BUILD_INFO: &str = "shoptide_build_info";
    pub const STORE_CONNECTIONS: &str = "shoptide_store_connections";
    pub const LOG_QUEUE_RECORDS: &str = "shoptide_log_queue_records";
    pub const RESIDENT_BYTES: &str = "shoptide_resident_memory_bytes";
    pub const ASSISTANT_TURNS_TOTAL: &str = "shoptide_assistant_turns_total";
    pub const ASSISTANT_SECONDS: &str = "shoptide_assistant_turn_seconds";
    pub const ASSISTANT_TOKENS_TOTAL: &str = "shoptide_assistant_tokens_total";

    pub const JOB_RUNS_TOTAL: &str = "shoptide_job_runs_total";
    pub const JOB_SECONDS: &str = "shoptide_job_seconds";
    pub const JOB_SUCCEEDED: &str = "shoptide_job_success_timestamp_seconds";
    pub const JOB_PERIOD: &str = "shoptide_job_period_seconds";
    pub const JOB_LEADER: &str = "shoptide_job_leader";

    /// All of them, for checks of dashboards and rules.
    pub const ALL: &[&str] = &[
        RECORDS_TOTAL,
        SHARD_UP,
        LAG_RECORDS,
        FRESHNESS_SECONDS,
        BATCH_RECORDS,
        COMMIT_SECONDS,
        COMMIT_FAILURES_TOTAL,
        LISTS_MADE_TOTAL,
        LIST_AGE_SECONDS,
        MODEL_VERSION,
        MODEL_FAILURES_TOTAL,
        CATALOGUE_ITEMS,
        TRAIN_SECONDS,
        QUALITY_EVENTS_TOTAL,
        COLLECTED_TOTAL,
        HTTP_SECONDS,
        HTTP_REQUESTS_TOTAL,
        CACHE_READS_TOTAL,
        CACHE_STATE,
        CACHE_FAILURES_TOTAL,
        DEPENDENCY_UP,
        SHARD_TRUNCATED,
        DEAD_LETTERS_TOTAL,
        QUALITY_MEASURED,
        MODEL_ADOPTED,
        BUILD_INFO,
        STORE_CONNECTIONS,
        LOG_QUEUE_RECORDS,
        RESIDENT_BYTES,
        ASSISTANT_TURNS_TOTAL,
        ASSISTANT_SECONDS,
        ASSISTANT_TOKENS_TOTAL,
        JOB_RUNS_TOTAL,
        JOB_SECONDS,
        JOB_SUCCEEDED,
        JOB_PERIOD,
        JOB_LEADER,
    ];
}

/// The metrics of one process, and the registry that `/metrics` prints.
#[derive(Debug)]
pub struct Metrics {
    pub registry: Registry,
    /// Labels: topic, outcome (`applied`, `duplicate`, `late`, `erased`, `dead`).
    pub records: IntCounterVec,
    /// Label: shard. 1 while it runs here, 0 once it has stopped on an error.
    pub shard_up: IntGaugeVec,
    /// Label: shard.
    pub lag: IntGaugeVec,
    /// From the log's append to the list in the cache.
    pub freshness: Histogram,
    pub batch_records: Histogram,
    pub commit: Histogram,
    /// Label: kind (`fenced`, `unavailable`, `unknown`, `unusable`).
    pub commit_failures: IntCounterVec,
    /// Label: cause (`event`, `sweep`, `todo`).
    pub lists_made: IntCounterVec,
    /// From the user's last event that a list contains to its being read: its "now" is that event's time.
    pub list_age: Histogram,
    pub model_version: IntGauge,
    /// Label: step (`load`, `train`, `publish`).
    pub model_failures: IntCounterVec,
    pub catalogue_items: IntGauge,
    /// Label: kind (`full`, `delta`).
    pub train: HistogramVec,
    /// Prequential: label metric (`predicted`, `hit_20`, `popular_hit_20`).
    pub quality: IntCounterVec,
    /// Label: verdict (`accepted`, `rejected`, `refused`).
    pub collected: IntCounterVec,
    /// Label: route, as matched.
    pub http: HistogramVec,
    /// Labels: route, status.
    pub http_requests: IntCounterVec,
    /// Label: outcome (`hit`, `store`, `made`).
    pub cache_reads: IntCounterVec,
    /// Label: state, as `CacheState::name`. 1 for the one that is, 0 for the others.
    pub cache_state: IntGaugeVec,
    /// Label: kind (`unavailable`, `full`, `unusable`).
    pub cache_failures: IntCounterVec,
    /// Label: dependency (`log`, `store`). Whether it answered the last time it was asked.
    pub dependency_up: IntGaugeVec,
    /// Label: shard. 1 while it stands still because the log no longer holds what the store needs next.
    pub shard_truncated: IntGaugeVec,
    /// Label: reason, one of a closed set.
    pub dead_letters: IntCounterVec,
    /// When a prediction was last compared with what its user did.
    pub quality_measured: Gauge,
    /// When this process took over the model in use.
    pub model_adopted: Gauge,
    /// Labels: version, roles. Always 1.
    pub build_info: IntGaugeVec,
    /// Label: which (`busy`, `max`).
    pub store_connections: IntGaugeVec,
    /// Label: which (`waiting`, `max`).
    pub log_queue: IntGaugeVec,
    pub resident_bytes: IntGauge,
    /// Label: outcome (`model`; `read` for a message that it read and did not answer; else why the rules answered instead).
    pub assistant_turns: IntCounterVec,
    /// From the first request of a turn to what came of it.
    pub assistant_seconds: Histogram,
    /// Label: direction (`in`, `out`).
    pub assistant_tokens: IntCounterVec,
    pub jobs: JobMetrics,
}

/// Seconds from 0.1 ms to 10 s: a cached read is well under a millisecond, a shutdown waits for seconds.
const SECONDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// A language model takes seconds, and has 60 of them at most.
const TURN_SECONDS: &[f64] = &[0.01, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0, 60.0];
/// A list may be days old when its user comes back.
const AGES: &[f64] = &[1.0, 10.0, 60.0, 600.0, 3_600.0, 86_400.0, 604_800.0, 2_592_000.0];
const SIZES: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0];

impl Metrics {
    /// # Errors
    /// Only if two metrics share a name, which a test rules out.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counters = |name, help, labels: &[&str]| {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let gauges = |name, help, labels: &[&str]| {
            let metric = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let gauge = |name, help| {
            let metric = IntGauge::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let moment = |name, help| {
            let metric = Gauge::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let histogram = |name, help, buckets: &[f64]| {
            let metric = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let histograms = |name, help, labels: &[&str]| {
            let metric = HistogramVec::new(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let train = HistogramVec::new(
            HistogramOpts::new(names::TRAIN_SECONDS, "Time to train a model version.")
                .buckets(SECONDS.to_vec()),
            &["kind"],
        )?;
        registry.register(Box::new(train.clone()))?;
        Ok(Self {
            records: counters(
                names::RECORDS_TOTAL,
                "Records of the log by how they ended.",
                &["topic", "outcome"],
            )?,
            shard_up: gauges(names::SHARD_UP, "Whether a shard of this process runs.", &["shard"])?,
            lag: gauges(names::LAG_RECORDS, "Records in the log that are not folded yet.", &["shard"])?,
            freshness: histogram(
                names::FRESHNESS_SECONDS,
                "From the append of an event to the list that contains it being readable.",
                SECONDS,
            )?,
            batch_records: histogram(names::BATCH_RECORDS, "Records of one commit.", SIZES)?,
            commit: histogram(names::COMMIT_SECONDS, "Time of the one transaction.", SECONDS)?,
            commit_failures: counters(
                names::COMMIT_FAILURES_TOTAL,
                "Commits that failed, by kind.",
                &["kind"],
            )?,
            lists_made: counters(names::LISTS_MADE_TOTAL, "Lists made, by cause.", &["cause"])?,
            list_age: histogram(
                names::LIST_AGE_SECONDS,
                "Age of the user's last event in a stored list, when the list is read.",
                AGES,
            )?,
            model_version: gauge(names::MODEL_VERSION, "Number of the model in use.")?,
            model_failures: counters(
                names::MODEL_FAILURES_TOTAL,
                "Failures around models, by step.",
                &["step"],
            )?,
            catalogue_items: gauge(names::CATALOGUE_ITEMS, "Items of the catalogue.")?,
            train,
            quality: counters(
                names::QUALITY_EVENTS_TOTAL,
                "Prequential quality: events predicted, hits at 20 of the list and of popularity.",
                &["metric"],
            )?,
            collected: counters(names::COLLECTED_TOTAL, "Events that reached the collector.", &["verdict"])?,
            http: histograms(names::HTTP_SECONDS, "Time to answer a request.", &["route"])?,
            http_requests: counters(names::HTTP_REQUESTS_TOTAL, "Requests answered.", &["route", "status"])?,
            cache_reads: counters(names::CACHE_READS_TOTAL, "Where a list was read from.", &["outcome"])?,
            cache_state: gauges(
                names::CACHE_STATE,
                "How the cache is: 1 for the state it is in.",
                &["state"],
            )?,
            cache_failures: counters(
                names::CACHE_FAILURES_TOTAL,
                "Calls of the cache that failed, by kind.",
                &["kind"],
            )?,
            dependency_up: gauges(
                names::DEPENDENCY_UP,
                "Whether log and store answered the last time they were asked.",
                &["dependency"],
            )?,
            shard_truncated: gauges(
                names::SHARD_TRUNCATED,
                "1 while a shard stands still because the log no longer holds what it needs next.",
                &["shard"],
            )?,
            dead_letters: counters(names::DEAD_LETTERS_TOTAL, "Records refused, by reason.", &["reason"])?,
            quality_measured: moment(
                names::QUALITY_MEASURED,
                "When a prediction was last compared with what its user did, seconds since 1970.",
            )?,
            model_adopted: moment(
                names::MODEL_ADOPTED,
                "When this process took over the model in use, seconds since 1970.",
            )?,
            build_info: gauges(
                names::BUILD_INFO,
                "Version and roles of this process.",
                &["version", "roles"],
            )?,
            store_connections: gauges(
                names::STORE_CONNECTIONS,
                "Connections of this process to the store.",
                &["which"],
            )?,
            log_queue: gauges(
                names::LOG_QUEUE_RECORDS,
                "Records in the queue in front of the log.",
                &["which"],
            )?,
            resident_bytes: gauge(names::RESIDENT_BYTES, "Memory of this process.")?,
            assistant_turns: counters(
                names::ASSISTANT_TURNS_TOTAL,
                "Turns of the chat that the language model was to word, by what came of it.",
                &["outcome"],
            )?,
            assistant_seconds: histogram(
                names::ASSISTANT_SECONDS,
                "Time that turns of the chat waited for the language model.",
                TURN_SECONDS,
            )?,
            assistant_tokens: counters(
                names::ASSISTANT_TOKENS_TOTAL,
                "Tokens that the language model took.",
                &["direction"],
            )?,
            jobs: JobMetrics::new(&registry)?,
            registry,
        })
    }

    /// Notes in `moment` that it is now. For monitors: nothing is decided by it.
    pub fn stamp(moment: &Gauge) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        moment.set(since.as_secs_f64());
    }

    /// The Prometheus text format.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let encoder = prometheus::TextEncoder::new();
        if let Err(error) = encoder.encode_utf8(&self.registry.gather(), &mut out) {
            tracing::error!(%error, "metrics cannot be encoded");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_unique_and_registered() {
        let metrics = Metrics::new().unwrap();
        metrics.lag.with_label_values(&["0"]).set(1);
        assert!(metrics.text().contains(names::LAG_RECORDS));
        let mut all = names::ALL.to_vec();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), names::ALL.len());
    }
}
