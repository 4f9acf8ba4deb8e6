//! The catalogue of this moment: loaded from the store at an offset, then followed in the log.

use std::sync::Arc;
use std::time::Duration;

use shoptide_log::{Log, ReadMax};
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
    build(&rows, offset.map_or(0, |o| o.next_off))
}

/// Makes a snapshot of stored rows, as of an offset.
pub(crate) fn build(rows: &[ItemRow], offset: i64) -> Result<Catalogue, LiveError> {
    let mut builder = CatalogueBuilder::default();
    for row in rows {
        let item = CatalogueItem::decode(&row.data)
            .map_err(|e| LiveError::Catalogue { number: row.num, reason: e.to_string() })?;
        builder.put(row.item.clone(), item, row.num);
    }
    Ok(builder.finish(offset))
}

/// Folds the topic from the snapshot's offset on, until the task is aborted.
pub(crate) async fn follow(live: Arc<Live>, log: Arc<dyn Log>) {
    loop {
        let catalogue = live.catalogue();
        let from = catalogue.offset();
        let records = match log.read(Topic::Catalogue, 0, from, READ).await {
            Ok(records) => records,
            Err(error) => {
                tracing::warn!(%error, "the catalogue topic cannot be read, retrying");
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        let Some(last) = records.last().map(|r| r.offset) else {
            log.wait_beyond(Topic::Catalogue, 0, from, WAIT_MS).await;
            continue;
        };
        let mut builder = CatalogueBuilder::from(&catalogue);
        for record in &records {
            // What cannot be read is the owner's dead letter; here it changes nothing.
            if let Some(Ok(event)) = record.value.as_ref().map(|v| decode(v)) {
                builder.fold(&event);
            }
        }
        let next = Arc::new(builder.finish(last + 1));
        live.metrics().catalogue_items.set(i64::from(next.len()));
        live.catalogue.send_replace(next);
    }
}
