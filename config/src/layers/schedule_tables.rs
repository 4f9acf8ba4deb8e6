//! Tables of schedules: the only ones whose names are not in `default.toml`.

use toml::de::{DeTable, DeValue};

use super::{Effective, Entry, VARIABLE_PREFIX, variable_of};
use crate::error::{ConfigError, Origin};
use crate::nearest::nearest;
use crate::schedules::{NAME_EXPECTED, is_name};
use crate::value::{Value, toml_kind};

/// The one table whose keys are tables, named by whoever writes them.
pub(super) const SCHEDULE: &str = "schedule";

/// The keys of each of them, with a value of the type that they have.
pub(super) fn schedule_key(name: &str) -> Option<Value> {
    match name {
        "cron" | "job" | "missed" => Some(Value::Text(String::new())),
        "timeout_s" | "retries" | "retry_first_s" | "missed_max" => Some(Value::Whole(0)),
        _ => None,
    }
}

/// All of them.
const SCHEDULE_KEYS: [&str; 7] =
    ["cron", "job", "missed", "timeout_s", "retries", "retry_first_s", "missed_max"];

impl Effective {
    /// The tables within the table of schedules.
    pub(super) fn take_schedules(
        &mut self,
        tables: &DeTable<'_>,
        origin: &dyn Fn(usize) -> Origin,
    ) -> Result<(), ConfigError> {
        for (name, keys) in tables {
            let (table, at) = (format!("{SCHEDULE}.{}", name.get_ref()), origin(name.span().start));
            if !is_name(name.get_ref()) {
                let (found, expected) = (format!("called {:?}", name.get_ref()), NAME_EXPECTED.to_owned());
                return Err(ConfigError::OutOfRange {
                    key: SCHEDULE.to_owned(),
                    found,
                    expected,
                    origin: at,
                });
            }
            let DeValue::Table(keys) = keys.get_ref() else {
                let found = toml_kind(keys.get_ref());
                return Err(ConfigError::WrongType { key: table, found, expected: "a table", origin: at });
            };
            for (key, value) in keys {
                let at = origin(key.span().start);
                let dotted = format!("{table}.{}", key.get_ref());
                let Some(kind) = schedule_key(key.get_ref()) else {
                    let known = SCHEDULE_KEYS.iter().map(|known| format!("{table}.{known}"));
                    return Err(ConfigError::UnknownKey {
                        meant: nearest(known, &dotted),
                        key: dotted,
                        origin: at,
                    });
                };
                self.room_for(&dotted, kind);
                self.set(dotted, value.get_ref(), at)?;
            }
        }
        Ok(())
    }

    /// Makes an entry for a key of a schedule, if there is none: behind those of the same schedule, else behind all schedules.
    pub(super) fn room_for(&mut self, key: &str, value: Value) {
        if self.entries.iter().any(|e| e.key == key) {
            return;
        }
        let table = key.rsplit_once('.').map_or(key, |(table, _)| table);
        let after = |prefix: &str| {
            let within = |e: &Entry| e.key.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'));
            self.entries.iter().rposition(within).map(|place| place + 1)
        };
        let place = after(table).or_else(|| after(SCHEDULE)).unwrap_or(self.entries.len());
        self.entries.insert(place, Entry { key: key.to_owned(), value, origin: Origin::Default });
    }

    /// The key of a schedule that a variable names, if it names one: `SHOPTIDE_SCHEDULE__NIGHTLY__CRON`.
    pub(super) fn schedule_of(variable: &str) -> Option<(String, Value)> {
        let (name, key) =
            variable.strip_prefix(VARIABLE_PREFIX)?.strip_prefix("SCHEDULE__")?.split_once("__")?;
        let (name, key) = (name.to_ascii_lowercase(), key.to_ascii_lowercase());
        let kind = schedule_key(&key).filter(|_| is_name(&name))?;
        let dotted = format!("{SCHEDULE}.{name}.{key}");
        // Variables are written in capitals: what is not is a slip of something.
        (variable_of(&dotted) == variable).then_some((dotted, kind))
    }
}
