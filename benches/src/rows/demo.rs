//! `shoptide demo --once --json` as a stranger runs it.

use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

use crate::figure::{Figure, Row};
use crate::machine::{TWO_CORES, pinned};
use crate::spread::Spread;

const RUNS: usize = 3;

/// # Errors
/// If the demo fails.
pub fn row(shoptide: &Path) -> anyhow::Result<Row> {
    let (mut total, mut wall, mut first, mut rss, mut held) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), false);
    let mut last = Value::Null;
    for _ in 0..RUNS {
        let (mut command, is_pinned) = pinned(shoptide, Some(TWO_CORES));
        held = is_pinned;
        let began = std::time::Instant::now();
        let output =
            command.args(["demo", "--once", "--json", "--port", "0"]).output().context("shoptide demo")?;
        wall.push(began.elapsed().as_secs_f64());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        anyhow::ensure!(
            output.status.success(),
            "the demo failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        last = serde_json::from_str(said.lines().last().unwrap_or_default()).context("the demo's summary")?;
        let number = |name: &str| last.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
        total.push(number("total_s"));
        first.push(number("first_list_s"));
        rss.push(number("peak_rss_mb"));
    }
    let (total, wall, first, rss) =
        (Spread::new(total), Spread::new(wall), Spread::new(first), Spread::new(rss));
    let fresh =
        |p: &str| last.pointer(&format!("/freshness_ms/{p}")).and_then(Value::as_f64).unwrap_or(f64::NAN);
    Ok(Row::Measured(Figure {
        what: "demo: from process start to summary; first list; peak RSS".to_owned(),
        measured: format!(
            "**{:.1} s**; **{:.2} s**; **{:.0} MB**",
            total.median(),
            first.median(),
            rss.median()
        ),
        bar: "<= 15 s; <= 10 s; <= 200 MB".to_owned(),
        met: Some(total.median() <= 15.0 && first.median() <= 10.0 && rss.median() <= 200.0),
        reference: String::new(),
        how: format!(
            "`shoptide demo --once --json --port 0`, {}, median of {RUNS}, seed 7; its freshness was {:.1} / {:.1} ms (p50 / p99)",
            if held { "taskset to 2 cores" } else { "NOT pinned: no taskset" },
            fresh("p50"),
            fresh("p99")
        ),
        values: json!({ "total_s": total.median(), "process_s": wall.median(), "first_list_s": first.median(),
            "peak_rss_mb": rss.median(), "last_summary": last }),
    }))
}
