//! Records that folds owe to the log (parts and events of identified users). Written with the fold's commit, appended
//! here, deleted after; a crash in between appends again, and the dedupe window of the receiver knows the name.

use std::collections::BTreeSet;
use std::time::Duration;

use shoptide_faults::{Break, Point, broken};
use shoptide_log::NewRecord;
use shoptide_schemas::Topic;
use tokio::time::Instant;

use crate::StreamContext;
use crate::shard::{RETRY_FIRST, RETRY_LAST};

/// Rows of one append.
const RELAY_ROWS: usize = 200;

/// When the next rows are due.
#[derive(Debug)]
pub(crate) struct Relay {
    owes: bool,
    due: Instant,
    pause: Duration,
    /// Rows that are in the log already but could not be deleted: at most one page, and not to be appended again.
    appended: BTreeSet<(Topic, i64)>,
}

impl Relay {
    /// A shard that was just taken over may owe what its last owner left.
    pub(crate) fn new() -> Self {
        Self { owes: true, due: Instant::now(), pause: RETRY_FIRST, appended: BTreeSet::new() }
    }

    /// A commit put rows into the outbox.
    pub(crate) fn wake(&mut self) {
        self.owes = true;
    }

    pub(crate) fn busy(&self) -> bool {
        self.owes
    }

    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Sends some of what is owed; if that fails, the rest waits, however quiet the log is.
    pub(crate) async fn step(&mut self, context: &StreamContext, shard: u32) {
        match relay(context, shard, &mut self.appended).await {
            Some(more) => {
                self.owes = more;
                self.due = Instant::now();
                self.pause = RETRY_FIRST;
            }
            None => {
                self.due = Instant::now() + self.pause;
                self.pause = (self.pause * 2).min(RETRY_LAST);
            }
        }
    }
}

/// Appends what is owed. Whether there may be more, `None` if it failed.
async fn relay(context: &StreamContext, shard: u32, appended: &mut BTreeSet<(Topic, i64)>) -> Option<bool> {
    let rows = match context.truth.outbox(shard, RELAY_ROWS).await {
        Ok(rows) if rows.is_empty() => return Some(false),
        Ok(rows) => rows,
        Err(error) => {
            tracing::warn!(shard, %error, "the outbox cannot be read, retrying");
            return None;
        }
    };
    let more = rows.len() == RELAY_ROWS;
    let done: Vec<_> = rows.iter().map(|r| (r.topic, r.off)).collect();
    if broken(Break::OutboxMarkedFirst) && context.truth.outbox_done(shard, &done).await.is_err() {
        return None;
    }
    let records: Vec<NewRecord> = rows
        .into_iter()
        .filter(|r| !appended.contains(&(r.topic, r.off)))
        .map(|r| NewRecord { topic: r.topic, key: r.key.into(), value: renamed(context, r.payload).into() })
        .collect();
    if !records.is_empty()
        && let Err(error) = context.log.append(records).await
    {
        tracing::warn!(shard, %error, "the outbox cannot be appended, retrying");
        return None;
    }
    shoptide_faults::pass(Point::W11).await;
    *appended = done.iter().copied().collect();
    if let Err(error) = context.truth.outbox_done(shard, &done).await {
        tracing::warn!(shard, %error, "sent outbox rows cannot be deleted yet, retrying");
        return None;
    }
    appended.clear();
    Some(more)
}

/// A payload as it is: its name is the outbox row's for ever. (A test that breaks this gives it another one each time.)
fn renamed(context: &StreamContext, payload: Vec<u8>) -> Vec<u8> {
    if !broken(Break::OutboxNewName) {
        return payload;
    }
    let id = format!("\"event_id\":\"{}-", (context.clock)());
    String::from_utf8_lossy(&payload).replacen("\"event_id\":\"", &id, 1).into_bytes()
}
