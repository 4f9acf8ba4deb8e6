//! What is due at which moment.

use shoptide_config::Config;
use shoptide_store::Fence;

use super::*;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// 2026-11-01 00:00 UTC.
const T0: i64 = 1_793_491_200_000;

fn schedule(cron: &str, missed: &str) -> ScheduleConfig {
    let set = |key: &str, value: &str| (format!("SHOPTIDE_SCHEDULE__S__{key}"), value.to_owned());
    let set = [
        set("CRON", cron),
        set("JOB", "work"),
        set("MISSED", missed),
        set("MISSED_MAX", "3"),
        set("RETRIES", "2"),
        set("RETRY_FIRST_S", "30"),
    ];
    let config = Config::load(None, set.into_iter()).unwrap();
    config.schedules.into_iter().find(|s| s.name == "s").unwrap()
}

fn known(schedule: &ScheduleConfig, since_ms: i64) -> ScheduleRow {
    let rule = schedule.cron.as_ref().unwrap().to_string();
    ScheduleRow { name: "s".into(), rule, since_ms, floor_ms: 0 }
}

fn ran(scheduled_ms: i64, attempt: u32, status: RunStatus) -> JobRun {
    JobRun {
        key: RunKey { schedule: "s".into(), by_hand: false, scheduled_ms, attempt },
        job: "work".into(),
        status,
        started_ms: scheduled_ms,
        ended_ms: scheduled_ms + 5_000,
        rows: 0,
        note: String::new(),
        error: String::new(),
        fence: Fence { lease: "scheduler".into(), epoch: 7 },
        holder: "a".into(),
    }
}

fn at(now_ms: i64) -> Moment {
    Moment::new(now_ms, 7, Duration::from_secs(15))
}

/// The step for a schedule that was met at `since`, with its last run.
fn due(schedule: &ScheduleConfig, since: i64, last: Option<&JobRun>, now_ms: i64) -> Option<Step> {
    let known = known(schedule, since);
    let cron = schedule.cron.as_ref().unwrap();
    step(&View { schedule, cron, known: Some(&known), last, running: false }, &at(now_ms))
}

fn start(scheduled_ms: i64, attempt: u32, let_go: u64) -> Option<Step> {
    Some(Step::Start { scheduled_ms, attempt, let_go })
}

#[test]
fn a_new_schedule_has_missed_nothing() {
    let hourly = schedule("0 * * * *", "catch_up");
    let cron = hourly.cron.as_ref().unwrap();
    let view = View { schedule: &hourly, cron, known: None, last: None, running: false };
    assert_eq!(step(&view, &at(T0 + 5)), Some(Step::Know { since_ms: T0 + 5, floor_ms: 0 }));
    assert_eq!(due(&hourly, T0 + 5, None, T0 + HOUR - 1), None);
    assert_eq!(due(&hourly, T0 + 5, None, T0 + HOUR), start(T0 + HOUR, 1, 0));
    // Another expression begins anew, and what was forgotten stays so.
    let before = ScheduleRow { rule: "0 0 * * *".into(), floor_ms: T0, ..known(&hourly, T0 - 90 * DAY) };
    let view = View { known: Some(&before), ..view };
    assert_eq!(step(&view, &at(T0 + 5)), Some(Step::Know { since_ms: T0 + 5, floor_ms: T0 }));
}

#[test]
fn what_is_in_time_runs_whatever_the_rule() {
    for rule in ["latest", "skip", "catch_up"] {
        let hourly = schedule("0 * * * *", rule);
        let last = ran(T0, 1, RunStatus::Ok);
        assert_eq!(due(&hourly, T0 - DAY, Some(&last), T0 + HOUR - 1), None, "{rule}");
        // Late by as much as it takes to notice that a leader has died.
        for late in [0, 999, 105_000] {
            assert_eq!(
                due(&hourly, T0 - DAY, Some(&last), T0 + HOUR + late),
                start(T0 + HOUR, 1, 0),
                "{rule}"
            );
        }
    }
}

#[test]
fn days_that_were_missed_are_made_up_for_by_rule_and_within_a_bound() {
    let last = ran(T0, 1, RunStatus::Ok);
    let now = T0 + 10 * DAY + 30 * MINUTE;
    let of = |rule: &str| due(&schedule("0 * * * *", rule), T0 - DAY, Some(&last), now);
    assert_eq!(of("latest"), start(T0 + 10 * DAY, 1, 239));
    assert_eq!(of("skip"), Some(Step::Skip { scheduled_ms: T0 + 10 * DAY, let_go: 240 }));
    assert_eq!(of("catch_up"), start(T0 + 10 * DAY - 2 * HOUR, 1, 237));
    // One after the other, then what is next.
    let hourly = schedule("0 * * * *", "catch_up");
    let mut last = ran(T0 + 10 * DAY - 2 * HOUR, 1, RunStatus::Ok);
    for hour in [-1, 0] {
        assert_eq!(due(&hourly, T0 - DAY, Some(&last), now), start(T0 + 10 * DAY + hour * HOUR, 1, 0));
        last = ran(T0 + 10 * DAY + hour * HOUR, 1, RunStatus::Ok);
    }
    assert_eq!(due(&hourly, T0 - DAY, Some(&last), now), None);
    let skipped = ran(T0 + 10 * DAY, 1, RunStatus::Skipped);
    assert_eq!(due(&schedule("0 * * * *", "skip"), T0 - DAY, Some(&skipped), now), None);
}

#[test]
fn centuries_of_seconds_are_counted_no_further_than_the_bound() {
    let last = ran(T0, 1, RunStatus::Ok);
    let each_second = schedule("* * * * * *", "latest");
    let now = T0 + 36_500 * DAY;
    assert_eq!(due(&each_second, T0 - DAY, Some(&last), now), start(now, 1, COUNTED_MAX));
}

#[test]
fn a_clock_that_goes_back_runs_nothing_twice_and_forgets_nothing() {
    let hourly = schedule("0 * * * *", "catch_up");
    // It is an hour before the newest run: what counts is the newest that was due by now, which has run.
    let last = ran(T0, 1, RunStatus::Ok);
    assert_eq!(due(&hourly, T0 - DAY, Some(&last), T0 + HOUR - 1), None);
    // What was met by a clock that was ahead is met again.
    assert_eq!(due(&hourly, T0 + DAY, None, T0), Some(Step::Know { since_ms: T0, floor_ms: 0 }));
    // Before what is forgotten nobody knows what has run.
    let forgotten = ScheduleRow { floor_ms: T0 + DAY, ..known(&hourly, T0 - DAY) };
    let cron = hourly.cron.as_ref().unwrap();
    let view = View { schedule: &hourly, cron, known: Some(&forgotten), last: None, running: false };
    assert_eq!(step(&view, &at(T0 + HOUR)), None);
    assert_eq!(step(&view, &at(T0 + DAY + HOUR)), start(T0 + DAY + HOUR, 1, 0));
}

#[test]
fn attempts_follow_in_longer_and_longer_pauses_and_end() {
    let daily = schedule("@daily", "latest");
    let last = |attempt, status| ran(T0, attempt, status);
    let of = |last: &JobRun, s: i64| due(&daily, T0 - DAY, Some(last), T0 + 5_000 + s * 1_000);
    for status in [RunStatus::Failed, RunStatus::TimedOut, RunStatus::Lost] {
        let first = last(1, status);
        assert_eq!((of(&first, 29), of(&first, 30)), (None, start(T0, 2, 0)));
        let second = last(2, status);
        assert_eq!((of(&second, 59), of(&second, 60)), (None, start(T0, 3, 0)));
        assert_eq!(of(&last(3, status), 86_000), None, "as many as it has");
    }
    for status in [RunStatus::Ok, RunStatus::Refused, RunStatus::Skipped] {
        assert_eq!(of(&last(1, status), 3_600), None);
    }
    // The clock went back: nobody knows how long ago it ended.
    assert_eq!(due(&daily, T0 - DAY, Some(&last(1, RunStatus::Failed)), T0 + 1), start(T0, 2, 0));
    // It was of another expression.
    assert_eq!(due(&daily, T0 + 1, Some(&last(1, RunStatus::Failed)), T0 + HOUR), None);
    assert_eq!(pause_before(40, Duration::from_secs(30)), RETRY_PAUSE_MAX);
    assert_eq!(pause_before(1, Duration::from_secs(30)), Duration::from_secs(30));
}

#[test]
fn what_is_newer_replaces_another_attempt_unless_each_counts() {
    let failed = ran(T0, 1, RunStatus::Failed);
    let of = |rule: &str| due(&schedule("0 * * * *", rule), T0 - DAY, Some(&failed), T0 + HOUR);
    assert_eq!(of("latest"), start(T0 + HOUR, 1, 0));
    assert_eq!(of("skip"), start(T0 + HOUR, 1, 0));
    assert_eq!(of("catch_up"), start(T0, 2, 0));
}

#[test]
fn one_run_at_a_time_and_none_that_nobody_runs() {
    let hourly = schedule("0 * * * *", "latest");
    let (cron, known) = (hourly.cron.as_ref().unwrap(), known(&hourly, T0 - DAY));
    let runs = ran(T0, 1, RunStatus::Running);
    let view = View { schedule: &hourly, cron, known: Some(&known), last: Some(&runs), running: true };
    assert_eq!(step(&view, &at(T0 + 5 * HOUR)), None);
    // Begun under this lease, and not here.
    let view = View { running: false, ..view };
    assert_eq!(step(&view, &at(T0 + HOUR)), Some(Step::Abandon(runs.key.clone())));
    // Under another lease it is for whoever takes that.
    assert_eq!(step(&view, &Moment { epoch: 8, ..at(T0 + HOUR) }), None);
}

#[test]
fn there_is_room_for_some_and_who_waits_longest_is_first() {
    let (a, b, mut c, d) = (
        schedule("@daily", "latest"),
        schedule("@daily", "latest"),
        schedule("@daily", "latest"),
        schedule("@daily", "latest"),
    );
    let (mut a, mut b, mut d) = (a, b, d);
    for (s, job) in [(&mut a, "one"), (&mut b, "two"), (&mut c, "two"), (&mut d, "busy")] {
        s.job = job.to_owned();
    }
    let go = |scheduled_ms| Step::Start { scheduled_ms, attempt: 1, let_go: 0 };
    let skip = Step::Skip { scheduled_ms: T0, let_go: 1 };
    let busy: BTreeSet<String> = ["busy".to_owned()].into();
    let jobs = |room| -> Vec<(String, Option<i64>)> {
        let steps =
            vec![(&a, go(T0 + 3)), (&b, go(T0 + 2)), (&c, go(T0 + 1)), (&d, go(T0)), (&d, skip.clone())];
        admit(steps, &busy, room).into_iter().map(|(s, step)| (s.job.clone(), step.due())).collect()
    };
    let none = ("busy".to_owned(), None);
    assert_eq!(jobs(0), vec![none.clone()]);
    assert_eq!(jobs(1), [none.clone(), ("two".to_owned(), Some(T0 + 1))]);
    assert_eq!(jobs(9), [none, ("two".to_owned(), Some(T0 + 1)), ("one".to_owned(), Some(T0 + 3))]);
}
