//! One import: a file read through a mapping, batch by batch.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use shoptide_schemas::catalogue::WireCatalogue;
use shoptide_schemas::wire::WireEvent;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::catalogue::SeenItems;
use super::columns::{Columns, RowView, resolve, walk};
use super::mapping::{Mapping, Shape};
use super::mapping_file::MappingError;
use super::records::{Found, Records};
use super::report::{Bad, Report};
use super::row::Reader;

/// Events of one batch at most: some 5 MiB.
pub const BATCH_EVENTS_MAX: usize = 10_000;

/// What a caller can do about an import that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Change the mapping, or take another.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// The file is missing, unreadable, or its packing is damaged; what was read before stands.
    #[error("{path} cannot be read after line {line}: {source}")]
    File { path: PathBuf, line: u64, source: io::Error },
}

/// Events in the order of the file, and the catalogue rows that go before them.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    pub events: Vec<WireEvent>,
    pub catalogue: Vec<WireCatalogue>,
}

/// A file on its way in.
#[derive(Debug)]
pub struct Import {
    path: PathBuf,
    mapping: Mapping,
    records: Records,
    columns: Columns,
    name: String,
    /// What its events' ids begin with, from the first row on.
    file_tag: Option<String>,
    seen: SeenItems,
    /// Events of a line that holds several; bounded by the line's bytes.
    queue: VecDeque<(WireEvent, Option<WireCatalogue>)>,
    report: Report,
    /// Why reading ended, to be said after the good rows before it were handed out.
    failed: Option<ImportError>,
}

impl Import {
    /// Opens a file. Ids of its events come from the file and the line, so the same file imported again gives duplicates, not
    /// second effects. A file is known by its name (without folder and `.gz` or `.zst`) and its first row: more rows at its
    /// end are new events, and `export.csv` of another day is another file.
    ///
    /// # Errors
    /// [`ImportError::File`] if it cannot be opened, [`ImportError::Mapping`] if it lacks a column of the mapping.
    pub fn open(path: &Path, mapping: Mapping) -> Result<Self, ImportError> {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let stem = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name).to_owned();
        Self::open_as(path, &stem, mapping)
    }

    /// The same under a name of the caller's, for files that share theirs (`2020-01-01/events.csv`).
    ///
    /// # Errors
    /// As [`Import::open`].
    pub fn open_as(path: &Path, name: &str, mapping: Mapping) -> Result<Self, ImportError> {
        let records = Records::open(path, mapping.shape.clone()).map_err(|source| ImportError::File {
            path: path.to_owned(),
            line: 0,
            source,
        })?;
        let columns = resolve(&mapping, &records.header)?;
        Ok(Self {
            path: path.to_owned(),
            records,
            columns,
            name: name.to_owned(),
            file_tag: None,
            seen: SeenItems::default(),
            queue: VecDeque::new(),
            report: Report::default(),
            failed: None,
            mapping,
        })
    }

    /// Up to `max` events (1 to [`BATCH_EVENTS_MAX`]); `None` at the end of the file.
    ///
    /// # Errors
    /// [`ImportError::File`] when reading fails in the middle, after all that was read before it. Bad rows are no error: see
    /// [`Import::report`].
    pub fn next_batch(&mut self, max: usize) -> Result<Option<Batch>, ImportError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let max = max.clamp(1, BATCH_EVENTS_MAX);
        let mut batch = Batch::default();
        while batch.events.len() < max {
            if let Some((event, row)) = self.queue.pop_front() {
                batch.events.push(event);
                batch.catalogue.extend(row);
            } else {
                match self.read_row() {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) if batch.events.is_empty() => return Err(error),
                    Err(error) => {
                        self.failed = Some(error);
                        break;
                    }
                }
            }
        }
        Ok((!batch.events.is_empty()).then_some(batch))
    }

    /// Counts so far. They include events of the last line read that are still to come in the next batch.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// False at the end of the file.
    fn read_row(&mut self) -> Result<bool, ImportError> {
        let found = self.records.next().map_err(|source| ImportError::File {
            path: self.path.clone(),
            line: self.records.line,
            source,
        })?;
        let line = self.records.line;
        // Two exports of two days may share their name. One that has grown at its end is the same file.
        let first = self.records.first.unwrap_or_default();
        let tag = || format!("{:016x}", xxh3_64_with_seed(self.name.as_bytes(), first));
        let file_tag = match self.records.first {
            Some(_) => self.file_tag.get_or_insert_with(tag).as_str(),
            None => "",
        };
        let reader = Reader { mapping: &self.mapping, columns: &self.columns };
        let mut rows =
            Rows { reader, seen: &mut self.seen, queue: &mut self.queue, report: &mut self.report, line };
        match found {
            Found::End => return Ok(false),
            Found::Bad(bad) => rows.report.count_rejected(line, bad, None),
            Found::Table => rows.take(RowView::Table(&self.records.fields), &format!("{}:{line}", file_tag)),
            Found::Json(value) => match &self.mapping.shape {
                Shape::JsonLines { rows: Some(key) } => {
                    let path: Vec<String> = key.split('.').map(str::to_owned).collect();
                    let Some(elements) = walk(&value, &path).and_then(|v| v.as_array()) else {
                        let bad = Bad::new("missing:rows", format!("the line has no array {key:?}"));
                        rows.report.count_rejected(line, bad, None);
                        return Ok(true);
                    };
                    for (place, element) in elements.iter().enumerate() {
                        let row = RowView::Json { element, line: &value };
                        rows.take(row, &format!("{}:{line}.{place}", file_tag));
                    }
                }
                _ => {
                    let row = RowView::Json { element: &value, line: &value };
                    rows.take(row, &format!("{}:{line}", file_tag));
                }
            },
        }
        Ok(true)
    }
}

/// Where the rows of one line go.
struct Rows<'a> {
    reader: Reader<'a>,
    seen: &'a mut SeenItems,
    queue: &'a mut VecDeque<(WireEvent, Option<WireCatalogue>)>,
    report: &'a mut Report,
    line: u64,
}

impl Rows<'_> {
    fn take(&mut self, row: RowView<'_>, event_id: &str) {
        match self.reader.read(row, event_id) {
            Ok(Some(good)) => {
                self.report.count_event(&good.checked);
                let rule = self.reader.mapping.catalogue.as_ref();
                let item =
                    rule.and_then(|rule| self.reader.catalogue_row(rule, row, &good, event_id, self.seen));
                self.report.catalogue += u64::from(item.is_some());
                self.queue.push_back((good.wire, item));
            }
            Ok(None) => self.report.count_ignored(),
            Err(bad) => self.report.count_rejected(self.line, bad, self.reader.amount(row)),
        }
    }
}
