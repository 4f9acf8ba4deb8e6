//! Reports: what the lists earn, from the events of the log or the lake to a page with plots and tables beside it.
//!
//! Events are read group by group (all of one user are in one group), as often as it takes to keep what is held within a bound.

mod body;
mod days;
mod error;
#[cfg(feature = "lake")]
mod from_lake;
mod from_log;
mod gather;
mod html;
mod page;
mod rows;
mod source;
mod stored;
mod why;
mod write;

use std::path::PathBuf;
use std::sync::Arc;

use shoptide_models::catalogue::Catalogue;
use shoptide_models::report::{Rules, Shelf};

use crate::schedule::Progress;

pub use body::{GroupRow, Reading, Report};
pub use days::report_of_days;
pub use error::ReportError;
#[cfg(feature = "lake")]
pub use from_lake::LakeEvents;
pub use from_log::{LogEvents, catalogue_of};
pub use gather::{Gathered, gather};
pub use page::page;
pub use rows::tables;
pub use source::{EventGroup, Events, Segments};
pub use stored::StoredSegments;
pub use why::{Moment, Why, why};
pub use write::{File, Folder};

/// What a report is made of.
pub struct ReportContext {
    pub events: Arc<dyn Events>,
    /// Titles, categories, and what might have been shown.
    pub catalogue: Arc<Catalogue>,
    /// Groups of users, where there are any.
    pub segments: Option<Arc<dyn Segments>>,
    pub rules: Rules,
    /// Where the page and its tables go; nothing is written without.
    pub out: Option<PathBuf>,
    /// For whoever waits.
    pub progress: Progress,
}

/// What a run of the job came to.
#[derive(Debug, Clone)]
pub struct ReportOutcome {
    /// Events that were read.
    pub rows: u64,
    pub report: Report,
}

/// Reads, counts and writes one report; the folder is written whole or not at all.
///
/// # Errors
/// [`ReportError`] says whether the reading or the writing failed.
pub async fn report_once(context: &ReportContext) -> Result<ReportOutcome, ReportError> {
    let folder = context.out.as_deref().map(Folder::begin).transpose()?;
    let shelf = Arc::new(Shelf::of(context.catalogue.clone()));
    let gathered = gather(context, &shelf).await?;
    let rows = gathered.reading.events;
    let report = Report::of(&gathered, &context.rules, &shelf);
    if let Some(folder) = folder {
        context.progress.begin("writing", 0);
        let mut files = vec![File::new("index.html", page(&report)?.into_bytes())];
        files.extend(tables(&report)?);
        files.push(File::new("report.json", serde_json::to_vec_pretty(&report).map_err(ReportError::text)?));
        folder.publish(&files)?;
    }
    Ok(ReportOutcome { rows, report })
}
