//! Several processes and one store: who leads, what runs, and what becomes of it when processes die, sleep or lie about the time.
//! Clocks are given; each process has a store of its own on one file.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shoptide_config::Config;
use shoptide_jobs::schedule::{
    ByHand, ByHandError, Job, JobError, JobOutcome, Parts, Progress, Registry, Scheduler,
};
use shoptide_live::Metrics;
use shoptide_store::{
    Fence, JobRun, JobWrite, RunKey, RunPage, RunStatus, SqliteTruth, SqliteTruthOptions, StoreError, Truth,
};

/// 2026-11-01 00:00 UTC.
const T0: i64 = 1_793_491_200_000;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// The shortest.
const LEASE_S: i64 = 3;

/// How a run goes.
#[derive(Debug, Clone, Copy)]
enum Way {
    Fine,
    Fails,
    Refuses,
    Panics,
    /// Until it is dropped.
    Forever,
}

/// What the job works with: how its next runs go, and how many began and ended.
#[derive(Default)]
struct Script {
    ways: Mutex<VecDeque<Way>>,
    began: AtomicU64,
    ended: AtomicU64,
    /// What each run was told it was due for.
    due: Mutex<Vec<Option<i64>>>,
}

fn registry() -> Registry<Script> {
    Registry::empty().with(Job::new("work", "what it is told to", |script: &Script, progress: &Progress| {
        Box::pin(async move {
            script.began.fetch_add(1, Ordering::SeqCst);
            script.due.lock().unwrap().push(progress.due_ms());
            progress.begin("working", 1);
            let way = script.ways.lock().unwrap().pop_front().unwrap_or(Way::Fine);
            match way {
                Way::Fine => {}
                Way::Fails => return Err(JobError::later("not now")),
                Way::Refuses => return Err(JobError::never("not ever")),
                Way::Panics => panic!("on purpose"),
                Way::Forever => std::future::pending().await,
            }
            progress.add(1);
            script.ended.fetch_add(1, Ordering::SeqCst);
            Ok(JobOutcome { rows: 3, note: "done".into() })
        })
    }))
}

/// A store, and the time.
struct World {
    dir: tempfile::TempDir,
    wall: Arc<AtomicI64>,
    steady: Arc<AtomicI64>,
    script: Arc<Script>,
    config: Config,
}

impl World {
    fn new(cron: &str, missed: &str) -> Self {
        let of = |key: &str, value: &str| (format!("SHOPTIDE_SCHEDULE__S__{key}"), value.to_owned());
        let lease = ("SHOPTIDE_JOBS__LEASE_S".to_owned(), LEASE_S.to_string());
        let set = [
            of("CRON", cron),
            of("JOB", "work"),
            of("MISSED", missed),
            of("MISSED_MAX", "4"),
            of("TIMEOUT_S", "1"),
            lease,
        ];
        let mut config = Config::load(None, set.into_iter()).unwrap();
        config.schedules.retain(|s| s.name == "s");
        let (wall, steady) = (Arc::new(AtomicI64::new(T0)), Arc::new(AtomicI64::new(0)));
        Self { dir: tempfile::tempdir().unwrap(), wall, steady, script: Arc::default(), config }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("truth.db")
    }

    async fn truth(&self) -> Arc<dyn Truth> {
        SqliteTruth::open(SqliteTruthOptions::new(self.path())).await.unwrap()
    }

    async fn parts(&self, holder: &str) -> Parts<Script> {
        let (wall, steady) = (self.wall.clone(), self.steady.clone());
        Parts {
            truth: self.truth().await,
            context: self.script.clone(),
            registry: registry(),
            schedules: self.config.schedules.clone(),
            jobs: self.config.jobs.clone(),
            metrics: Arc::new(Metrics::new().unwrap()),
            holder: holder.to_owned(),
            clock: Arc::new(move || wall.load(Ordering::SeqCst)),
            steady: Arc::new(move || {
                Duration::from_millis(steady.load(Ordering::SeqCst).try_into().unwrap())
            }),
        }
    }

    async fn process(&self, holder: &str) -> Scheduler<Script> {
        Scheduler::new(self.parts(holder).await).unwrap()
    }

    /// Both clocks go on.
    fn pass(&self, ms: i64) {
        self.wall.fetch_add(ms, Ordering::SeqCst);
        self.steady.fetch_add(ms, Ordering::SeqCst);
    }

    /// Only the wall clock, as if somebody had set it.
    fn jump(&self, ms: i64) {
        self.wall.fetch_add(ms, Ordering::SeqCst);
    }

    fn ways(&self, ways: &[Way]) {
        self.script.ways.lock().unwrap().extend(ways);
    }

    fn began(&self) -> u64 {
        self.script.began.load(Ordering::SeqCst)
    }

    /// The oldest first.
    async fn history(&self) -> Vec<JobRun> {
        let truth = self.truth().await;
        let page = RunPage { due_until_ms: Some(i64::MAX), limit: 10_000, ..RunPage::default() };
        let mut runs = truth.job_runs(page).await.unwrap();
        truth.close().await;
        runs.reverse();
        runs
    }

    async fn statuses(&self) -> Vec<(i64, u32, RunStatus)> {
        self.history().await.into_iter().map(|r| (r.key.scheduled_ms - T0, r.key.attempt, r.status)).collect()
    }
}

/// A look, and what it began brought to its end and written.
async fn settle(process: &mut Scheduler<Script>) {
    for _ in 0..20 {
        process.tick().await.unwrap();
        if process.idle() {
            return;
        }
        process.some_run_ends().await;
    }
    panic!("it does not come to rest");
}

#[tokio::test]
async fn one_of_three_runs_each_instant_once_and_another_takes_over_when_it_dies() {
    let mut world = World::new("*/5 * * * * *", "catch_up");
    world.config.schedules[0].rules.missed_max = 100;
    let mut processes = Vec::new();
    for holder in ["a", "b", "c"] {
        processes.push(world.process(holder).await);
    }
    for _ in 0..20 {
        for process in &mut processes {
            settle(process).await;
        }
        world.pass(1_000);
    }
    assert_eq!(processes.iter().filter(|p| p.leads()).count(), 1);
    // It dies in the middle of a run.
    world.ways(&[Way::Forever]);
    let leader = processes.iter().position(Scheduler::leads).unwrap();
    let began = world.began();
    processes[leader].tick().await.unwrap();
    while world.began() == began {
        tokio::task::yield_now().await;
    }
    drop(processes.remove(leader));
    let died_ms = world.wall.load(Ordering::SeqCst) - T0;
    assert!(world.statuses().await.contains(&(died_ms, 1, RunStatus::Running)));
    while !processes.iter().any(Scheduler::leads) {
        world.pass(1_000);
        for process in &mut processes {
            settle(process).await;
        }
        let waited = world.wall.load(Ordering::SeqCst) - T0 - died_ms;
        assert!(waited <= (LEASE_S + 1) * 1_000, "nobody has taken over after {waited} ms");
    }
    for _ in 0..60 {
        for process in &mut processes {
            settle(process).await;
        }
        world.pass(1_000);
    }
    let history = world.history().await;
    let ok: Vec<i64> =
        history.iter().filter(|r| r.status == RunStatus::Ok).map(|r| r.key.scheduled_ms - T0).collect();
    let due: Vec<i64> =
        (1..=(world.wall.load(Ordering::SeqCst) - T0 - 1_000) / 5_000).map(|n| n * 5_000).collect();
    assert_eq!(ok, due, "each instant once");
    // What was killed is lost and was tried again, by the other and under his number.
    let killed: Vec<_> = history
        .iter()
        .filter(|r| r.key.scheduled_ms - T0 == died_ms)
        .map(|r| (r.key.attempt, r.status, r.fence.epoch))
        .collect();
    assert_eq!(killed, [(1, RunStatus::Lost, 1), (2, RunStatus::Ok, 2)]);
    assert_eq!(world.began(), due.len() as u64 + 1);
}

#[tokio::test]
async fn a_leader_who_slept_records_nothing_and_starts_nothing() {
    let world = World::new("*/5 * * * * *", "latest");
    let (mut sleeper, mut other) = (world.process("sleeper").await, world.process("other").await);
    settle(&mut sleeper).await;
    settle(&mut other).await;
    world.ways(&[Way::Forever]);
    world.pass(5_000);
    sleeper.tick().await.unwrap();
    while world.began() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.statuses().await, [(5_000, 1, RunStatus::Running)]);
    // He sleeps; the other sees that the lease stands still, and leads.
    settle(&mut other).await;
    world.pass(LEASE_S * 1_000);
    settle(&mut other).await;
    assert!(other.leads());
    world.pass(2_000);
    settle(&mut other).await;
    // He wakes, and believes that he leads until he looks.
    assert!(sleeper.leads());
    let run = world.history().await.remove(0);
    let late = JobRun { status: RunStatus::Ok, ended_ms: T0 + 9_000, ..run.clone() };
    let start =
        JobRun { key: RunKey { scheduled_ms: T0 + 1, ..run.key.clone() }, status: RunStatus::Running, ..run };
    let truth = world.truth().await;
    for write in [JobWrite::End(late), JobWrite::Start(start)] {
        let refused = truth.job_write(write).await;
        assert!(matches!(&refused, Err(StoreError::Changed { .. })), "{refused:?}");
    }
    sleeper.tick().await.unwrap();
    assert!(!sleeper.leads() && sleeper.idle(), "what ran is stopped");
    sleeper.stop().await;
    other.tick().await.unwrap();
    assert!(other.leads(), "what the sleeper gave back was not his any more");
    assert_eq!(world.statuses().await, [(5_000, 1, RunStatus::Lost), (10_000, 1, RunStatus::Ok)]);
}

#[tokio::test]
async fn a_clock_that_jumps_forward_is_made_up_for_by_rule_and_one_that_jumps_back_repeats_nothing() {
    for (rule, made_up) in [("latest", 1), ("skip", 0), ("catch_up", 4)] {
        let world = World::new("0 * * * *", rule);
        let mut process = world.process("a").await;
        settle(&mut process).await;
        world.pass(HOUR);
        settle(&mut process).await;
        assert_eq!(world.began(), 1, "{rule}");
        world.jump(10 * DAY + HOUR / 2);
        settle(&mut process).await;
        assert!(process.leads(), "{rule}: the lead does not go by that clock");
        assert_eq!(world.began(), 1 + made_up, "{rule}");
        let history = world.history().await;
        let said = history.iter().find(|r| r.note.contains("let go")).unwrap();
        let let_go = 240 - made_up;
        assert!(said.note.contains(&format!("{let_go} missed and let go")), "{rule}: {}", said.note);
        // Back to the right time: every hour has its turn once, and those ten days later are not run again when they come.
        world.jump(-10 * DAY - HOUR / 2);
        settle(&mut process).await;
        assert_eq!(world.began(), 1 + made_up, "{rule}");
        world.pass(HOUR);
        settle(&mut process).await;
        assert_eq!(world.began(), 2 + made_up, "{rule}");
        world.jump(-HOUR);
        settle(&mut process).await;
        world.pass(HOUR);
        settle(&mut process).await;
        assert_eq!(world.began(), 2 + made_up, "{rule}: an hour that came twice runs once");
        world.jump(10 * DAY - HOUR);
        settle(&mut process).await;
        let runs = world.history().await;
        let mut instants: Vec<_> = runs.iter().map(|r| (r.key.scheduled_ms, r.key.attempt)).collect();
        instants.sort_unstable();
        instants.dedup();
        assert_eq!(instants.len(), runs.len(), "{rule}");
    }
}

/// A report of a day that was missed is of that day, and so is a second try.
#[tokio::test]
async fn a_run_is_told_which_instant_it_stands_for() {
    let world = World::new("@daily", "catch_up");
    let mut process = world.process("a").await;
    settle(&mut process).await;
    world.ways(&[Way::Fine, Way::Fails]);
    world.jump(3 * DAY + HOUR);
    for _ in 0..4 {
        settle(&mut process).await;
        world.pass(60_000);
    }
    let told = world.script.due.lock().unwrap().clone();
    let days = [DAY, 2 * DAY, 2 * DAY, 3 * DAY];
    assert_eq!(told, days.map(|due| Some(T0 + due)), "{:?}", world.statuses().await);
    process.stop().await;
    let by_hand = ByHand::new(world.parts("b").await, "work").unwrap();
    by_hand.run(Progress::default(), |_| {}, std::future::pending()).await.unwrap();
    assert_eq!(world.script.due.lock().unwrap().last(), Some(&None));
}

#[tokio::test]
async fn failures_are_tried_again_within_bounds() {
    let world = World::new("@daily", "latest");
    let mut process = world.process("a").await;
    settle(&mut process).await;
    world.ways(&[Way::Fails, Way::Panics, Way::Fails, Way::Fine]);
    world.pass(DAY);
    for _ in 0..500 {
        settle(&mut process).await;
        world.pass(1_000);
    }
    let ran = [(DAY, 1, RunStatus::Failed), (DAY, 2, RunStatus::Failed), (DAY, 3, RunStatus::Failed)];
    assert_eq!(world.statuses().await, ran, "the fourth would be one too many");
    let history = world.history().await;
    let errors: Vec<&str> = history.iter().map(|r| r.error.as_str()).collect();
    assert_eq!(errors, ["not now", "it panicked", "not now"]);
    let pauses: Vec<i64> = history.windows(2).map(|two| two[1].started_ms - two[0].ended_ms).collect();
    assert_eq!(pauses, [30_000, 60_000]);
    // The next day begins anew. What cannot succeed is not tried again, and what does not end is ended.
    world.script.ways.lock().unwrap().clear();
    world.ways(&[Way::Refuses]);
    world.pass(DAY);
    settle(&mut process).await;
    world.pass(HOUR);
    settle(&mut process).await;
    world.ways(&[Way::Forever]);
    world.pass(DAY);
    settle(&mut process).await;
    let history = world.history().await;
    let last: Vec<_> = history[3..].iter().map(|r| (r.status, r.error.as_str())).collect();
    assert_eq!(last, [(RunStatus::Refused, "not ever"), (RunStatus::TimedOut, "it did not end within 1 s")]);
}

#[tokio::test]
async fn a_start_that_nobody_confirmed_is_lost_and_tried_again() {
    let world = World::new("@daily", "latest");
    let mut process = world.process("a").await;
    settle(&mut process).await;
    world.pass(DAY);
    // The commit went through and its answer was lost: the run is in the store, and nobody runs it.
    let run = JobRun {
        key: RunKey { schedule: "s".into(), by_hand: false, scheduled_ms: T0 + DAY, attempt: 1 },
        job: "work".into(),
        status: RunStatus::Running,
        started_ms: T0 + DAY,
        ended_ms: 0,
        rows: 0,
        note: String::new(),
        error: String::new(),
        fence: Fence { lease: "scheduler".into(), epoch: 1 },
        holder: "a".into(),
    };
    world.truth().await.job_write(JobWrite::Start(run)).await.unwrap();
    settle(&mut process).await;
    world.pass(30_000);
    settle(&mut process).await;
    assert_eq!(world.statuses().await, [(DAY, 1, RunStatus::Lost), (DAY, 2, RunStatus::Ok)]);
}

#[tokio::test]
async fn a_process_that_stops_gives_the_lease_back_and_says_what_it_left() {
    let world = World::new("*/5 * * * * *", "latest");
    let (mut one, mut two) = (world.process("one").await, world.process("two").await);
    settle(&mut one).await;
    settle(&mut two).await;
    world.ways(&[Way::Forever]);
    world.pass(5_000);
    one.tick().await.unwrap();
    one.stop().await;
    let run = world.history().await.remove(0);
    assert_eq!((run.status, run.error.as_str()), (RunStatus::Lost, "its process was stopped"));
    // At once: nobody has to wait for a lease that was given back.
    settle(&mut two).await;
    assert!(two.leads());
}

#[tokio::test]
async fn the_history_is_bounded_and_what_is_forgotten_is_not_run_again() {
    let mut world = World::new("*/5 * * * * *", "latest");
    world.config.jobs.history_max = 10;
    let mut process = world.process("a").await;
    for _ in 0..25 {
        settle(&mut process).await;
        world.pass(5_000);
    }
    let history = world.history().await;
    assert_eq!(history.len(), 10);
    let (began, newest) = (world.began(), history[9].key.scheduled_ms);
    world.jump(T0 + 5_000 - world.wall.load(Ordering::SeqCst));
    while world.wall.load(Ordering::SeqCst) < newest {
        settle(&mut process).await;
        world.pass(1_000);
    }
    assert_eq!(world.began(), began);
    // Nor what lies beyond them, for that has not come yet: the instant after runs.
    world.pass(5_000);
    settle(&mut process).await;
    assert_eq!(world.began(), began + 1);
}

#[tokio::test]
async fn by_hand_a_job_runs_once_at_a_time_and_a_dead_hand_is_noticed() {
    let world = World::new("*/5 * * * * *", "latest");
    let by_hand = async |holder: &str| {
        let mut parts = world.parts(holder).await;
        // Each look at a lease takes a second, whatever the wall clock says.
        let steady = AtomicI64::new(0);
        parts.steady =
            Arc::new(move || Duration::from_millis(steady.fetch_add(1_000, Ordering::SeqCst) as u64));
        ByHand::new(parts, "s").unwrap()
    };
    let never = std::future::pending::<()>;
    let unknown = ByHand::new(world.parts("x").await, "nothing").err().unwrap();
    assert_eq!(unknown.to_string(), "there is no schedule and no job nothing; there are s, work");
    let run = by_hand("one").await.run(Progress::default(), |_| {}, never()).await.unwrap();
    assert_eq!((run.status, run.rows, run.key.by_hand), (RunStatus::Ok, 3, true));
    world.pass(10);

    // A dead hand: its lease was never given back, and its run never ended.
    let truth = world.truth().await;
    let lease = shoptide_jobs::schedule::hand_lease("work");
    let fence = Fence { lease: lease.clone(), epoch: 2 };
    let take = JobWrite::Take { lease, holder: "dead".into(), epoch: 1, beat: 2, until_ms: 1, now_ms: T0 };
    truth.job_write(take).await.unwrap();
    let key = RunKey { scheduled_ms: T0 + 5, ..run.key.clone() };
    let dead = JobRun { key, status: RunStatus::Running, ended_ms: 0, fence: fence.clone(), ..run };
    truth.job_write(JobWrite::Start(dead)).await.unwrap();
    // While it gives signs of life another is refused.
    let alive = async {
        loop {
            truth.job_write(JobWrite::Renew { fence: fence.clone(), until_ms: 1 }).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let refused = tokio::select! {
        refused = by_hand("two").await.run(Progress::default(), |_| {}, never()) => refused,
        () = alive => unreachable!(),
    };
    assert!(matches!(&refused, Err(ByHandError::Runs { holder, .. }) if holder == "dead"), "{refused:?}");
    // A schedule does not run it beside the hand, and buries what is silent.
    let mut process = world.process("a").await;
    settle(&mut process).await;
    world.pass(1_000);
    process.tick().await.unwrap();
    assert_eq!(world.began(), 1);
    world.pass(LEASE_S * 1_000);
    settle(&mut process).await;
    let runs = world.history().await;
    let dead = runs.iter().find(|r| r.key.scheduled_ms == T0 + 5).unwrap();
    assert_eq!(dead.status, RunStatus::Lost);
    world.pass(5_000);
    settle(&mut process).await;
    assert_eq!(world.began(), 2, "the job is free again");
    process.stop().await;

    // A person may stop it.
    world.ways(&[Way::Forever]);
    world.pass(10);
    let stopped = by_hand("three").await.run(Progress::default(), |_| {}, async {
        while world.began() < 3 {
            tokio::task::yield_now().await;
        }
    });
    let stopped = stopped.await.unwrap();
    assert_eq!((stopped.status, stopped.error.as_str()), (RunStatus::Lost, "it was stopped by hand"));
}
