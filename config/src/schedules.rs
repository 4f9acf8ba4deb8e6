//! `[jobs]` and `[schedule.NAME]`: what runs when, and what becomes of instants that were missed.

use std::time::Duration;

use crate::bounds::{quoted, seconds, text, whole};
use crate::cron::Cron;
use crate::error::Problem;
use crate::raw::{RawJobs, RawSchedule};

/// Each schedule is looked at every second, by a statement or two.
const SCHEDULES_MAX: usize = 64;
/// Fits the store's keys, and a variable of the environment.
const NAME_BYTES_MAX: usize = 32;

/// What becomes of instants at which nobody could run a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// Each is run, the oldest first, at most the newest so many.
    CatchUp,
    /// They are let go.
    Skip,
    /// The newest is run, for all of them.
    Latest,
}

impl Missed {
    fn read(name: &str) -> Option<Self> {
        [Missed::CatchUp, Missed::Skip, Missed::Latest].into_iter().find(|rule| rule.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Missed::CatchUp => "catch_up",
            Missed::Skip => "skip",
            Missed::Latest => "latest",
        }
    }
}

/// How a run is carried out, and what follows from its failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunRules {
    pub timeout: Duration,
    /// Attempts after the first.
    pub retries: u32,
    /// Pause before the first of them; each further one doubles it.
    pub retry_first: Duration,
    pub missed: Missed,
    /// Instants that [`Missed::CatchUp`] makes up for.
    pub missed_max: usize,
}

/// `[jobs]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobsConfig {
    /// How long a leader that falls silent is still believed to lead.
    pub lease: Duration,
    pub running_max: usize,
    /// Instants of each schedule that are kept.
    pub history_max: usize,
    /// Of schedules that do not say otherwise, and of jobs by hand.
    pub rules: RunRules,
}

/// `[schedule.NAME]`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ScheduleConfig {
    pub name: String,
    /// Whether there is such a job, the program says: [`crate::Config::check_jobs`].
    pub job: String,
    /// None: it runs by hand only.
    pub cron: Option<Cron>,
    pub rules: RunRules,
}

impl JobsConfig {
    pub(crate) fn check(raw: &RawJobs) -> Result<Self, Problem> {
        Ok(Self {
            lease: seconds("jobs.lease_s", raw.lease_s, 3..=600)?,
            running_max: whole("jobs.running_max", raw.running_max, 1..=64)?,
            history_max: whole("jobs.history_max", raw.history_max, 10..=100_000)?,
            rules: rules(
                "jobs",
                (raw.timeout_s, raw.retries, raw.retry_first_s),
                (&raw.missed, raw.missed_max),
            )?,
        })
    }
}

impl ScheduleConfig {
    fn check(name: &str, raw: &RawSchedule, of_all: &RawJobs) -> Result<Self, Problem> {
        let table = format!("schedule.{name}");
        let key = |key: &str| format!("{table}.{key}");
        let Some(job) = raw.job.as_ref().filter(|job| !job.is_empty()) else {
            return Err(Problem::bound(
                &table,
                "without a job".to_owned(),
                "the name of one, as in job = \"train\"",
            ));
        };
        let cron = match raw.cron.as_deref() {
            None | Some("") => None,
            Some(text) => Some(Cron::parse(text).map_err(|why| {
                let why = why.escape_debug();
                let expected = format!("a cron expression of 5 fields, or 6 with seconds first; {why}");
                Problem::bound(&key("cron"), quoted(text), &expected)
            })?),
        };
        let numbers = (
            raw.timeout_s.unwrap_or(of_all.timeout_s),
            raw.retries.unwrap_or(of_all.retries),
            raw.retry_first_s.unwrap_or(of_all.retry_first_s),
        );
        let missed = raw.missed.as_ref().unwrap_or(&of_all.missed);
        let rules = rules(&table, numbers, (missed, raw.missed_max.unwrap_or(of_all.missed_max)))?;
        Ok(Self { name: name.to_owned(), job: job.clone(), cron, rules })
    }
}

/// All schedules, by name.
pub(crate) fn schedules<'r>(
    raw: impl ExactSizeIterator<Item = (&'r String, &'r RawSchedule)>,
    of_all: &RawJobs,
) -> Result<Vec<ScheduleConfig>, Problem> {
    if SCHEDULES_MAX < raw.len() {
        let expected = format!("at most {SCHEDULES_MAX} schedules");
        return Err(Problem::bound("schedule", format!("{} tables", raw.len()), &expected));
    }
    raw.map(|(name, raw)| ScheduleConfig::check(name, raw, of_all)).collect()
}

fn rules(
    table: &str,
    (timeout_s, retries, retry_first_s): (i64, i64, i64),
    (missed, missed_max): (&str, i64),
) -> Result<RunRules, Problem> {
    let key = |key: &str| format!("{table}.{key}");
    Ok(RunRules {
        timeout: seconds(&key("timeout_s"), timeout_s, 1..=604_800)?,
        retries: whole(&key("retries"), retries, 0..=20)?,
        retry_first: seconds(&key("retry_first_s"), retry_first_s, 1..=3_600)?,
        missed: text(&key("missed"), missed, "\"catch_up\", \"skip\" or \"latest\"", Missed::read)?,
        missed_max: whole(&key("missed_max"), missed_max, 1..=1_000)?,
    })
}

/// Whether a schedule may be called so: it is a key of the store, part of a variable's name, and a label of metrics.
pub(crate) fn is_name(name: &str) -> bool {
    let letters = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    let begins = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    begins && letters && name.len() <= NAME_BYTES_MAX && !name.contains("__") && !name.ends_with('_')
}

/// What [`is_name`] asks for.
pub(crate) const NAME_EXPECTED: &str =
    "a name of at most 32 letters a to z, digits and single underscores that begins with a letter";
