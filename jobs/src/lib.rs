//! Everything that runs beside the stream: the generated shop, imports of real data, the trainer, verification,
//! the growth of the log.

#[cfg(feature = "lake")]
pub mod archive;
pub mod evaluate;
pub mod faq;
pub mod grow;
pub mod import;
pub mod plot;
pub mod replay;
pub mod report;
pub mod schedule;
pub mod segments;
pub mod shop;
pub mod skew;
pub mod train;
pub mod verify;
