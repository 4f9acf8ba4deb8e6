//! Everything that runs beside the stream: the generated shop, imports of real data, the trainer, verification.

pub mod evaluate;
pub mod import;
pub mod plot;
pub mod shop;
pub mod train;
pub mod verify;
