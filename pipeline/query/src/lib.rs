//! SQL over the event lake and the truth.

#[cfg(feature = "scale")]
pub mod scale;
