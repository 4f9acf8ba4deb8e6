//! The catalogue of this moment: loaded from the store at an offset, then followed in the log.

use std::sync::Arc;
use std::time::Duration;

use shoptide_log::{Log, ReadMax, Record};
use shoptide_models::catalogue::{Catalogue, CatalogueBuilder, CatalogueItem};
use shoptide_schemas::{Topic, catalogue::decode};
use shoptide_store::{ItemRow, Truth};

use crate::{Live, LiveError};

/// One snapshot a read: a thousand changes share the copies they cause.
const READ: ReadMax = ReadMax { records: 1_000, bytes: 4 * 1024 * 1024 };
/// How long one wait for the log's next record lasts.
const WAIT_MS: u64 = 1_000;
/// Pause after a failed read, so that a log that is down is not asked in a loop.
const RETRY: Duration = Duration::from_millis(500);

/// Reads the store's rows.
pub(crate) async fn load(truth: &dyn Truth) -> Result<Catalogue, LiveError> {
    let (rows, offset) = truth.catalogue().await?;
    Ok(stored(&rows)?.finish(offset.map_or(0, |o| o.next_off)))
}

/// The catalogue as it was before `offset` of its topic.
///
/// # Errors
/// [`LiveError`] if store or log cannot be read, or a stored row is damaged.
pub async fn catalogue_at(truth: &dyn Truth, log: &dyn Log, offset: i64) -> Result<Catalogue, LiveError> {
    let mut builder = stored(&truth.catalogue_at(offset).await?)?;
    // The live catalogue follows the log itself, so a list may name more of it than the store has folded yet.
    let (_, stands) = truth.catalogue().await?;
    let mut next = stands.map_or(0, |row| row.next_off);
    while next < offset {
        let mut records = log.read(Topic::Catalogue, 0, next, READ).await?;
        let Some(last) = records.last().map(|r| r.offset) else { break };
        records.retain(|r| r.offset < offset);
        fold(&mut builder, &records);
        next = last + 1;
    }
    Ok(builder.finish(offset))
}

fn fold(builder: &mut CatalogueBuilder, records: &[Record]) {
    for record in records {
        // What cannot be read is the owner's dead letter; here it changes nothing.
        if let Some(Ok(event)) = record.value.as_ref().map(|v| decode(v)) {
            builder.fold(&event);
        }
    }
}

fn stored(rows: &[ItemRow]) -> Result<CatalogueBuilder, LiveError> {
    let mut builder = CatalogueBuilder::default();
    for row in rows {
        let item = CatalogueItem::decode(&row.data)
            .map_err(|e| LiveError::Catalogue { number: row.num, reason: e.to_string() })?;
        builder.put(row.item.clone(), item, row.num);
    }
    Ok(builder)
}

/// Folds the topic from the snapshot's offset on, until the task is aborted.
pub(crate) async fn follow(live: Arc<Live>, log: Arc<dyn Log>) {
    loop {
        let catalogue = live.catalogue();
        let from = catalogue.offset();
        let records = match log.read(Topic::Catalogue, 0, from, READ).await {
            Ok(records) => records,
            Err(error) => {
                // Whoever stopped this may have closed the log before the task is gone.
                if !live.is_stopped() {
                    tracing::warn!(%error, "the catalogue topic cannot be read, retrying");
                }
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        let Some(last) = records.last().map(|r| r.offset) else {
            log.wait_beyond(Topic::Catalogue, 0, from, WAIT_MS).await;
            continue;
        };
        let mut builder = CatalogueBuilder::from(&catalogue);
        fold(&mut builder, &records);
        let next = Arc::new(builder.finish(last + 1));
        live.metrics().catalogue_items.set(i64::from(next.len()));
        live.catalogue.send_replace(next);
    }
}
