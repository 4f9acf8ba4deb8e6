//! A store that shows nothing of a data file before all of it is known to be what was written.
//!
//! Pages of Parquet are unpacked whatever is in them: one turned bit may be another item, or another user, and no error. The
//! hash of a file's bytes is the end of its name, so every reader has it, whichever commit or plan told it of the file.

use std::collections::HashSet;
use std::fmt;
use std::io::Read;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use xxhash_rust::xxh3::Xxh3;

/// Names remembered as whole, some 200 bytes each; beyond so many files are looked at again.
const WHOLE_MAX: usize = 100_000;
/// What is read of a local file at a time.
const READ_BYTES: usize = 1 << 20;

/// A file whose bytes are not those of its name.
#[derive(Debug, thiserror::Error)]
#[error("{path} is damaged: {NOT_AS_WRITTEN}")]
pub(crate) struct Damaged {
    pub path: String,
}

/// What is said of it.
pub(crate) const NOT_AS_WRITTEN: &str = "its bytes are not those that were written";

/// The store, with what is known of its files.
#[derive(Debug)]
pub(crate) struct Proven {
    inner: Arc<dyn ObjectStore>,
    /// Data files never change: once in the life of a process is enough.
    whole: Mutex<HashSet<Path>>,
}

impl Proven {
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, whole: Mutex::default() }
    }

    /// Reads a file to its end.
    pub async fn hash(&self, path: &Path) -> Result<u128> {
        let mut hash = Xxh3::new();
        match self.inner.get(path).await?.payload {
            GetResultPayload::File(mut file, _) => {
                let read = tokio::task::spawn_blocking(move || {
                    let mut buffer = vec![0; READ_BYTES];
                    loop {
                        match file.read(&mut buffer)? {
                            0 => return Ok::<Xxh3, std::io::Error>(hash),
                            read => hash.update(buffer.get(..read).unwrap_or_default()),
                        }
                    }
                });
                let failed = |source| Error::Generic { store: "lake", source };
                let hash = read.await.map_err(|e| failed(e.into()))?.map_err(|e| failed(e.into()))?;
                Ok(hash.digest128())
            }
            GetResultPayload::Stream(mut chunks) => {
                while let Some(chunk) = chunks.try_next().await? {
                    hash.update(&chunk);
                }
                Ok(hash.digest128())
            }
        }
    }

    async fn prove(&self, path: &Path) -> Result<()> {
        let Some(expected) = hash_in(path) else { return Ok(()) };
        let known = |whole: &HashSet<Path>| whole.contains(path);
        if known(&self.whole.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        if self.hash(path).await? != expected {
            let source = Box::new(Damaged { path: path.to_string() });
            return Err(Error::Generic { store: "lake", source });
        }
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        if WHOLE_MAX <= whole.len() {
            whole.clear();
        }
        whole.insert(path.clone());
        Ok(())
    }
}

/// The hash that a data file's name ends with. What was written before names had one has none.
fn hash_in(path: &Path) -> Option<u128> {
    let (_, hash) = path.filename()?.strip_suffix(".parquet")?.rsplit_once('-')?;
    (hash.len() == 32).then(|| u128::from_str_radix(hash, 16).ok())?
}

impl fmt::Display for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Proven {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        if !options.head {
            self.prove(path).await?;
        }
        self.inner.get_opts(path, options).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.prove(path).await?;
        self.inner.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
