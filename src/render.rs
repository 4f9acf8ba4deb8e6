//! Tables for people: columns aligned by what a terminal shows, Chinese included.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

/// Characters of one cell; longer texts are cut with an ellipsis.
const CELL_WIDTH_MAX: usize = 60;

/// Rows under headings. Control characters become visible, so that no id can move the cursor.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let clean = |cell: &str| -> String {
        let shown: String = cell.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        if shown.width() <= CELL_WIDTH_MAX {
            return shown;
        }
        let mut cut = String::new();
        for c in shown.chars() {
            if CELL_WIDTH_MAX <= cut.width() + 1 {
                break;
            }
            cut.push(c);
        }
        cut + "…"
    };
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
    let widths: Vec<usize> = headings
        .iter()
        .enumerate()
        .map(|(i, heading)| {
            rows.iter().filter_map(|row| row.get(i)).map(|c| c.width()).chain([heading.width()]).max().unwrap_or(0)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_and_control_characters_keep_the_columns() {
        let rows = vec![vec!["手机".to_owned(), "1".to_owned()], vec!["a\u{1b}[2Jb".to_owned(), "2".to_owned()]];
        let shown = table(&["name", "n"], &rows);
        assert_eq!(shown, "name     n\n手机     1\na\u{fffd}[2Jb  2\n");
    }
}
