//! Pictures of what was measured, as SVG: quality over time, quality over parameters. Pure: from data to text, the same
//! bytes for the same data; whoever asked writes them. Text stays text, so no font is read.

mod chart;
mod pages;

pub(crate) use chart::{Mark, Panel, Series, draw};
pub use pages::{Measure, of_report, of_trials};

/// Why a picture cannot be drawn.
#[derive(Debug, thiserror::Error)]
#[error("the picture cannot be drawn: {0}")]
pub struct PlotError(pub(crate) String);
