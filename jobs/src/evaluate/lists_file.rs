//! The lists, one line a key: `key<TAB>item item …`, best first, ids as they stood in the input.

use std::path::Path;

use super::error::EvaluateError;
use super::ids::Ids;
use super::out_file::OutFile;

/// Opened before anything is trained, so that a path that cannot be written costs no time.
#[derive(Debug)]
pub(super) struct ListsFile(OutFile);

impl ListsFile {
    pub(super) fn create(path: Option<&Path>) -> Result<Option<Self>, EvaluateError> {
        path.map(|path| OutFile::open("lists", path).map(Self)).transpose()
    }

    /// Writes all lists; `keys` are of the lists at the same place.
    pub(super) fn write<K: AsRef<[u8]>>(
        self,
        keys: impl IntoIterator<Item = K>,
        lists: &[Vec<u32>],
        items: &Ids,
    ) -> Result<(), EvaluateError> {
        self.0.write(|out| {
            for (key, list) in keys.into_iter().zip(lists) {
                out.write_all(key.as_ref())?;
                for (place, item) in list.iter().enumerate() {
                    out.write_all(if place == 0 { b"\t" } else { b" " })?;
                    out.write_all(items.name(*item))?;
                }
                out.write_all(b"\n")?;
            }
            Ok(())
        })
    }
}
