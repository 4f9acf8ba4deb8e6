//! What people read: tables aligned by what a terminal shows, Chinese included, and the way to standard output.

use std::fmt::{Arguments, Write as _};
use std::io::Write as _;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_and_control_characters_keep_the_columns() {
        let rows =
            vec![vec!["手机".to_owned(), "1".to_owned()], vec!["a\u{1b}[2Jb".to_owned(), "2".to_owned()]];
        let shown = table(&["name", "n"], &rows);
        assert_eq!(shown, "name    n\n手机    1\na\u{fffd}[2Jb  2\n");
    }

    #[test]
    fn long_cells_are_cut_by_what_a_terminal_shows_and_the_last_column_later() {
        let rows = vec![vec!["手".repeat(40), "x".repeat(100)], vec!["a".repeat(61), "手".repeat(60)]];
        let shown = table(&["name", "why"], &rows);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[1], format!("{}…   {}", "手".repeat(29), "x".repeat(100)));
        assert_eq!(lines[2], format!("{}…  {}…", "a".repeat(59), "手".repeat(54)));
    }
}
