//! Model files on disk: written whole under a temporary name, synced, then renamed, so that a name is always a whole file.

use std::io::Write;
use std::path::{Path, PathBuf};

use shoptide_models::snapshot::SnapshotError;

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

/// The `models` folder of a data directory.
#[derive(Debug, Clone)]
pub struct ModelFiles {
    dir: PathBuf,
}

impl ModelFiles {
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
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

    /// Removes a file that no list names any more; one that is gone already is no error.
    pub fn remove(&self, file: &str) {
        if let Err(error) = std::fs::remove_file(self.path(file))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, file, "an old model file cannot be removed");
        }
    }
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
