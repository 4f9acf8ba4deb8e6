//! Two stores compared, table by table: by the digest of their rows in canonical order, and by the hash of each row.

use std::collections::HashMap;

use serde::Serialize;
use sha2::{Digest, Sha256};
use shoptide_store::{FoldedTable, OffsetRow, StoreError, Truth};

/// Differences named of one table.
const DIFFERENCES_SHOWN: usize = 5;

/// One folded table, compared.
#[derive(Debug, Clone, Serialize)]
pub struct TableReport {
    pub table: &'static str,
    pub rows: u64,
    pub replayed_rows: u64,
    /// Of the store's rows in canonical order, each behind its length.
    pub sha256: String,
    pub replayed_sha256: String,
    pub equal: bool,
    /// The first rows that differ, by hash and length.
    pub differences: Vec<String>,
}

/// What is kept of one table: hashes of rows, not rows, so that a table of millions takes 64 bytes a row.
#[derive(Default)]
struct Table {
    rows: u64,
    digest: Sha256,
    hashes: HashMap<u128, (i64, usize)>,
}

/// What is kept of every folded table of a store at one moment.
pub(super) struct Tables([Table; FoldedTable::ALL.len()]);

impl Tables {
    /// Walks a store, and says where it stood.
    pub(super) async fn of(truth: &dyn Truth) -> Result<(Self, Vec<OffsetRow>), StoreError> {
        let mut tables: [Table; FoldedTable::ALL.len()] = Default::default();
        let places: Vec<FoldedTable> = FoldedTable::ALL.to_vec();
        let offsets = truth
            .dump_all(&mut |table, row| {
                let place = places.iter().position(|other| *other == table);
                let Some(table) = place.and_then(|place| tables.get_mut(place)) else { return };
                table.rows += 1;
                table.digest.update((row.len() as u64).to_le_bytes());
                table.digest.update(row);
                table.hashes.entry(xxhash_rust::xxh3::xxh3_128(row)).or_insert((0, row.len())).0 += 1;
            })
            .await?;
        Ok((Self(tables), offsets))
    }

    /// Compares with the tables of a clean replay.
    pub(super) fn compare(self, clean: Self) -> Vec<TableReport> {
        let pairs = FoldedTable::ALL.into_iter().zip(self.0).zip(clean.0);
        pairs.map(|((table, ours), clean)| compare(table, ours, clean)).collect()
    }
}

fn compare(table: FoldedTable, ours: Table, clean: Table) -> TableReport {
    let (sha256, replayed_sha256) = (hex(ours.digest), hex(clean.digest));
    let equal = ours.rows == clean.rows && sha256 == replayed_sha256;
    let mut differences = Vec::new();
    if !equal {
        differences = name(&ours.hashes, &clean.hashes, "only in the store");
        differences.extend(name(&clean.hashes, &ours.hashes, "only in the replay"));
    }
    let (rows, replayed_rows) = (ours.rows, clean.rows);
    TableReport { table: table.name(), rows, replayed_rows, sha256, replayed_sha256, equal, differences }
}

fn hex(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Ids are users' data: the proof names rows by hash and length.
fn name(
    these: &HashMap<u128, (i64, usize)>,
    others: &HashMap<u128, (i64, usize)>,
    whose: &str,
) -> Vec<String> {
    let more = |hash: &u128, n: i64| others.get(hash).map_or(0, |(n, _)| *n) < n;
    let mut named: Vec<_> = these.iter().filter(|(hash, (n, _))| more(hash, *n)).collect();
    named.sort_unstable();
    let line =
        |(hash, (_, bytes)): (&u128, &(i64, usize))| format!("{whose}: row {hash:032x}, {bytes} bytes");
    named.into_iter().take(DIFFERENCES_SHOWN).map(line).collect()
}
