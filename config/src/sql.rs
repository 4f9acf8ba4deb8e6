//! `[sql]`: what a query may take of the machine.

use std::path::PathBuf;

use crate::bounds::whole;
use crate::error::Problem;
use crate::raw::RawSql;

const MIB: u64 = 1024 * 1024;

/// `[sql]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqlConfig {
    /// Of all queries of a process together; a quarter of the machine's if none.
    pub memory_bytes: Option<usize>,
    /// 0: nothing goes to the disk.
    pub spill_bytes: u64,
    /// The system's folder for temporary files if none.
    pub spill_dir: Option<PathBuf>,
    /// As many as there are cores if none.
    pub threads: Option<usize>,
    pub table_rows_max: usize,
}

impl TryFrom<&RawSql> for SqlConfig {
    type Error = Problem;

    fn try_from(raw: &RawSql) -> Result<Self, Problem> {
        let memory_mib: Option<u64> = match raw.memory_mib {
            0 => None,
            given => Some(whole("sql.memory_mib", given, 32..=16_777_216)?),
        };
        let spill_mib: u64 = whole("sql.spill_mib", raw.spill_mib, 0..=1_073_741_824)?;
        let threads: usize = whole("sql.threads", raw.threads, 0..=1024)?;
        Ok(Self {
            memory_bytes: memory_mib.map(|mib| usize::try_from(mib * MIB).unwrap_or(usize::MAX)),
            spill_bytes: spill_mib * MIB,
            spill_dir: Some(raw.spill_dir.as_str()).filter(|dir| !dir.is_empty()).map(PathBuf::from),
            threads: Some(threads).filter(|threads| 0 < *threads),
            table_rows_max: whole("sql.table_rows_max", raw.table_rows_max, 1..=1_000_000)?,
        })
    }
}
