//! What the tests of this crate share: files of a given mode, and environments from pairs.
#![allow(dead_code, reason = "each test binary uses its own share of it")]

use std::path::{Path, PathBuf};

use shoptide_config::{Config, ConfigError};
use tempfile::TempDir;

/// A secret that must not be seen anywhere.
pub const CANARY: &str = "canary-0123456789abcdef";

pub fn load(file: Option<&Path>, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::load(file, pairs(env))
}

pub fn pairs(env: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>().into_iter()
}

/// Writes a file that only its owner may read.
pub fn private(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    with_mode(dir, name, text.as_bytes(), 0o600)
}

pub fn with_mode(dir: &TempDir, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

/// The error of a file that holds `text`; its message, wherever it is printed, holds no canary.
pub fn refused(text: &str, env: &[(&str, &str)]) -> ConfigError {
    let dir = TempDir::new().unwrap();
    let file = private(&dir, "shop.toml", text);
    let error = match load(Some(&file), env) {
        Err(error) => error,
        Ok(_) => panic!("accepted {text:?} with {env:?}"),
    };
    assert_hides(&error);
    error
}

pub fn assert_hides(error: &ConfigError) {
    assert!(!error.to_string().contains(CANARY), "{error}");
    assert!(!format!("{error:?}").contains(CANARY), "{error:?}");
}
