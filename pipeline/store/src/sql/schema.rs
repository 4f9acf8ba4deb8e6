//! What every database's migrations share.

use shoptide_schemas::migrations;

/// The version that this program knows.
pub(super) fn latest() -> i64 {
    migrations::STORE.last().map_or(0, |migration| migration.version)
}

/// The statements of a migration: comments go first, since they may hold a semicolon.
pub(super) fn statements(sql: &str) -> Vec<String> {
    let code: Vec<&str> = sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    code.join("\n").split(';').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()
}
