//! All that differs between databases in the text of SQL: placeholders of the schema, upserts, row lists, transactions.

use std::fmt::Write as _;

/// Which database reads the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    /// MySQL 8 and MariaDB: what they share.
    Mysql,
}

/// What an upsert does to a row that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// The columns behind the key are replaced.
    Replace,
    /// The columns behind the key are added to.
    Add,
    /// The columns behind the key are added to, but for the last, which is replaced.
    AddAndMark,
    /// The row stays as it is.
    Keep,
}

/// A table that rows are put into: the first `keys` columns are its primary key.
#[derive(Debug)]
pub struct Target {
    pub table: &'static str,
    pub columns: &'static [&'static str],
    pub keys: usize,
    pub existing: Existing,
    /// Another column is unique too. A row that meets one there under another key is an error.
    pub unique_beside: bool,
}

impl Dialect {
    /// Fills the placeholders of a migration.
    pub fn ddl(self, sql: &str) -> String {
        let fills = match self {
            // BLOBs compare by memcmp, like VARBINARY. Narrow rows live in the tree of their key; wide rows beside it, since
            // in it they left half of each page empty and halved the rate of commits (`examples/commit_rate.rs`).
            Dialect::Sqlite => [
                ("{ID}", "BLOB"),
                ("{KEY}", "BLOB"),
                ("{BYTES}", "BLOB"),
                ("{TEXT}", "BLOB"),
                ("{END}", " WITHOUT ROWID"),
                ("{END_WIDE}", ""),
            ],
            // VARBINARY: collations merge ids that differ in case, accent or trailing space. Its length is that of the
            // longest id; text is UTF-8 in a BLOB for the same reason.
            Dialect::Mysql => [
                ("{ID}", "VARBINARY(128)"),
                ("{KEY}", "VARBINARY(64)"),
                ("{BYTES}", "LONGBLOB"),
                ("{TEXT}", "BLOB"),
                ("{END}", " ENGINE=InnoDB ROW_FORMAT=DYNAMIC"),
                ("{END_WIDE}", " ENGINE=InnoDB ROW_FORMAT=DYNAMIC"),
            ],
        };
        fills.iter().fold(sql.to_owned(), |sql, (name, fill)| sql.replace(name, fill))
    }

    /// Begins a transaction that will write: at once, so that it never has to be upgraded and fail half way.
    pub fn begin_write(self) -> &'static str {
        match self {
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            Dialect::Mysql => "START TRANSACTION",
        }
    }

    /// Begins a transaction whose reads all see one state.
    pub fn begin_read(self) -> &'static [&'static str] {
        match self {
            Dialect::Sqlite => &["BEGIN"],
            // Writers run at READ COMMITTED, where each statement would see a state of its own.
            Dialect::Mysql => &[
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
            ],
        }
    }

    /// Ends a SELECT that locks its rows. SQLite's one writer holds them all.
    pub fn for_update(self) -> &'static str {
        match self {
            Dialect::Sqlite => "",
            Dialect::Mysql => " FOR UPDATE",
        }
    }

    /// Ends a SELECT that waits for whoever writes its rows, and that others may read beside. As both MySQL and MariaDB have it.
    pub fn for_share(self) -> &'static str {
        match self {
            Dialect::Sqlite => "",
            Dialect::Mysql => " LOCK IN SHARE MODE",
        }
    }

    /// A sum as an integer of 64 bits.
    pub fn sum(self, column: &str) -> String {
        match self {
            Dialect::Sqlite => format!("SUM({column})"),
            // A sum of integers is a DECIMAL there.
            Dialect::Mysql => format!("CAST(SUM({column}) AS SIGNED)"),
        }
    }

    /// An insert of `rows` rows into `target`.
    pub fn upsert(self, target: &Target, rows: usize) -> String {
        let mut sql = format!("INSERT INTO {} ({}) VALUES ", target.table, target.columns.join(", "));
        push_rows(&mut sql, target.columns.len(), rows);
        let (keys, rest) = target.columns.split_at(target.keys.min(target.columns.len()));
        let keep = target.existing == Existing::Keep || rest.is_empty();
        // Writing to a String cannot fail.
        let _ = match (self, keys.first()) {
            (Dialect::Sqlite, _) if keep => write!(sql, " ON CONFLICT ({}) DO NOTHING", keys.join(", ")),
            (Dialect::Sqlite, _) => write!(sql, " ON CONFLICT ({}) DO UPDATE SET ", keys.join(", ")),
            // Not INSERT IGNORE: that would swallow a value that does not fit as well.
            (Dialect::Mysql, Some(key)) if keep => write!(sql, " ON DUPLICATE KEY UPDATE {key} = {key}"),
            (Dialect::Mysql, _) => write!(sql, " ON DUPLICATE KEY UPDATE "),
        };
        if keep {
            return sql;
        }
        // There the clause is for a conflict with any unique key: without this it would overwrite the other row.
        if let (Dialect::Mysql, true, Some(key)) = (self, target.unique_beside, keys.first()) {
            let _ = write!(sql, "{key} = IF({key} = VALUES({key}), {key}, NULL), ");
        }
        for (place, column) in rest.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            let given = match self {
                Dialect::Sqlite => format!("excluded.{column}"),
                Dialect::Mysql => format!("VALUES({column})"),
            };
            let adds = match target.existing {
                Existing::Add => true,
                Existing::AddAndMark => place + 1 < rest.len(),
                Existing::Replace | Existing::Keep => false,
            };
            let _ = match adds {
                true => write!(sql, "{comma}{column} = {column} + {given}"),
                false => write!(sql, "{comma}{column} = {given}"),
            };
        }
        sql
    }

    /// A condition that `columns` are one of `rows` rows of parameters.
    pub fn among(self, columns: &[&str], rows: usize) -> String {
        if let [column] = columns {
            return format!("{column} IN ({})", vec!["?"; rows].join(", "));
        }
        match self {
            Dialect::Sqlite => {
                let mut sql = format!("({}) IN (VALUES ", columns.join(", "));
                push_rows(&mut sql, columns.len(), rows);
                sql.push(')');
                sql
            }
            // MariaDB reads the whole shard for a list of rows, and uses the key for the same said one by one.
            Dialect::Mysql => {
                let one = columns.iter().map(|c| format!("{c} = ?")).collect::<Vec<_>>().join(" AND ");
                format!("({})", vec![format!("({one})"); rows].join(" OR "))
            }
        }
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
