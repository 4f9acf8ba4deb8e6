//! Records that folds owe to the log (parts and events of identified users). Written with the fold's commit, appended
//! here, deleted after; a crash in between appends again, and the dedupe window of the receiver knows the name.

use shoptide_log::NewRecord;

use crate::StreamContext;

/// Rows of one append.
const RELAY_ROWS: usize = 200;

/// Appends what is owed. True if something is left for later.
pub(crate) async fn relay(context: &StreamContext, shard: u32) -> bool {
    let rows = match context.truth.outbox(shard, RELAY_ROWS).await {
        Ok(rows) if rows.is_empty() => return false,
        Ok(rows) => rows,
        Err(error) => {
            tracing::warn!(shard, %error, "the outbox cannot be read, it will be tried after the next batch");
            return true;
        }
    };
    let done: Vec<_> = rows.iter().map(|r| (r.topic, r.off)).collect();
    let records = rows
        .into_iter()
        .map(|r| NewRecord { topic: r.topic, key: r.key.into(), value: r.payload.into() })
        .collect();
    if let Err(error) = context.log.append(records).await {
        tracing::warn!(shard, %error, "the outbox cannot be appended, it will be tried after the next batch");
        return true;
    }
    if let Err(error) = context.truth.outbox_done(shard, &done).await {
        tracing::warn!(shard, %error, "sent outbox rows stay and will be sent again, without effect");
    }
    true
}
