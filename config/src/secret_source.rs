//! Where a secret comes from: inline, or a file of its own that only its owner may read; never both.

use std::path::{Path, PathBuf};

use crate::error::{ConfigError, Origin, Problem};
use crate::layers::Effective;
use crate::secret::{KEY_BYTES_MAX, SECRET_FILE_BYTES_MAX, Secret, SmallFile};

/// A secret given inline or by the path of a file; `None` if neither is.
pub(crate) fn secret(
    effective: &Effective,
    inline_key: &'static str,
    inline: &Secret,
    file_key: &'static str,
    file: &str,
    bytes_min: usize,
) -> Result<Option<Secret>, ConfigError> {
    let checked = |secret: Secret, key: &'static str| {
        let length = bytes_min..=KEY_BYTES_MAX;
        let written = secret.expose();
        let visible = written.bytes().all(|b| b.is_ascii_graphic());
        let found = match written.len() {
            n if n < *length.start() => "too short",
            n if *length.end() < n => "too long",
            _ if !visible => "not visible ASCII throughout",
            _ => return Ok(Some(secret)),
        };
        let expected = format!("{bytes_min} to {KEY_BYTES_MAX} visible ASCII characters");
        Err(effective.blame(Problem::bound(key, found.to_owned(), &expected)))
    };
    match (inline.is_empty(), file.is_empty()) {
        (true, true) => Ok(None),
        (false, true) => checked(inline.clone(), inline_key),
        (false, false) => {
            Err(effective.blame(Problem::conflict(inline_key, file_key, "they exclude each other")))
        }
        (true, false) => {
            let origin = effective.origin(file_key);
            let path = beside(&origin, Path::new(file));
            let read = match SmallFile::read(&path, SECRET_FILE_BYTES_MAX) {
                Ok(read) => read,
                Err(e) => {
                    let reason = e.to_string();
                    return Err(ConfigError::SecretFile { key: file_key, path, reason, origin });
                }
            };
            if let Some(mode) = read.exposed() {
                return Err(ConfigError::Exposed { key: file_key, path, mode });
            }
            // Editors and `echo` end a file with a line break that is no part of the key.
            checked(Secret::new(read.text.trim_ascii_end().to_owned()), file_key)
        }
    }
}

/// A relative path in a configuration file is beside that file; elsewhere it is relative to where the program runs.
fn beside(origin: &Origin, path: &Path) -> PathBuf {
    match origin {
        Origin::File { path: file, .. } => file.parent().unwrap_or(Path::new("")).join(path),
        Origin::Default | Origin::Variable { .. } => path.to_owned(),
    }
}
