//! The event lake, SQL over it, and the cluster that asks it.

use std::path::PathBuf;

use clap::Subcommand;

use super::Place;

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
