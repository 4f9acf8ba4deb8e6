//! Files of a local lake: a name that appears has all its bytes, after a power cut too.

use std::fs::{File, OpenOptions, remove_file};
use std::io::{Error, ErrorKind, Result, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

/// Puts a new file: its bytes are on disk before its name is there. The folders are not synced.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] if the name is taken; it is as it was then.
pub(crate) fn create(path: &Path, bytes: &Bytes) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let (staged, mut file) = stage(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let named = written.and_then(|()| std::fs::hard_link(&staged, path));
    // One that cannot be removed now goes with the next sweep.
    let _ = remove_file(&staged);
    named
}

/// A file beside it that no list shows: its name, `#` and a number.
fn stage(path: &Path) -> Result<(PathBuf, File)> {
    let name = path.file_name().ok_or(ErrorKind::InvalidFilename)?;
    let mut random = [0_u8; 4];
    getrandom::fill(&mut random).map_err(|e| Error::other(e.to_string()))?;
    let mut hidden = name.to_owned();
    hidden.push(format!("#{}", u32::from_le_bytes(random)));
    let staged = path.with_file_name(hidden);
    let file = OpenOptions::new().write(true).create_new(true).open(&staged)?;
    Ok((staged, file))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_once_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("commits/1.json");
        create(&path, &Bytes::from_static(b"first")).unwrap();
        let taken = create(&path, &Bytes::from_static(b"second")).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(dir.path().join("commits")).unwrap().count(), 1);

        // A folder that cannot be: no name.
        assert!(create(&path.join("2.json"), &Bytes::new()).is_err());
    }

    #[test]
    fn what_is_half_written_is_not_listed() {
        use futures::StreamExt;
        use object_store::ObjectStore;
        let dir = tempfile::tempdir().unwrap();
        drop(stage(&dir.path().join("1.json")).unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        let store = object_store::local::LocalFileSystem::new_with_prefix(dir.path()).unwrap();
        assert_eq!(futures::executor::block_on(store.list(None).count()), 0);
    }
}
