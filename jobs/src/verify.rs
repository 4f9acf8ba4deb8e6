//! The proof: replays the log in one thread into an empty store and compares every folded table byte for byte, recomputes
//! a sample of lists from the inputs they name, and checks that the counts of every partition add up.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use shoptide_live::fold::{Inspect, ReplayError, replay};
use shoptide_live::{LiveError, ModelFiles, load_version};
use shoptide_log::{Log, LogError, ReadMax};
use shoptide_models::catalogue::{Catalogue, CatalogueBuilder, CatalogueItem};
use shoptide_models::list::{Linked, ListParams, ListScratch, make_list};
use shoptide_models::state::{Part, UserState};
use shoptide_schemas::{StoredList, Topic, UserId};
use shoptide_store::{FoldedTable, OffsetRow, SqliteTruth, SqliteTruthOptions, StoreError, Truth};

/// Lists of the sample.
const LISTS_MAX: usize = 200;
/// Catalogue records of one read beyond what the store has folded.
const CATALOGUE_READ: ReadMax = ReadMax { records: 1_000, bytes: 4 * 1024 * 1024 };
/// Differences named of one table.
const DIFFERENCES_SHOWN: usize = 5;

/// What is compared with what.
pub struct Verify<'a> {
    pub log: &'a dyn Log,
    pub truth: &'a dyn Truth,
    pub files: &'a ModelFiles,
    pub lists: &'a ListParams,
    pub rules_version: u64,
    /// An empty folder for the replay.
    pub scratch: &'a Path,
    /// What the stream was given, if anything.
    pub inspect: Option<Inspect>,
}

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

/// One (partition, topic), summed.
#[derive(Debug, Clone, Serialize)]
pub struct SumReport {
    pub topic: &'static str,
    pub partition: u32,
    pub logged: i64,
    pub applied: i64,
    pub duplicate: i64,
    pub late: i64,
    pub erased: i64,
    pub dead_lettered: i64,
    pub adds_up: bool,
}

/// The sample of lists.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ListsReport {
    pub recomputed: usize,
    pub equal: usize,
    /// The user has acted since, or an input is gone by rule (erasure): nothing to compare with.
    pub skipped: usize,
    pub different: Vec<String>,
}

/// The whole proof.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub ok: bool,
    pub records: i64,
    pub replay_s: f64,
    pub tables: Vec<TableReport>,
    pub sums: Vec<SumReport>,
    pub lists: ListsReport,
}

/// Why the proof could not be made; a proof that fails is a [`Report`].
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Live(#[from] LiveError),
    #[error("{0}")]
    Damaged(String),
}

impl Verify<'_> {
    /// Makes the proof for what is folded so far. The stream must not run meanwhile.
    ///
    /// # Errors
    /// [`VerifyError`] if log or store cannot be read.
    pub async fn run(&self) -> Result<Report, VerifyError> {
        let began = std::time::Instant::now();
        let rows = self.truth.offsets().await?;
        let path = self.scratch.join("replay.db");
        let clean = SqliteTruth::open(SqliteTruthOptions::new(path)).await?;
        let mut shards: BTreeMap<u32, Vec<&OffsetRow>> = BTreeMap::new();
        rows.iter().for_each(|row| shards.entry(row.shard).or_default().push(row));
        for (shard, rows) in &shards {
            let bases: Vec<(Topic, i64)> = rows.iter().map(|r| (r.topic, r.base_off)).collect();
            let until = rows.iter().map(|r| (r.topic.code(), r.next_off)).collect();
            replay(self.log, &*clean, *shard, &bases, &until, self.inspect.clone()).await?;
        }
        let replay_s = began.elapsed().as_secs_f64();
        let mut tables = Vec::new();
        for table in FoldedTable::ALL {
            tables.push(compare(self.truth, &*clean, table).await?);
        }
        clean.close().await;
        let sums: Vec<SumReport> = rows.iter().map(sum).collect();
        let lists = self.lists().await?;
        let ok =
            tables.iter().all(|t| t.equal) && sums.iter().all(|s| s.adds_up) && lists.different.is_empty();
        let records = rows.iter().map(|r| r.tally.logged).sum();
        Ok(Report { ok, records, replay_s, tables, sums, lists })
    }

    /// Recomputes lists from the inputs that they name.
    async fn lists(&self) -> Result<ListsReport, VerifyError> {
        let mut report = ListsReport::default();
        let mut models = HashMap::new();
        let mut catalogues: HashMap<i64, Arc<Catalogue>> = HashMap::new();
        let mut scratch = ListScratch::default();
        let users = self.truth.users_after(None, usize::from(u16::MAX)).await?;
        let stride = users.len().div_ceil(LISTS_MAX).max(1);
        for (shard, user) in users.iter().step_by(stride) {
            let Some(row) = self.truth.users(*shard, std::slice::from_ref(user)).await?.into_iter().next()
            else {
                continue;
            };
            let Some(bytes) = &row.list else { continue };
            let stored = match StoredList::decode(bytes) {
                Ok(stored) => stored,
                Err(error) => {
                    report.different.push(format!("{}: {error}", shown(*shard, user)));
                    continue;
                }
            };
            let newer = row
                .parts
                .iter()
                .zip(stored.as_of)
                .any(|(p, as_of)| p.as_ref().is_some_and(|(upto, _)| as_of <= *upto));
            if newer || stored.rules_version != self.rules_version {
                report.skipped += 1;
                continue;
            }
            let model = match stored.model_version {
                0 => None,
                version => match models.get(&version) {
                    Some(model) => Some(Arc::clone(model)),
                    None => match load_version(self.truth, self.files, version, None).await {
                        Ok(model) => Some(models.entry(version).or_insert(model).clone()),
                        // Dropped by the publish after an erasure; the sweep is about to make the list anew.
                        Err(LiveError::Model(shoptide_live::ModelFileError::Unknown { .. })) => {
                            report.skipped += 1;
                            continue;
                        }
                        // A list's inputs live as long as it names them.
                        Err(LiveError::Model(error)) if error.is_lost() => {
                            report.different.push(format!("{}: {error}", shown(*shard, user)));
                            continue;
                        }
                        Err(error) => return Err(error.into()),
                    },
                },
            };
            let catalogue = match catalogues.get(&stored.catalogue_offset) {
                Some(catalogue) => catalogue.clone(),
                None => {
                    let made = Arc::new(self.catalogue_at(stored.catalogue_offset).await?);
                    catalogues.insert(stored.catalogue_offset, made.clone());
                    made
                }
            };
            // The table that holds it differs already; the rest of the proof is still of interest.
            let state = match state_of(&row.parts) {
                Ok(state) => state,
                Err(error) => {
                    report.different.push(format!("{}: {error}", shown(*shard, user)));
                    continue;
                }
            };
            let linked = Linked::new(model, catalogue, None);
            let entries = make_list(&state, &linked, self.lists, &mut scratch);
            report.recomputed += 1;
            let bits = |list: &[shoptide_schemas::ListEntry]| {
                StoredList { entries: list.to_vec(), ..StoredList::default() }.encode()
            };
            if bits(&entries) == bits(&stored.entries) {
                report.equal += 1;
            } else {
                report.different.push(shown(*shard, user));
            }
        }
        Ok(report)
    }

    async fn catalogue_at(&self, offset: i64) -> Result<Catalogue, VerifyError> {
        let mut builder = CatalogueBuilder::default();
        for row in self.truth.catalogue_at(offset).await? {
            let item = CatalogueItem::decode(&row.data).map_err(|e| VerifyError::Damaged(e.to_string()))?;
            builder.put(row.item, item, row.num);
        }
        // The live catalogue follows the log itself, so a list may name more of it than the store has folded yet.
        let (_, stands) = self.truth.catalogue().await?;
        let mut next = stands.map_or(0, |row| row.next_off);
        while next < offset {
            let records = self.log.read(Topic::Catalogue, 0, next, CATALOGUE_READ).await?;
            let Some(last) = records.last().map(|r| r.offset) else { break };
            for record in records.iter().filter(|r| r.offset < offset) {
                if let Some(Ok(event)) = record.value.as_ref().map(|v| shoptide_schemas::catalogue::decode(v))
                {
                    builder.fold(&event);
                }
            }
            next = last + 1;
        }
        Ok(builder.finish(offset))
    }
}

/// Decodes a user's stored parts.
///
/// # Errors
/// [`VerifyError::Damaged`].
pub fn state_of(
    parts: &[Option<(i64, Vec<u8>)>; shoptide_schemas::topic::PARTS],
) -> Result<UserState, VerifyError> {
    let mut state = UserState::default();
    for (slot, stored) in state.parts.iter_mut().zip(parts) {
        if let Some((_, bytes)) = stored {
            *slot = Part::decode(bytes).map_err(|e| VerifyError::Damaged(e.to_string()))?;
        }
    }
    Ok(state)
}

fn shown(shard: u32, user: &UserId) -> String {
    format!("shard {shard} user hash {:016x}", xxhash_rust::xxh3::xxh3_64(user.as_bytes()))
}

fn sum(row: &OffsetRow) -> SumReport {
    let t = row.tally;
    SumReport {
        topic: row.topic.name(),
        partition: row.shard,
        logged: t.logged,
        applied: t.applied,
        duplicate: t.duplicate,
        late: t.late,
        erased: t.erased,
        dead_lettered: t.dead,
        // The embedded log has no gaps, so the offsets themselves must agree with the count.
        adds_up: t.adds_up() && row.next_off - row.base_off == t.logged,
    }
}

async fn compare(
    truth: &dyn Truth,
    clean: &dyn Truth,
    table: FoldedTable,
) -> Result<TableReport, VerifyError> {
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
) -> Result<(), VerifyError> {
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
