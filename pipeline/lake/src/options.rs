//! Where the lake lies: a folder, or a bucket of anything that speaks S3.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use shoptide_config::LakeConfig;

use crate::LakeError;

/// Tries of one request: a store that restarts is back within these.
const RETRIES_MAX: usize = 6;
/// Beyond this the caller hears that the store is away, and nothing is committed.
const RETRY_WITHIN_S: u64 = 60;
/// One request; a file of 64 MiB passes at 1 MiB/s.
const REQUEST_S: u64 = 90;

/// How to open a lake.
#[derive(Debug, Clone, Default)]
pub struct LakeOptions {
    /// A folder, or `s3://bucket/prefix`.
    pub url: String,
    pub s3: S3Options,
}

/// How to speak to S3. What is not given comes from the environment, as with every other tool (`AWS_ACCESS_KEY_ID` ...).
#[derive(Clone, Default)]
pub struct S3Options {
    /// Of a store that is not Amazon's, such as `http://127.0.0.1:7070`; buckets are then part of the path.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub access_key: Option<String>,
    pub secret_key: Option<String>,
}

impl std::fmt::Debug for S3Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let S3Options { endpoint, region, access_key: _, secret_key: _ } = self;
        f.debug_struct("S3Options")
            .field("endpoint", endpoint)
            .field("region", region)
            .finish_non_exhaustive()
    }
}

impl LakeOptions {
    /// A lake in a folder, which is made if it is not there.
    pub fn local(folder: impl AsRef<Path>) -> Self {
        Self { url: folder.as_ref().to_string_lossy().into_owned(), s3: S3Options::default() }
    }

    /// As `[lake]` says; `data_dir`: where a lake lies for which nothing is said.
    pub fn of(config: &LakeConfig, data_dir: &Path) -> Self {
        let folder = || data_dir.join("lake").to_string_lossy().into_owned();
        let s3 = S3Options {
            endpoint: config.endpoint.clone(),
            region: config.region.clone(),
            access_key: config.access_key.clone(),
            secret_key: config.secret_key.as_ref().map(|key| key.expose().to_owned()),
        };
        Self { url: config.url.clone().unwrap_or_else(folder), s3 }
    }

    /// The store rooted at the lake, and the folder if it is a local one.
    pub(crate) fn store(&self) -> Result<(Arc<dyn ObjectStore>, Option<PathBuf>), LakeError> {
        match self.url.strip_prefix("s3://") {
            Some(place) => Ok((self.s3(place)?, None)),
            None if self.url.contains("://") => Err(LakeError::Unusable(format!(
                "lake.url is \"{}\", expected a folder or s3://bucket/prefix",
                self.url
            ))),
            None => {
                let folder = PathBuf::from(&self.url);
                let unusable = |e: &dyn std::fmt::Display| {
                    LakeError::Unusable(format!("the lake's folder {} cannot be used: {e}", folder.display()))
                };
                std::fs::create_dir_all(&folder).map_err(|e| unusable(&e))?;
                let store = LocalFileSystem::new_with_prefix(&folder).map_err(|e| unusable(&e))?;
                Ok((Arc::new(store), Some(folder)))
            }
        }
    }

    fn s3(&self, place: &str) -> Result<Arc<dyn ObjectStore>, LakeError> {
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() {
            return Err(LakeError::Unusable(format!("lake.url is \"{}\", it names no bucket", self.url)));
        }
        let second = std::time::Duration::from_secs;
        let mut client = ClientOptions::new().with_timeout(second(REQUEST_S));
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
        if let Some(endpoint) = &self.s3.endpoint {
            client = client.with_allow_http(endpoint.starts_with("http://"));
            builder = builder.with_endpoint(endpoint).with_virtual_hosted_style_request(false);
        }
        for (key, value) in [
            (object_store::aws::AmazonS3ConfigKey::Region, &self.s3.region),
            (object_store::aws::AmazonS3ConfigKey::AccessKeyId, &self.s3.access_key),
            (object_store::aws::AmazonS3ConfigKey::SecretAccessKey, &self.s3.secret_key),
        ] {
            if let Some(value) = value {
                builder = builder.with_config(key, value);
            }
        }
        let retry = RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: RETRIES_MAX,
            retry_timeout: second(RETRY_WITHIN_S),
        };
        let store = builder.with_client_options(client).with_retry(retry).build();
        let store = store.map_err(|e| LakeError::Unusable(format!("s3://{bucket} cannot be used: {e}")))?;
        Ok(match prefix.trim_matches('/') {
            "" => Arc::new(store),
            prefix => Arc::new(PrefixStore::new(store, prefix)),
        })
    }
}
