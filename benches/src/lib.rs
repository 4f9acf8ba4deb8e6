//! Measurements of the promises in the README, end to end and through the code that ships: `figures` runs them all and
//! prints each result beside its bar. Nothing else uses this crate.

pub mod dice;
pub mod figure;
pub mod http;
pub mod machine;
pub mod peers;
pub mod produce;
pub mod rows;
pub mod server;
pub mod services;
pub mod shop;
pub mod spread;

/// The one that ships.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
