//! What people read: tables aligned by what a terminal shows, Chinese included, and the way to standard output.

pub mod profile;

use std::fmt::{Arguments, Write as _};
use std::io::Write as _;

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

/// Characters of one cell; longer texts are cut with an ellipsis.
const CELL_WIDTH_MAX: usize = 60;
/// Of the last column, which pushes nothing aside: reasons and messages are sentences.
const LAST_WIDTH_MAX: usize = 110;

/// Whoever read standard output has gone, as in `shoptide events tail | head`: nothing more to do, and no failure.
#[derive(Debug, thiserror::Error)]
#[error("standard output was closed")]
pub struct OutputClosed;

/// Prints to standard output.
///
/// # Errors
/// [`OutputClosed`] if nobody reads any more, else what the system says, such as a full disk.
pub fn out(text: Arguments<'_>) -> anyhow::Result<()> {
    std::io::stdout().lock().write_fmt(text).map_err(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => anyhow::Error::new(OutputClosed),
        _ => anyhow::Error::new(error).context("standard output"),
    })
}

/// `print!`, for an output that may be gone.
#[macro_export]
macro_rules! out {
    ($($text:tt)*) => { $crate::render::out(format_args!($($text)*)) };
}

/// `println!`, for an output that may be gone.
#[macro_export]
macro_rules! outln {
    () => { $crate::render::out(format_args!("\n")) };
    ($($text:tt)*) => { $crate::render::out(format_args!("{}\n", format_args!($($text)*))) };
}

/// Rows under headings. Control characters become visible, so that no id can move the cursor.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let max = |column: usize| if column + 1 == headings.len() { LAST_WIDTH_MAX } else { CELL_WIDTH_MAX };
    let clean_row =
        |row: &Vec<String>| row.iter().enumerate().map(|(i, cell)| cut(&visible(cell), max(i))).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(clean_row).collect();
    let widths: Vec<usize> = headings
        .iter()
        .enumerate()
        .map(|(i, heading)| {
            rows.iter()
                .filter_map(|row| row.get(i))
                .map(|c| c.width())
                .chain([heading.width()])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (cell, width) in cells.zip(&widths) {
            let pad = width.saturating_sub(cell.width());
            let _ = write!(text, "{cell}{:pad$}  ", "");
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(&mut headings.iter().copied());
    for row in &rows {
        line(&mut row.iter().map(String::as_str));
    }
    out
}

/// Without control characters.
pub fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn cut(text: &str, width_max: usize) -> String {
    if text.width() <= width_max {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        let mut bytes = [0; 4];
        // One place is the ellipsis'.
        if width_max < kept.width() + c.encode_utf8(&mut bytes).width() + 1 {
            break;
        }
        kept.push(c);
    }
    kept + "…"
}

/// A JSON value as a cell.
pub fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(n)) if n.is_f64() => format!("{:.4}", n.as_f64().unwrap_or(0.0)),
        Some(other) => other.to_string(),
    }
}
