//! Which generation of topics the truth folds: told to the log, which gives its members other shards when it changes.

use std::sync::Arc;
use std::time::Duration;

use shoptide_log::Log;
use shoptide_store::Truth;

use crate::LiveError;

/// How often the truth is asked. A growth is a rare thing, and for this long a reader may look for a user where he no longer is.
const POLL: Duration = Duration::from_millis(500);

/// Brings the log to where the truth stands.
///
/// # Errors
/// [`LiveError`] if either cannot be reached, or the log has no such generation.
pub async fn stand(truth: &dyn Truth, log: &dyn Log) -> Result<(), LiveError> {
    Ok(log.stand_in(truth.generation().await?).await?)
}

/// Follows the truth until the task is aborted.
pub(crate) async fn follow(truth: Arc<dyn Truth>, log: Arc<dyn Log>) {
    let mut silent = false;
    loop {
        tokio::time::sleep(POLL).await;
        match stand(&*truth, &*log).await {
            Ok(()) => silent = false,
            // Said once, not twice a second.
            Err(error) if !silent => {
                tracing::warn!(%error, "the generation of topics is not known, retrying");
                silent = true;
            }
            Err(_) => {}
        }
    }
}
