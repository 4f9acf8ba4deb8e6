//! The proof that the lake has each record of the log once: every file is read, every offset counted.

use std::collections::{BTreeMap, HashMap};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Serialize;
use shoptide_schemas::Topic;

use crate::LakeError;
use crate::archive::lost_task;
use crate::encode::content_hash;
use crate::file::LakeFile;
use crate::lake::Lake;
use crate::proven::NOT_AS_WRITTEN;
use crate::read::{check_schema, schema_of};
use crate::snapshot::{Snapshot, Tally};

/// Faults that are named; the rest is counted.
const FAULTS_MAX: usize = 100;
/// Offsets of one chunk of [`Seen`].
const CHUNK: i64 = 1 << 16;

/// What was found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Proof {
    pub ok: bool,
    pub commit: u64,
    pub files: u64,
    pub rows: u64,
    pub bytes: u64,
    /// Records between base and cut of all partitions: rows, and those of erased users and beyond the retention.
    pub records: u64,
    pub erased: u64,
    pub retired: u64,
    pub faults: Vec<Fault>,
    /// Faults beyond those named.
    pub more_faults: u64,
}

/// Something that is not as the commits say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// A file, or topic and partition.
    pub place: String,
    pub reason: String,
}

/// Which offsets of a partition were met. Sparse: generations are far apart; 8 KiB for 65,536 offsets that lie side by side.
#[derive(Default)]
struct Seen {
    chunks: HashMap<i64, Box<[u64]>>,
    count: u64,
}

impl Seen {
    /// False if it was met before.
    fn insert(&mut self, offset: i64) -> bool {
        let chunk = self.chunks.entry(offset.div_euclid(CHUNK)).or_insert_with(|| vec![0; 1024].into());
        let at = usize::try_from(offset.rem_euclid(CHUNK)).unwrap_or(0);
        let Some(word) = chunk.get_mut(at / 64) else { return false };
        let bit = 1_u64 << (at % 64);
        let new = *word & bit == 0;
        *word |= bit;
        self.count += u64::from(new);
        new
    }

    fn contains(&self, offset: i64) -> bool {
        let at = usize::try_from(offset.rem_euclid(CHUNK)).unwrap_or(0);
        let word = self.chunks.get(&offset.div_euclid(CHUNK)).and_then(|chunk| chunk.get(at / 64));
        word.is_some_and(|word| *word & (1_u64 << (at % 64)) != 0)
    }
}

impl Lake {
    /// Reads all files of the newest snapshot, one at a time.
    ///
    /// # Errors
    /// [`LakeError`] if the store does not answer; what is wrong with the lake is in the [`Proof`].
    pub async fn verify(&self) -> Result<Proof, LakeError> {
        let snapshot = self.newest().await?;
        self.verify_at(&snapshot).await
    }

    /// As [`Lake::verify`], of any snapshot.
    ///
    /// # Errors
    /// As there.
    pub async fn verify_at(&self, snapshot: &Snapshot) -> Result<Proof, LakeError> {
        let mut proof = Proof { commit: snapshot.commit, ..Proof::default() };
        let mut partitions: BTreeMap<(Topic, u32), Vec<&LakeFile>> = BTreeMap::new();
        for file in &snapshot.files {
            partitions.entry((file.topic, file.partition)).or_default().push(file);
        }
        for tally in &snapshot.tallies {
            let files = partitions.remove(&(tally.topic, tally.partition)).unwrap_or_default();
            self.partition(tally, &files, &mut proof).await?;
        }
        for ((topic, partition), files) in partitions {
            let reason = format!("has {} files, but nothing of it was archived", files.len());
            proof.fault(format!("{topic} partition {partition}"), reason);
        }
        proof.ok = proof.faults.is_empty();
        Ok(proof)
    }

    async fn partition(
        &self,
        tally: &Tally,
        files: &[&LakeFile],
        proof: &mut Proof,
    ) -> Result<(), LakeError> {
        let mut seen = Seen::default();
        let mut unread = 0;
        for file in files {
            proof.files += 1;
            match self.offsets(file).await {
                Ok(offsets) => {
                    proof.rows += offsets.len() as u64;
                    proof.bytes += file.bytes;
                    let outside = offsets.iter().find(|o| !(tally.base..tally.cut).contains(*o));
                    if let Some(offset) = outside {
                        proof.fault(
                            file.path.clone(),
                            format!("has offset {offset}, outside {} to {}", tally.base, tally.cut),
                        );
                    }
                    let repeated: Vec<i64> =
                        offsets.into_iter().filter(|offset| !seen.insert(*offset)).collect();
                    if let Some(first) = repeated.first() {
                        let reason = format!(
                            "{} offsets are in another file too, the first is {first}",
                            repeated.len()
                        );
                        proof.fault(file.path.clone(), reason);
                    }
                }
                Err(LakeError::Damaged { path, reason }) => {
                    unread += file.rows;
                    proof.fault(path, reason);
                }
                Err(LakeError::Missing { path }) => {
                    unread += file.rows;
                    proof.fault(path, "is missing".to_owned());
                }
                Err(error) => return Err(error),
            }
        }
        proof.records += tally.records;
        proof.erased += tally.erased;
        proof.retired += tally.retired;
        if seen.count != tally.rows() {
            let mut reason = format!("{} rows were found, expected {}", seen.count, tally.rows());
            if 0 < unread {
                reason.push_str(&format!(", {unread} of them in files that cannot be read"));
            } else if let Some(gap) = (tally.base..tally.cut).take(1 << 24).find(|o| !seen.contains(*o)) {
                reason.push_str(&format!("; the first offset that is missing is {gap}"));
            }
            proof.fault(format!("{} partition {}", tally.topic, tally.partition), reason);
        }
        Ok(())
    }

    /// The offsets of a file whose bytes are those that were written.
    async fn offsets(&self, file: &LakeFile) -> Result<Vec<i64>, LakeError> {
        let path = Path::from(file.path.as_str());
        let found = self.store().head(&path).await.map_err(|e| crate::lake::named(e, &file.path))?;
        if found.size != file.bytes {
            let reason = format!("it has {} bytes, its commit says {}", found.size, file.bytes);
            return Err(LakeError::damaged(&file.path, reason));
        }
        let body = self.get(&file.path).await?;
        let file = file.clone();
        let read = tokio::task::spawn_blocking(move || {
            let damaged = |reason: String| LakeError::damaged(&file.path, reason);
            if content_hash(&body) != file.hash {
                return Err(damaged(NOT_AS_WRITTEN.to_owned()));
            }
            let builder =
                ParquetRecordBatchReaderBuilder::try_new(body).map_err(|e| damaged(e.to_string()))?;
            check_schema(builder.schema(), &schema_of(file.kind)).map_err(damaged)?;
            let mask = ProjectionMask::columns(builder.parquet_schema(), ["offset"]);
            let batches = builder.with_projection(mask).build().map_err(|e| damaged(e.to_string()))?;
            let mut offsets: Vec<i64> = Vec::new();
            for batch in batches {
                let batch = batch.map_err(|e| damaged(e.to_string()))?;
                let column = batch.column_by_name("offset").and_then(|c| c.as_primitive_opt::<Int64Type>());
                offsets.extend(column.map(|c| c.values().as_ref()).unwrap_or_default());
            }
            if offsets.len() as u64 != file.rows {
                return Err(damaged(format!("it has {} rows, its commit says {}", offsets.len(), file.rows)));
            }
            if !offsets.is_sorted_by(|a, b| a < b) {
                return Err(damaged("its rows are not in order of offset".to_owned()));
            }
            let range = (offsets.first().copied(), offsets.last().map(|o| o.saturating_add(1)));
            if range != (Some(file.first), Some(file.next)) {
                return Err(damaged(format!(
                    "its rows are not those of offsets {} to {}",
                    file.first, file.next
                )));
            }
            Ok(offsets)
        });
        read.await.map_err(lost_task)?
    }
}

impl Proof {
    fn fault(&mut self, place: String, reason: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { place, reason });
        } else {
            self.more_faults += 1;
        }
    }
}
