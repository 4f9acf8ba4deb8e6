//! The files of the protocols, as indices: sessions, pairs, rated events.

use std::collections::HashMap;
use std::path::Path;

use shoptide_models::model::Rated;

use super::error::EvaluateError;
use super::ids::Ids;
use super::table::{Column, Table, is_header, next_line, open};

/// Times beyond are milliseconds: as seconds they would be in the year 5138.
const SECONDS_MAX: f64 = 1e11;
/// Times beyond lose whole seconds in a double, and are no times.
const TIME_MAX: f64 = 1e15;

/// One session of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ReadSession {
    /// Oldest first.
    pub items: Vec<u32>,
    /// Seconds since 1970, or the line's number where the file has no times.
    pub ended_s: i64,
    /// Line of each click; one for all where a session is a line.
    pub lines: Vec<u64>,
}

/// All sessions of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SessionFile {
    /// By the time they ended, or in the order of the file.
    pub sessions: Vec<ReadSession>,
    /// A session a line: of a test line only the last id is a target.
    pub line_each: bool,
}

/// Reads a session a line (ids with blanks between), or rows of `SessionId ItemId Time` under a header.
pub(super) fn read_sessions(file: &Path, items: &mut Ids) -> Result<SessionFile, EvaluateError> {
    let (mut lines, mut line) = (open(file)?, Vec::new());
    if !next_line(&mut lines, &mut line, file)? {
        return Err(EvaluateError::file(file, "is empty, expected sessions"));
    }
    // One name is enough: a header that lacks a column is refused by that column, and not read as a session of names.
    if [Column::SESSION, Column::ITEM].iter().any(|column| is_header(&line, std::slice::from_ref(column))) {
        return read_session_rows(file, items);
    }
    let by_comma = line.contains(&b',') && !line.trim_ascii().iter().any(u8::is_ascii_whitespace);
    let mut sessions = Vec::new();
    loop {
        let number = lines.number();
        let apart = |byte: &u8| byte.is_ascii_whitespace() || (by_comma && *byte == b',');
        let ids = line.split(apart).filter(|id| !id.is_empty());
        let numbers: Option<Vec<u32>> = ids.map(|id| items.number(id)).collect();
        let items = numbers.ok_or_else(|| EvaluateError::file(file, "has too many items"))?;
        let ended_s = i64::try_from(number).unwrap_or(i64::MAX);
        sessions.push(ReadSession { items, ended_s, lines: vec![number] });
        if !next_line(&mut lines, &mut line, file)? {
            break;
        }
    }
    if sessions.iter().all(|session| session.items.is_empty()) {
        return Err(EvaluateError::file(file, "has no ids, expected sessions"));
    }
    Ok(SessionFile { sessions, line_each: true })
}

fn read_session_rows(file: &Path, items: &mut Ids) -> Result<SessionFile, EvaluateError> {
    let columns = [Column::SESSION, Column::ITEM, Column::TIME];
    let mut table = Table::open(file, &columns)?;
    let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut clicks: Vec<Vec<(f64, u64, u32)>> = Vec::new();
    while let Some(row) = table.next()? {
        let item = items.number(row.id(&Column::ITEM)?);
        let item = item.ok_or_else(|| row.refused(&Column::ITEM, "one too many"))?;
        let time = time(row.number(&Column::TIME)?, &row)?;
        let place = *places.entry(row.id(&Column::SESSION)?.to_vec()).or_insert_with(|| {
            clicks.push(Vec::new());
            clicks.len() - 1
        });
        clicks[place].push((time, row.line, item));
    }
    if clicks.is_empty() {
        return Err(EvaluateError::file(file, "has only a header, expected sessions"));
    }
    let unit = unit(clicks.iter().flatten().map(|click| click.0));
    let mut sessions: Vec<ReadSession> = Vec::with_capacity(clicks.len());
    for mut clicks in clicks {
        clicks.sort_by(|a, b| a.0.total_cmp(&b.0));
        let ended = clicks.last().map_or(0.0, |click| click.0);
        sessions.push(ReadSession {
            items: clicks.iter().map(|click| click.2).collect(),
            ended_s: (ended / unit).floor() as i64,
            lines: clicks.iter().map(|click| click.1).collect(),
        });
    }
    sessions.sort_by_key(|session| session.ended_s);
    Ok(SessionFile { sessions, line_each: false })
}

/// Users and items of a file, in its order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PairFile {
    pub pairs: Vec<Pair>,
    /// Whether the rows have times, by which they are then sorted.
    pub timed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pair {
    pub user: u32,
    pub item: u32,
}

/// Reads `user item` under a header, sorted by `time` where the file has it.
pub(super) fn read_pairs(file: &Path, users: &mut Ids, items: &mut Ids) -> Result<PairFile, EvaluateError> {
    let maybe_time = Column::TIME.optional();
    let mut table = Table::open(file, &[Column::USER, Column::ITEM, maybe_time])?;
    let timed = table.has(maybe_time.name);
    let mut rows: Vec<(f64, Pair)> = Vec::new();
    while let Some(row) = table.next()? {
        let user = users.number(row.id(&Column::USER)?);
        let item = items.number(row.id(&Column::ITEM)?);
        let (Some(user), Some(item)) = (user, item) else {
            return Err(row.refused(&Column::USER, "one too many"));
        };
        let at = if timed { time(row.number(&maybe_time)?, &row)? } else { 0.0 };
        rows.push((at, Pair { user, item }));
    }
    if rows.is_empty() {
        return Err(EvaluateError::file(file, "has only a header, expected rows of user and item"));
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(PairFile { pairs: rows.into_iter().map(|row| row.1).collect(), timed })
}

/// Rated events of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RatedFile {
    pub events: Vec<Rated>,
    /// The fold of each event, where the file has a column `fold`.
    pub folds: Option<Vec<u32>>,
}

/// Reads `user item value time` under a header. With `in_time` the time must be there and the rows are sorted by it (rows
/// of the same time stay in the order of the file); else rows stay as they are.
pub(super) fn read_rated(
    file: &Path,
    users: &mut Ids,
    items: &mut Ids,
    in_time: bool,
) -> Result<RatedFile, EvaluateError> {
    let time_column = if in_time { Column::TIME } else { Column::TIME.optional() };
    let mut table =
        Table::open(file, &[Column::USER, Column::ITEM, Column::VALUE, time_column, Column::FOLD])?;
    let (timed, folded) = (table.has(time_column.name), table.has(Column::FOLD.name) && !in_time);
    let mut rows: Vec<(f64, Rated)> = Vec::new();
    let mut folds: Vec<u32> = Vec::new();
    while let Some(row) = table.next()? {
        let user = users.number(row.id(&Column::USER)?);
        let item = items.number(row.id(&Column::ITEM)?);
        let (Some(user), Some(item)) = (user, item) else {
            return Err(row.refused(&Column::USER, "one too many"));
        };
        let value = row.number(&Column::VALUE)?;
        if f64::from(f32::MAX) < value.abs() {
            return Err(row.refused(&Column::VALUE, format!("{value}, expected at most 3.4e38")));
        }
        let at = if timed { time(row.number(&time_column)?, &row)? } else { 0.0 };
        if folded {
            let fold = row.number(&Column::FOLD)?;
            if fold.fract() != 0.0 || !(0.0..1000.0).contains(&fold) {
                return Err(row.refused(&Column::FOLD, format!("{fold}, expected a whole number, 0 to 999")));
            }
            folds.push(fold as u32);
        }
        rows.push((at, Rated { user, item, value: value as f32, at_s: 0 }));
    }
    if rows.is_empty() {
        return Err(EvaluateError::file(file, "has only a header, expected rows of user, item and value"));
    }
    let unit = unit(rows.iter().map(|row| row.0));
    if in_time {
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    let events = rows.into_iter().map(|(at, rated)| Rated { at_s: (at / unit).floor() as i64, ..rated });
    Ok(RatedFile { events: events.collect(), folds: folded.then_some(folds) })
}

fn time(at: f64, row: &super::table::Row<'_>) -> Result<f64, EvaluateError> {
    if at.abs() <= TIME_MAX {
        Ok(at)
    } else {
        Err(row.refused(&Column::TIME, format!("{at}, expected at most 1e15")))
    }
}

/// Units of a second in the file's times.
fn unit(times: impl Iterator<Item = f64>) -> f64 {
    if SECONDS_MAX < times.fold(0.0, f64::max) { 1_000.0 } else { 1.0 }
}
