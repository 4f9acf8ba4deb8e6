//! A folder that is written whole or not at all: beside its place under another name, then moved there.

use std::fs::FileType;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::ReportError;

/// What says that a folder holds a report of ours and may be replaced by the next.
const MARK: &str = "report.json";
/// All that reports write, of a shop and of one user.
const FILES: [&str; 8] = [
    "index.html",
    "groups.csv",
    "days.csv",
    "items.csv",
    "categories.csv",
    "members.csv",
    "moments.csv",
    MARK,
];

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
    /// [`ReportError::Out`] if it is a file, or a folder with anything but a report. Nothing was changed.
    pub fn begin(path: &Path) -> Result<Self, ReportError> {
        let out = |reason: &str| ReportError::Out { path: path.to_owned(), reason: reason.to_owned() };
        let name = path.file_name().ok_or_else(|| out("which is no name of a folder"))?;
        let name = name.to_string_lossy().into_owned();
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        if path.symlink_metadata().is_ok()
            && let Some(reason) = foreign(path)
        {
            return Err(out(&reason));
        }
        std::fs::create_dir_all(&parent).map_err(|e| ReportError::unwritable(&parent, e))?;
        Ok(Self { path: path.to_owned(), parent, name })
    }

    /// Writes all files, and only then shows them. A reader finds the report before or this one; in the moment between the two
    /// moves, none.
    ///
    /// # Errors
    /// [`ReportError::Unwritable`], [`ReportError::Out`] if other things have come into the folder meanwhile; what was there before is
    /// there still.
    pub fn publish(self, files: &[File]) -> Result<(), ReportError> {
        let beside = |what: &str| self.parent.join(format!(".{}.{what}-{}", self.name, std::process::id()));
        let (new, old) = (Leftover(beside("new")), beside("old"));
        // Of a process that was killed and had this number.
        clear(&new.0);
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
        clear(&old);
        let there = self.path.symlink_metadata().is_ok();
        if there {
            std::fs::rename(&self.path, &old).map_err(|e| ReportError::unwritable(&self.path, e))?;
        }
        // As it was; if even that fails, the error says enough.
        let restore = |error: ReportError| {
            if there {
                let _ = std::fs::rename(&old, &self.path);
            }
            error
        };
        // The report took its time: somebody may have put a file of his own there.
        if there && let Some(reason) = foreign(&old) {
            return Err(restore(ReportError::Out { path: self.path.clone(), reason }));
        }
        std::fs::rename(&new.0, &self.path)
            .map_err(|error| restore(ReportError::unwritable(&self.path, error)))?;
        clear(&old);
        Ok(())
    }
}

/// Why a report may not take this folder's place; none if it is empty or holds nothing but a report.
fn foreign(path: &Path) -> Option<String> {
    match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => {}
        // Not followed, and not replaced: somebody chose where it leads.
        Ok(meta) if meta.is_symlink() => return Some("which is a link and no folder".to_owned()),
        _ => return Some("which is no folder".to_owned()),
    }
    let listed = || -> std::io::Result<Vec<(String, FileType)>> {
        let one = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry?;
            Ok((entry.file_name().to_string_lossy().into_owned(), entry.file_type()?))
        };
        std::fs::read_dir(path)?.map(one).collect()
    };
    let mut entries = match listed() {
        Ok(entries) => entries,
        Err(error) => return Some(format!("which cannot be read: {error}")),
    };
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    let marked = entries.iter().any(|(name, _)| name == MARK);
    let ours = |(name, of): &&(String, FileType)| of.is_file() && FILES.contains(&name.as_str());
    // Our names alone are no report: any page is called so.
    let unmarked = || entries.first().filter(|_| !marked);
    match entries.iter().find(|entry| !ours(entry)).or_else(unmarked) {
        Some((name, _)) => Some(format!("a folder with other things in it than a report: {name:?}")),
        None if marked && !is_report(&path.join(MARK)) => {
            Some(format!("a folder with other things in it than a report: {MARK:?} is of something else"))
        }
        None => None,
    }
}

/// What every report says, of a shop or of a user; any version that was ever written reads so.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "reading")]
    _reading: ReadingHead,
    totals: Option<IgnoredAny>,
    groups: Option<IgnoredAny>,
    user_id: Option<String>,
    moments: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct ReadingHead {
    #[serde(rename = "source")]
    _source: String,
    #[serde(rename = "events")]
    _events: u64,
}

fn is_report(path: &Path) -> bool {
    let Ok(file) = std::fs::File::open(path) else { return false };
    let Ok(head) = serde_json::from_reader::<_, Head>(BufReader::new(file)) else { return false };
    (head.totals.is_some() && head.groups.is_some()) || (head.user_id.is_some() && head.moments.is_some())
}

/// Removes a folder of ours, whole or half written: its own files by name, then the folder if nothing else is in it.
fn clear(folder: &Path) {
    if folder.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
        for name in FILES {
            let _ = std::fs::remove_file(folder.join(name));
        }
        let _ = std::fs::remove_dir(folder);
    }
}

/// A folder that is removed again, whatever happens; once it was moved there is none.
struct Leftover(PathBuf);

impl Drop for Leftover {
    fn drop(&mut self) {
        clear(&self.0);
    }
}
