//! What runs beside the stream: jobs, models, segments, reports, the past.

use std::path::PathBuf;

use clap::Subcommand;
use shoptide_jobs::train::Name;

use super::Place;
use super::lake::Als;

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
pub struct Replay {
    /// The moment: records appended then or before. RFC 3339, milliseconds since 1970, or a file with the offsets of a cut as `--json`
    /// prints them.
    #[arg(long, value_name = "T")]
    pub until: String,
    /// A folder that is empty or not there.
    #[arg(long, value_name = "DIR")]
    pub into: PathBuf,
    /// Leaves out the records themselves: smaller, but it can be neither verified nor replayed further. So it is anyway for a moment
    /// behind a growth to larger topics.
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
