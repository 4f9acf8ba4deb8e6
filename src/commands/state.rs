//! `state verify`: the proof that the truth is what one clean run over the log makes.

use std::process::ExitCode;

use shoptide_jobs::verify::{Report, Verify};

use crate::args::{State, StateWhat};
use crate::commands::load_config;
use crate::data_dir::DataDir;
use crate::render::table;

pub async fn run(args: State) -> anyhow::Result<ExitCode> {
    let StateWhat::Verify { json, place } = args.what;
    let config = load_config(place.config.as_deref())?;
    let data = DataDir::existing(&place.data_dir)?;
    let log = data.open_log(&config).await?;
    // The owner's lock: nothing may be folded while the proof is made.
    let owner = shoptide_log::Log::join(&*log).await?;
    let truth = data.open_truth_to_read().await?;
    let scratch = tempfile::tempdir()?;
    let lists = config.list_params();
    let files = data.model_files();
    let verify = Verify {
        log: &*log,
        truth: &*truth,
        files: &files,
        lists: &lists,
        rules_version: config.rules_version(),
        scratch: scratch.path(),
        inspect: None,
    };
    let report = verify.run().await?;
    drop(owner);
    shoptide_log::Log::close(&*log).await;
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &Report) {
    let mark = |ok: bool| if ok { "equal" } else { "DIFFERENT" }.to_owned();
    println!("replayed {} records in {:.2} s\n", report.records, report.replay_s);
    let rows: Vec<Vec<String>> = report
        .tables
        .iter()
        .map(|t| vec![t.table.to_owned(), t.rows.to_string(), t.replayed_rows.to_string(), mark(t.equal)])
        .collect();
    print!("{}", table(&["table", "rows", "replayed", "bytes"], &rows));
    for difference in report.tables.iter().flat_map(|t| &t.differences) {
        println!("  {difference}");
    }
    println!();
    let rows: Vec<Vec<String>> = report
        .sums
        .iter()
        .map(|s| {
            let mut row = vec![s.topic.to_owned(), s.partition.to_string()];
            row.extend([s.logged, s.applied, s.duplicate, s.late, s.erased, s.dead_lettered].map(|n| n.to_string()));
            row.push(if s.adds_up { "adds up" } else { "DOES NOT ADD UP" }.to_owned());
            row
        })
        .collect();
    let headings = ["topic", "partition", "logged", "applied", "duplicate", "late", "erased", "dead", ""];
    print!("{}", table(&headings, &rows));
    let lists = &report.lists;
    println!("\nlists: {} recomputed, {} equal, {} skipped", lists.recomputed, lists.equal, lists.skipped);
    lists.different.iter().for_each(|l| println!("  differs: {l}"));
    println!("{}", if report.ok { "\nthe truth is what the log says" } else { "\nTHE TRUTH IS NOT WHAT THE LOG SAYS" });
}
