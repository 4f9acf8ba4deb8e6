//! The shop's questions and answers of this moment: read from the store, and again when somebody changed them.

use std::sync::Arc;
use std::time::Duration;

use shoptide_models::faq::FaqBook;
use shoptide_schemas::FaqEntry;
use shoptide_store::{StoreError, Truth};

use crate::Live;

/// How often the store is asked whether they changed: what a person wrote may be seen a second later.
const POLL: Duration = Duration::from_secs(1);

/// Reads and indexes all of them.
pub(crate) async fn load(truth: &dyn Truth) -> Result<Arc<FaqBook>, StoreError> {
    let (revision, rows) = truth.faq().await?;
    // Cutting thousands of texts into words takes a while.
    let indexed = shoptide_faults::blocking(move || {
        let entries = rows.into_iter().filter_map(|row| match FaqEntry::parse(&row.data) {
            Ok(entry) => Some(entry),
            Err(error) => {
                // One that cannot be read must not take the others away.
                tracing::error!(id = row.id, %error, "a stored question cannot be read, it is left out");
                None
            }
        });
        Arc::new(FaqBook::new(revision, entries.collect()))
    });
    indexed.await.map_err(|e| StoreError::Unusable(format!("questions cannot be indexed: {e}")))
}

/// Follows the store until the task is aborted.
pub(crate) async fn follow(live: Arc<Live>, truth: Arc<dyn Truth>) {
    let mut silent = false;
    loop {
        tokio::time::sleep(POLL).await;
        match live.refresh_faq(&*truth).await {
            Ok(()) => silent = false,
            // Said once, not every second.
            Err(error) if !silent => {
                tracing::warn!(%error, "the questions cannot be read, those of before are answered");
                silent = true;
            }
            Err(_) => {}
        }
    }
}
