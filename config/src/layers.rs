//! Three layers, each over the last: the compiled-in `default.toml`, a file, the environment. What `default.toml` does not
//! name is no key, tables of schedules aside, and every value remembers where it came from.

mod schedule_tables;

use std::path::Path;

use toml::de::{DeTable, DeValue};

use self::schedule_tables::{SCHEDULE, schedule_key};
use crate::error::{ConfigError, Origin, Problem};
use crate::nearest::{nearest_key, nearest_variable};
use crate::secret::{SECRET_KEYS, SmallFile};
use crate::value::{Misfit, Value, toml_kind};

/// The commented defaults.
pub const DEFAULT_TOML: &str = include_str!("../default.toml");

/// Of the variables that begin so, every one must name a key.
pub const VARIABLE_PREFIX: &str = "SHOPTIDE_";

/// Variables that are no keys: the data directory and the log filter, which are needed before there is a configuration.
pub const OTHER_VARIABLES: [&str; 2] = ["SHOPTIDE_DATA", "SHOPTIDE_LOG"];

/// Variables that begin so are for this project's tests.
pub const TEST_PREFIX: &str = "SHOPTIDE_TEST_";

/// A configuration file; the commented defaults take 10 KiB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// One key in force.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// `table.key`.
    pub key: String,
    pub value: Value,
    pub origin: Origin,
}

/// Every key in force, in the order of `default.toml`.
#[derive(Debug, Clone)]
pub(crate) struct Effective {
    pub entries: Vec<Entry>,
}

impl Effective {
    pub(crate) fn load(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut effective = Self::defaults()?;
        if let Some(path) = file {
            effective.take_file(path)?;
        }
        effective.take_variables(env)?;
        Ok(effective)
    }

    fn defaults() -> Result<Self, ConfigError> {
        let unusable = |reason: String| ConfigError::Defaults { reason };
        let root = DeTable::parse(DEFAULT_TOML).map_err(|e| unusable(e.message().to_owned()))?;
        let mut entries = Vec::new();
        for (table, keys) in root.get_ref() {
            let DeValue::Table(keys) = keys.get_ref() else {
                return Err(unusable(format!("{} stands outside of a table", table.get_ref())));
            };
            for (name, value) in keys {
                let key = format!("{}.{}", table.get_ref(), name.get_ref());
                if let DeValue::Table(inner) = value.get_ref() {
                    for (name, value) in inner {
                        let key = format!("{key}.{}", name.get_ref());
                        let value = Value::of_default(value.get_ref(), false)
                            .filter(|_| schedule_key(name.get_ref()).is_some())
                            .ok_or_else(|| unusable(format!("{key} is no key of a schedule")))?;
                        entries.push((name.span().start, Entry { key, value, origin: Origin::Default }));
                    }
                    continue;
                }
                let is_secret = SECRET_KEYS.contains(&key.as_str());
                let value = Value::of_default(value.get_ref(), is_secret)
                    .ok_or_else(|| unusable(format!("{key} has a type that no key has")))?;
                entries.push((name.span().start, Entry { key, value, origin: Origin::Default }));
            }
        }
        // The parser sorts by name; people think in the order in which the file is written.
        entries.sort_by_key(|(at, _)| *at);
        Ok(Self { entries: entries.into_iter().map(|(_, entry)| entry).collect() })
    }

    fn take_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let file = SmallFile::read(path, FILE_BYTES_MAX)
            .map_err(|e| ConfigError::Unreadable { path: path.to_owned(), reason: e.to_string() })?;
        let text = file.text.as_str();
        let root = DeTable::parse(text).map_err(|e| {
            // Not the error's own rendering: that quotes the line, which may hold a secret.
            let at = e.span().map_or(0, |span| span.start);
            ConfigError::Syntax {
                path: path.to_owned(),
                line: line_of(text, at),
                key: self.known_near(text, at),
                message: e.message().trim().to_owned(),
            }
        })?;
        for (table, keys) in root.get_ref() {
            let origin = |at: usize| Origin::File { path: path.to_owned(), line: line_of(text, at) };
            let name = table.get_ref();
            let DeValue::Table(keys) = keys.get_ref() else {
                return Err(self.no_table(name, toml_kind(keys.get_ref()), origin(table.span().start)));
            };
            if name == SCHEDULE {
                self.take_schedules(keys, &origin)?;
                continue;
            }
            if !self.has_table(name) {
                let meant = nearest_key(&self.entries, name);
                let origin = origin(table.span().start);
                return Err(ConfigError::UnknownKey { key: name.to_string(), meant, origin });
            }
            for (key, value) in keys {
                let origin = origin(key.span().start);
                self.set(format!("{name}.{}", key.get_ref()), value.get_ref(), origin)?;
            }
        }
        self.check_exposed(path, &file)
    }

    /// The key or table at `at`, but only if it is one: half of a broken line may be half of a secret.
    fn known_near(&self, text: &str, at: usize) -> Option<String> {
        let (table, key) = name_near(text, at);
        let dotted = key.map(|key| if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") });
        let known = dotted.filter(|dotted| self.entries.iter().any(|e| e.key == *dotted));
        known.or_else(|| self.has_table(table).then(|| table.to_owned()))
    }

    fn has_table(&self, name: &str) -> bool {
        self.entries.iter().any(|e| e.key.split_once('.').is_some_and(|(table, _)| table == name))
    }

    /// A key outside of a table: either a table's name or nothing known.
    fn no_table(&self, name: &str, found: &'static str, origin: Origin) -> ConfigError {
        if self.has_table(name) {
            return ConfigError::WrongType { key: name.to_owned(), found, expected: "a table", origin };
        }
        ConfigError::UnknownKey { key: name.to_owned(), meant: nearest_key(&self.entries, name), origin }
    }

    fn set(&mut self, key: String, written: &DeValue<'_>, origin: Origin) -> Result<(), ConfigError> {
        let Some(entry) = self.entries.iter_mut().find(|e| e.key == key) else {
            return Err(ConfigError::UnknownKey { meant: nearest_key(&self.entries, &key), key, origin });
        };
        let value = entry.value.read_toml(written);
        entry.take(value, origin)
    }

    /// A file that holds a secret is one for its owner only.
    fn check_exposed(&self, path: &Path, file: &SmallFile) -> Result<(), ConfigError> {
        let Some(mode) = file.exposed() else { return Ok(()) };
        for key in SECRET_KEYS {
            let written = self.entries.iter().find(|e| e.key == key && e.origin != Origin::Default);
            if written.is_some_and(|e| matches!(&e.value, Value::Hidden(secret) if !secret.is_empty())) {
                return Err(ConfigError::Exposed { key, path: path.to_owned(), mode });
            }
        }
        Ok(())
    }

    fn take_variables(&mut self, env: impl Iterator<Item = (String, String)>) -> Result<(), ConfigError> {
        for (name, written) in env {
            let for_others = OTHER_VARIABLES.contains(&name.as_str()) || name.starts_with(TEST_PREFIX);
            if !name.starts_with(VARIABLE_PREFIX) || for_others {
                continue;
            }
            if let Some((key, kind)) = Self::schedule_of(&name) {
                self.room_for(&key, kind);
            }
            let Some(entry) = self.entries.iter_mut().find(|e| variable_of(&e.key) == name) else {
                let meant = nearest_variable(&self.entries, &name);
                return Err(ConfigError::UnknownVariable { name, meant });
            };
            let value = entry.value.read_variable(&written);
            entry.take(value, Origin::Variable { name })?;
        }
        Ok(())
    }

    /// Where the value of a key came from; of a table, the last of its keys that is not a default.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        let within =
            |e: &Entry| e.key.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let set = self.entries.iter().rev().find(|e| within(e) && e.origin != Origin::Default);
        set.map_or(Origin::Default, |e| e.origin.clone())
    }

    /// Adds to a problem where its values came from.
    pub(crate) fn blame(&self, problem: Problem) -> ConfigError {
        match problem {
            Problem::Bound { key, found, expected } => {
                let origin = self.origin(&key);
                ConfigError::OutOfRange { key, found, expected, origin }
            }
            Problem::Conflict { key, other, rule } => {
                let origins = Box::new((self.origin(&key), self.origin(&other)));
                ConfigError::Conflict { key, other, rule, origins }
            }
        }
    }

    /// The keys as nested tables, ready to become types. Secrets are in it in full.
    pub(crate) fn to_table(&self) -> toml::Table {
        let mut root = toml::Table::new();
        for entry in &self.entries {
            let Some((tables, key)) = entry.key.rsplit_once('.') else { continue };
            let mut keys = Some(&mut root);
            for table in tables.split('.') {
                let slot = keys
                    .map(|keys| keys.entry(table).or_insert_with(|| toml::Value::Table(toml::Table::new())));
                keys = slot.and_then(toml::Value::as_table_mut);
            }
            if let Some(keys) = keys {
                keys.insert(key.to_owned(), entry.value.to_toml());
            }
        }
        root
    }
}

impl Entry {
    fn take(&mut self, value: Result<Value, Misfit>, origin: Origin) -> Result<(), ConfigError> {
        let (key, expected) = (self.key.clone(), self.value.kind());
        match value {
            Ok(value) => {
                (self.value, self.origin) = (value, origin);
                Ok(())
            }
            Err(Misfit::Type { found }) => Err(ConfigError::WrongType { key, found, expected, origin }),
            Err(Misfit::Huge) => Err(ConfigError::WrongType {
                key,
                found: "an integer of more than 64 bits",
                expected,
                origin,
            }),
        }
    }
}

/// The variable that sets a key: `SHOPTIDE_SERVE__PORT` for `serve.port`.
pub(crate) fn variable_of(key: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
}

/// Lines count from 1.
fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|b| *b == b'\n').count()
}

/// The table and key that the line at `at` seems to set, as far as one can tell from text that is no TOML.
fn name_near(text: &str, at: usize) -> (&str, Option<&str>) {
    let (mut table, mut key) = ("", None);
    let mut begin = 0;
    for line in text.split_inclusive('\n') {
        if at < begin {
            break;
        }
        begin += line.len();
        match line.trim().strip_prefix('[') {
            Some(rest) => (table, key) = (rest.split(']').next().unwrap_or(rest).trim(), None),
            None => key = line.split_once('=').map(|(name, _)| name.trim()),
        }
    }
    (table, key)
}
