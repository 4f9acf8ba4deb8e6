//! The report that a schedule makes: of the last whole days, in a folder named by the last of them. Made again, it is the same.

use std::path::Path;
use std::sync::Arc;

use shoptide_log::Log;
use shoptide_models::catalogue::Catalogue;
use shoptide_models::report::{Credit, Period, Rules};
use shoptide_schemas::time::DAY_MS;
use shoptide_schemas::{EventMs, USER_TOPICS};
use shoptide_store::Truth;

use crate::schedule::Progress;

use super::{
    Events, LogEvents, ReportContext, ReportError, ReportOutcome, Segments, StoredSegments, report_once,
};

/// Of a scheduled report: a month, and the week that a click has until it is followed by a purchase.
const DAYS: i64 = 30;
const WINDOW_MS: i64 = 7 * DAY_MS;

/// Reports on the 30 whole days (UTC) before `now_ms`, into `folder/YYYY-MM-DD`, the last of them. `events`: the lake's; the log's
/// without.
///
/// # Errors
/// [`ReportError`]; the same may be tried again.
pub async fn report_of_days(
    log: &Arc<dyn Log>,
    truth: &Arc<dyn Truth>,
    catalogue: Arc<Catalogue>,
    events: Option<Arc<dyn Events>>,
    folder: &Path,
    now_ms: i64,
    progress: &Progress,
) -> Result<ReportOutcome, ReportError> {
    let to = now_ms - now_ms.rem_euclid(DAY_MS);
    let period = Period { from: to - DAYS * DAY_MS, to };
    let last: String = EventMs(to - DAY_MS).to_rfc3339().chars().take(10).collect();
    let segments = StoredSegments::open(truth.clone(), log.partitions(USER_TOPICS[0])).await?;
    let context = ReportContext {
        events: events.unwrap_or_else(|| Arc::new(LogEvents(log.clone()))),
        catalogue,
        segments: segments.map(|segments| Arc::new(segments) as Arc<dyn Segments>),
        rules: Rules::new(period, WINDOW_MS, Credit::LastClick).map_err(ReportError::text)?,
        out: Some(folder.join(last)),
        progress: progress.clone(),
    };
    report_once(&context).await
}
