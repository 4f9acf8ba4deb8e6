//! The lake's own log: commits by number, each made by a put that succeeds only once.

use std::io::ErrorKind;
use std::path::{Path as FsPath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use crate::commit::{Change, Commit, FORMAT};
use crate::file::LakeFile;
use crate::proven::{NOT_AS_WRITTEN, Proven};
use crate::snapshot::{Checkpoint, Snapshot};
use crate::whole;
use crate::{LakeError, LakeOptions};

/// A checkpoint each so many commits: opening a lake reads one checkpoint and fewer commits than this.
pub(crate) const CHECKPOINT_EVERY: u64 = 64;
/// Other writers that may be first, one after the other, before a change is given up.
const REBASES_MAX: usize = 32;

/// A lake. Cheap to clone.
#[derive(Clone)]
pub struct Lake {
    core: Arc<Core>,
}

struct Core {
    store: Arc<Proven>,
    url: String,
    /// Where a local lake lies, to have its files on disk before a commit names them.
    folder: Option<PathBuf>,
    /// The newest snapshot seen.
    newest: Mutex<Arc<Snapshot>>,
}

impl Lake {
    /// Opens a lake, or the empty place where one will be.
    ///
    /// # Errors
    /// [`LakeError::Unusable`] for an address that cannot be used, [`LakeError::Unavailable`] if the store does not answer,
    /// [`LakeError::Damaged`] or [`LakeError::Missing`] if commits are.
    pub async fn open(options: &LakeOptions) -> Result<Lake, LakeError> {
        let (store, folder) = options.store()?;
        Self::on(store, options.url.clone(), folder).await
    }

    /// A lake in any store, such as one that fails on purpose.
    ///
    /// # Errors
    /// As [`Lake::open`].
    pub async fn open_on(store: Arc<dyn ObjectStore>, url: &str) -> Result<Lake, LakeError> {
        Self::on(store, url.to_owned(), None).await
    }

    async fn on(
        store: Arc<dyn ObjectStore>,
        url: String,
        folder: Option<PathBuf>,
    ) -> Result<Lake, LakeError> {
        let store = Arc::new(Proven::new(store));
        let core = Core { store, url, folder, newest: Mutex::default() };
        let lake = Lake { core: Arc::new(core) };
        let checkpoint = numbers(&lake.store(), "checkpoints", 0).await?.last().copied().unwrap_or(0);
        let commits = numbers(&lake.store(), "commits", checkpoint).await?;
        let snapshot = lake.at(commits.last().copied().unwrap_or(checkpoint)).await?;
        lake.remember(&Arc::new(snapshot));
        Ok(lake)
    }

    /// The newest snapshot.
    ///
    /// # Errors
    /// [`LakeError::Unavailable`], or [`LakeError::Damaged`] naming the commit.
    pub async fn snapshot(&self) -> Result<Snapshot, LakeError> {
        Ok(Snapshot::clone(&*self.newest().await?))
    }

    /// The lake as it was after a commit; 0 is the empty one. Its files may be gone once they were replaced longer ago than the
    /// grace period.
    ///
    /// # Errors
    /// [`LakeError::Missing`] if the commit is not there (any more).
    pub async fn snapshot_at(&self, commit: u64) -> Result<Snapshot, LakeError> {
        let newest = self.known();
        if newest.commit == commit {
            return Ok(Snapshot::clone(&newest));
        }
        self.at(commit).await
    }

    /// The store, rooted at the lake.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::<Proven>::clone(&self.core.store)
    }

    /// Reads a file to its end, whatever is known of it: what is made of it is made of what was written.
    ///
    /// # Errors
    /// [`LakeError::Damaged`] if its bytes are not those that its commit names.
    pub(crate) async fn prove(&self, file: &LakeFile) -> Result<(), LakeError> {
        let hash = self.core.store.hash(&Path::from(file.path.as_str())).await;
        let hash = hash.map_err(|error| named(error, &file.path))?;
        match format!("{hash:032x}") == file.hash {
            true => Ok(()),
            false => Err(LakeError::damaged(&file.path, NOT_AS_WRITTEN)),
        }
    }

    /// Where it lies, as it was opened.
    pub fn url(&self) -> &str {
        &self.core.url
    }

    /// The folder of a local lake.
    pub fn folder(&self) -> Option<&FsPath> {
        self.core.folder.as_deref()
    }

    /// One commit as it was published.
    ///
    /// # Errors
    /// [`LakeError::Missing`] if there is none of this number, [`LakeError::Damaged`] if it cannot be read.
    pub async fn commit(&self, number: u64) -> Result<Commit, LakeError> {
        let path = commit_path(number);
        let bytes = self.get(&path).await?;
        serde_json::from_slice(&bytes).map_err(|e| LakeError::damaged(&path, e))
    }

    /// Publishes a change on top of the newest snapshot, if it may follow it.
    ///
    /// # Errors
    /// [`LakeError::Conflict`] if another writer did something that the change does not fit any more; nothing was published.
    pub async fn publish(&self, change: &Change, at_ms: i64) -> Result<Arc<Snapshot>, LakeError> {
        for file in &change.added {
            self.on_disk(&file.path).await?;
        }
        let id = token()?;
        for _ in 0..REBASES_MAX {
            let base = self.newest().await?;
            let number = base.commit + 1;
            change.check(&base).map_err(|reason| LakeError::Conflict { commit: base.commit, reason })?;
            let commit =
                Commit { format: FORMAT, commit: number, id: id.clone(), at_ms, change: change.clone() };
            let path = commit_path(number);
            let body =
                serde_json::to_vec(&commit).map_err(|e| LakeError::Unusable(format!("a commit: {e}")))?;
            match self.create(&path, body.into()).await {
                Ok(()) => {}
                // Ours, if only the answer was lost.
                Err(object_store::Error::AlreadyExists { .. }) if self.commit(number).await?.id == id => {}
                Err(object_store::Error::AlreadyExists { .. }) => continue,
                Err(error) => return Err(error.into()),
            }
            self.on_disk(&path).await?;
            let next = Snapshot::clone(&base).apply(&commit).map_err(|e| LakeError::damaged(&path, e))?;
            let next = Arc::new(next);
            self.remember(&next);
            if number.is_multiple_of(CHECKPOINT_EVERY) {
                self.checkpoint(&next).await;
            }
            return Ok(next);
        }
        let reason = format!("{REBASES_MAX} others were first, one after the other");
        Err(LakeError::Conflict { commit: self.known().commit, reason })
    }

    /// Puts a data file. Its name is used once only, so one that is there is ours, its answer lost.
    pub(crate) async fn put(&self, path: &str, bytes: Bytes) -> Result<(), LakeError> {
        match self.create(path, bytes).await {
            Ok(()) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Bytes, LakeError> {
        let found = self.core.store.get(&Path::from(path)).await;
        let found = found.map_err(|e| named(e, path))?;
        found.bytes().await.map_err(|e| named(e, path))
    }

    async fn create(&self, path: &str, bytes: Bytes) -> Result<(), object_store::Error> {
        if let Some(root) = &self.core.folder {
            let file = root.join(path);
            let created = tokio::task::spawn_blocking(move || whole::create(&file, &bytes)).await;
            return created.map_err(std::io::Error::from).flatten().map_err(|error| {
                let (path, source) = (path.to_owned(), Box::new(error));
                match source.kind() {
                    ErrorKind::AlreadyExists => object_store::Error::AlreadyExists { path, source },
                    _ => object_store::Error::Generic { store: "lake", source },
                }
            });
        }
        let options = PutOptions::from(PutMode::Create);
        self.core.store.put_opts(&Path::from(path), PutPayload::from(bytes), options).await.map(drop)
    }

    /// A checkpoint only saves time: that it could not be written is said and forgotten.
    async fn checkpoint(&self, snapshot: &Snapshot) {
        let path = checkpoint_path(snapshot.commit);
        let written = match serde_json::to_vec(&Checkpoint::from(snapshot)) {
            Ok(body) => self.put(&path, body.into()).await,
            Err(error) => Err(LakeError::Unusable(error.to_string())),
        };
        if let Err(error) = written {
            tracing::warn!(%error, path, "a checkpoint of the lake was not written");
        }
    }

    fn known(&self) -> Arc<Snapshot> {
        Arc::clone(&self.core.newest.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn remember(&self, snapshot: &Arc<Snapshot>) {
        let mut newest = self.core.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.commit < snapshot.commit {
            *newest = Arc::clone(snapshot);
        }
    }

    pub(crate) async fn newest(&self) -> Result<Arc<Snapshot>, LakeError> {
        let mut snapshot = self.known();
        loop {
            let number = snapshot.commit + 1;
            let commit = match self.commit(number).await {
                Ok(commit) => commit,
                Err(LakeError::Missing { .. }) => break,
                Err(error) => return Err(error),
            };
            let next = Snapshot::clone(&snapshot).apply(&commit);
            snapshot = Arc::new(next.map_err(|e| LakeError::damaged(&commit_path(number), e))?);
        }
        self.remember(&snapshot);
        Ok(snapshot)
    }

    /// From the last checkpoint at or before the commit that can be read.
    async fn at(&self, commit: u64) -> Result<Snapshot, LakeError> {
        let checkpoints = numbers(&self.store(), "checkpoints", 0).await?;
        let mut snapshot = Snapshot::default();
        for number in checkpoints.into_iter().rev().filter(|number| *number <= commit) {
            let path = checkpoint_path(number);
            let bytes = self.get(&path).await?;
            let read = serde_json::from_slice::<Checkpoint>(&bytes).map_err(|e| e.to_string());
            match read.and_then(|checkpoint| checkpoint.open(number)) {
                Ok(found) => {
                    snapshot = found;
                    break;
                }
                Err(reason) => tracing::warn!(path, reason, "a checkpoint of the lake is passed over"),
            }
        }
        while snapshot.commit < commit {
            let number = snapshot.commit + 1;
            let next = self.commit(number).await?;
            snapshot = snapshot.apply(&next).map_err(|e| LakeError::damaged(&commit_path(number), e))?;
        }
        Ok(snapshot)
    }

    /// A local file and its folders are on disk when this returns; what a store answers for is its own promise.
    async fn on_disk(&self, path: &str) -> Result<(), LakeError> {
        let Some(root) = self.core.folder.clone() else { return Ok(()) };
        let path = path.to_owned();
        let synced = tokio::task::spawn_blocking(move || {
            let file = root.join(&path);
            std::fs::File::open(&file)?.sync_all()?;
            let inside = |folder: &&FsPath| folder.starts_with(&root);
            for folder in file.ancestors().skip(1).take_while(inside) {
                std::fs::File::open(folder)?.sync_all()?;
            }
            Ok::<(), std::io::Error>(())
        });
        match synced.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(LakeError::Unavailable { reason: error.to_string() }),
            Err(error) => Err(LakeError::Unavailable { reason: error.to_string() }),
        }
    }
}

/// The store's word about a path of ours: its own is from the root of bucket or disk.
pub(crate) fn named(error: object_store::Error, path: &str) -> LakeError {
    match LakeError::from(error) {
        LakeError::Missing { .. } => LakeError::Missing { path: path.to_owned() },
        other => other,
    }
}

/// 64 random bits, hexadecimal.
pub(crate) fn token() -> Result<String, LakeError> {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes)
        .map_err(|e| LakeError::Unavailable { reason: format!("no randomness: {e}") })?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

pub(crate) fn commit_path(number: u64) -> String {
    format!("commits/{number:020}.json")
}

pub(crate) fn checkpoint_path(number: u64) -> String {
    format!("checkpoints/{number:020}.json")
}

/// The numbers beyond `after` of the objects in a folder, in order. Others are not ours and do not concern us.
pub(crate) async fn numbers(
    store: &Arc<dyn ObjectStore>,
    folder: &str,
    after: u64,
) -> Result<Vec<u64>, LakeError> {
    let mut numbers = Vec::new();
    let first = Path::from(format!("{folder}/{after:020}.json"));
    let mut found = store.list_with_offset(Some(&Path::from(folder)), &first);
    while let Some(object) = found.try_next().await? {
        let name = object.location.filename().and_then(|name| name.strip_suffix(".json"));
        numbers.extend(name.filter(|name| name.len() == 20).and_then(|name| name.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}
