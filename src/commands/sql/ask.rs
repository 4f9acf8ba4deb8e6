//! Questions that are given: on the command line, in a file, or from standard input.

use std::io::{IsTerminal, Read};
use std::process::ExitCode;

use shoptide_config::Config;
use shoptide_query::output::Format;
use shoptide_query::ready::{READY, Ready};
use shoptide_query::{QueryError, SessionOptions, Shop, Statement, watch_memory};
use tempfile::TempDir;

use super::answer::Target;
use super::leftovers::Leftovers;
use super::{open_shop, shell};
use crate::app::Refused;
use crate::args::Sql;
use crate::commands::load_config;
use crate::render::table;
use crate::{out, outln};

/// Bytes of a file of questions.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

pub async fn run(args: Sql) -> anyhow::Result<ExitCode> {
    if args.list {
        let rows: Vec<Vec<String>> = READY.iter().map(|r| vec![r.name.to_owned(), r.meaning()]).collect();
        out!("{}", table(&["name", "what it tells"], &rows))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut config = load_config(args.place.config.as_deref())?;
    let target = Target {
        format: format_of(&args),
        file: args.output.clone(),
        force: args.force,
        rows_max: config.sql.table_rows_max,
        leftovers: Leftovers::default(),
    };
    target.check()?;
    let text = match (&args.query, &args.file, &args.ready) {
        (Some(query), _, _) => Some(query.clone()),
        (None, Some(file), _) => {
            let shown = file.display();
            let unreadable = |error: std::io::Error| Refused(format!("{shown} cannot be read: {error}"));
            Some(bounded(std::fs::File::open(file).map_err(unreadable)?, &shown.to_string())?)
        }
        (None, None, Some(name)) => Some(ready(name)?),
        (None, None, None) if std::io::stdin().is_terminal() => None,
        (None, None, None) => Some(bounded(std::io::stdin(), "standard input")?),
    };
    // What is no question needs no shop.
    let statements = text.as_deref().map(Statement::all).transpose()?;
    if let Some(statements) = &statements {
        check_count(statements.len(), target.file.is_some())?;
    }
    if let Some(scheduler) = &args.scheduler {
        return match statements {
            Some(statements) => super::cluster::run(&args, scheduler, statements, &target).await,
            None => {
                Err(Refused("--scheduler takes questions that are given, not a terminal".to_owned()).into())
            }
        };
    }
    let memory_bytes = SessionOptions::from(&config.sql).memory_bytes;
    let spill = spill_folder(&config);
    if let Some(folder) = &spill {
        config.sql.spill_dir = Some(folder.path().to_owned());
        target.leftovers.add(folder.path());
    }
    let leftovers = target.leftovers.clone();
    watch_memory(memory_bytes, move |why| {
        eprintln!("shoptide: {why}");
        leftovers.remove();
        // What holds it is in the middle of a call.
        std::process::exit(1);
    });
    let shop = open_shop(&config, &args.place).await?;
    match statements {
        Some(statements) => {
            for (place, statement) in statements.into_iter().enumerate() {
                if 0 < place {
                    outln!()?;
                }
                answered(&shop, statement, &target).await?;
            }
        }
        None => shell::run(shop, target).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A folder of this process's own for what is spilled; where there can be none, who spills says so.
fn spill_folder(config: &Config) -> Option<TempDir> {
    if config.sql.spill_bytes == 0 {
        return None;
    }
    let parent = config.sql.spill_dir.clone().unwrap_or_else(std::env::temp_dir);
    std::fs::create_dir_all(&parent).ok()?;
    tempfile::Builder::new().prefix("shoptide-sql-").tempdir_in(parent).ok()
}

/// One answer, unless Ctrl-C ends it: what it holds on the disk goes with it.
pub async fn answered(shop: &Shop, statement: Statement, target: &Target) -> anyhow::Result<()> {
    let answer = async { target.write(shop.run(statement).await?).await };
    tokio::select! {
        answered = answer => answered,
        _ = tokio::signal::ctrl_c() => Err(QueryError::Ended.into()),
    }
}

fn check_count(statements: usize, into_file: bool) -> anyhow::Result<()> {
    match (statements, into_file) {
        (0, _) => Err(Refused("there is no question".to_owned()).into()),
        (2.., true) => {
            Err(Refused(format!("--output takes one answer, there are {statements} questions")).into())
        }
        _ => Ok(()),
    }
}

/// A file's ending says its format where nothing else does.
fn format_of(args: &Sql) -> Option<Format> {
    let named = |name: &str| match name {
        "csv" => Some(Format::Csv),
        "json" | "jsonl" => Some(Format::Json),
        "parquet" => Some(Format::Parquet),
        _ => None,
    };
    let ending = || args.output.as_ref().and_then(|file| named(&file.extension()?.to_string_lossy()));
    named(&args.format).or_else(ending)
}

fn ready(name: &str) -> anyhow::Result<String> {
    let found = Ready::named(name).map(|ready| ready.sql.to_owned());
    let names: Vec<&str> = READY.iter().map(|ready| ready.name).collect();
    Ok(found.ok_or_else(|| {
        Refused(format!("there is no ready question {name:?}; there are {}", names.join(", ")))
    })?)
}

fn bounded(from: impl Read, name: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = from.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| Refused(format!("{name} cannot be read: {error}")))?;
    if FILE_BYTES_MAX < text.len() as u64 {
        return Err(Refused(format!("{name} has more than {FILE_BYTES_MAX} bytes")).into());
    }
    Ok(text)
}
