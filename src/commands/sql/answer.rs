//! Where an answer goes: standard output or a file, as it comes.

use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use futures::StreamExt;
use shoptide_query::output::{Format, Rows, sink};
use shoptide_query::{Answer, QueryError};
use tempfile::NamedTempFile;

use super::leftovers::Leftovers;
use crate::app::Refused;
use crate::render::{OutputClosed, table};
use crate::{out, outln};

/// How answers are written.
#[derive(Debug, Clone)]
pub struct Target {
    /// A table if none.
    pub format: Option<Format>,
    pub file: Option<PathBuf>,
    /// Whether a file that is there may be replaced.
    pub force: bool,
    pub rows_max: usize,
    /// Where a file that is being written is named until it is whole.
    pub leftovers: Leftovers,
}

impl Target {
    /// # Errors
    /// [`Refused`] before anything is asked: Parquet on a terminal, a file that is there, one that cannot be written.
    pub fn check(&self) -> anyhow::Result<()> {
        let Some(file) = &self.file else {
            if self.format == Some(Format::Parquet) {
                return Err(Refused("parquet needs --output FILE".to_owned()).into());
            }
            return Ok(());
        };
        let shown = file.display();
        match std::fs::symlink_metadata(file) {
            Ok(found) if !found.is_file() => Err(Refused(format!("--output {shown} is no file")).into()),
            Ok(_) if !self.force => {
                Err(Refused(format!("--output {shown} exists; --force replaces it")).into())
            }
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Refused(format!("--output {shown} cannot be written: {error}")).into()),
        }
    }

    /// Writes an answer.
    pub async fn write(&self, answer: Answer) -> anyhow::Result<()> {
        match (&self.file, self.format) {
            (Some(file), format) => self.to_file(answer, file, format.unwrap_or(Format::Csv)).await,
            (None, Some(format)) => {
                let stdout = BufWriter::new(std::io::stdout());
                pour(answer, format, Box::new(stdout)).await.map_err(closed)
            }
            (None, None) => self.show(answer).await,
        }
    }

    /// The file is another's until all of it is written.
    async fn to_file(&self, answer: Answer, file: &Path, format: Format) -> anyhow::Result<()> {
        let shown = file.display();
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let temporary = NamedTempFile::new_in(folder)
            .map_err(|error| Refused(format!("--output {shown} cannot be written: {error}")))?;
        self.leftovers.add(temporary.path());
        let handle = temporary.reopen().with_context(|| format!("--output {shown}"))?;
        pour(answer, format, Box::new(BufWriter::new(handle))).await?;
        temporary.as_file().sync_all().with_context(|| format!("--output {shown}"))?;
        let kept = match self.force {
            true => temporary.persist(file),
            false => temporary.persist_noclobber(file),
        };
        kept.map_err(|error| error.error).with_context(|| format!("--output {shown}"))?;
        Ok(())
    }

    async fn show(&self, mut answer: Answer) -> anyhow::Result<()> {
        let mut rows = Rows::new(&answer.schema, self.rows_max);
        while let Some(batch) = answer.batches.next().await {
            rows.take(&batch?)?;
            if !rows.is_whole() {
                break;
            }
        }
        let headings: Vec<&str> = rows.headings.iter().map(String::as_str).collect();
        out!("{}", table(&headings, &rows.cells))?;
        match (rows.is_whole(), rows.cells.len()) {
            (true, 1) => outln!("(1 row)"),
            (true, shown) => outln!("({shown} rows)"),
            (false, shown) => {
                outln!(
                    "(the first {shown} rows; --format csv or json has all, sql.table_rows_max is the bound)"
                )
            }
        }
    }
}

async fn pour(mut answer: Answer, format: Format, out: Box<dyn Write + Send>) -> Result<(), QueryError> {
    let mut sink = sink(format, &answer.schema, out)?;
    while let Some(batch) = answer.batches.next().await {
        sink.write(&batch?)?;
    }
    sink.finish()
}

/// Whoever reads standard output may go when he has enough.
fn closed(error: QueryError) -> anyhow::Error {
    match error {
        QueryError::Output { source, .. } if source.kind() == ErrorKind::BrokenPipe => OutputClosed.into(),
        other => other.into(),
    }
}
