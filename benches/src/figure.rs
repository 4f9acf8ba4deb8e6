//! One measured figure beside its bar, and the table of all of them.

use serde::Serialize;
use serde_json::Value;

use crate::machine::Machine;

/// A figure as it is reported.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    pub measured: String,
    pub bar: String,
    /// Whether the bar is met; none for figures that only stand beside one.
    pub met: Option<bool>,
    /// What others reach, where it was measured; may be empty.
    pub reference: String,
    /// Runs, seeds, sizes, cores: what one must know to repeat it.
    pub how: String,
    /// The numbers, for machines.
    pub values: Value,
}

/// Rows that a run could not measure say why instead.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Row {
    Measured(Figure),
    Skipped { name: String, reason: String },
}

/// The table for the README.
pub fn markdown(machine: &Machine, rows: &[Row]) -> String {
    let mut out = format!(
        "Measured on {machine}.\n\n| what | measured | bar | met | reference | how |\n|---|---|---|---|---|---|\n"
    );
    for row in rows {
        let line = match row {
            Row::Measured(f) => {
                let met = f.met.map_or("", |met| if met { "yes" } else { "**no**" });
                [&f.what, &f.measured, &f.bar, met, &f.reference, &f.how].map(cell).join(" | ")
            }
            Row::Skipped { name, reason } => {
                [name.as_str(), "skipped", "", "", "", reason].map(cell).join(" | ")
            }
        };
        out.push_str(&format!("| {line} |\n"));
    }
    out
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_one_line_whatever_it_says() {
        let machine = Machine { cpu: "test".into(), cores: 2, memory_gib: 1, date: "2026-01-01".into() };
        let figure = Figure {
            what: "a|b".into(),
            measured: "1\n2".into(),
            bar: String::new(),
            met: Some(false),
            reference: String::new(),
            how: String::new(),
            values: Value::Null,
        };
        let skipped = Row::Skipped { name: "x".into(), reason: "no data".into() };
        let table = markdown(&machine, &[Row::Measured(figure), skipped]);
        let last: Vec<&str> = table.lines().rev().take(2).collect();
        assert_eq!(last, ["| x | skipped |  |  |  | no data |", "| a\\|b | 1 2 |  | **no** |  |  |"]);
    }
}
