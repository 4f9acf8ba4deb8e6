//! Many rows in few statements: a few in one, more cut into power-of-two row counts, so that the statement caches of client and
//! server hold a handful of texts; and bounded in rows and bytes.

use super::conn::SqlConn;
use super::dialect::Target;
use super::value::{Row, Value};
use crate::StoreError;

/// The greatest power of two under 500: with 12 columns a row it stays far below the 32,766 and 65,535 parameters that
/// SQLite and MySQL take.
pub(crate) const STATEMENT_ROWS_MAX: usize = 256;
/// Rows that one statement takes whatever their number: most commits are of so few, and each statement is a way there and back.
const FEW_ROWS: usize = 8;
/// A quarter of MySQL's default `max_allowed_packet`; one larger row still goes alone.
pub(crate) const STATEMENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Rows as flat values, `width` to a row.
pub(crate) struct Rows<'a> {
    width: usize,
    values: Vec<Value<'a>>,
}

impl<'a> Rows<'a> {
    pub fn with_capacity(width: usize, rows: usize) -> Self {
        Self { width, values: Vec::with_capacity(width * rows) }
    }

    pub fn push<const N: usize>(&mut self, row: [Value<'a>; N]) {
        debug_assert_eq!(N, self.width, "a row of another width");
        self.values.extend(row);
    }

    /// Cuts the rows into statements: (row count, values).
    fn statements(&self) -> Vec<(usize, &[Value<'a>])> {
        let mut cuts = Vec::new();
        let mut rest = self.values.as_slice();
        while !rest.is_empty() && self.width != 0 {
            let rows = (rest.len() / self.width).clamp(1, STATEMENT_ROWS_MAX);
            let mut rows = if rows <= FEW_ROWS { rows } else { 1 << rows.ilog2() };
            let bytes =
                |rows: usize| -> usize { rest.iter().take(rows * self.width).map(Value::bytes).sum() };
            while 1 < rows && STATEMENT_BYTES_MAX < bytes(rows) {
                rows /= 2;
            }
            let Some((head, tail)) = rest.split_at_checked(rows * self.width) else { break };
            cuts.push((rows, head));
            rest = tail;
        }
        cuts
    }
}

/// Puts rows, sorted by key by the caller, into a table.
pub(crate) async fn upsert<C: SqlConn>(
    conn: &mut C,
    target: &Target,
    rows: &Rows<'_>,
) -> Result<(), StoreError> {
    for (count, values) in rows.statements() {
        let sql = conn.dialect().upsert(target, count);
        conn.execute(&sql, values).await?;
    }
    Ok(())
}

/// Runs `{head} {key} IN (…)` with the values of `fixed` before the keys of each statement.
pub(crate) async fn execute_among<C: SqlConn>(
    conn: &mut C,
    head: &str,
    fixed: &[Value<'_>],
    key: &[&str],
    rows: &Rows<'_>,
) -> Result<(), StoreError> {
    for (count, values) in rows.statements() {
        let sql = format!("{head} {}", conn.dialect().among(key, count));
        let args = [fixed, values].concat();
        conn.execute(&sql, &args).await?;
    }
    Ok(())
}

/// As [`execute_among`], for reads: `{head} {key} IN (…) {tail}`.
pub(crate) async fn query_among<C: SqlConn>(
    conn: &mut C,
    (head, tail): (&str, &str),
    fixed: &[Value<'_>],
    key: &[&str],
    rows: &Rows<'_>,
) -> Result<Vec<Row>, StoreError> {
    let mut found = Vec::new();
    for (count, values) in rows.statements() {
        let sql = format!("{head} {} {tail}", conn.dialect().among(key, count));
        let args = [fixed, values].concat();
        found.append(&mut conn.query(&sql, &args).await?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_have_few_rows_or_powers_of_two_and_lose_no_row() {
        for count in [0, 1, 2, 3, 7, 8, 9, 255, 256, 257, 300, 1000] {
            let mut rows = Rows::with_capacity(2, count);
            (0..count).for_each(|n| rows.push([Value::Int(n as i64), Value::Null]));
            let cuts = rows.statements();
            assert!(
                cuts.iter()
                    .all(|(n, values)| (n.is_power_of_two() || *n < 8) && *n <= 256 && values.len() == n * 2)
            );
            assert!(8 < count || cuts.len() <= 1, "{count}: {}", cuts.len());
            let all: Vec<_> = cuts.iter().flat_map(|(_, values)| values.iter().copied()).collect();
            assert_eq!(all, rows.values);
        }
    }

    #[test]
    fn a_statement_holds_at_most_four_mebibytes_unless_one_row_is_larger() {
        let (large, small) = (vec![0_u8; 5 << 20], vec![0_u8; 1 << 20]);
        let mut rows = Rows::with_capacity(1, 6);
        rows.push([Value::Bytes(&large)]);
        (0..5).for_each(|_| rows.push([Value::Bytes(&small)]));
        assert_eq!(rows.statements().iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 2, 3]);
    }
}
