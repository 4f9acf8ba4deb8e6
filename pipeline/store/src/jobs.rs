//! What the truth keeps of jobs: leases with fencing numbers, schedules as they were met, and the history of runs.

/// Longest note or error that is kept of a run.
pub const RUN_TEXT_BYTES_MAX: usize = 2_000;

/// A lease as it stands. Whoever takes it raises the epoch, and every write names the epoch that it was made under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub name: String,
    pub holder: String,
    pub epoch: i64,
    /// Rises with each renewal.
    pub beat: i64,
    /// When its holder meant it to end, by his clock; decides nothing, but 0: it was given back.
    pub until_ms: i64,
}

/// Under which lease something is written: refused once the lease has another epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    pub lease: String,
    pub epoch: i64,
}

/// A schedule as a leader has met it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleRow {
    pub name: String,
    /// Its cron expression then.
    pub rule: String,
    /// Instants up to here were never its.
    pub since_ms: i64,
    /// Runs of instants up to here are forgotten.
    pub floor_ms: i64,
}

/// How a run stands or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunStatus {
    Running = 1,
    Ok = 2,
    /// It may be tried again.
    Failed = 3,
    /// It failed, and would fail alike if it were tried again.
    Refused = 4,
    TimedOut = 5,
    /// Its process was killed, stopped, or lost the lease before it ended.
    Lost = 6,
    /// It was never begun: the instant was missed, and the rule says to let it go.
    Skipped = 7,
}

impl RunStatus {
    pub const ALL: [RunStatus; 7] = [
        RunStatus::Running,
        RunStatus::Ok,
        RunStatus::Failed,
        RunStatus::Refused,
        RunStatus::TimedOut,
        RunStatus::Lost,
        RunStatus::Skipped,
    ];

    /// As the table keeps it.
    pub fn code(self) -> i64 {
        self as i64
    }

    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }

    /// As people and metrics read it.
    pub fn name(self) -> &'static str {
        match self {
            RunStatus::Running => "running",
            RunStatus::Ok => "ok",
            RunStatus::Failed => "failed",
            RunStatus::Refused => "refused",
            RunStatus::TimedOut => "timed_out",
            RunStatus::Lost => "lost",
            RunStatus::Skipped => "skipped",
        }
    }

    /// Whether another attempt may follow.
    pub fn may_be_tried_again(self) -> bool {
        matches!(self, RunStatus::Failed | RunStatus::TimedOut | RunStatus::Lost)
    }
}

/// Names one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunKey {
    pub schedule: String,
    pub by_hand: bool,
    /// The instant that was due; by hand, when it was asked for.
    pub scheduled_ms: i64,
    /// From 1.
    pub attempt: u32,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRun {
    pub key: RunKey,
    pub job: String,
    pub status: RunStatus,
    pub started_ms: i64,
    /// 0 while it runs.
    pub ended_ms: i64,
    pub rows: u64,
    /// At most [`RUN_TEXT_BYTES_MAX`], as the error; longer ones are cut.
    pub note: String,
    pub error: String,
    pub fence: Fence,
    pub holder: String,
}

/// Which runs are asked for.
#[derive(Debug, Clone, Default)]
pub struct RunPage {
    /// Of this schedule, or of schedules of this job.
    pub name: Option<String>,
    /// Of exactly this schedule.
    pub schedule: Option<String>,
    pub by_hand: Option<bool>,
    pub status: Option<RunStatus>,
    /// Due at this instant or before. The newest is then the one due last, else the one started last.
    pub due_until_ms: Option<i64>,
    pub limit: usize,
}

/// One change of a lease or of what is known of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobWrite {
    /// Takes a lease that stands at this epoch and beat (0 and 0 if nobody ever had it): the epoch rises, and runs of its former
    /// holders that did not end are lost.
    Take {
        lease: String,
        holder: String,
        epoch: i64,
        beat: i64,
        until_ms: i64,
        now_ms: i64,
    },
    Renew {
        fence: Fence,
        until_ms: i64,
    },
    /// Gives the lease back: the next candidate need not wait.
    Release {
        fence: Fence,
    },
    /// Notes a schedule that is new or has a new rule.
    Know {
        fence: Fence,
        row: ScheduleRow,
    },
    /// Begins a run, or notes one as skipped. An attempt after the first needs one before it that may be tried again.
    Start(JobRun),
    /// Ends a run that is running under its fence.
    End(JobRun),
    /// Forgets the runs of a schedule but for this many instants, the newest.
    Forget {
        fence: Fence,
        schedule: String,
        by_hand: bool,
        kept: usize,
    },
}
