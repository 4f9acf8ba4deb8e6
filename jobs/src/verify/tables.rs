//! Two stores compared, table by table, in little memory.

use std::collections::HashMap;

use serde::Serialize;
use shoptide_store::{FoldedTable, StoreError, Truth};

/// Differences named of one table.
const DIFFERENCES_SHOWN: usize = 5;

/// One folded table, compared.
#[derive(Debug, Clone, Serialize)]
pub struct TableReport {
    pub table: &'static str,
    pub rows: u64,
    pub replayed_rows: u64,
    pub equal: bool,
    /// The first rows that differ, as hexadecimal.
    pub differences: Vec<String>,
}

/// Compares one table of the two stores, row by row in canonical order.
pub(super) async fn compare(
    truth: &dyn Truth,
    clean: &dyn Truth,
    table: FoldedTable,
) -> Result<TableReport, StoreError> {
    // Hashes of rows, not rows: a table of millions is compared in little memory.
    let mut sums: HashMap<u128, i64> = HashMap::new();
    let (mut rows, mut replayed_rows) = (0_u64, 0_u64);
    let (mut order, mut replayed_order) = (0_u128, 0_u128);
    let chain = |order: u128, hash: u128| {
        order.wrapping_mul(0x2d35_8dcc_aa6c_78a5_0000_0001_b3f4_a9b1).wrapping_add(hash)
    };
    truth
        .dump(table, &mut |row| {
            let hash = xxhash_rust::xxh3::xxh3_128(row);
            rows += 1;
            order = chain(order, hash);
            *sums.entry(hash).or_default() += 1;
        })
        .await?;
    clean
        .dump(table, &mut |row| {
            let hash = xxhash_rust::xxh3::xxh3_128(row);
            replayed_rows += 1;
            replayed_order = chain(replayed_order, hash);
            *sums.entry(hash).or_default() -= 1;
        })
        .await?;
    let equal = rows == replayed_rows && order == replayed_order;
    let mut differences = Vec::new();
    if !equal {
        name_differences(truth, &sums, 1, table, "only in the store", &mut differences).await?;
        name_differences(clean, &sums, -1, table, "only in the replay", &mut differences).await?;
    }
    Ok(TableReport { table: table.name(), rows, replayed_rows, equal, differences })
}

async fn name_differences(
    of: &dyn Truth,
    sums: &HashMap<u128, i64>,
    sign: i64,
    table: FoldedTable,
    whose: &str,
    into: &mut Vec<String>,
) -> Result<(), StoreError> {
    let mut named = 0;
    of.dump(table, &mut |row| {
        let differs = sums.get(&xxhash_rust::xxh3::xxh3_128(row)).is_some_and(|n| 0 < n * sign);
        if differs && named < DIFFERENCES_SHOWN {
            named += 1;
            // Ids are users' data: the proof names rows by hash and length.
            into.push(format!("{whose}: row {:032x}, {} bytes", xxhash_rust::xxh3::xxh3_128(row), row.len()));
        }
    })
    .await?;
    Ok(())
}
