//! Exclusive ownership of the shards: a lock of the operating system on `<path>.owner`.
//! It goes with the process, however that ends, so no owner is ever left behind.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::LogError;

/// A process id has at most this many digits.
const PID_DIGITS_MAX: u64 = 20;

/// The lock, held while this lives.
pub(super) struct OwnerLock {
    _file: File,
}

/// Takes the lock.
///
/// # Errors
/// [`LogError::Unusable`] naming the file and the owner's process id.
pub(super) fn lock(log: &Path) -> Result<OwnerLock, LogError> {
    let path = lock_path(log);
    let unavailable =
        |e: std::io::Error| LogError::Unavailable { reason: format!("{}: {e}", path.display()) };
    let mut options = OpenOptions::new();
    let mut file =
        options.read(true).write(true).create(true).truncate(false).open(&path).map_err(unavailable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _unreadable = (&mut file).take(PID_DIGITS_MAX).read_to_string(&mut pid).is_err();
            let pid = if pid.is_empty() { "unknown" } else { pid.trim() };
            let lock = path.display();
            return Err(LogError::Unusable(format!(
                "the shards have an owner already: process {pid} holds {lock}"
            )));
        }
        Err(TryLockError::Error(e)) => return Err(unavailable(e)),
    }
    // Only for the message above, so failing to write it is no failure.
    let _named = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).is_ok();
    Ok(OwnerLock { _file: file })
}

fn lock_path(log: &Path) -> PathBuf {
    let mut path = log.as_os_str().to_owned();
    path.push(".owner");
    path.into()
}
