//! Rows of a file with a header: tabs, commas or blanks between the fields, plain, gzip or zstd.

use std::path::{Path, PathBuf};

use super::error::EvaluateError;
use crate::import::lines::{Line, Lines};

/// A column that is looked for: our name, other names it goes by, whether the file must have it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub name: &'static str,
    pub also: &'static [&'static str],
    pub required: bool,
}

impl Column {
    pub(super) const SESSION: Self = Self::required("session", &["sessionid"]);
    pub(super) const USER: Self =
        Self::required("user", &["userid", "uid", "visitor", "visitorid", "reviewerid"]);
    pub(super) const ITEM: Self =
        Self::required("item", &["itemid", "iid", "movieid", "productid", "asin", "bookid"]);
    pub(super) const VALUE: Self = Self::required("value", &["rating", "score", "stars", "overall"]);
    pub(super) const TIME: Self =
        Self::required("time", &["timestamp", "ts", "at", "ats", "unixtime", "unixreviewtime"]);
    pub(super) const FOLD: Self = Self::required("fold", &["foldid"]).optional();

    const fn required(name: &'static str, also: &'static [&'static str]) -> Self {
        Self { name, also, required: true }
    }

    pub(super) const fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    fn is(&self, normal: &str) -> bool {
        normal == self.name || self.also.contains(&normal)
    }
}

/// How the fields of a line are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Between {
    Byte(u8),
    Blanks,
}

/// A header as it is compared: lower case, without `_`, `-` and the type that some files append (`user_id:token`).
fn normal(cell: &[u8]) -> String {
    let text = String::from_utf8_lossy(cell).to_lowercase();
    let name = text.split(':').next().unwrap_or_default();
    name.chars().filter(|c| !matches!(c, '_' | '-' | '"' | ' ')).collect()
}

fn between(line: &[u8]) -> Between {
    match [b'\t', b',', b';'].into_iter().find(|byte| line.contains(byte)) {
        Some(byte) => Between::Byte(byte),
        None => Between::Blanks,
    }
}

fn fields(line: &[u8], between: Between) -> Vec<&[u8]> {
    match between {
        Between::Byte(byte) => line.split(|b| *b == byte).collect(),
        Between::Blanks => line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()).collect(),
    }
}

/// Whether a first line is a header with all of these required columns.
pub(super) fn is_header(line: &[u8], columns: &[Column]) -> bool {
    let names: Vec<String> = fields(line, between(line)).into_iter().map(normal).collect();
    columns.iter().filter(|c| c.required).all(|c| names.iter().any(|name| c.is(name)))
}

/// A line longer than its bound, as an error of the file.
pub(super) fn next_line(lines: &mut Lines, line: &mut Vec<u8>, file: &Path) -> Result<bool, EvaluateError> {
    match lines.next(line).map_err(|e| EvaluateError::unreadable(file, e))? {
        Line::Whole => Ok(true),
        Line::End => Ok(false),
        Line::TooLong => {
            let most = crate::import::lines::LINE_BYTES_MAX;
            Err(EvaluateError::line(file, lines.number(), format!("expected at most {most} bytes")))
        }
    }
}

/// Opens a file, or says what is wrong with it.
pub(super) fn open(file: &Path) -> Result<Lines, EvaluateError> {
    if file.is_dir() {
        return Err(EvaluateError::file(file, "is a folder, expected a file"));
    }
    Lines::open(file).map_err(|e| EvaluateError::unreadable(file, e))
}

/// Reads rows in the order of the file; blank lines are passed over.
#[derive(Debug)]
pub(super) struct Table {
    file: PathBuf,
    lines: Lines,
    line: Vec<u8>,
    between: Between,
    width: usize,
    columns: Vec<(Column, Option<usize>)>,
}

/// One row: the wanted columns in the order asked for.
#[derive(Debug)]
pub(super) struct Row<'a> {
    file: &'a Path,
    pub line: u64,
    cells: Vec<(Column, Option<&'a [u8]>)>,
}

impl Table {
    /// Reads the header and finds the columns: by name, or, if no name is known, by place.
    pub(super) fn open(file: &Path, columns: &[Column]) -> Result<Self, EvaluateError> {
        let (mut lines, mut line) = (open(file)?, Vec::new());
        let expected = columns.iter().filter(|c| c.required).map(|c| c.name).collect::<Vec<_>>().join(", ");
        if !next_line(&mut lines, &mut line, file)? {
            return Err(EvaluateError::file(file, format!("is empty, expected a header with {expected}")));
        }
        let between = between(&line);
        let header = fields(&line, between);
        let names: Vec<String> = header.iter().map(|cell| normal(cell)).collect();
        let by_name = |c: &Column| names.iter().position(|name| c.is(name));
        let refused = |what: String| {
            let shown: String = String::from_utf8_lossy(&line).chars().take(80).collect();
            EvaluateError::line(file, 1, format!("{what} in the header `{}`", shown.escape_debug()))
        };
        let found = if columns.iter().any(|c| by_name(c).is_some()) {
            if let Some(missing) = columns.iter().find(|c| c.required && by_name(c).is_none()) {
                return Err(refused(format!("no column {}, expected {expected}", missing.name)));
            }
            columns.iter().map(|c| (*c, by_name(c))).collect()
        } else {
            // Unknown names are still names; numbers are a first row that would be lost.
            let numbers = header.iter().any(|cell| number(cell).is_some());
            if numbers || header.len() < columns.iter().filter(|c| c.required).count() {
                return Err(refused(format!("expected the columns {expected}")));
            }
            columns.iter().enumerate().map(|(at, c)| (*c, (at < header.len()).then_some(at))).collect()
        };
        let width = header.len();
        Ok(Self { file: file.to_owned(), lines, line: Vec::new(), between, width, columns: found })
    }

    /// Whether the file has a column that it need not have.
    pub(super) fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|(c, at)| c.name == name && at.is_some())
    }

    pub(super) fn next(&mut self) -> Result<Option<Row<'_>>, EvaluateError> {
        loop {
            if !next_line(&mut self.lines, &mut self.line, &self.file)? {
                return Ok(None);
            }
            if !self.line.trim_ascii().is_empty() {
                break;
            }
        }
        let found = fields(&self.line, self.between);
        if found.len() < self.width {
            let what = format!("{} fields, expected {} as in the header", found.len(), self.width);
            return Err(EvaluateError::line(&self.file, self.lines.number(), what));
        }
        let cells = self.columns.iter().map(|(c, at)| (*c, at.and_then(|at| found.get(at).copied())));
        Ok(Some(Row { file: &self.file, line: self.lines.number(), cells: cells.collect() }))
    }
}

/// A finite number, as files write it.
fn number(cell: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(cell.trim_ascii()).ok()?;
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

impl Row<'_> {
    /// An id: any bytes, but some.
    pub(super) fn id(&self, column: &Column) -> Result<&[u8], EvaluateError> {
        match self.cell(column) {
            Some(id) if !id.is_empty() => Ok(id),
            _ => Err(self.refused(column, "empty, expected an id")),
        }
    }

    /// A finite number.
    pub(super) fn number(&self, column: &Column) -> Result<f64, EvaluateError> {
        let cell = self.cell(column).unwrap_or_default();
        number(cell).ok_or_else(|| {
            let shown: String = String::from_utf8_lossy(cell).chars().take(40).collect();
            self.refused(column, format!("{}, expected a finite number", shown.escape_debug()))
        })
    }

    fn cell(&self, column: &Column) -> Option<&[u8]> {
        self.cells.iter().find(|(c, _)| c.name == column.name).and_then(|(_, cell)| *cell)
    }

    pub(super) fn refused(&self, column: &Column, what: impl std::fmt::Display) -> EvaluateError {
        EvaluateError::line(self.file, self.line, format!("{} is {what}", column.name))
    }
}
