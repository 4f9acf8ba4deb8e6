//! The lists, one line a key: `key<TAB>item item …`, best first, ids as they stood in the input.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::EvaluateError;
use super::ids::Ids;

/// Opened before anything is trained, so that a path that cannot be written costs no time.
#[derive(Debug)]
pub(super) struct ListsFile {
    path: PathBuf,
    out: BufWriter<File>,
}

impl ListsFile {
    pub(super) fn create(path: Option<&Path>) -> Result<Option<Self>, EvaluateError> {
        let Some(path) = path else { return Ok(None) };
        let file = File::create(path).map_err(|e| EvaluateError::unwritable("lists", path, e))?;
        Ok(Some(Self { path: path.to_owned(), out: BufWriter::new(file) }))
    }

    /// Writes all lists; `keys` are of the lists at the same place.
    pub(super) fn write<K: AsRef<[u8]>>(
        self,
        keys: impl IntoIterator<Item = K>,
        lists: &[Vec<u32>],
        items: &Ids,
    ) -> Result<(), EvaluateError> {
        let Self { path, mut out } = self;
        let write = || -> std::io::Result<()> {
            for (key, list) in keys.into_iter().zip(lists) {
                out.write_all(key.as_ref())?;
                for (place, item) in list.iter().enumerate() {
                    out.write_all(if place == 0 { b"\t" } else { b" " })?;
                    out.write_all(items.name(*item))?;
                }
                out.write_all(b"\n")?;
            }
            out.flush()
        };
        write().map_err(|e| EvaluateError::unwritable("lists", &path, e))
    }
}
