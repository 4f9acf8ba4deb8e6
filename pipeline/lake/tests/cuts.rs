//! A writer that is cut off at any moment, as by a kill: whatever it had done, the lake goes on to be the same.
#![allow(clippy::unwrap_used)]

mod common;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::*;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use shoptide_lake::{CompactLimits, FileMax, Lake, LakeOptions};
use shoptide_log::{Log, MemoryLog};
use shoptide_schemas::Topic;

/// A store in which `left` more writes happen; the next is cut before it happens, or, `after`, after it has. From then on
/// nothing answers.
#[derive(Debug)]
struct Cut {
    inner: Arc<dyn ObjectStore>,
    left: AtomicI64,
    after: bool,
}

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a store that is cut off")
    }
}

impl Cut {
    fn gone() -> object_store::Error {
        object_store::Error::Generic { store: "cut", source: "the process is gone".into() }
    }

    fn check(&self) -> Result<()> {
        if self.left.load(Ordering::SeqCst) < 0 { Err(Self::gone()) } else { Ok(()) }
    }
}

#[async_trait]
impl ObjectStore for Cut {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        if 0 < left {
            return self.inner.put_opts(path, payload, options).await;
        }
        if left == 0 && self.after {
            self.inner.put_opts(path, payload, options).await?;
        }
        Err(Self::gone())
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(Self::gone())
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.check()?;
        self.inner.get_opts(path, options).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.check()?;
        self.inner.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(Self::gone())
    }
}

const LIMITS: CompactLimits =
    CompactLimits { small_bytes: 1 << 20, files_min: 3, file_rows: 10_000, file_bytes: 1 << 20 };

/// All that a round does, in a folder, until it ends or is cut.
async fn round(
    lake: &Lake,
    log: &Arc<MemoryLog>,
    time: &Time,
) -> std::result::Result<(), shoptide_lake::LakeError> {
    archiver(lake, log, time).run().await?;
    lake.settle(&**log, FileMax { rows: 10_000, bytes: 1 << 20 }, START_MS).await?;
    lake.compact(&LIMITS, "2026-05-03", START_MS).await?;
    Ok(())
}

async fn shop(time: &Time) -> Arc<MemoryLog> {
    let log = memory_log(2, time);
    fill(&*log, 0, 250, 12).await;
    log
}

async fn grown(log: &MemoryLog) {
    log.append(vec![erased(Topic::Browse, "user-3", START_MS)]).await.unwrap();
    fill(log, 250, 100, 12).await;
}

#[tokio::test]
async fn cut_at_each_write_the_lake_ends_the_same() {
    let time = Time::new();
    let undisturbed = tempfile::tempdir().unwrap();
    let log = shop(&time).await;
    let lake = Lake::open(&LakeOptions::local(undisturbed.path())).await.unwrap();
    round(&lake, &log, &time).await.unwrap();
    grown(&log).await;
    round(&lake, &log, &time).await.unwrap();
    let expected = rows(&lake, &lake.snapshot().await.unwrap()).await;
    assert!(expected.len() < 350 && 300 < expected.len(), "somebody was erased: {}", expected.len());

    let (mut cuts, mut ended) = (0, 0);
    for after in [false, true] {
        for writes in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let inner = Lake::open(&LakeOptions::local(folder.path())).await.unwrap().store();
            let log = shop(&time).await;
            // The first round is whole, so that erasure and merge have something to do; the second is cut.
            let first = Lake::open_on(Arc::clone(&inner), "first").await.unwrap();
            round(&first, &log, &time).await.unwrap();
            grown(&log).await;
            let cut = Cut { inner: Arc::clone(&inner), left: AtomicI64::new(writes), after };
            let doomed = Lake::open_on(Arc::new(cut), "doomed").await.unwrap();
            let done = round(&doomed, &log, &time).await;

            // What is published is whole at every moment.
            let next = Lake::open_on(Arc::clone(&inner), "next").await.unwrap();
            let proof = next.verify().await.unwrap();
            assert!(proof.ok, "after {writes} writes: {:?}", proof.faults);
            if done.is_ok() {
                ended += 1;
                break;
            }
            cuts += 1;
            round(&next, &log, &time).await.unwrap();
            let snapshot = next.snapshot().await.unwrap();
            assert!(snapshot.pending.is_empty());
            assert!(rows(&next, &snapshot).await == expected, "after {writes} writes ({after})");
            // What the killed writer left behind goes once nobody can want it, and nothing else.
            let later = i64::try_from(std::time::SystemTime::now().elapsed().unwrap_or_default().as_millis())
                .unwrap()
                + 4_102_444_800_000;
            next.sweep(Duration::from_secs(86_400), later).await.unwrap();
            assert!(next.verify().await.unwrap().ok);
            let files = std::fs::read_dir(folder.path()).unwrap().count();
            assert!(0 < files);
            assert_eq!(parquet_files(folder.path()), snapshot.files.len());
        }
    }
    assert_eq!(ended, 2);
    assert!(20 < cuts, "only {cuts} cuts");
}

fn parquet_files(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let count = |path: std::path::PathBuf| match path.is_dir() {
        true => parquet_files(&path),
        false => usize::from(path.extension().is_some_and(|e| e == "parquet")),
    };
    entries.map(count).sum()
}
