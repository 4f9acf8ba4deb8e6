//! `import`: a file of real events, through a collector or straight into the log.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::json;
use shoptide_jobs::import::{
    BATCH_EVENTS_MAX, CollectorSink, Import, LogSink, Mapping, Outgoing, Pace, Report, Sink, Speed,
};
use shoptide_schemas::EventMs;
use shoptide_schemas::wire::WireTime;

use crate::app::Refused;
use crate::args;
use crate::commands::{key_of, load_config};
use crate::data_dir::{DataDir, system_clock};
use crate::render::table;
use crate::services;
use crate::{out, outln};

/// Bad rows printed; the others are counted.
const BAD_ROWS_SHOWN: usize = 20;

pub async fn run(args: args::Import) -> anyhow::Result<ExitCode> {
    let speed: Speed =
        args.speed.parse().map_err(|e: shoptide_jobs::import::BadSpeed| Refused(e.to_string()))?;
    let mapping = Mapping::find(&args.mapping).map_err(|e| Refused(e.to_string()))?;
    let mut import = Import::open(&args.file, mapping).map_err(|e| Refused(e.to_string()))?;
    let (mut sink, log) = open_sink(args.to.as_deref(), args.key_file.as_deref(), &args.place).await?;
    let began = Instant::now();
    let clock = system_clock();
    let (mut accepted, mut rejected) = (0_u64, 0_u64);
    let mut pace: Option<Pace> = None;
    // At a pace, batches are small so that each is due at about one moment.
    let batch_max = if speed == Speed::Max { BATCH_EVENTS_MAX } else { 50 };
    let bar = crate::demo::progress::Bar::spinner("importing", args.json);
    let failed: Option<anyhow::Error> = loop {
        let batch = match import.next_batch(batch_max) {
            Ok(Some(batch)) => batch,
            Ok(None) => break None,
            Err(error) => break Some(error.into()),
        };
        if let (false, Some(at)) =
            (speed == Speed::Max, batch.events.first().and_then(|e| at_ms(e.occurred_at.as_ref())))
        {
            let now_ms = clock();
            let pace = pace.get_or_insert(Pace { speed, first_ms: at, start_ms: now_ms });
            tokio::time::sleep(Duration::from_millis(pace.wait_ms(at, now_ms))).await;
        }
        let items = batch.catalogue.into_iter().map(Outgoing::Item);
        let outgoing: Vec<Outgoing> = items.chain(batch.events.into_iter().map(Outgoing::Event)).collect();
        let mut failed = None;
        for some in outgoing.chunks(BATCH_EVENTS_MAX) {
            match sink.send(some.to_vec()).await {
                Ok(sent) => {
                    accepted += sent.accepted;
                    rejected += sent.rejected;
                }
                Err(error) => {
                    failed = Some(error.into());
                    break;
                }
            }
        }
        bar.set(import.report().rows);
        if failed.is_some() {
            break failed;
        }
    };
    bar.finish();
    if let Some(log) = log {
        shoptide_log::Log::close(&*log).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    // What came in stands, and is told, however the import ended.
    print(import.report(), accepted, rejected, seconds, args.json)?;
    match failed {
        None => Ok(ExitCode::SUCCESS),
        Some(error) => Err(error),
    }
}

/// A collector, or the embedded log of a data directory.
pub async fn open_sink(
    to: Option<&str>,
    key_file: Option<&Path>,
    place: &args::Place,
) -> anyhow::Result<(Box<dyn Sink>, Option<std::sync::Arc<dyn shoptide_log::Log>>)> {
    if key_file.is_some() && to.is_none() {
        return Err(Refused("--key-file is for a collector: it needs --to".to_owned()).into());
    }
    if let Some(url) = to {
        let sink =
            CollectorSink::new(url, key_of(key_file)?.as_deref()).map_err(|e| Refused(e.to_string()))?;
        return Ok((Box::new(sink), None));
    }
    let config = load_config(place.config.as_deref())?;
    let data = DataDir::create(&place.data_dir)?;
    let log = services::open_log_patiently(&config, &data).await?;
    Ok((Box::new(LogSink::new(log.clone())), Some(log)))
}

fn at_ms(time: Option<&WireTime>) -> Option<i64> {
    match time? {
        WireTime::Ms(ms) => Some(*ms),
        WireTime::Text(text) => EventMs::from_rfc3339(text).ok().map(|at| at.0),
    }
}

fn print(report: &Report, accepted: u64, rejected: u64, seconds: f64, json: bool) -> anyhow::Result<()> {
    if json {
        let mut line = serde_json::to_value(report)?;
        if let Some(fields) = line.as_object_mut() {
            fields.insert("accepted".to_owned(), json!(accepted));
            fields.insert("rejected".to_owned(), json!(rejected));
            fields.insert("seconds".to_owned(), json!(seconds));
        }
        outln!("{line}")?;
        return Ok(());
    }
    outln!(
        "{} rows: {} events, {} ignored, {} bad; {} catalogue rows; {accepted} accepted, {rejected} rejected; {seconds:.2} s",
        report.rows,
        report.events,
        report.ignored,
        report.bad,
        report.catalogue
    )?;
    let types: Vec<Vec<String>> =
        report.events_by_type.iter().map(|(name, n)| vec![(*name).to_owned(), n.to_string()]).collect();
    out!("{}", table(&["type", "events"], &types))?;
    if report.bought_micros != 0 || report.refunded_micros != 0 || report.rejected_micros != 0 {
        let sums = [
            ("bought", report.bought_micros),
            ("refunded", -report.refunded_micros),
            ("rejected", report.rejected_micros),
            ("the file", report.sum_micros()),
        ];
        let sums = sums.map(|(what, micros)| vec![what.to_owned(), shoptide_models::report::decimal(micros)]);
        out!("\n{}", table(&["quantity x price", "sum"], &sums))?;
        if 0 < report.rejected_unreadable {
            let rows = report.rejected_unreadable;
            outln!("{rows} rejected rows have no amount that can be read: they are in no sum")?;
        }
    }
    if 0 < report.bad {
        let reasons: Vec<Vec<String>> =
            report.bad_by_reason.iter().map(|(reason, n)| vec![reason.clone(), n.to_string()]).collect();
        out!("\n{}", table(&["bad", "rows"], &reasons))?;
        let lines = report.bad_lines.iter().take(BAD_ROWS_SHOWN);
        let lines: Vec<Vec<String>> =
            lines.map(|b| vec![b.line.to_string(), b.reason.clone(), b.message.clone()]).collect();
        out!("\n{}", table(&["line", "reason", "message"], &lines))?;
    }
    Ok(())
}
