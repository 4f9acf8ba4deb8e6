//! `state verify`: the proof that the truth is what one clean run over the log makes.

use std::process::ExitCode;

use shoptide_config::LogKind;
use shoptide_jobs::verify::{Report, Verify};

use crate::args::{State, StateWhat};
use crate::commands::load_config;
use crate::data_dir::DataDir;
use crate::render::table;
use crate::services;
use crate::{out, outln};

pub async fn run(args: State) -> anyhow::Result<ExitCode> {
    let StateWhat::Verify { json, place } = args.what;
    let config = load_config(place.config.as_deref())?;
    let data = DataDir::with_truth_of(&config, &place.data_dir)?;
    let log = services::open_log_patiently(&config, &data).await?;
    // Nothing may be folded while the proof is made: the embedded log has an owner's lock for that. In Kafka's group another
    // member would take shards away from those who fold, so there the proof only looks on.
    let owner = match config.log.kind {
        LogKind::Embedded => Some(shoptide_log::Log::join(&*log).await?),
        LogKind::Kafka => None,
    };
    let truth = services::open_truth_to_read(&config, &data).await?;
    shoptide_live::stand(&*truth, &*log).await?;
    let scratch = tempfile::tempdir()?;
    let lists = config.list_params();
    let files = data.model_files(&config);
    let verify = Verify {
        log: &*log,
        truth: &*truth,
        files: &files,
        lists: &lists,
        rules_version: config.rules_version(),
        scratch: scratch.path(),
        inspect: crate::app::inspect(),
    };
    let report = verify.run().await?;
    drop(owner);
    shoptide_log::Log::close(&*log).await;
    if json {
        outln!("{}", serde_json::to_string(&report)?)?;
    } else {
        print(&report)?;
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &Report) -> anyhow::Result<()> {
    let mark = |ok: bool| if ok { "equal" } else { "DIFFERENT" }.to_owned();
    outln!("replayed {} records in {:.2} s\n", report.records, report.replay_s)?;
    let rows: Vec<Vec<String>> = report
        .tables
        .iter()
        .map(|t| vec![t.table.to_owned(), t.rows.to_string(), t.replayed_rows.to_string(), mark(t.equal)])
        .collect();
    out!("{}", table(&["table", "rows", "replayed", "bytes"], &rows))?;
    for difference in report.tables.iter().flat_map(|t| &t.differences) {
        outln!("  {difference}")?;
    }
    outln!()?;
    let rows: Vec<Vec<String>> = report
        .sums
        .iter()
        .map(|s| {
            let mut row = vec![s.topic.to_owned(), s.partition.to_string()];
            row.extend(
                [s.logged, s.applied, s.duplicate, s.late, s.erased, s.dead_lettered].map(|n| n.to_string()),
            );
            row.push(if s.adds_up { "adds up" } else { "DOES NOT ADD UP" }.to_owned());
            row
        })
        .collect();
    let headings = ["topic", "partition", "logged", "applied", "duplicate", "late", "erased", "dead", ""];
    out!("{}", table(&headings, &rows))?;
    if report.behind != 0 {
        outln!("\n{} records of the log are not folded yet: nothing is said of them", report.behind)?;
    }
    let lists = &report.lists;
    outln!("\nlists: {} recomputed, {} equal, {} skipped", lists.recomputed, lists.equal, lists.skipped)?;
    if lists.recomputed == 0 && lists.skipped != 0 {
        outln!("  no list could be checked: each is about to be made anew")?;
    }
    for list in &lists.different {
        outln!("  differs: {list}")?;
    }
    outln!(
        "{}",
        if report.ok { "\nthe truth is what the log says" } else { "\nTHE TRUTH IS NOT WHAT THE LOG SAYS" }
    )
}
