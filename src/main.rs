//! `shoptide`: the command line. It reads what was asked, opens what is needed and hands over; nothing is decided here.

mod app;
mod args;
mod assistant;
mod commands;
mod data_dir;
mod demo;
mod render;
mod schedules;
mod services;

use std::process::ExitCode;

use clap::Parser;
use shoptide_jobs::evaluate::EvaluateError;
use shoptide_jobs::replay::ReplayToError;
use shoptide_live::LiveError;
use shoptide_log::LogError;
use shoptide_store::StoreError;
use shoptide_stream::StreamError;
use tracing_subscriber::EnvFilter;

use crate::args::{Args, Command};

/// Half of what a stream process held with glibc's allocator were holes between what lives for a batch and what lives for hours.
#[cfg(feature = "services")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Exit code of a start that configuration, arguments or data refuse.
const REFUSED: u8 = 2;

fn main() -> ExitCode {
    let args = Args::parse();
    start_logging(&args);
    if let Err(wrong) = shoptide_faults::setup() {
        eprintln!("shoptide: {wrong}");
        return ExitCode::from(REFUSED);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("shoptide: the runtime cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = match runtime.block_on(run(args)) {
        Ok(code) => code,
        Err(error) if error.chain().any(|cause| cause.is::<render::OutputClosed>()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shoptide: {}", told(&error));
            ExitCode::from(exit_code(&error))
        }
    };
    // Readers of SQLite and a drain that is over its bound must not hold the process.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    code
}

async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Demo(demo) => demo::run(demo).await,
        Command::Up(run) => commands::run::run(run, app::Roles::ALL).await,
        Command::Stream(place) => {
            commands::run::run(args::Run { place, port: None }, app::Roles::STREAM).await
        }
        Command::Serve(run) => commands::run::run(run, app::Roles::SERVE).await,
        Command::Jobs(jobs) => commands::jobs::run(jobs).await,
        Command::Models(models) => commands::models::run(models).await,
        Command::Import(import) => commands::import::run(import).await,
        Command::Generate(generate) => commands::generate::run(generate).await,
        Command::Evaluate(evaluate) => commands::evaluate::run(evaluate).await,
        Command::Recommend(ask) => commands::ask::recommend(ask).await,
        Command::Similar(ask) => commands::ask::similar(ask).await,
        Command::Profile(ask) => commands::ask::profile(ask).await,
        Command::Chat(chat) => commands::chat::run(chat).await,
        Command::Events(events) => commands::events::run(events).await,
        Command::DeadLetters(letters) => commands::dead_letters::run(letters).await,
        Command::State(state) => commands::state::run(state).await,
        Command::Report(report) => commands::report::run(report).await,
        Command::Segments(segments) => commands::segments::run(segments).await,
        Command::Replay(replay) => commands::replay::run(replay).await,
        Command::Sql(sql) => commands::sql::run(sql).await,
        Command::Scheduler(scheduler) => commands::cluster::scheduler(scheduler).await,
        Command::Executor(executor) => commands::cluster::executor(executor).await,
        Command::Lake(lake) => commands::lake::run(lake).await,
        Command::Faq(faq) => commands::faq::run(faq).await,
        Command::Mcp(mcp) => commands::mcp::run(mcp).await,
        Command::Config(config) => commands::config::run(&config),
        Command::Migrate(with) => commands::provide::migrate(with).await,
        Command::Topics(topics) => commands::provide::topics(topics).await,
    }
}

/// The error with its causes, those left out that the text before them tells already.
fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    text
}

/// A start that configuration or data refuse is 2, whatever happens later 1.
fn exit_code(error: &anyhow::Error) -> u8 {
    let log = |e: &LogError| matches!(e, LogError::Unusable(_));
    let store = |e: &StoreError| matches!(e, StoreError::Unusable(_));
    // Errors that pass another's text through hide it from the chain, so they are looked into.
    let refused = error.chain().any(|cause| {
        cause.is::<shoptide_config::ConfigError>()
            || cause.is::<app::Refused>()
            || cause.is::<EvaluateError>()
            || matches!(cause.downcast_ref(), Some(shoptide_jobs::report::ReportError::Out { .. }))
            || cause.downcast_ref().is_some_and(store)
            || cause.downcast_ref().is_some_and(log)
            || cause.downcast_ref::<ReplayToError>().is_some_and(ReplayToError::is_refusal)
            || match cause.downcast_ref() {
                Some(StreamError::Log(e)) => log(e),
                Some(StreamError::Store(e)) => store(e),
                _ => false,
            }
            || matches!(cause.downcast_ref(), Some(LiveError::Store(e)) if store(e))
            || refused_query(cause)
    });
    if refused { REFUSED } else { 1 }
}

/// A question that makes no sense of what there is.
#[cfg(feature = "lake")]
fn refused_query(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref().is_some_and(shoptide_query::QueryError::is_refusal)
}

#[cfg(not(feature = "lake"))]
fn refused_query(_: &(dyn std::error::Error + 'static)) -> bool {
    false
}

/// Structured logs on standard error; `SHOPTIDE_LOG` filters. Commands whose output is for people stay quiet.
fn start_logging(args: &Args) {
    let quiet = match args.command {
        Command::Up(_) | Command::Stream(_) | Command::Serve(_) => "info",
        Command::Jobs(args::Jobs { job: None, .. }) => "info",
        _ => "warn",
    };
    let filter = std::env::var("SHOPTIDE_LOG").unwrap_or_else(|_| quiet.to_owned());
    let filter = EnvFilter::try_new(&filter).unwrap_or_else(|error| {
        eprintln!("shoptide: SHOPTIDE_LOG is no filter ({error}), taking {quiet}");
        EnvFilter::new(quiet)
    });
    // Colours are for terminals; a file or a journal gets plain text.
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    if args.log_json { builder.json().init() } else { builder.init() }
}
