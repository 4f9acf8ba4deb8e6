//! A folder that is written whole or not at all: beside its place under another name, then moved there.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::ReportError;

/// What says that a folder holds a report of ours and may be replaced by the next.
const MARK: &str = "report.json";

/// One file of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub name: &'static str,
    pub bytes: Vec<u8>,
}

impl File {
    pub fn new(name: &'static str, bytes: Vec<u8>) -> Self {
        Self { name, bytes }
    }
}

/// A place that may be written to.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    parent: PathBuf,
    name: String,
}

impl Folder {
    /// Refuses, before any work, what a report must not replace.
    ///
    /// # Errors
    /// [`ReportError::Out`] if it is a file, or a folder with anything but a report.
    pub fn begin(path: &Path) -> Result<Self, ReportError> {
        let out = |reason: &str| ReportError::Out { path: path.to_owned(), reason: reason.to_owned() };
        let name = path.file_name().ok_or_else(|| out("which is no name of a folder"))?;
        let name = name.to_string_lossy().into_owned();
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        if path.symlink_metadata().is_ok() {
            let mut entries = std::fs::read_dir(path).map_err(|_| out("which is no folder"))?;
            if entries.next().is_some() && !path.join(MARK).is_file() {
                return Err(out("a folder with other things in it than a report"));
            }
        }
        std::fs::create_dir_all(&parent).map_err(|e| ReportError::unwritable(&parent, e))?;
        Ok(Self { path: path.to_owned(), parent, name })
    }

    /// Writes all files, and only then shows them. A reader finds the report before or this one; in the moment between the two
    /// moves, none.
    ///
    /// # Errors
    /// [`ReportError::Unwritable`]; what was there before is there still.
    pub fn publish(self, files: &[File]) -> Result<(), ReportError> {
        let beside = |what: &str| self.parent.join(format!(".{}.{what}-{}", self.name, std::process::id()));
        let (new, old) = (Leftover(beside("new")), Leftover(beside("old")));
        for stale in [&new, &old] {
            // Of a process that was killed and had this number.
            let _ = std::fs::remove_dir_all(&stale.0);
        }
        std::fs::create_dir(&new.0).map_err(|e| ReportError::unwritable(&new.0, e))?;
        for file in files {
            let path = new.0.join(file.name);
            let write = || {
                let mut out = std::fs::File::create(&path)?;
                out.write_all(&file.bytes)?;
                out.sync_all()
            };
            write().map_err(|e| ReportError::unwritable(&path, e))?;
        }
        let there = self.path.symlink_metadata().is_ok();
        if there {
            std::fs::rename(&self.path, &old.0).map_err(|e| ReportError::unwritable(&self.path, e))?;
        }
        if let Err(error) = std::fs::rename(&new.0, &self.path) {
            if there {
                // As it was; if even that fails, the error below says enough.
                let _ = std::fs::rename(&old.0, &self.path);
            }
            return Err(ReportError::unwritable(&self.path, error));
        }
        Ok(())
    }
}

/// A folder that is removed again, whatever happens.
struct Leftover(PathBuf);

impl Drop for Leftover {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
