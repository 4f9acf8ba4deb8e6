//! Leases and runs of jobs.

use std::sync::Arc;

use shoptide_store::{
    Fence, JobRun, JobWrite, Lease, RunKey, RunPage, RunStatus, ScheduleRow, StoreError, Truth,
};

const LEADER: &str = "leader";

fn take(lease: &str, holder: &str, (epoch, beat): (i64, i64)) -> JobWrite {
    JobWrite::Take { lease: lease.into(), holder: holder.into(), epoch, beat, until_ms: 900, now_ms: 500 }
}

fn fence(epoch: i64) -> Fence {
    Fence { lease: LEADER.into(), epoch }
}

fn begun(scheduled_ms: i64, attempt: u32, epoch: i64) -> JobRun {
    JobRun {
        key: RunKey { schedule: "nightly".into(), by_hand: false, scheduled_ms, attempt },
        job: "train".into(),
        status: RunStatus::Running,
        started_ms: scheduled_ms + 1,
        ended_ms: 0,
        rows: 0,
        note: String::new(),
        error: String::new(),
        fence: fence(epoch),
        holder: "a".into(),
    }
}

fn ended(run: &JobRun, status: RunStatus) -> JobRun {
    let (note, error) = ("ü".repeat(1_500), "why".to_owned());
    JobRun { status, ended_ms: run.started_ms + 7, rows: 12, note, error, ..run.clone() }
}

fn changed(outcome: Result<(), StoreError>) {
    assert!(matches!(&outcome, Err(StoreError::Changed { .. })), "{outcome:?}");
}

async fn all(truth: &Arc<dyn Truth>) -> Vec<(i64, u32, RunStatus)> {
    let runs = truth.job_runs(RunPage { limit: 100, ..RunPage::default() }).await.unwrap();
    runs.into_iter().map(|run| (run.key.scheduled_ms, run.key.attempt, run.status)).collect()
}

pub async fn a_lease_is_taken_once_and_fences_its_former_holder(truth: Arc<dyn Truth>) {
    assert_eq!(truth.job_leases().await.unwrap(), []);
    // Two who take what nobody ever had.
    let (a, b) =
        tokio::join!(truth.job_write(take(LEADER, "a", (0, 0))), truth.job_write(take(LEADER, "b", (0, 0))));
    assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
    changed(a.and(b));
    let lease = truth.job_leases().await.unwrap().remove(0);
    assert_eq!((lease.epoch, lease.beat, lease.until_ms), (1, 1, 900));
    truth.job_write(JobWrite::Renew { fence: fence(1), until_ms: 950 }).await.unwrap();
    // It has moved since it was seen.
    changed(truth.job_write(take(LEADER, "c", (1, 1))).await);
    truth.job_write(JobWrite::Start(begun(100, 1, 1))).await.unwrap();
    truth.job_write(take(LEADER, "c", (1, 2))).await.unwrap();
    let lease = Lease { name: LEADER.into(), holder: "c".into(), epoch: 2, beat: 3, until_ms: 900 };
    assert_eq!(truth.job_leases().await.unwrap(), [lease]);
    // What the former holder left running is lost, and nothing he writes counts any more.
    assert_eq!(all(&truth).await, [(100, 1, RunStatus::Lost)]);
    changed(truth.job_write(JobWrite::Renew { fence: fence(1), until_ms: 999 }).await);
    changed(truth.job_write(JobWrite::Release { fence: fence(1) }).await);
    changed(truth.job_write(JobWrite::Start(begun(200, 1, 1))).await);
    changed(truth.job_write(JobWrite::End(ended(&begun(100, 1, 1), RunStatus::Ok))).await);
    let known = ScheduleRow { name: "nightly".into(), rule: "x".into(), since_ms: 1, floor_ms: 0 };
    changed(truth.job_write(JobWrite::Know { fence: fence(1), row: known.clone() }).await);
    let forget = JobWrite::Forget { fence: fence(1), schedule: "nightly".into(), by_hand: false, kept: 0 };
    changed(truth.job_write(forget).await);
    assert_eq!(truth.job_schedules().await.unwrap(), []);
    assert_eq!(all(&truth).await, [(100, 1, RunStatus::Lost)]);
    // Given back, it is free; another lease is another's.
    truth.job_write(JobWrite::Know { fence: fence(2), row: known.clone() }).await.unwrap();
    truth.job_write(JobWrite::Release { fence: fence(2) }).await.unwrap();
    truth.job_write(take("other", "d", (0, 0))).await.unwrap();
    let held: Vec<_> = truth.job_leases().await.unwrap().into_iter().map(|l| (l.name, l.until_ms)).collect();
    assert_eq!(held, [(LEADER.to_owned(), 0), ("other".to_owned(), 900)]);
    assert_eq!(truth.job_schedules().await.unwrap(), [known]);
}

pub async fn an_instant_runs_once_and_again_only_after_a_failure(truth: Arc<dyn Truth>) {
    truth.job_write(take(LEADER, "a", (0, 0))).await.unwrap();
    let first = begun(100, 1, 1);
    let (one, two) = tokio::join!(
        truth.job_write(JobWrite::Start(first.clone())),
        truth.job_write(JobWrite::Start(first.clone()))
    );
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    // It has not failed yet.
    changed(truth.job_write(JobWrite::Start(begun(100, 2, 1))).await);
    truth.job_write(JobWrite::End(ended(&first, RunStatus::Failed))).await.unwrap();
    changed(truth.job_write(JobWrite::End(ended(&first, RunStatus::Ok))).await);
    changed(truth.job_write(JobWrite::Start(begun(100, 1, 1))).await);
    changed(truth.job_write(JobWrite::Start(begun(100, 3, 1))).await);
    truth.job_write(JobWrite::Start(begun(100, 2, 1))).await.unwrap();
    truth.job_write(JobWrite::End(ended(&begun(100, 2, 1), RunStatus::Ok))).await.unwrap();
    changed(truth.job_write(JobWrite::Start(begun(100, 3, 1))).await);
    // By hand at the same moment is another run.
    let mut by_hand = begun(100, 1, 1);
    by_hand.key.by_hand = true;
    truth.job_write(JobWrite::Start(by_hand)).await.unwrap();
    let page = RunPage { by_hand: Some(false), limit: 9, ..RunPage::default() };
    let runs = truth.job_runs(page).await.unwrap();
    assert_eq!(runs.len(), 2);
    let run = &runs[1];
    assert_eq!((run.started_ms, run.ended_ms, run.rows, run.error.as_str()), (101, 108, 12, "why"));
    assert_eq!(run.note, "ü".repeat(1_000), "long texts are cut between characters");
}

pub async fn history_is_found_by_name_and_bounded(truth: Arc<dyn Truth>) {
    truth.job_write(take(LEADER, "a", (0, 0))).await.unwrap();
    let row = ScheduleRow { name: "nightly".into(), rule: "x".into(), since_ms: 1, floor_ms: 0 };
    truth.job_write(JobWrite::Know { fence: fence(1), row }).await.unwrap();
    for at in [100, 200, 300, 400] {
        truth.job_write(JobWrite::Start(begun(at, 1, 1))).await.unwrap();
        if at != 100 {
            truth.job_write(JobWrite::End(ended(&begun(at, 1, 1), RunStatus::Failed))).await.unwrap();
        }
    }
    truth.job_write(JobWrite::Start(begun(300, 2, 1))).await.unwrap();
    let mut other = begun(250, 1, 1);
    (other.key.schedule, other.job) = ("Nightly".into(), "evaluate".into());
    truth.job_write(JobWrite::Start(other)).await.unwrap();
    let of = async |page: RunPage| -> Vec<(i64, u32)> {
        let runs = truth.job_runs(RunPage { limit: 3, ..page }).await.unwrap();
        runs.into_iter().map(|run| (run.key.scheduled_ms, run.key.attempt)).collect()
    };
    let page = RunPage::default();
    assert_eq!(of(page.clone()).await, [(400, 1), (300, 2), (300, 1)]);
    assert_eq!(of(RunPage { name: Some("evaluate".into()), ..page.clone() }).await, [(250, 1)]);
    assert_eq!(of(RunPage { name: Some("Nightly".into()), ..page.clone() }).await, [(250, 1)]);
    let due = RunPage { schedule: Some("nightly".into()), due_until_ms: Some(300), ..page.clone() };
    assert_eq!(of(due).await, [(300, 2), (300, 1), (200, 1)]);
    let running = RunPage { status: Some(RunStatus::Running), ..page };
    assert_eq!(of(running).await, [(300, 2), (250, 1), (100, 1)]);
    // Two instants stay, whole; and what still runs.
    let forget = JobWrite::Forget { fence: fence(1), schedule: "nightly".into(), by_hand: false, kept: 2 };
    truth.job_write(forget.clone()).await.unwrap();
    truth.job_write(forget).await.unwrap();
    let left: Vec<_> = all(&truth).await.into_iter().map(|(at, attempt, _)| (at, attempt)).collect();
    assert_eq!(left, [(400, 1), (300, 2), (300, 1), (250, 1), (100, 1)]);
    assert_eq!(truth.job_schedules().await.unwrap()[0].floor_ms, 200);
}
