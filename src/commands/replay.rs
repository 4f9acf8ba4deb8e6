//! `replay --until T --into DIR`: a shop as it was.

use std::process::ExitCode;

use shoptide_config::{Config, LogKind};
use shoptide_jobs::replay::{Moment, Rebuild, ReplayToError, Report, WithoutLog};
use shoptide_live::ModelFiles;
use shoptide_live::fold::Stretch;

use crate::args::Replay;
use crate::commands::load_config;
use crate::data_dir::DataDir;
use crate::outln;
use crate::services;

/// The moment that an argument names, or what is wrong with it.
pub fn moment(argument: &str, text: &str) -> Result<Moment, ReplayToError> {
    Moment::parse(text).map_err(|error| match error {
        ReplayToError::Moment(wrong) => ReplayToError::Moment(format!("{argument}: {wrong}")),
        other => other,
    })
}

pub async fn run(args: Replay) -> anyhow::Result<ExitCode> {
    let moment = moment("--until", &args.until)?;
    let config = load_config(args.place.config.as_deref())?;
    let data = DataDir::with_truth_of(&config, &args.place.data_dir)?;
    let log = services::open_log_patiently(&config, &data).await?;
    let truth = services::open_truth_to_read(&config, &data).await?;
    shoptide_live::stand(&*truth, &*log).await?;
    let lake = super::lake_archive(&config, &data, &*log, truth.generation().await?).await?;
    let what = format!("shoptide replay --until {} --into {}", args.until, args.into.display());
    let into = DataDir::rebuilding(&args.into, &what)?;
    let (files, lists) = (data.model_files(&config), config.list_params());
    let replay = Rebuild {
        log: &*log,
        archive: lake.as_deref(),
        truth: &*truth,
        files: &files,
        lists: &lists,
        rules_version: config.rules_version(),
        moment,
        truth_path: &into.truth_path(),
        log_path: &into.log_path(),
        models: ModelFiles::new(into.path().join("models")),
        copy_log: !args.without_log,
        make_lists: !args.without_lists,
        inspect: crate::app::inspect(),
        stretch: Stretch::default(),
    };
    let report = match replay.run().await {
        Ok(report) => report,
        Err(error) => {
            if error.is_refusal() {
                into.give_up_rebuilding();
            }
            return Err(error.into());
        }
    };
    into.finish_rebuilding()?;
    shoptide_log::Log::close(&*log).await;
    if args.json {
        outln!("{}", serde_json::to_string(&report)?)?;
    } else {
        print(&args, &config, &report)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(args: &Replay, config: &Config, report: &Report) -> anyhow::Result<()> {
    outln!(
        "{} records folded in {:.2} s ({:.0} a second): {} users, {} items, {} lists",
        report.records,
        report.fold_s,
        report.events_per_s,
        report.users,
        report.items,
        report.lists
    )?;
    if report.from.archive != 0 {
        outln!("  {} of them from the lake, {} from the log", report.from.archive, report.from.log)?;
    }
    outln!("model of then: {}", report.model.note)?;
    if report.erased_since != 0 {
        outln!("{} users were erased since: they are erased here too", report.erased_since)?;
    }
    if let Some(why) = report.without_log {
        let why = match why {
            WithoutLog::Asked => "",
            WithoutLog::Archived => " (some came from the lake, which has not the bytes that were appended)",
            WithoutLog::Grown => " (the log had grown to larger topics, an embedded one never does)",
        };
        outln!(
            "its records are not in it{why}: it can be read and goes on from here, but neither verified nor replayed"
        )?;
    }
    outln!("cut, next offset by partition:")?;
    for (topic, offsets) in report.cut.as_object().into_iter().flatten() {
        outln!("  {topic} {offsets}")?;
    }
    let dir = args.into.display();
    let how = match config.log.kind {
        LogKind::Embedded => String::new(),
        // It is an embedded shop by its defaults, but for the partitions.
        LogKind::Kafka => format!("SHOPTIDE_LOG__PARTITIONS={} ", report.partitions),
    };
    outln!("\n{how}shoptide recommend USER --data-dir {dir}")?;
    if report.log_copied {
        outln!("{how}shoptide state verify --data-dir {dir}")?;
    }
    Ok(())
}
