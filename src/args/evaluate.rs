//! Models against files, imports and the generated shop.

use std::path::PathBuf;

use clap::Subcommand;

use super::Place;

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
