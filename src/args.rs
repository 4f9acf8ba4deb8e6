//! What can be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Recommendations for shops: events in, fresh explained lists out.
#[derive(Debug, Parser)]
#[command(name = "shoptide", version, about)]
pub struct Args {
    /// Logs as JSON lines.
    #[arg(long, global = true)]
    pub log_json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// A simulated shop, start to finish, with a summary: no service, no network.
    Demo(Demo),
    /// All roles in one process.
    Up(Run),
    /// Only the stream: log to truth.
    Stream(Run),
    /// Only the collector and query API.
    Serve(Run),
    /// The trainer, or one job by hand.
    Jobs(Jobs),
    /// A file of real events becomes events of ours.
    Import(Import),
    /// A deterministic shop: catalogue and events.
    Generate(Generate),
    /// A user's list with reasons.
    Recommend(Ask),
    /// Items like an item.
    Similar(Ask),
    /// What is known of a user.
    Profile(Ask),
    /// The log.
    Events(Events),
    /// Refused records.
    DeadLetters(DeadLetters),
    /// The truth.
    State(State),
    /// The configuration.
    Config(Config),
}

/// Where the data is and how it is configured.
#[derive(Debug, Clone, clap::Args)]
pub struct Place {
    /// The data directory of the embedded log and store.
    #[arg(long, default_value = "shoptide-data")]
    pub data_dir: PathBuf,
    /// A TOML file over the defaults.
    #[arg(long)]
    pub config: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Demo {
    /// Keep the data here; a temporary folder otherwise.
    #[arg(long)]
    pub data_dir: Option<PathBuf>,
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 8000)]
    pub port: u16,
    /// Stop after the summary.
    #[arg(long)]
    pub once: bool,
    /// The summary as one line of JSON.
    #[arg(long)]
    pub json: bool,
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    #[arg(long, default_value_t = 50_000)]
    pub events: u64,
    #[arg(long, default_value_t = 1_000)]
    pub users: u64,
    #[arg(long, default_value_t = 600)]
    pub items: u64,
    /// Simulated visitors' events a second after the summary, 1 to 1000.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub visitors_per_s: u64,
}

#[derive(Debug, clap::Args)]
pub struct Run {
    #[command(flatten)]
    pub place: Place,
    /// Overrides `serve.port`; 0 takes a free one.
    #[arg(long)]
    pub port: Option<u16>,
}

#[derive(Debug, clap::Args)]
pub struct Jobs {
    #[command(flatten)]
    pub place: Place,
    #[command(subcommand)]
    pub job: Option<Job>,
}

#[derive(Debug, Subcommand)]
pub enum Job {
    /// Trains in full now and publishes.
    Train {
        #[arg(long)]
        json: bool,
    },
    /// Held-out quality of the served blend beside its parts alone.
    Evaluate {
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
pub struct Import {
    pub file: PathBuf,
    /// retailrocket, tmall, rees46, online-retail, otto, movielens, serenade, or a TOML file.
    #[arg(long)]
    pub mapping: String,
    /// A collector such as `http://127.0.0.1:8000`; without it the events go straight into the embedded log.
    #[arg(long)]
    pub to: Option<String>,
    /// `max`, or a factor of the file's own time such as `10x`.
    #[arg(long, default_value = "max")]
    pub speed: String,
    /// File with the collector's write key.
    #[arg(long)]
    pub key_file: Option<PathBuf>,
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, clap::Args)]
pub struct Generate {
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    #[arg(long, default_value_t = 50_000)]
    pub events: u64,
    #[arg(long, default_value_t = 1_000)]
    pub users: u64,
    #[arg(long, default_value_t = 600)]
    pub items: u64,
    /// Time of the newest event, RFC 3339, or `now`.
    #[arg(long, default_value = "2026-01-31T00:00:00Z")]
    pub end: String,
    #[arg(long, default_value_t = 25)]
    pub span_days: u64,
    /// Events of every thousand that are spoiled on purpose.
    #[arg(long, default_value_t = 0)]
    pub bad_per_mille: u64,
    /// Prefix of event ids: two runs into one log need two names.
    #[arg(long)]
    pub run: Option<String>,
    /// `-` for JSON lines on standard output, a file, `log` for the embedded log, or a collector's `http://…`.
    #[arg(long, default_value = "-")]
    pub to: String,
    #[arg(long)]
    pub key_file: Option<PathBuf>,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, clap::Args)]
pub struct Ask {
    /// A user's or an item's id.
    pub id: String,
    #[arg(short, long, default_value_t = 10)]
    pub n: usize,
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, clap::Args)]
pub struct Events {
    #[command(subcommand)]
    pub what: EventsWhat,
}

#[derive(Debug, Subcommand)]
pub enum EventsWhat {
    /// The last records of the log, and with `--follow` the next.
    Tail {
        /// A topic such as shop.browse; all without it.
        #[arg(long)]
        topic: Option<String>,
        #[arg(short, long, default_value_t = 20)]
        n: usize,
        #[arg(short, long)]
        follow: bool,
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, clap::Args)]
pub struct DeadLetters {
    #[command(subcommand)]
    pub what: DeadLettersWhat,
}

#[derive(Debug, Subcommand)]
pub enum DeadLettersWhat {
    /// The newest first.
    List {
        /// Only this reason, such as `malformed`.
        #[arg(long)]
        reason: Option<String>,
        #[arg(short, long, default_value_t = 50)]
        n: usize,
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// One with its payload: `TOPIC/PARTITION/OFFSET`.
    Show {
        id: String,
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Appends one again (or all of a reason), as it is; what is still wrong comes back as a new dead letter.
    Retry {
        id: Option<String>,
        #[arg(long, conflicts_with = "id")]
        reason: Option<String>,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, clap::Args)]
pub struct State {
    #[command(subcommand)]
    pub what: StateWhat,
}

#[derive(Debug, Subcommand)]
pub enum StateWhat {
    /// Replays the log into an empty store and compares every folded table byte for byte.
    Verify {
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, clap::Args)]
pub struct Config {
    #[command(subcommand)]
    pub what: ConfigWhat,
}

#[derive(Debug, Subcommand)]
pub enum ConfigWhat {
    /// Says what is wrong, if anything.
    Check {
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// What is in force, with secrets masked.
    Show {
        #[arg(long)]
        config: Option<PathBuf>,
    },
}
