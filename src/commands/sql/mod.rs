//! `sql`: questions to the events and the truth.

#[cfg(feature = "lake")]
mod answer;
#[cfg(feature = "lake")]
mod ask;
#[cfg(feature = "lake")]
mod cluster;
#[cfg(feature = "lake")]
mod leftovers;
#[cfg(feature = "lake")]
mod shell;
#[cfg(feature = "lake")]
mod sources;

#[cfg(feature = "lake")]
pub use ask::run;
#[cfg(feature = "lake")]
pub use sources::open_shop;

#[cfg(not(feature = "lake"))]
pub async fn run(_: crate::args::Sql) -> anyhow::Result<std::process::ExitCode> {
    Err(crate::commands::lake::without("sql"))
}
