//! What a process that is ended in the middle of a query would leave on the disk.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Paths to remove if nobody comes to it any more. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Leftovers(Arc<Mutex<Vec<PathBuf>>>);

impl Leftovers {
    /// A file or a folder that its owner removes as long as the process lives.
    pub fn add(&self, path: &Path) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
    }

    /// An owner that was faster has removed it already.
    pub fn remove(&self) {
        for path in self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        }
    }
}
