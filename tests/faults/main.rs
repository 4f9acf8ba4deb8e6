//! Faults on the real services: processes and servers are killed, paused, cut off and filled up under load, and after each
//! trial the whole truth is compared with one clean run over the log ([`oracle`]). `docs/faults.md` lists what is tried.
//! Needs the servers that `deploy/services run` provides. The short forms run always; `--ignored` runs the long ones.

// Clippy's exception for tests does not see the helpers they share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad;
mod brokers;
mod cache;
mod clocks;
mod database;
mod disk;
mod foreign;
mod kills;
mod ledger;
mod load;
mod log_reader;
mod networks;
mod oracle;
mod partitions;
mod proxy;
mod repeats;
#[allow(dead_code, reason = "the other tests use the rest")]
#[path = "../process/running.rs"]
mod running;
mod scale;
mod seed;
mod servers;
mod shop;
mod stops;
mod tables;
mod versions;
#[cfg(feature = "faults")]
mod windows;
