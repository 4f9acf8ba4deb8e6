//! What is due. Pure: the schedules, what is known of them and the moment decide; same input, same steps.
//!
//! The instants of a schedule that are pending are those after its last one that has a row (and after it was met, and after what is
//! forgotten) until now. If there is one, it is in time and runs. If there are more, or it is late, the schedule's rule decides. An
//! instant has a row once it was begun or let go, and is never begun again, wherever the clock jumps; what the clock had not reached
//! when it jumped back has its turn when it comes.

use std::collections::BTreeSet;
use std::time::Duration;

use shoptide_config::{Cron, Missed, ScheduleConfig};
use shoptide_store::{JobRun, RunKey, RunStatus, ScheduleRow};

/// Longest pause before another attempt.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_secs(3_600);
/// Instants that are counted to say how many were let go; more are "at least".
pub const COUNTED_MAX: u64 = 10_000;
/// A start this late is in time all the same; leases are multiplied on top of it, since a leader may have died.
const IN_TIME_MIN: Duration = Duration::from_secs(60);

/// One schedule as it stands.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub schedule: &'a ScheduleConfig,
    pub cron: &'a Cron,
    /// As a leader met it, if one has.
    pub known: Option<&'a ScheduleRow>,
    /// Its newest run that was due by now.
    pub last: Option<&'a JobRun>,
    /// This process runs it.
    pub running: bool,
}

/// When and as whom it is decided.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub now_ms: i64,
    /// Of the lease.
    pub epoch: i64,
    /// How late a start is still in time.
    pub in_time_ms: i64,
}

impl Moment {
    pub fn new(now_ms: i64, epoch: i64, lease: Duration) -> Self {
        Self { now_ms, epoch, in_time_ms: ms(IN_TIME_MIN + lease * 3) }
    }
}

/// What is to be done about one schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It is new, or its expression is: instants count from now.
    Know { since_ms: i64, floor_ms: i64 },
    /// Its run was begun under this lease and nobody runs it: its start was never confirmed.
    Abandon(RunKey),
    /// So many instants, this the last, are let go.
    Skip { scheduled_ms: i64, let_go: u64 },
    /// This instant is run; so many before it are let go.
    Start { scheduled_ms: i64, attempt: u32, let_go: u64 },
}

impl Step {
    /// When what is started was due.
    fn due(&self) -> Option<i64> {
        match self {
            Step::Start { scheduled_ms, .. } => Some(*scheduled_ms),
            _ => None,
        }
    }
}

/// What is to be done about a schedule now, if anything.
pub fn step(view: &View<'_>, moment: &Moment) -> Option<Step> {
    let now_ms = moment.now_ms;
    if view.running {
        return None;
    }
    let floor_ms = view.known.map_or(i64::MIN, |known| known.floor_ms);
    let known = match view.known {
        // A clock that was ahead when the schedule was met has been set right.
        Some(known) if known.rule == view.cron.as_str() && known.since_ms <= now_ms => known,
        _ => return Some(Step::Know { since_ms: now_ms, floor_ms: floor_ms.max(0) }),
    };
    if let Some(last) = view.last.filter(|last| last.status == RunStatus::Running) {
        // What ran under another lease is marked as lost when the lease is taken.
        return (last.fence.epoch == moment.epoch).then(|| Step::Abandon(last.key.clone()));
    }
    let after =
        view.last.map_or(i64::MIN, |last| last.key.scheduled_ms).max(known.since_ms).max(known.floor_ms);
    let newest = view.cron.until(now_ms).filter(|newest| after < *newest);
    let rules = &view.schedule.rules;
    // What is newer replaces another attempt, unless each instant counts.
    let again = newest.is_none() || rules.missed == Missed::CatchUp;
    if let Some(last) = view.last.filter(|last| again && wants_another(last, view, known)) {
        let pause = ms(pause_before(last.key.attempt, rules.retry_first));
        // Ended in the future: the clock was set back, and nobody knows how long ago it was.
        let due = now_ms < last.ended_ms || pause <= now_ms.saturating_sub(last.ended_ms);
        let (scheduled_ms, attempt) = (last.key.scheduled_ms, last.key.attempt + 1);
        return due.then_some(Step::Start { scheduled_ms, attempt, let_go: 0 });
    }
    let newest = newest?;
    let start = |scheduled_ms| Step::Start {
        scheduled_ms,
        attempt: 1,
        let_go: count(view.cron, after, scheduled_ms),
    };
    Some(match rules.missed {
        Missed::Latest => start(newest),
        Missed::Skip if now_ms.saturating_sub(newest) <= moment.in_time_ms => start(newest),
        Missed::Skip => {
            Step::Skip { scheduled_ms: newest, let_go: count(view.cron, after, newest).saturating_add(1) }
        }
        Missed::CatchUp => start(oldest(view.cron, after, newest, rules.missed_max)),
    })
}

/// Which steps are taken now: starts as far as there is room, what has waited longest first, no job twice at once.
pub fn admit<'a>(
    mut steps: Vec<(&'a ScheduleConfig, Step)>,
    busy: &BTreeSet<String>,
    mut room: usize,
) -> Vec<(&'a ScheduleConfig, Step)> {
    steps.sort_by_key(|(_, step)| step.due());
    let mut busy = busy.clone();
    steps.retain(|(schedule, step)| {
        if step.due().is_none() {
            return true;
        }
        let free = 0 < room && busy.insert(schedule.job.clone());
        room -= usize::from(free);
        free
    });
    steps
}

/// The pause before the attempt after `attempt`.
pub fn pause_before(attempt: u32, first: Duration) -> Duration {
    let doubled = 1_u32.checked_shl(attempt.saturating_sub(1)).filter(|factor| *factor != 0);
    doubled.and_then(|factor| first.checked_mul(factor)).unwrap_or(RETRY_PAUSE_MAX).min(RETRY_PAUSE_MAX)
}

fn wants_another(last: &JobRun, view: &View<'_>, known: &ScheduleRow) -> bool {
    // An instant of the expression before is not this one's.
    last.status.may_be_tried_again()
        && last.key.attempt <= view.schedule.rules.retries
        && known.since_ms < last.key.scheduled_ms
}

/// Instants after one moment and before another, as far as they are counted.
fn count(cron: &Cron, after: i64, before: i64) -> u64 {
    let (mut at, mut n) = (after, 0);
    while let Some(next) = cron.after(at).filter(|next| *next < before && n < COUNTED_MAX) {
        (at, n) = (next, n + 1);
    }
    n
}

/// The oldest of the newest so many instants after a moment.
fn oldest(cron: &Cron, after: i64, newest: i64, max: usize) -> i64 {
    let mut at = newest;
    for _ in 1..max {
        match cron.until(at.saturating_sub(1)).filter(|before| after < *before) {
            Some(before) => at = before,
            None => break,
        }
    }
    at
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
