//! What `shoptide config check` and `show` print, and the environment as this crate reads it.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::Path;

use crate::error::{ConfigError, Origin};
use crate::layers::{Effective, VARIABLE_PREFIX};
use crate::{Config, CorsOrigins};

/// Loads the configuration and says in a few lines that it can be used, and what about it is unwise.
///
/// # Errors
/// As [`Config::load`].
pub fn check(
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
) -> Result<String, ConfigError> {
    let config = Config::load(file, env)?;
    let count = |of: fn(&Origin) -> bool| config.effective.entries.iter().filter(|e| of(&e.origin)).count();
    let mut said = format!(
        "the configuration can be used: {} keys, of them {} from the file and {} from the environment\nrules version {:016x}\n",
        config.effective.entries.len(),
        count(|origin| matches!(origin, Origin::File { .. })),
        count(|origin| matches!(origin, Origin::Variable { .. })),
        config.rules_version(),
    );
    for warning in warnings(&config) {
        said.push_str("warning: ");
        said.push_str(warning);
        said.push('\n');
    }
    Ok(said)
}

/// Loads the configuration and renders what is in force; see [`Config::show`].
///
/// # Errors
/// As [`Config::load`].
pub fn show(file: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<String, ConfigError> {
    Config::load(file, env).map(|config| config.show())
}

/// This process's variables that begin with [`VARIABLE_PREFIX`], for [`Config::load`].
///
/// # Errors
/// [`ConfigError::UnknownVariable`] if a name, [`ConfigError::WrongType`] if a value is no Unicode: read loosely, a key with
/// such a byte would silently be another key.
pub fn process_variables() -> Result<std::vec::IntoIter<(String, String)>, ConfigError> {
    readable(std::env::vars_os()).map(Vec::into_iter)
}

fn readable(all: impl Iterator<Item = (OsString, OsString)>) -> Result<Vec<(String, String)>, ConfigError> {
    let mut variables = Vec::new();
    for (name, value) in all {
        if !name.as_encoded_bytes().starts_with(VARIABLE_PREFIX.as_bytes()) {
            continue;
        }
        let name = name.into_string().map_err(|name| {
            let name = name.to_string_lossy().into_owned();
            ConfigError::UnknownVariable { name, meant: None }
        })?;
        let value = value.into_string().map_err(|_| {
            let origin = Origin::Variable { name: name.clone() };
            let (found, expected) = ("no Unicode", "text");
            ConfigError::WrongType { key: name.clone(), found, expected, origin }
        })?;
        variables.push((name, value));
    }
    Ok(variables)
}

fn warnings(config: &Config) -> Vec<&'static str> {
    let mut warnings = Vec::new();
    if !config.serve.host.is_loopback() && config.serve.write_key.is_none() {
        warnings.push("serve.host is not a loopback address and no serve.write_key is set: whoever reaches the port can write");
    }
    if config.serve.cors_origins == CorsOrigins::Anybody && config.serve.write_key.is_none() {
        warnings.push("serve.cors_origins is \"*\" and no serve.write_key is set: every web page that a visitor opens can write");
    }
    if !config.log.fsync {
        warnings.push("log.fsync is false: a power cut loses events that were answered with 2xx");
    }
    warnings
}

/// TOML that says the same when it is loaded again, but for the masked secrets.
pub(crate) fn render(effective: &Effective) -> String {
    let mut out = String::from("# What is in force, and where each value comes from. Secrets are masked.\n");
    let mut open = "";
    for entry in &effective.entries {
        let Some((table, key)) = entry.key.rsplit_once('.') else { continue };
        if table != open {
            // Writing to a `String` cannot fail.
            let _ = write!(out, "\n[{table}]\n");
            open = table;
        }
        let _ = writeln!(out, "{key} = {} # {}", entry.value, entry.origin);
    }
    out
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn variables_that_are_no_unicode_are_refused_if_they_are_ours() {
        let broken = || OsString::from_vec(b"canary\xff".to_vec());
        let ours = |name: &str, value| readable([(OsString::from(name), value)].into_iter());
        assert_eq!(ours("OTHER", broken()).unwrap(), []);
        assert_eq!(ours("SHOPTIDE_X", "y".into()).unwrap(), [("SHOPTIDE_X".to_owned(), "y".to_owned())]);
        let said = ours("SHOPTIDE_SERVE__WRITE_KEY", broken()).unwrap_err().to_string();
        assert!(
            said.starts_with("SHOPTIDE_SERVE__WRITE_KEY is no Unicode") && !said.contains("canary"),
            "{said}"
        );
        let name = OsString::from_vec(b"SHOPTIDE_\xff".to_vec());
        assert!(readable([(name, OsString::new())].into_iter()).is_err());
    }
}
