//! What can be typed.

mod evaluate;
mod jobs;
mod lake;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use evaluate::{Evaluate, EvaluateCommon, Generate, Import, Protocol};
pub use jobs::{Job, Jobs, Models, ModelsWhat, Replay, Report, Segments, SegmentsWhat};
#[cfg(feature = "scale")]
pub use lake::LakeAt;
pub use lake::{Als, Executor, Lake, LakeWhat, Scheduler, Sql};

/// Recommendations for shops: events in, fresh explained lists out.
///
/// Start with `shoptide demo`, which needs nothing; then `shoptide up` for a shop of your own. Logs go to standard error,
/// filtered by SHOPTIDE_LOG (such as `info` or `shoptide_stream=debug`). Exit codes: 0 done, 1 failed, 2 refused at the
/// start (arguments, configuration, data).
#[derive(Debug, Parser)]
#[command(name = "shoptide", version, about, long_about)]
pub struct Args {
    /// Logs as JSON lines, for machines.
    #[arg(long, global = true)]
    pub log_json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// A simulated shop, start to finish, with a summary: no service, no network.
    ///
    /// Sends a catalogue and events through the HTTP collector, streams, trains, measures, shows one user's list with
    /// reasons, then lets visitors go on shopping until Ctrl-C.
    Demo(Demo),
    /// All roles in one process: collector and API, stream, trainer. Ctrl-C or SIGTERM ends it.
    Up(Run),
    /// Only the stream: folds the log into the truth and makes the lists. One at a time on a data directory.
    Stream(Place),
    /// Only the collector and query API.
    Serve(Run),
    /// Only the trainer; or, with a job's name, that job once.
    Jobs(Jobs),
    /// Trained models: what is served, what was, what waits.
    Models(Models),
    /// A file of real events (CSV, TSV, JSON lines; plain, .gz, .zst) becomes events of ours.
    Import(Import),
    /// A deterministic shop: catalogue and events, as JSON lines or sent.
    Generate(Generate),
    /// Models against files that anyone can fetch, by published protocols: no data directory, no service.
    ///
    /// Parameters are searched on a validation cut of the training data only: with `--model best`, or where --budget-s is
    /// given. Files may be packed with gzip or zstd.
    Evaluate(Evaluate),
    /// A user's list with reasons; unknown users get what the shop would show them.
    Recommend(Recommend),
    /// Items like an item.
    Similar(Ask),
    /// What is known of a user: tastes, spending, last acts.
    Profile(Profile),
    /// Talk to a shop that runs: say what you look for. `/why N`, `/like N`, `/history`, `/reset`, `/help`.
    Chat(Chat),
    /// The log as it is.
    Events(Events),
    /// Records that could not be applied, each with its reason.
    DeadLetters(DeadLetters),
    /// The truth, and the proof of it.
    State(State),
    /// What the lists earn: click-through, carts and conversion by source, segment, category and model; satisfaction, exposure,
    /// members.
    ///
    /// From the events of a log (or a lake), whether or not the shop runs. With `--user`, why one user sees what he sees.
    Report(Report),
    /// The shop as it was at a moment, rebuilt into a data directory of its own.
    ///
    /// Folds the log from its first record, and what the log has forgotten from the lake. The new folder is a shop like any other:
    /// `recommend`, `state verify` and `sql` work on it. Users who were erased since are erased there too. Stopped half way, the folder
    /// says so and is refused; the same command begins anew.
    Replay(Replay),
    /// Any question, in SQL: over the events of the lake, catalogue, users, lists, models. It only reads.
    ///
    /// Without a question it asks for one after the other on a terminal (end each with `;`, `\\?` helps), or reads them from
    /// standard input. Tables and functions: docs/sql.md. It needs the feature `lake`, which is in every build but the demo's.
    Sql(Sql),
    /// Hands out queries over the lake, and trainings on it, to executors on many machines. Needs the feature `scale`.
    ///
    /// Prints where it listens. There is no authentication: it belongs into a network of its own. docs/scale.md
    Scheduler(Scheduler),
    /// Carries out parts of what a scheduler hands out. Needs the feature `scale`.
    ///
    /// Prints where it listens. It reads the lake and nothing else of its machine. docs/scale.md
    Executor(Executor),
    /// The event lake, and the proof that it is whole.
    Lake(Lake),
    /// The shop's questions and answers.
    Faq(Faq),
    /// Groups of users with a like taste: what `jobs segment` found.
    Segments(Segments),
    /// The shop's tools for an assistant: the Model Context Protocol over standard input and output, until it closes them.
    ///
    /// Reads the files of a shop that runs or rests. HTTP has the same tools at `/mcp`.
    Mcp(Mcp),
    /// The configuration: what is in force, and whether it is good.
    Config(Config),
    /// Brings the tables in MySQL to this version; nothing else ever changes them.
    Migrate(With),
    /// The topics in Kafka.
    Topics(Topics),
}

/// How it is configured.
#[derive(Debug, Clone, clap::Args)]
pub struct With {
    /// A TOML file over the defaults.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Topics {
    #[command(subcommand)]
    pub what: TopicsWhat,
}

#[derive(Debug, Subcommand)]
pub enum TopicsWhat {
    /// Makes those that are missing, with log.partitions, kafka.replication and kafka.retention_days.
    Create {
        #[command(flatten)]
        with: With,
    },
    /// More partitions: larger topics beside the old ones, which are sealed, folded to their end, and then left.
    ///
    /// Run it while everything runs. Events are taken in all the time (a collector may answer 503 for a second), lists stand still
    /// while users move to their new shards. If it is stopped, the same command goes on where it was.
    Grow {
        /// Of each user topic: a multiple of what there is. Left out, a growth that was stopped goes on.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
        partitions: Option<u32>,
        /// Longest time to wait until the old topics are folded; beyond it, say it again to go on.
        #[arg(long, value_name = "SECONDS", default_value_t = 3_600)]
        wait_s: u64,
        #[command(flatten)]
        with: With,
    },
    /// Generations of the user topics: which is written and which is folded. Exit code 1 if one needs a person.
    Status {
        #[command(flatten)]
        with: With,
    },
}

/// Where the data is and how it is configured.
#[derive(Debug, Clone, clap::Args)]
pub struct Place {
    /// The data directory of the embedded log and store.
    #[arg(long, global = true, value_name = "DIR", default_value = "shoptide-data")]
    pub data_dir: PathBuf,
    /// A TOML file over the defaults.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Demo {
    /// Keep the data here and go on with it the next time; a temporary folder otherwise.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// A TOML file over the defaults.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 8000)]
    pub port: u16,
    /// Stop after the summary.
    #[arg(long)]
    pub once: bool,
    /// Print only the summary, as one line of JSON.
    #[arg(long)]
    pub json: bool,
    /// Another seed is another shop.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Events that are sent before the summary.
    #[arg(long, default_value_t = 50_000)]
    pub events: u64,
    /// Users of the shop.
    #[arg(long, default_value_t = 1_000)]
    pub users: u64,
    /// Items of the catalogue.
    #[arg(long, default_value_t = 600)]
    pub items: u64,
    /// Simulated visitors' events a second after the summary, 1 to 1000.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub visitors_per_s: u64,
}

#[derive(Debug, clap::Args)]
pub struct Faq {
    #[command(subcommand)]
    pub what: FaqWhat,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Subcommand)]
pub enum FaqWhat {
    /// Adds the entries of a file, or replaces those with the same ids: JSON lines, or CSV by its name's ending.
    ///
    /// All or nothing: rows that are broken or given twice are named with line and field, and nothing is changed (exit code 2). A
    /// running shop answers from them within a second.
    Import {
        file: PathBuf,
        /// Takes away the entries that are not in the file.
        #[arg(long)]
        replace: bool,
    },
    /// All entries as JSON lines.
    List,
    /// 40 entries of a shop that does not exist, in both languages, as JSON lines: something to begin with.
    Example,
}

#[derive(Debug, clap::Args)]
pub struct Mcp {
    /// The shopper that the tools act for; without one, tools about a shopper refuse.
    #[arg(long)]
    pub user: Option<String>,
    /// File with `serve.write_key`: allows the tools that change something.
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, clap::Args)]
pub struct Run {
    #[command(flatten)]
    pub place: Place,
    /// Overrides `serve.port`; 0 takes a free one, which the log names.
    #[arg(long)]
    pub port: Option<u16>,
}

#[derive(Debug, clap::Args)]
pub struct Ask {
    /// A user's or an item's id.
    pub id: String,
    /// Places of the list.
    #[arg(short, long, default_value_t = 10)]
    pub n: usize,
    /// The API's own answer, as JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, clap::Args)]
pub struct Recommend {
    /// What the user would have seen then: RFC 3339, milliseconds since 1970, a list's `as_of` as JSON, or a file with the offsets of a cut.
    #[arg(long, value_name = "T")]
    pub at: Option<String>,
    #[command(flatten)]
    pub ask: Ask,
}

#[derive(Debug, clap::Args)]
pub struct Profile {
    /// A user's id.
    pub id: String,
    /// The API's own answer, as JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, clap::Args)]
pub struct Chat {
    /// Where the shop answers.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    pub to: String,
    /// Who talks; without it a visitor, whom nobody knows.
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
    /// Goes on with a session of before.
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// File with the shop's write key.
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
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
        /// Records of the past, held in memory to be sorted: at most a million.
        #[arg(short, long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
        n: u32,
        /// Goes on with what comes, until Ctrl-C.
        #[arg(short, long)]
        follow: bool,
        /// One line of JSON a record, with its value whole.
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
        /// Letters shown.
        #[arg(short, long, default_value_t = 50)]
        n: usize,
        /// One line of JSON a letter.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// One with its payload: `TOPIC/PARTITION/OFFSET`.
    Show {
        /// As `list` prints it.
        id: String,
        /// One line of JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Appends one again (or all of a reason), as it is; what is still wrong comes back as a new dead letter.
    Retry {
        /// As `list` prints it.
        #[arg(required_unless_present = "reason")]
        id: Option<String>,
        /// All letters of this reason, such as `malformed`.
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
    ///
    /// Also makes a sample of lists again from the inputs they name, and checks that every partition's counts add up. On Kafka
    /// the stream may run meanwhile; the embedded log must be at rest. Exit code 1 if anything differs.
    Verify {
        /// The report as one line of JSON.
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
        /// A TOML file over the defaults.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// What is in force, with secrets masked.
    Show {
        /// A TOML file over the defaults.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}
