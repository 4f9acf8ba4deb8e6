//! All that differs between databases in the text of SQL: placeholders of the schema, upserts, row lists, transactions.

use std::fmt::Write as _;

/// Which database reads the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
}

/// What an upsert does to a row that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// The columns behind the key are replaced.
    Replace,
    /// The columns behind the key are added to.
    Add,
    /// The row stays as it is.
    Keep,
}

/// A table that rows are put into: the first `keys` columns are its primary key.
#[derive(Debug)]
pub(crate) struct Target {
    pub table: &'static str,
    pub columns: &'static [&'static str],
    pub keys: usize,
    pub existing: Existing,
}

impl Dialect {
    /// Fills the placeholders of a migration.
    pub fn ddl(self, sql: &str) -> String {
        let Dialect::Sqlite = self;
        // BLOBs compare by memcmp, like VARBINARY. Narrow rows live in the tree of their key; wide rows beside it, since
        // in it they left half of each page empty and halved the rate of commits (`examples/commit_rate.rs`).
        let fills = [
            ("{ID}", "BLOB"),
            ("{KEY}", "BLOB"),
            ("{BYTES}", "BLOB"),
            ("{TEXT}", "BLOB"),
            ("{END}", " WITHOUT ROWID"),
            ("{END_WIDE}", ""),
        ];
        fills.iter().fold(sql.to_owned(), |sql, (name, fill)| sql.replace(name, fill))
    }

    /// Begins a transaction that will write: at once, so that it never has to be upgraded and fail half way.
    pub fn begin_write(self) -> &'static str {
        match self {
            Dialect::Sqlite => "BEGIN IMMEDIATE",
        }
    }

    /// Begins a transaction whose reads all see one state.
    pub fn begin_read(self) -> &'static str {
        match self {
            Dialect::Sqlite => "BEGIN",
        }
    }

    /// Ends a SELECT that locks its rows. SQLite's one writer holds them all.
    pub fn for_update(self) -> &'static str {
        match self {
            Dialect::Sqlite => "",
        }
    }

    /// A sum as an integer of 64 bits.
    pub fn sum(self, column: &str) -> String {
        match self {
            Dialect::Sqlite => format!("SUM({column})"),
        }
    }

    /// An insert of `rows` rows into `target`.
    pub fn upsert(self, target: &Target, rows: usize) -> String {
        let mut sql = format!("INSERT INTO {} ({}) VALUES ", target.table, target.columns.join(", "));
        push_rows(&mut sql, target.columns.len(), rows);
        let (keys, rest) = target.columns.split_at(target.keys.min(target.columns.len()));
        let Dialect::Sqlite = self;
        // Writing to a String cannot fail.
        let _ = write!(sql, " ON CONFLICT ({}) DO ", keys.join(", "));
        if target.existing == Existing::Keep || rest.is_empty() {
            sql.push_str("NOTHING");
            return sql;
        }
        sql.push_str("UPDATE SET ");
        for (place, column) in rest.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            let _ = match target.existing {
                Existing::Add => write!(sql, "{comma}{column} = {column} + excluded.{column}"),
                _ => write!(sql, "{comma}{column} = excluded.{column}"),
            };
        }
        sql
    }

    /// A condition that `columns` are one of `rows` rows of parameters.
    pub fn among(self, columns: &[&str], rows: usize) -> String {
        if let [column] = columns {
            return format!("{column} IN ({})", vec!["?"; rows].join(", "));
        }
        let Dialect::Sqlite = self;
        let mut sql = format!("({}) IN (VALUES ", columns.join(", "));
        push_rows(&mut sql, columns.len(), rows);
        sql.push(')');
        sql
    }
}

fn push_rows(sql: &mut String, columns: usize, rows: usize) {
    let row = format!("({})", vec!["?"; columns].join(", "));
    for place in 0..rows {
        if 0 < place {
            sql.push_str(", ");
        }
        sql.push_str(&row);
    }
}
