//! A page of text, tables and pictures that needs nothing from elsewhere. Whatever is put in is text: ids, titles and queries
//! come from outside.

use std::fmt::Write as _;

/// No script, no picture and no font of anybody; the page's own style.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
const STYLE: &str = "body{font:15px/1.5 sans-serif;color:#222;max-width:1240px;margin:2em auto;padding:0 1em}\
h1{font-size:1.6em}h2{font-size:1.2em;margin-top:2em}table{border-collapse:collapse;margin:.5em 0}\
td,th{padding:.2em .7em;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}\
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}p.note{color:#555}svg{max-width:100%;height:auto}";

/// A page that is being written.
pub(super) struct Html(String);

impl Html {
    pub fn new(title: &str) -> Self {
        let title = escaped(title);
        let mut html = String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
        let _ = write!(
            html,
            "<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\"><title>{title}</title>\
             <style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n"
        );
        Self(html)
    }

    pub fn heading(&mut self, text: &str) {
        let _ = writeln!(self.0, "<h2>{}</h2>", escaped(text));
    }

    pub fn text(&mut self, text: &str) {
        let _ = writeln!(self.0, "<p>{}</p>", escaped(text));
    }

    pub fn note(&mut self, text: &str) {
        let _ = writeln!(self.0, "<p class=\"note\">{}</p>", escaped(text));
    }

    /// The first `texts` columns are text, the others numbers.
    pub fn table(&mut self, headings: &[&str], texts: usize, rows: &[Vec<String>]) {
        if rows.is_empty() {
            self.note("Nothing in this period.");
            return;
        }
        self.0.push_str("<table><tr>");
        for heading in headings {
            let _ = write!(self.0, "<th>{}</th>", escaped(heading));
        }
        self.0.push_str("</tr>\n");
        for row in rows {
            self.0.push_str("<tr>");
            for (column, cell) in row.iter().enumerate() {
                let class = if column < texts { "" } else { " class=\"n\"" };
                let _ = write!(self.0, "<td{class}>{}</td>", escaped(cell));
            }
            self.0.push_str("</tr>\n");
        }
        self.0.push_str("</table>\n");
    }

    /// A drawing of ours: its own texts are escaped already.
    pub fn picture(&mut self, svg: &str) {
        self.0.push_str(svg);
    }

    pub fn finish(mut self) -> String {
        self.0.push_str("</body></html>\n");
        self.0
    }
}

/// Text as HTML shows it; control characters and those that turn the direction of writing become visible.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(visible(c)),
        }
    }
    out
}

/// The same for a picture, which escapes by itself.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(visible).collect()
}

fn visible(c: char) -> char {
    match c {
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}
