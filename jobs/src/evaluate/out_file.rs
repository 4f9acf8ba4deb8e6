//! A file that is written at the end of long work: one that cannot be written is refused before it, and work that fails
//! leaves nothing behind, neither an empty file nor half of what was there.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::EvaluateError;

#[derive(Debug)]
pub struct OutFile {
    /// That named the file, without its dashes.
    flag: &'static str,
    path: PathBuf,
    file: File,
    /// It was not there before.
    new: bool,
    written: bool,
}

impl OutFile {
    /// Opens without touching what is there.
    ///
    /// # Errors
    /// [`EvaluateError::Unwritable`].
    pub fn open(flag: &'static str, path: &Path) -> Result<Self, EvaluateError> {
        let new = !path.exists();
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|e| EvaluateError::unwritable(flag, path, e))?;
        Ok(Self { flag, path: path.to_owned(), file, new, written: false })
    }

    /// Replaces what was there by what `fill` writes.
    ///
    /// # Errors
    /// [`EvaluateError::Unwritable`].
    pub fn write(
        mut self,
        fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> Result<(), EvaluateError> {
        self.written = true;
        let write = || {
            // A pipe or a terminal has no length.
            if self.file.metadata()?.is_file() {
                self.file.set_len(0)?;
            }
            let mut out = BufWriter::new(&self.file);
            fill(&mut out)?;
            out.flush()
        };
        write().map_err(|e| EvaluateError::unwritable(self.flag, &self.path, e))
    }
}

impl Drop for OutFile {
    fn drop(&mut self) {
        if self.new && !self.written {
            // Empty, and nobody asked for it; one that cannot be removed does no harm.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Refuses files to write that are the same as one to read, or as each other.
///
/// # Errors
/// [`EvaluateError::Flag`] naming the flag.
pub fn check_apart(out: &[(&'static str, &Path)], read: &[&Path]) -> Result<(), EvaluateError> {
    let same = |a: &Path, b: &Path| match (a.canonicalize(), b.canonicalize()) {
        // What is no file (a terminal, a pipe) may be named twice.
        (Ok(a), Ok(b)) => a == b && a.is_file(),
        _ => a == b,
    };
    for (at, (flag, path)) in out.iter().enumerate() {
        let written = out.iter().take(at).map(|(_, path)| *path);
        if written.chain(read.iter().copied()).any(|other| same(path, other)) {
            let found = path.display().to_string();
            return Err(EvaluateError::Flag { flag, found, expected: "a file of its own".to_owned() });
        }
    }
    Ok(())
}
