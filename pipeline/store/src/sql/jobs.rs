//! Leases, schedules and runs of jobs: few rows, each change under the row lock of its lease, so that whoever lost the lease
//! writes nothing any more.

use super::batch::{self, Rows};
use super::commit::at_rest;
use super::conn::SqlConn;
use super::tables;
use super::value::{Row, Value};
use crate::{
    Fence, JobRun, JobWrite, Lease, RUN_TEXT_BYTES_MAX, RunKey, RunPage, RunStatus, ScheduleRow, StoreError,
};

const LEASE: StoreError = StoreError::Changed { what: "the lease of jobs" };
const RUN: StoreError = StoreError::Changed { what: "the run of a job" };

/// Columns of a run, in the order of [`tables::JOB_RUN`].
const RUN_COLUMNS: &str = "schedule, by_hand, scheduled_ms, attempt, job, status, started_ms, ended_ms, row_count, note, error, \
    lease, epoch, holder";

/// Carries out one change within the caller's transaction.
pub(super) async fn write<C: SqlConn>(conn: &mut C, write: &JobWrite) -> Result<(), StoreError> {
    match write {
        JobWrite::Take { lease, holder, epoch, beat, until_ms, now_ms } => {
            take(conn, (lease, holder), (*epoch, *beat), *until_ms, *now_ms).await
        }
        JobWrite::Renew { fence, until_ms } => renew(conn, fence, *until_ms).await,
        JobWrite::Release { fence } => renew(conn, fence, 0).await,
        JobWrite::Know { fence, row } => {
            under(conn, fence).await?;
            let mut rows = Rows::with_capacity(tables::JOB_SCHEDULE.columns.len(), 1);
            let (name, rule) = (Value::Bytes(row.name.as_bytes()), Value::Bytes(row.rule.as_bytes()));
            rows.push([name, rule, Value::Int(row.since_ms), Value::Int(row.floor_ms)]);
            batch::upsert(conn, &tables::JOB_SCHEDULE, &rows).await
        }
        JobWrite::Start(run) => {
            under(conn, &run.fence).await?;
            start(conn, run).await
        }
        JobWrite::End(run) => {
            under(conn, &run.fence).await?;
            end(conn, run).await
        }
        JobWrite::Forget { fence, schedule, by_hand, kept } => {
            under(conn, fence).await?;
            forget(conn, schedule, *by_hand, *kept).await
        }
    }
}

/// The row of a lease, locked: (epoch, beat).
async fn locked<C: SqlConn>(conn: &mut C, lease: &str) -> Result<Option<(i64, i64)>, StoreError> {
    let sql = format!("SELECT epoch, beat FROM job_lease WHERE name = ?{}", conn.dialect().for_update());
    let rows = conn.query(&sql, &[Value::Bytes(lease.as_bytes())]).await?;
    rows.first().map(|row| Ok((row.int(0)?, row.int(1)?))).transpose()
}

/// Holds the lease's row until the transaction ends.
async fn under<C: SqlConn>(conn: &mut C, fence: &Fence) -> Result<(), StoreError> {
    match locked(conn, &fence.lease).await? {
        Some((epoch, _)) if epoch == fence.epoch => Ok(()),
        _ => Err(LEASE),
    }
}

async fn take<C: SqlConn>(
    conn: &mut C,
    (lease, holder): (&str, &str),
    seen: (i64, i64),
    until_ms: i64,
    now_ms: i64,
) -> Result<(), StoreError> {
    let name = Value::Bytes(lease.as_bytes());
    // A row that was never there cannot be locked: it is made first, for two who take it at once.
    let mut rows = Rows::with_capacity(tables::JOB_LEASE.columns.len(), 1);
    rows.push([name, Value::Bytes(b""), Value::Int(0), Value::Int(0), Value::Int(0)]);
    batch::upsert(conn, &tables::JOB_LEASE, &rows).await?;
    if locked(conn, lease).await? != Some(seen) {
        return Err(LEASE);
    }
    let epoch = Value::Int(seen.0.saturating_add(1));
    let sql = "UPDATE job_lease SET holder = ?, epoch = ?, beat = ?, until_ms = ? WHERE name = ?";
    let beat = Value::Int(seen.1.saturating_add(1));
    conn.execute(sql, &[Value::Bytes(holder.as_bytes()), epoch, beat, Value::Int(until_ms), name]).await?;
    let sql =
        "UPDATE job_run SET status = ?, ended_ms = ?, error = ? WHERE lease = ? AND status = ? AND epoch < ?";
    let (lost, running) = (Value::Int(RunStatus::Lost.code()), Value::Int(RunStatus::Running.code()));
    let why = Value::Bytes(b"its process was killed or lost the lease before the run ended");
    conn.execute(sql, &[lost, Value::Int(now_ms.max(1)), why, name, running, epoch]).await.map(drop)
}

async fn renew<C: SqlConn>(conn: &mut C, fence: &Fence, until_ms: i64) -> Result<(), StoreError> {
    let sql = "UPDATE job_lease SET beat = beat + 1, until_ms = ? WHERE name = ? AND epoch = ?";
    let args = [Value::Int(until_ms), Value::Bytes(fence.lease.as_bytes()), Value::Int(fence.epoch)];
    if conn.execute(sql, &args).await? == 1 { Ok(()) } else { Err(LEASE) }
}

const KEY: &str = "schedule = ? AND by_hand = ? AND scheduled_ms = ? AND attempt = ?";

fn key(key: &RunKey) -> [Value<'_>; 4] {
    let by_hand = Value::Int(i64::from(key.by_hand));
    [Value::Bytes(key.schedule.as_bytes()), by_hand, Value::Int(key.scheduled_ms), key.attempt.into()]
}

async fn status_of<C: SqlConn>(conn: &mut C, of: &RunKey) -> Result<Option<RunStatus>, StoreError> {
    let rows = conn.query(&format!("SELECT status FROM job_run WHERE {KEY}"), &key(of)).await?;
    rows.first().map(|row| status(row.int(0)?)).transpose()
}

async fn start<C: SqlConn>(conn: &mut C, run: &JobRun) -> Result<(), StoreError> {
    if status_of(conn, &run.key).await?.is_some() {
        return Err(RUN);
    }
    if 1 < run.key.attempt {
        let before = RunKey { attempt: run.key.attempt - 1, ..run.key.clone() };
        if !status_of(conn, &before).await?.is_some_and(RunStatus::may_be_tried_again) {
            return Err(RUN);
        }
    }
    let mut rows = Rows::with_capacity(tables::JOB_RUN.columns.len(), 1);
    let [schedule, by_hand, scheduled_ms, attempt] = key(&run.key);
    rows.push([
        schedule,
        by_hand,
        scheduled_ms,
        attempt,
        Value::Bytes(run.job.as_bytes()),
        Value::Int(run.status.code()),
        Value::Int(run.started_ms),
        Value::Int(run.ended_ms),
        at_rest("rows of a run", run.rows)?,
        Value::Bytes(cut(&run.note).as_bytes()),
        Value::Bytes(cut(&run.error).as_bytes()),
        Value::Bytes(run.fence.lease.as_bytes()),
        Value::Int(run.fence.epoch),
        Value::Bytes(run.holder.as_bytes()),
    ]);
    batch::upsert(conn, &tables::JOB_RUN, &rows).await
}

async fn end<C: SqlConn>(conn: &mut C, run: &JobRun) -> Result<(), StoreError> {
    let sql = format!(
        "UPDATE job_run SET status = ?, ended_ms = ?, row_count = ?, note = ?, error = ? WHERE {KEY} AND status = ? AND epoch = ?"
    );
    let [schedule, by_hand, scheduled_ms, attempt] = key(&run.key);
    let args = [
        Value::Int(run.status.code()),
        Value::Int(run.ended_ms),
        at_rest("rows of a run", run.rows)?,
        Value::Bytes(cut(&run.note).as_bytes()),
        Value::Bytes(cut(&run.error).as_bytes()),
        schedule,
        by_hand,
        scheduled_ms,
        attempt,
        Value::Int(RunStatus::Running.code()),
        Value::Int(run.fence.epoch),
    ];
    if conn.execute(&sql, &args).await? == 1 { Ok(()) } else { Err(RUN) }
}

/// Instants are forgotten whole, and the floor says up to where: what is forgotten is not run again.
async fn forget<C: SqlConn>(
    conn: &mut C,
    schedule: &str,
    by_hand: bool,
    kept: usize,
) -> Result<(), StoreError> {
    let fixed = [Value::Bytes(schedule.as_bytes()), Value::Int(i64::from(by_hand))];
    let sql = "SELECT DISTINCT scheduled_ms FROM job_run WHERE schedule = ? AND by_hand = ? ORDER BY scheduled_ms DESC \
        LIMIT 1 OFFSET ?";
    let [name, hand] = fixed;
    let rows = conn.query(sql, &[name, hand, Value::Int(i64::try_from(kept).unwrap_or(i64::MAX))]).await?;
    let Some(newest_gone) = rows.first().map(|row| row.int(0)).transpose()? else { return Ok(()) };
    // What still runs is kept, however old.
    let sql = "DELETE FROM job_run WHERE schedule = ? AND by_hand = ? AND scheduled_ms <= ? AND status <> ?";
    let running = Value::Int(RunStatus::Running.code());
    conn.execute(sql, &[name, hand, Value::Int(newest_gone), running]).await?;
    if by_hand {
        return Ok(());
    }
    let sql = "UPDATE job_schedule SET floor_ms = ? WHERE name = ? AND floor_ms < ?";
    conn.execute(sql, &[Value::Int(newest_gone), name, Value::Int(newest_gone)]).await.map(drop)
}

/// Leases by name; those that nobody ever had are none.
pub(super) async fn leases<C: SqlConn>(conn: &mut C) -> Result<Vec<Lease>, StoreError> {
    let sql = "SELECT name, holder, epoch, beat, until_ms FROM job_lease WHERE epoch > 0 ORDER BY name";
    let lease = |mut row: Row| {
        let (epoch, beat, until_ms) = (row.int(2)?, row.int(3)?, row.int(4)?);
        Ok(Lease { name: row.text(0)?, holder: row.text(1)?, epoch, beat, until_ms })
    };
    conn.query(sql, &[]).await?.into_iter().map(lease).collect()
}

pub(super) async fn schedules<C: SqlConn>(conn: &mut C) -> Result<Vec<ScheduleRow>, StoreError> {
    let sql = "SELECT name, rule, since_ms, floor_ms FROM job_schedule ORDER BY name";
    let schedule = |mut row: Row| {
        let (since_ms, floor_ms) = (row.int(2)?, row.int(3)?);
        Ok(ScheduleRow { name: row.text(0)?, rule: row.text(1)?, since_ms, floor_ms })
    };
    conn.query(sql, &[]).await?.into_iter().map(schedule).collect()
}

pub(super) async fn runs<C: SqlConn>(conn: &mut C, page: &RunPage) -> Result<Vec<JobRun>, StoreError> {
    let (mut sql, mut args) = (format!("SELECT {RUN_COLUMNS} FROM job_run WHERE 1 = 1"), Vec::new());
    if let Some(schedule) = &page.schedule {
        sql.push_str(" AND schedule = ?");
        args.push(Value::Bytes(schedule.as_bytes()));
    }
    if let Some(name) = &page.name {
        sql.push_str(" AND (schedule = ? OR job = ?)");
        args.extend([Value::Bytes(name.as_bytes()), Value::Bytes(name.as_bytes())]);
    }
    if let Some(by_hand) = page.by_hand {
        sql.push_str(" AND by_hand = ?");
        args.push(Value::Int(i64::from(by_hand)));
    }
    if let Some(status) = page.status {
        sql.push_str(" AND status = ?");
        args.push(Value::Int(status.code()));
    }
    match page.due_until_ms {
        Some(until) => {
            sql.push_str(" AND scheduled_ms <= ? ORDER BY scheduled_ms DESC, attempt DESC");
            args.push(Value::Int(until));
        }
        None => sql.push_str(" ORDER BY started_ms DESC, scheduled_ms DESC, attempt DESC, schedule"),
    }
    sql.push_str(" LIMIT ?");
    args.push(Value::Int(i64::try_from(page.limit).unwrap_or(i64::MAX)));
    conn.query(&sql, &args).await?.into_iter().map(run).collect()
}

fn run(mut row: Row) -> Result<JobRun, StoreError> {
    let fence = Fence { lease: row.text(11)?, epoch: row.int(12)? };
    let key = RunKey {
        schedule: row.text(0)?,
        by_hand: row.int(1)? != 0,
        scheduled_ms: row.int(2)?,
        attempt: row.number(3)?,
    };
    Ok(JobRun {
        key,
        job: row.text(4)?,
        status: status(row.int(5)?)?,
        started_ms: row.int(6)?,
        ended_ms: row.int(7)?,
        rows: row.number(8)?,
        note: row.text(9)?,
        error: row.text(10)?,
        fence,
        holder: row.text(13)?,
    })
}

fn status(code: i64) -> Result<RunStatus, StoreError> {
    RunStatus::from_code(code)
        .ok_or_else(|| StoreError::Unusable(format!("a stored run has status {code}, which none has")))
}

/// What is kept of a text: whole characters.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(RUN_TEXT_BYTES_MAX)).unwrap_or(text)
}
