//! The HTTP side from outside: what goes in, what comes out, and what must never get through.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

#[cfg(feature = "mcp")]
mod assistants;
mod chatting;
mod collecting;
mod common;
mod contract;
mod facts;
mod faq;
mod health;
mod ids;
mod json;
mod outages;
#[cfg(feature = "search")]
mod rated;
mod reading;
#[cfg(feature = "search")]
mod searching;
mod segments;
mod sockets;
mod stalling;
mod transport;
#[cfg(feature = "assistant")]
mod worded;
mod writing;
