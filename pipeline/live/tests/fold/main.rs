//! The fold of a shard, seen from outside: records in, tables out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cases;
mod events;
mod identity;
mod properties;
mod tables;
mod whole;
