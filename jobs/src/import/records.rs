//! Rows of a file one after the other: lines joined where a quoted field goes over several, JSON parsed. A row that
//! cannot be read is one bad row; reading goes on with the next line.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::fields::{Dialect, Fields, leaves_quote_open};
use super::lines::{LINE_BYTES_MAX, Line, Lines};
use super::mapping::Shape;
use super::report::Bad;

/// Lines of one row with quoted line ends. A stray quote costs at most so many lines read twice.
const ROW_LINES_MAX: usize = 32;

/// What came next.
#[derive(Debug)]
pub(crate) enum Found {
    End,
    Bad(Bad),
    /// The fields lie in [`Records::fields`].
    Table,
    Json(Value),
}

/// The rows of one file.
#[derive(Debug)]
pub(crate) struct Records {
    lines: Lines,
    shape: Shape,
    /// Names of the columns in order; empty for JSON lines.
    pub header: Vec<String>,
    pub fields: Fields,
    /// The line at which the row last returned begins.
    pub line: u64,
    /// Hash of the first row's first line, once it is read: what tells files of one name apart.
    pub first: Option<u64>,
    row: Vec<u8>,
    /// Lines read in search of a closing quote that did not come.
    ahead: VecDeque<(u64, Taken)>,
}

#[derive(Debug)]
enum Taken {
    Whole(Vec<u8>),
    TooLong,
}

impl Records {
    /// Opens the file and reads its header, if it has one.
    pub(crate) fn open(path: &Path, shape: Shape) -> io::Result<Self> {
        let lines = Lines::open(path)?;
        let mut records = Self {
            lines,
            shape,
            header: Vec::new(),
            fields: Fields::default(),
            line: 0,
            first: None,
            row: Vec::new(),
            ahead: VecDeque::new(),
        };
        match &records.shape {
            Shape::Table { columns: Some(columns), .. } => records.header = columns.clone(),
            Shape::Table { dialect, columns: None } => {
                let dialect = *dialect;
                if let Some(Taken::Whole(_)) = records.next_line()?
                    && let Ok(text) = std::str::from_utf8(&records.row)
                {
                    records.fields.split(text, dialect);
                    records.header = records.fields.iter().map(str::to_owned).collect();
                }
            }
            Shape::JsonLines { .. } => {}
        }
        Ok(records)
    }

    /// The next row, blank lines left out.
    pub(crate) fn next(&mut self) -> io::Result<Found> {
        loop {
            match self.next_line()? {
                None => return Ok(Found::End),
                Some(Taken::TooLong) => {
                    let message = format!("the line is longer than {LINE_BYTES_MAX} bytes");
                    return Ok(Found::Bad(Bad::new("line_too_long", message)));
                }
                Some(Taken::Whole(_)) if self.row.trim_ascii().is_empty() => {}
                Some(Taken::Whole(_)) => break,
            }
        }
        self.first.get_or_insert_with(|| xxh3_64(&self.row));
        match self.shape {
            Shape::Table { dialect, .. } => self.table_row(dialect),
            Shape::JsonLines { .. } => Ok(self.json_row()),
        }
    }

    /// Takes the next line into `row`; what is returned with it is empty.
    fn next_line(&mut self) -> io::Result<Option<Taken>> {
        if let Some((line, taken)) = self.ahead.pop_front() {
            self.line = line;
            return Ok(Some(match taken {
                Taken::Whole(bytes) => {
                    self.row = bytes;
                    Taken::Whole(Vec::new())
                }
                Taken::TooLong => Taken::TooLong,
            }));
        }
        let found = self.lines.next(&mut self.row)?;
        self.line = self.lines.number();
        Ok(match found {
            Line::End => None,
            Line::Whole => Some(Taken::Whole(Vec::new())),
            Line::TooLong => Some(Taken::TooLong),
        })
    }

    fn table_row(&mut self, dialect: Dialect) -> io::Result<Found> {
        if leaves_quote_open(&self.row, false, dialect) {
            return self.joined_row(dialect);
        }
        let Ok(text) = std::str::from_utf8(&self.row) else { return Ok(not_utf8()) };
        self.fields.split(text, dialect);
        if self.fields.len() != self.header.len() {
            let message = format!("the row has {} fields, expected {}", self.fields.len(), self.header.len());
            return Ok(Found::Bad(Bad::new("field_count", message)));
        }
        Ok(Found::Table)
    }

    /// A row whose first line leaves a quote open. If the lines after it do not make a whole row of it, the first line
    /// alone is bad and the others are read again, each as a row of its own: a stray quote costs one row.
    fn joined_row(&mut self, dialect: Dialect) -> io::Result<Found> {
        let first_line = self.line;
        let mut row = std::mem::take(&mut self.row);
        let (mut open, mut read) = (true, Vec::new());
        while open && read.len() < ROW_LINES_MAX {
            let Some(taken) = self.next_line()? else { break };
            let fits = row.len() + self.row.len() < LINE_BYTES_MAX;
            if fits && matches!(taken, Taken::Whole(_)) {
                open = leaves_quote_open(&self.row, true, dialect);
                row.push(b'\n');
                row.extend_from_slice(&self.row);
            }
            let stop = !fits || matches!(taken, Taken::TooLong);
            let held = if matches!(taken, Taken::TooLong) {
                taken
            } else {
                Taken::Whole(std::mem::take(&mut self.row))
            };
            read.push((self.line, held));
            if stop {
                break;
            }
        }
        self.line = first_line;
        if !open && let Ok(text) = std::str::from_utf8(&row) {
            self.fields.split(text, dialect);
            if self.fields.len() == self.header.len() {
                return Ok(Found::Table);
            }
        }
        for entry in read.into_iter().rev() {
            self.ahead.push_front(entry);
        }
        let message = format!(
            "a quote is not closed within {ROW_LINES_MAX} lines and {LINE_BYTES_MAX} bytes, or too late for a whole row"
        );
        Ok(Found::Bad(Bad::new("unclosed_quote", message)))
    }

    fn json_row(&self) -> Found {
        if std::str::from_utf8(&self.row).is_err() {
            return not_utf8();
        }
        match serde_json::from_slice::<Value>(&self.row) {
            Ok(value) if value.is_object() => Found::Json(value),
            Ok(_) => Found::Bad(Bad::new("malformed_json", "the line is JSON but no object")),
            Err(e) => Found::Bad(Bad::new(
                "malformed_json",
                format!("the line is no JSON at column {}", e.column()),
            )),
        }
    }
}

fn not_utf8() -> Found {
    Found::Bad(Bad::new("not_utf8", "the row is not UTF-8"))
}
