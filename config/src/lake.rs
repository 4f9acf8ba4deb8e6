//! `[lake]`: where the archived events lie, and in what pieces.

use std::time::Duration;

use crate::bounds::{count, seconds, text, whole};
use crate::error::{ConfigError, Problem};
use crate::layers::Effective;
use crate::raw::RawLake;
use crate::secret::Secret;
use crate::secret_source::secret;

/// Keys of stores of one's own are as short as one likes.
const KEY_BYTES_MIN: usize = 1;
/// Names and addresses: longer ones are pasted files.
const TEXT_BYTES_MAX: usize = 1024;
const MIB: usize = 1024 * 1024;

/// `[lake]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LakeConfig {
    /// `None`: the folder `lake` in the data directory.
    pub url: Option<String>,
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub access_key: Option<String>,
    pub secret_key: Option<Secret>,
    /// How often `--follow` looks for news.
    pub every: Duration,
    pub step_records_max: u64,
    pub sorted_bytes_max: usize,
    pub file_rows_max: usize,
    pub file_bytes_max: usize,
    pub compact_below_bytes: u64,
    pub compact_files_min: usize,
    /// 0: for ever.
    pub retention_days: u32,
    pub grace: Duration,
}

impl LakeConfig {
    pub(crate) fn check(raw: &RawLake, effective: &Effective) -> Result<Self, ConfigError> {
        let blame = |problem| effective.blame(problem);
        let secret_key = secret(
            effective,
            "lake.secret_key",
            &raw.secret_key,
            "lake.secret_key_file",
            &raw.secret_key_file,
            KEY_BYTES_MIN,
        )?;
        let said = |key, value: &str| {
            let fits = |value: &str| {
                let fits = value.len() <= TEXT_BYTES_MAX && !value.chars().any(char::is_control);
                fits.then(|| Some(value.to_owned()).filter(|value| !value.is_empty()))
            };
            text(key, value, "a text without control characters", fits).map_err(blame)
        };
        let place = "a folder, or s3://bucket/prefix";
        let url = text("lake.url", &raw.url, place, |url| {
            let bucket = url.strip_prefix("s3://").map(|rest| rest.split('/').next().unwrap_or_default());
            let fits = match bucket {
                Some(bucket) => !bucket.is_empty(),
                None => !url.contains("://"),
            };
            let fits = fits && url.len() <= TEXT_BYTES_MAX && !url.chars().any(char::is_control);
            fits.then(|| Some(url.to_owned()).filter(|url| !url.is_empty()))
        });
        let access_key = said("lake.access_key", &raw.access_key)?;
        if access_key.is_some() != secret_key.is_some() {
            let (used, other) = match access_key {
                Some(_) => ("lake.access_key", "lake.secret_key"),
                None => ("lake.secret_key", "lake.access_key"),
            };
            return Err(blame(Problem::conflict(used, other, "one needs the other")));
        }
        let mib = |key, value| whole::<usize>(key, value, 1..=1_024).map(|mib| mib * MIB).map_err(blame);
        let lake = Self {
            url: url.map_err(blame)?,
            endpoint: said("lake.endpoint", &raw.endpoint)?,
            region: said("lake.region", &raw.region)?,
            access_key,
            secret_key,
            every: seconds("lake.every_s", raw.every_s, 1..=86_400).map_err(blame)?,
            step_records_max: whole("lake.step_records_max", raw.step_records_max, 100..=1_000_000_000)
                .map_err(blame)?,
            sorted_bytes_max: mib("lake.sorted_mib_max", raw.sorted_mib_max)?,
            file_rows_max: whole("lake.file_rows_max", raw.file_rows_max, 100..=100_000_000)
                .map_err(blame)?,
            file_bytes_max: mib("lake.file_mib_max", raw.file_mib_max)?,
            compact_below_bytes: count::<u64>("lake.compact_below_kib", raw.compact_below_kib)
                .map(|kib| kib.saturating_mul(1024))
                .map_err(blame)?,
            compact_files_min: whole("lake.compact_files_min", raw.compact_files_min, 2..=1_000)
                .map_err(blame)?,
            retention_days: whole("lake.retention_days", raw.retention_days, 0..=36_500).map_err(blame)?,
            grace: seconds("lake.grace_s", raw.grace_s, 3_600..=31_536_000).map_err(blame)?,
        };
        if lake.file_bytes_max as u64 <= lake.compact_below_bytes {
            let rule = "what is small must be smaller than a full file";
            return Err(blame(Problem::conflict("lake.compact_below_kib", "lake.file_mib_max", rule)));
        }
        Ok(lake)
    }
}
