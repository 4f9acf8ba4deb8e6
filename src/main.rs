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

use std::pin::Pin;
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

/// A command on its way: each boxed, or all of them would be one state machine, which takes minutes to compile.
type Running = Pin<Box<dyn Future<Output = anyhow::Result<ExitCode>>>>;

async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let running: Running = match args.command {
        Command::Demo(demo) => Box::pin(demo::run(demo)),
        Command::Up(run) => Box::pin(commands::run::run(run, app::Roles::ALL)),
        Command::Stream(place) => {
            Box::pin(commands::run::run(args::Run { place, port: None }, app::Roles::STREAM))
        }
        Command::Serve(run) => Box::pin(commands::run::run(run, app::Roles::SERVE)),
        Command::Jobs(jobs) => Box::pin(commands::jobs::run(jobs)),
        Command::Models(models) => Box::pin(commands::models::run(models)),
        Command::Import(import) => Box::pin(commands::import::run(import)),
        Command::Generate(generate) => Box::pin(commands::generate::run(generate)),
        Command::Evaluate(evaluate) => Box::pin(commands::evaluate::run(evaluate)),
        Command::Recommend(ask) => Box::pin(commands::ask::recommend(ask)),
        Command::Similar(ask) => Box::pin(commands::ask::similar(ask)),
        Command::Profile(ask) => Box::pin(commands::ask::profile(ask)),
        Command::Chat(chat) => Box::pin(commands::chat::run(chat)),
        Command::Events(events) => Box::pin(commands::events::run(events)),
        Command::DeadLetters(letters) => Box::pin(commands::dead_letters::run(letters)),
        Command::State(state) => Box::pin(commands::state::run(state)),
        Command::Report(report) => Box::pin(commands::report::run(report)),
        Command::Segments(segments) => Box::pin(commands::segments::run(segments)),
        Command::Replay(replay) => Box::pin(commands::replay::run(replay)),
        Command::Sql(sql) => Box::pin(commands::sql::run(sql)),
        Command::Scheduler(scheduler) => Box::pin(commands::cluster::scheduler(scheduler)),
        Command::Executor(executor) => Box::pin(commands::cluster::executor(executor)),
        Command::Lake(lake) => Box::pin(commands::lake::run(lake)),
        Command::Faq(faq) => Box::pin(commands::faq::run(faq)),
        Command::Mcp(mcp) => Box::pin(commands::mcp::run(mcp)),
        Command::Config(config) => return commands::config::run(&config),
        Command::Migrate(with) => Box::pin(commands::provide::migrate(with)),
        Command::Topics(topics) => Box::pin(commands::provide::topics(topics)),
    };
    running.await
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
