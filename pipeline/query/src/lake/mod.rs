//! The files of one commit of the event lake as tables.

mod damage;
mod prune;
mod reader;
mod table;

pub use damage::Opened;
pub use table::{LakeKind, LakePart, LakeTable};
