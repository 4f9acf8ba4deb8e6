//! The folder of one executor: what passes between the parts of a query, and what did not fit in memory.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::ScaleError;

const NAME: &str = "executor-";
/// What is known of the folder's size serves for so many times what it took to learn: a query of thousands of parts leaves
/// thousands of files, and each part asks.
const SERVES: u32 = 20;

/// A folder of its own below the one that was named, held by a lock while the process lives and removed with it.
#[derive(Debug)]
pub(super) struct WorkDir {
    path: PathBuf,
    _lock: File,
    size: Mutex<Option<Size>>,
}

#[derive(Debug, Clone, Copy)]
struct Size {
    bytes: u64,
    at: Instant,
    took: Duration,
}

impl WorkDir {
    /// Removes what executors that were killed left behind, and makes a folder for `id`.
    ///
    /// # Errors
    /// [`ScaleError::Refused`] naming the folder if it cannot be used.
    pub fn claim(parent: &Path, id: &str) -> Result<Self, ScaleError> {
        let refused =
            |e| ScaleError::Refused(format!("work folder {} cannot be used: {e}", parent.display()));
        fs::create_dir_all(parent).map_err(refused)?;
        for entry in fs::read_dir(parent).map_err(refused)?.flatten() {
            let is_ours = entry.file_name().to_string_lossy().starts_with(NAME);
            if is_ours && entry.path().is_dir() && left_behind(&entry.path()) {
                let removed = fs::remove_dir_all(entry.path());
                tracing::info!(folder = %entry.path().display(), ok = removed.is_ok(), "left by an executor that is gone");
            }
        }
        let path = parent.join(format!("{NAME}{id}"));
        // Beside the folder, whose content a query's end sweeps; and before it, so that nobody finds it without its lock.
        let lock = File::create(path.with_extension("lock")).map_err(refused)?;
        lock.try_lock().map_err(|e| match e {
            TryLockError::Error(e) => refused(e),
            TryLockError::WouldBlock => ScaleError::Refused(format!("{} is in use", path.display())),
        })?;
        fs::create_dir(&path).map_err(refused)?;
        Ok(Self { path, _lock: lock, size: Mutex::new(None) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it, whoever else still knows of it.
    pub fn remove(&self) {
        let _ = fs::remove_dir_all(&self.path);
        let _ = fs::remove_file(self.path.with_extension("lock"));
    }

    /// Bytes of all files in it, as of now or of a moment ago.
    pub fn bytes(&self) -> u64 {
        let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = *size
            && known.at.elapsed() < known.took * SERVES
        {
            return known.bytes;
        }
        let began = Instant::now();
        let bytes = bytes_of(&self.path);
        *size = Some(Size { bytes, at: Instant::now(), took: began.elapsed() });
        bytes
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Whether nobody holds the folder any more; its lock file goes too.
fn left_behind(path: &Path) -> bool {
    let lock = path.with_extension("lock");
    match File::open(&lock) {
        Ok(file) if file.try_lock().is_ok() => fs::remove_file(&lock).is_ok(),
        // Without a lock it never was one.
        _ => false,
    }
}

fn bytes_of(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => bytes_of(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_executor_left_is_swept_and_what_lives_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let lives = WorkDir::claim(parent.path(), "a").unwrap();
        fs::write(lives.path().join("rows"), [0; 10]).unwrap();
        assert_eq!(lives.bytes(), 10);
        let gone = parent.path().join("executor-b");
        fs::create_dir(&gone).unwrap();
        File::create(gone.with_extension("lock")).unwrap();
        let foreign = parent.path().join("mine");
        fs::create_dir(&foreign).unwrap();
        let third = WorkDir::claim(parent.path(), "c").unwrap();
        assert!(!gone.exists() && lives.path().join("rows").exists() && foreign.exists());
        let path = third.path().to_owned();
        drop(third);
        assert!(!path.exists() && !path.with_extension("lock").exists());
    }
}
