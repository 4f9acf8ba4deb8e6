//! Secrets: a type that never prints itself, and files that only their owner may read.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize, Serializer};

/// What stands where a secret would.
pub const MASK: &str = "***";

/// Keys whose values are secrets.
pub(crate) const SECRET_KEYS: [&str; 7] = [
    "serve.write_key",
    "serve.read_key",
    "kafka.password",
    "mysql.password",
    "redis.password",
    "assistant.key",
    "lake.secret_key",
];

/// A key: at least 128 bits if it is hexadecimal and random, at most what fits a header comfortably.
pub(crate) const KEY_BYTES_MIN: usize = 16;
pub(crate) const KEY_BYTES_MAX: usize = 256;
/// What a secret's file may hold: the longest key, with room for a careless amount of white space at its end.
pub(crate) const SECRET_FILE_BYTES_MAX: u64 = 4096;

/// A value that is used and never shown: `Debug`, `Display` and `Serialize` print [`MASK`].
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `candidate` is this secret. The time it takes tells a guesser the length at most.
    pub fn matches(&self, candidate: &[u8]) -> bool {
        let mine = self.0.as_bytes();
        if mine.len() != candidate.len() {
            return false;
        }
        let differing = mine.iter().zip(candidate).fold(0_u8, |bits, (a, b)| bits | (a ^ b));
        std::hint::black_box(differing) == 0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other.0.as_bytes())
    }
}

impl Eq for Secret {}

/// A small text file, and its permission bits.
pub(crate) struct SmallFile {
    pub text: String,
    mode: u32,
}

impl SmallFile {
    /// Reads a regular file of at most `bytes_max` bytes. Pipes and devices are refused: reading one can wait for ever.
    pub(crate) fn read(path: &Path, bytes_max: u64) -> io::Result<Self> {
        let refused = |reason: String| io::Error::new(io::ErrorKind::InvalidInput, reason);
        if !std::fs::metadata(path)?.is_file() {
            return Err(refused("it is not a regular file".to_owned()));
        }
        let file = File::open(path)?;
        // Asked of the open file, so that what is checked is what is read.
        let mode = mode_of(&file.metadata()?);
        let mut bytes = Vec::new();
        file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes_max < bytes.len() as u64 {
            return Err(refused(format!("it is larger than {bytes_max} bytes")));
        }
        // The error of `from_utf8` would carry the bytes along; only its words are wanted.
        let text = String::from_utf8(bytes).map_err(|e| refused(e.utf8_error().to_string()))?;
        Ok(Self { text, mode })
    }

    /// The permission bits if anyone but the owner may read or change the file.
    pub(crate) fn exposed(&self) -> Option<u32> {
        (self.mode & 0o077 != 0).then_some(self.mode)
    }
}

#[cfg(unix)]
fn mode_of(metadata: &std::fs::Metadata) -> u32 {
    use std::os::unix::fs::MetadataExt;
    metadata.mode() & 0o777
}

/// Elsewhere permissions are lists that no three digits express; the check is left to the administrator.
#[cfg(not(unix))]
fn mode_of(_: &std::fs::Metadata) -> u32 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_a_mask_everywhere() {
        let secret = Secret::new("canary-canary-canary".to_owned());
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(toml::Value::try_from(&secret).unwrap(), toml::Value::String(MASK.to_owned()));
    }

    #[test]
    fn a_secret_matches_only_itself() {
        let secret = Secret::new("canary-canary-canary".to_owned());
        assert!(secret.matches(b"canary-canary-canary"));
        for other in ["", "canary-canary-canarY", "canary-canary-canary ", "xanary-canary-canary", "canary"] {
            assert!(!secret.matches(other.as_bytes()), "{other}");
        }
    }
}
