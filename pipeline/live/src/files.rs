//! Model files on disk: written whole under a temporary name, synced, then renamed, so that a name is always a whole file.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use shoptide_models::snapshot::SnapshotError;
use xxhash_rust::xxh3::xxh3_64;

/// How the names of model files begin and end.
const PREFIX: &str = "model-";
const CANDIDATE_PREFIX: &str = "candidate-";
const SUFFIX: &str = ".arrow";

/// What a caller can do: publish again, train anew, or give the disk back its space.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    #[error("model file {path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("model file {path}: {source}; `shoptide jobs train` makes a new one")]
    Content { path: PathBuf, source: SnapshotError },
    #[error("model version {version} is not in the store")]
    Unknown { version: u64 },
}

impl ModelFileError {
    /// The model's file or row is not there, or damaged: no retry brings it back, a new one has to be trained.
    pub fn is_lost(&self) -> bool {
        match self {
            ModelFileError::Io { source, .. } => {
                matches!(source.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::IsADirectory)
            }
            ModelFileError::Content { .. } | ModelFileError::Unknown { .. } => true,
        }
    }
}

/// The `models` folder of a data directory; where the store serves several machines, a cache of what lies there.
#[derive(Debug, Clone)]
pub struct ModelFiles {
    dir: PathBuf,
    shared: bool,
}

impl From<PathBuf> for ModelFiles {
    fn from(dir: PathBuf) -> Self {
        Self::new(dir)
    }
}

impl ModelFiles {
    /// Files that only processes of this machine read.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, shared: false }
    }

    /// Files that go through the store to other machines.
    pub fn shared(dir: PathBuf) -> Self {
        Self { dir, shared: true }
    }

    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// The name of a version's file. It names the content: of two trainers that make the same version, the loser must not
    /// replace the winner's file, and who reads it elsewhere sees whether it is whole.
    pub fn name(version: u64, kind: &str, bytes: &[u8]) -> String {
        format!("{PREFIX}{version:012}-{kind}-{:016x}{SUFFIX}", xxh3_64(bytes))
    }

    /// The name of a candidate's file, which names the content too. None of a version begins so: it does not go with them.
    pub fn candidate_name(number: u64, bytes: &[u8]) -> String {
        format!("{CANDIDATE_PREFIX}{number:012}-{:016x}{SUFFIX}", xxh3_64(bytes))
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    /// # Errors
    /// [`ModelFileError::Io`].
    pub fn read(&self, file: &str) -> Result<Vec<u8>, ModelFileError> {
        let path = self.path(file);
        std::fs::read(&path).map_err(|source| ModelFileError::Io { path, source })
    }

    /// # Errors
    /// [`ModelFileError::Io`]; nothing is left under the name.
    pub fn write(&self, file: &str, bytes: &[u8]) -> Result<(), ModelFileError> {
        let path = self.path(file);
        write_synced(&self.dir, &path, bytes).map_err(|source| ModelFileError::Io { path, source })
    }

    /// Removes files of versions up to `newest`, and of candidates, that the store does not name any more: whoever trained them has
    /// taken them out. What is newer may be on its way.
    pub(crate) fn remove_unnamed(&self, named: &BTreeSet<String>, newest: u64) {
        let Ok(entries) = std::fs::read_dir(&self.dir) else { return };
        for name in entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
            let version =
                name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse::<u64>().ok());
            let old = version.is_some_and(|version| version <= newest) || name.starts_with(CANDIDATE_PREFIX);
            if old && !named.contains(&name) {
                self.remove(&name);
            }
        }
    }

    /// Removes a file that no list names any more; one that is gone already is no error.
    pub fn remove(&self, file: &str) {
        if let Err(error) = std::fs::remove_file(self.path(file))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, file, "an old model file cannot be removed");
        }
    }
}

/// Whether these are the bytes that the name of the file was made of.
pub(crate) fn is_whole(file: &str, bytes: &[u8]) -> bool {
    let hash = file.strip_suffix(SUFFIX).and_then(|rest| rest.rsplit('-').next());
    hash.is_some_and(|hash| hash == format!("{:016x}", xxh3_64(bytes)))
}

fn write_synced(dir: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let temporary = path.with_extension("writing");
    if let Err(error) = write_temporary(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path)) {
        // Half a file on a full disk would keep it full. If it cannot be removed, the next try overwrites it.
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    // The rename itself must survive a power cut before the pointer names the file.
    std::fs::File::open(dir)?.sync_all()
}

fn write_temporary(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
