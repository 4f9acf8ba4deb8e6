//! `evaluate`: models against files, as a table or as JSON.

use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use shoptide_jobs::evaluate::{
    Choice, EvaluateError, ExcludeCurrent, Options, OutFile, RankingTask, RatingsTask, Report, Say,
    SessionsTask, StreamTask, check_apart, ranking, ratings, sessions, stream,
};
use shoptide_jobs::plot::{Measure, of_report};

use crate::args::{Evaluate, EvaluateCommon, Protocol};
use crate::render::table;
use crate::{out, outln};

/// Between two lines of progress on a terminal.
const SAY_EVERY: Duration = Duration::from_millis(200);

pub async fn run(args: Evaluate) -> anyhow::Result<ExitCode> {
    let common = match &args.protocol {
        Protocol::Sessions { common, .. }
        | Protocol::Ranking { common, .. }
        | Protocol::Stream { common, .. }
        | Protocol::Ratings { common, .. } => common.clone(),
    };
    let (measure, files) = measured(&args.protocol);
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let out = [("--lists", common.lists.as_deref()), ("--plot", common.plot.as_deref())];
    let out: Vec<_> = out.into_iter().filter_map(|(flag, path)| Some((flag, path?))).collect();
    check_apart(&out, &files)?;
    let plot = common.plot.as_deref().map(|path| OutFile::open("plot", path)).transpose()?;
    let report = tokio::task::spawn_blocking(move || evaluate(args.protocol)).await??;
    if let Some(plot) = plot {
        let svg = of_report(&report, measure)?;
        plot.write(|out| out.write_all(svg.as_bytes()))?;
    }
    if common.json {
        outln!("{}", report.json())?;
        return Ok(ExitCode::SUCCESS);
    }
    outln!("{}", report.protocol)?;
    let sizes: Vec<String> =
        report.sizes.iter().map(|(what, n)| format!("{} {n}", what.replace('_', " "))).collect();
    outln!("{}; seed {}", sizes.join(", "), report.seed)?;
    for note in &report.notes {
        outln!("note: {note}")?;
    }
    let (headings, cells) = report.table();
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    out!("{}", table(&headings, &cells))?;
    Ok(ExitCode::SUCCESS)
}

/// What a search of the protocol is judged by, and the files that the command reads.
fn measured(protocol: &Protocol) -> (Measure, Vec<PathBuf>) {
    let (name, is_error) = match protocol {
        Protocol::Sessions { .. } => ("HR + MRR", false),
        Protocol::Ranking { .. } => ("recall + NDCG", false),
        Protocol::Stream { .. } => ("recall", false),
        Protocol::Ratings { .. } => ("RMSE", true),
    };
    let files = match protocol {
        Protocol::Sessions { train, test, .. } => vec![train.clone(), test.clone()],
        Protocol::Ranking { train, test, items, .. } => {
            [train, test].into_iter().chain(items).cloned().collect()
        }
        Protocol::Stream { events: file, .. } | Protocol::Ratings { file, .. } => vec![file.clone()],
    };
    (Measure { name, is_error }, files)
}

fn evaluate(protocol: Protocol) -> Result<Report, EvaluateError> {
    let mut progress = Progress::default();
    let mut say = |text: &str| progress.say(text);
    let say: Say<'_> = &mut say;
    let report = match protocol {
        Protocol::Sessions { train, test, valid_share, exclude_current, k, common } => {
            let exclude_current = match exclude_current.as_str() {
                "yes" => ExcludeCurrent::Yes,
                "no" => ExcludeCurrent::No,
                _ => ExcludeCurrent::Auto,
            };
            let options = options(&common);
            sessions(&SessionsTask { train, test, valid_share, exclude_current, k, options }, say)
        }
        Protocol::Ranking { train, test, items, valid_share, k, common } => {
            ranking(&RankingTask { train, test, items, valid_share, k, options: options(&common) }, say)
        }
        Protocol::Stream { events, positive, k, windows, common } => {
            stream(&StreamTask { events, positive, k, windows, options: options(&common) }, say)
        }
        Protocol::Ratings { file, folds, common } => {
            ratings(&RatingsTask { file, folds, options: options(&common) }, say)
        }
    };
    progress.clear();
    report
}

fn options(common: &EvaluateCommon) -> Options {
    Options {
        model: Choice::from(common.model.as_str()),
        seed: common.seed,
        budget_s: common.budget_s,
        lists: common.lists.clone(),
    }
}

/// One line on a terminal's standard error that is written over; nothing elsewhere.
#[derive(Default)]
struct Progress {
    said: Option<Instant>,
}

impl Progress {
    fn say(&mut self, text: &str) {
        let mut err = std::io::stderr();
        if err.is_terminal() && self.said.is_none_or(|at| SAY_EVERY < at.elapsed()) {
            // Progress that cannot be shown is no reason to stop.
            let _ = write!(err, "\r\x1b[K{text}");
            let _ = err.flush();
            self.said = Some(Instant::now());
        }
    }

    fn clear(&mut self) {
        if self.said.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
