//! What can be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use shoptide_jobs::train::Name;

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
pub struct Report {
    /// First moment of the period: RFC 3339, or a day such as 2026-01-31 (its beginning, UTC). Without it, the first event.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Moment that ends the period, not part of it; without it, the last event.
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// From a display to its click, and from a click to what is bought: such as `30m`, `12h`, `7d`; at most 90d.
    #[arg(long, default_value = "7d")]
    pub window: String,
    /// What carts and purchases are credited to: the last click, or the last display.
    #[arg(long, value_parser = ["click", "shown"], default_value = "click")]
    pub credit: String,
    /// Folder for the page (`index.html`) and its tables (CSV, `report.json`): new, empty, or with a report before.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Only this user: what is known of him, his list with the parts of its scores and reasons, what lists led him to.
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
    /// Where events are read; without it the lake if there is one, else the log.
    #[arg(long, value_parser = ["lake", "log"])]
    pub source: Option<String>,
    /// The report as one line of JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub place: Place,
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
pub struct Models {
    #[command(subcommand)]
    pub what: ModelsWhat,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Subcommand)]
pub enum ModelsWhat {
    /// All versions and candidates, with what became of each.
    List {
        /// One line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// One of them: where it was cut, what it was made with, what it was measured by.
    Show {
        /// A version such as 12, or a candidate such as c3.
        model: Name,
        /// One line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Two of them: measurements, configuration, lists of the same users, neighbourhoods of the same items.
    Compare {
        a: Name,
        b: Name,
        /// One line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Serves a candidate from now on, as the next version. A shop that runs takes it over within a second.
    Promote {
        /// Such as c3.
        candidate: Name,
        /// Against the gate. Nothing is forced on users who were erased since.
        #[arg(long)]
        force: bool,
    },
    /// Serves an older version from now on, as the next version; trainings wait as candidates until one is promoted.
    Rollback {
        /// Left out: what was served before the last full training.
        version: Option<Name>,
    },
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
    /// Trains now and publishes, unless it is worse than what is served by the metrics of `[gate]`; then it waits as a candidate, the
    /// exit code is 1, and `shoptide models` has more. Runs beside a shop that streams and trains.
    Train {
        /// truth: what the stream has folded; lake: the event lake, and what the log has beyond it. The same cut gives the same model.
        #[arg(long, value_parser = ["truth", "lake"], default_value = "truth")]
        from: String,
        /// warm: from the factors of what is served, if they are of the same parameters; full: from nothing; items: only those acted
        /// on since the cut of what is served.
        #[arg(long, value_parser = ["warm", "full", "items"], default_value = "warm")]
        mode: String,
        /// Not published, whatever the gate says: to compare it, and to promote it by hand.
        #[arg(long)]
        candidate: bool,
        /// One line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Searches the weights of the served blend on a validation cut of the folded truth.
    ///
    /// Goes on from `tune.json` in the data directory where an earlier run stopped; prints what each source adds, and the
    /// lines for the configuration.
    Tune {
        /// Trials in all, those of earlier runs included.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        trials: u32,
        /// Seconds after which no trial is begun; the next run goes on.
        #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(0..=86_400))]
        budget_s: u32,
        /// Of the search.
        #[arg(long, default_value_t = 42)]
        seed: u64,
        /// Draws an SVG: every trial by its number and by each weight.
        #[arg(long, value_name = "OUT.svg")]
        plot: Option<PathBuf>,
        /// One line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Brings what is new in the log into the lake: Parquet files, each record once, whenever it is killed.
    ///
    /// Also merges small files, takes out what erased users left, drops days beyond `lake.retention_days` and sweeps what nothing
    /// names. Any number may run: one wins each step. Exit code 1 if the log has dropped what was not archived.
    Archive {
        /// Goes on until Ctrl-C or SIGTERM, looking every `lake.every_s`; otherwise it ends when nothing is new.
        #[arg(long)]
        follow: bool,
        /// Ends when nothing is new, as it does without either.
        #[arg(long, conflicts_with = "follow")]
        once: bool,
        /// One line of JSON for each look that found something, or for the only one.
        #[arg(long)]
        json: bool,
    },
    /// Hot users and items of the log, their share, and what the salted counters do about them.
    Skew {
        /// Keys shown of each kind.
        #[arg(short, long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        n: u32,
        /// Keys counted of each kind, some 200 bytes each: beyond so many different ones counts have an error, which is said.
        #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
        keys: u32,
        /// One line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Held-out quality of the served blend beside its parts alone.
    Evaluate {
        /// One line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Factors of all users and items from the lake, on a cluster: interactions by SQL, half-steps by executors.
    ///
    /// Writes them into the lake's store, below `scale/`; it publishes no model. Needs the feature `scale`.
    Als(Als),
    /// Finds the segments of users anew, assigns everybody and publishes.
    ///
    /// Lists for users of whom little is known follow with the next model version. The run before counts until this one is whole.
    Segment {
        /// How many, instead of `segments.k`.
        #[arg(long, value_parser = clap::value_parser!(u32).range(2..=32))]
        k: Option<u32>,
        /// One line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Schedules and jobs: when each runs next, and how it went last.
    List {
        /// One line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Runs a schedule's job, or a job, now and once, and notes it in the history.
    ///
    /// Progress is shown on a terminal. Refused while the job is running elsewhere; a process that died with it is waited for no
    /// longer than `jobs.lease_s`. Exit code 1 if the job fails.
    Run {
        /// As `list` has it.
        name: String,
        /// The run as one line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// What ran, the newest first: status, time, rows and error.
    History {
        /// Only of this schedule or job.
        #[arg(long, value_name = "NAME")]
        job: Option<String>,
        /// Runs shown.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
        /// One line of JSON a run.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
pub struct Segments {
    #[command(subcommand)]
    pub what: SegmentsWhat,
    /// One line of JSON.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Subcommand)]
pub enum SegmentsWhat {
    /// The segments of the run that counts.
    List,
    /// One segment: what sets it apart, who is typical, what is popular.
    Show {
        /// Its number.
        segment: u32,
    },
    /// What became of the segments and their users, run by run, the newest first.
    Drift,
}

#[derive(Debug, clap::Args)]
pub struct Evaluate {
    #[command(subcommand)]
    pub protocol: Protocol,
}

#[derive(Debug, Subcommand)]
pub enum Protocol {
    /// Which item comes next in a session: HR, MRR, NDCG and coverage at k over the full catalogue.
    ///
    /// Files: one session a line, the last id of a test line is the target; or rows of `SessionId ItemId Time` under a
    /// header, where every next click is a target.
    Sessions {
        /// Sessions to learn from.
        #[arg(long, value_name = "FILE")]
        train: PathBuf,
        /// Sessions to predict.
        #[arg(long, value_name = "FILE")]
        test: PathBuf,
        /// Share of the training sessions, the last ones, that parameters are chosen on.
        #[arg(long, default_value_t = 0.05, allow_negative_numbers = true)]
        valid_share: f64,
        /// Whether the current item is left out of the list; auto: as is better on the validation cut.
        #[arg(long, value_parser = ["auto", "yes", "no"], default_value = "auto")]
        exclude_current: String,
        /// Places that count.
        #[arg(short, long, default_value_t = 20, allow_negative_numbers = true)]
        k: usize,
        #[command(flatten)]
        common: EvaluateCommon,
    },
    /// What a user turns to of all that he did not have: recall, NDCG, precision, MAP at k, and what the lists are like.
    ///
    /// Files: rows of `user item` under a header, with `time` as a third column if it is known.
    Ranking {
        /// Pairs to learn from.
        #[arg(long, value_name = "FILE")]
        train: PathBuf,
        /// Pairs to predict.
        #[arg(long, value_name = "FILE")]
        test: PathBuf,
        /// What items say of themselves, for the model `content`: CSV or TSV with a column `item` and any of `title`,
        /// `brand`, `category` (levels separated by `/`), `tags` (by `|`), `description`.
        #[arg(long, value_name = "FILE")]
        items: Option<PathBuf>,
        /// Share of each user's training items that parameters are chosen on.
        #[arg(long, default_value_t = 0.1, allow_negative_numbers = true)]
        valid_share: f64,
        /// Places that count.
        #[arg(short, long, default_value_t = 20, allow_negative_numbers = true)]
        k: usize,
        #[command(flatten)]
        common: EvaluateCommon,
    },
    /// Test, then learn, event by event: recall at k over the stream and in windows of it.
    ///
    /// File: rows of `user item value time` under a header.
    Stream {
        /// The events, in any order; they are sorted by time.
        #[arg(long, value_name = "FILE")]
        events: PathBuf,
        /// An event of at least this value is a target.
        #[arg(long, default_value_t = 5.0, allow_negative_numbers = true)]
        positive: f32,
        /// Places that count.
        #[arg(short, long, default_value_t = 10, allow_negative_numbers = true)]
        k: usize,
        /// Parts of the stream that are reported by themselves.
        #[arg(long, default_value_t = 20, allow_negative_numbers = true)]
        windows: usize,
        #[command(flatten)]
        common: EvaluateCommon,
    },
    /// How far predicted ratings are from real ones, over folds: RMSE and MAE.
    ///
    /// File: rows of `user item value` under a header; a column `fold` gives the folds.
    Ratings {
        /// The ratings.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
        /// Parts, each tested once.
        #[arg(long, default_value_t = 5, allow_negative_numbers = true)]
        folds: usize,
        #[command(flatten)]
        common: EvaluateCommon,
    },
}

#[derive(Debug, Clone, clap::Args)]
pub struct EvaluateCommon {
    /// One model's name, `all`, or `best`: whatever wins on a validation cut, its parameters tuned there.
    #[arg(long, value_name = "NAME", default_value = "all")]
    pub model: String,
    /// Of everything random.
    #[arg(long, default_value_t = 42, allow_negative_numbers = true)]
    pub seed: u64,
    /// Seconds for the search of parameters, of each model; 600 for `best`, else no search unless given.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub budget_s: Option<f64>,
    /// Draws an SVG: quality over time (stream) or of the models (others), and every trial of a search over its parameters.
    #[arg(long, value_name = "OUT.svg")]
    pub plot: Option<PathBuf>,
    /// Writes the lists, one line a key: `key<TAB>item item …`, best first.
    #[arg(long, value_name = "OUT")]
    pub lists: Option<PathBuf>,
    /// One line of JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Import {
    /// The events. Bad rows are counted and listed, and do not stop it.
    pub file: PathBuf,
    /// retailrocket, tmall, rees46, online-retail, otto, movielens, serenade, or a TOML file.
    #[arg(long)]
    pub mapping: String,
    /// A collector such as `http://127.0.0.1:8000`; without it the events go straight into the embedded log.
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,
    /// `max`, or a factor of the file's own time such as `10x`.
    #[arg(long, default_value = "max")]
    pub speed: String,
    /// File with the collector's write key.
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// The report as one line of JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, clap::Args)]
pub struct Generate {
    /// The same seed and numbers give the same bytes on any machine.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Events in all, repeats included.
    #[arg(long, default_value_t = 50_000)]
    pub events: u64,
    /// Users, at most 10 million.
    #[arg(long, default_value_t = 1_000)]
    pub users: u64,
    /// Items, at most a million.
    #[arg(long, default_value_t = 600)]
    pub items: u64,
    /// Time of the newest event, RFC 3339, or `now`.
    #[arg(long, default_value = "2026-01-31T00:00:00Z")]
    pub end: String,
    /// Days before the end that the events spread over.
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
    /// File with the collector's write key.
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    #[command(flatten)]
    pub place: Place,
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
pub struct Replay {
    /// The moment: records appended then or before. RFC 3339, milliseconds since 1970, or a file with the offsets of a cut as `--json`
    /// prints them.
    #[arg(long, value_name = "T")]
    pub until: String,
    /// A folder that is empty or not there.
    #[arg(long, value_name = "DIR")]
    pub into: PathBuf,
    /// Leaves out the records themselves: smaller, but it can be neither verified nor replayed further.
    #[arg(long)]
    pub without_log: bool,
    /// Leaves out the users' lists.
    #[arg(long)]
    pub without_lists: bool,
    /// The report as one line of JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub place: Place,
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
pub struct Lake {
    #[command(subcommand)]
    pub what: LakeWhat,
}

#[derive(Debug, Subcommand)]
pub enum LakeWhat {
    /// Reads every file and counts every offset: no gap, no repeat, nothing damaged, missing or foreign.
    ///
    /// Exit code 1 if anything is wrong; each fault names its file, or its topic and partition. The archiver may run meanwhile.
    Verify {
        /// The proof as one line of JSON.
        #[arg(long)]
        json: bool,
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

/// Which lake a cluster reads.
#[derive(Debug, Clone, clap::Args)]
pub struct LakeAt {
    /// A folder or `s3://bucket/prefix`, reached by every process of the cluster; without it the data directory's.
    #[arg(long, value_name = "URL")]
    pub lake: Option<String>,
    /// MiB of factors that a process holds fixed in a half-step; 8 bytes a factor, 12 while they are read.
    #[arg(long, value_name = "MIB", default_value_t = 8_192, value_parser = clap::value_parser!(u64).range(1..=16_777_216))]
    pub held_mib: u64,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, clap::Args)]
pub struct Scheduler {
    /// Address and port to listen at; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:50050")]
    pub bind: std::net::SocketAddr,
    #[command(flatten)]
    pub lake: LakeAt,
}

#[derive(Debug, clap::Args)]
pub struct Executor {
    /// The scheduler, such as http://10.0.0.1:50050.
    #[arg(long, value_name = "URL")]
    pub scheduler: String,
    /// Address and port that others fetch from; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub bind: std::net::SocketAddr,
    /// The name under which others reach it, if not by the address.
    #[arg(long)]
    pub host: Option<String>,
    /// Parts at a time; 0 is one a core.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=1024))]
    pub vcores: u16,
    /// MiB for sorting, joining and grouping, shared by all parts; what needs more spills.
    #[arg(long, value_name = "MIB", default_value_t = 2_048, value_parser = clap::value_parser!(u64).range(16..=16_777_216))]
    pub memory_mib: u64,
    /// Folder for what passes between parts, and for what spills; the system's for temporary files without it.
    #[arg(long, value_name = "DIR")]
    pub work_dir: Option<PathBuf>,
    /// MiB in that folder above which no further part is begun.
    #[arg(long, value_name = "MIB", default_value_t = 20_480, value_parser = clap::value_parser!(u64).range(16..=1_073_741_824))]
    pub work_mib: u64,
    /// Seconds that the scheduler may be away, at the start and later.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub patience_s: u64,
    #[command(flatten)]
    pub lake: LakeAt,
}

#[derive(Debug, clap::Args)]
pub struct Als {
    /// The scheduler, such as http://10.0.0.1:50050.
    #[arg(long, value_name = "URL")]
    pub scheduler: String,
    /// Seconds to wait for the scheduler and a first executor.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub patience_s: u64,
    /// The report as one line of JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub lake: LakeAt,
}

#[derive(Debug, clap::Args)]
pub struct Sql {
    /// One question, or several with `;` between them.
    #[arg(conflicts_with_all = ["file", "ready", "list"])]
    pub query: Option<String>,
    /// Reads the questions from a file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["ready", "list"])]
    pub file: Option<PathBuf>,
    /// Asks a ready question, such as `funnel`.
    #[arg(long, value_name = "NAME", conflicts_with = "list")]
    pub ready: Option<String>,
    /// Lists the ready questions.
    #[arg(long)]
    pub list: bool,
    /// `table` shows at most sql.table_rows_max rows; `json` is one object a line.
    #[arg(long, value_parser = ["table", "csv", "json", "parquet"], default_value = "table")]
    pub format: String,
    /// Writes the answer of one question here; nothing is left there if it fails.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replaces what is there.
    #[arg(long, requires = "output")]
    pub force: bool,
    /// Asks a cluster, which reads the lake only: the scheduler, such as http://10.0.0.1:50050. Needs the feature `scale`.
    #[arg(long, value_name = "URL")]
    pub scheduler: Option<String>,
    /// The lake that the cluster reads, if not the data directory's.
    #[arg(long, value_name = "URL", requires = "scheduler")]
    pub lake: Option<String>,
    #[command(flatten)]
    pub place: Place,
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
