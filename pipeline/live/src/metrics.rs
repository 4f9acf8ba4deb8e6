//! Every metric of the program: names as constants, label sets closed, nothing about users.

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

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
}

/// Seconds from 0.1 ms to 10 s: a cached read is well under a millisecond, a shutdown waits for seconds.
const SECONDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
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
            registry,
        })
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

    #[test]
    fn alert_rules_name_only_metrics_that_exist() {
        let crate_root = std::env::var("CARGO_MANIFEST_DIR").unwrap();
        let rules = format!("{crate_root}/../../deploy/prometheus/shoptide.rules.yml");
        let text = std::fs::read_to_string(rules).unwrap();
        let mut named = 0;
        for (start, _) in text.match_indices("shoptide_") {
            let name: String =
                text[start..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let base =
                ["_bucket", "_sum", "_count"].iter().find_map(|s| name.strip_suffix(s)).unwrap_or(&name);
            assert!(names::ALL.contains(&base), "{name} is no metric");
            named += 1;
        }
        assert!(10 <= named, "the rules were not read");
    }
}
