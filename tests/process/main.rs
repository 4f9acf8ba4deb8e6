//! The program as a process: started, asked, killed, refused. Everything here runs the binary itself, on a free port and in
//! a folder of its own, and stops what it started.

// Clippy's exception for tests does not see the helpers they share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(feature = "lake")]
mod archive;
#[cfg(feature = "mcp")]
mod assistants;
mod chat;
mod commands;
mod common;
mod damage;
mod demo;
mod disk;
mod evaluate;
mod faq;
mod fresh;
mod jobs;
mod kill;
mod letters;
mod loading;
mod machines;
mod misconfigured;
mod models;
mod rated;
mod real;
mod report;
mod roles;
#[allow(dead_code, reason = "the tests of faults use the rest")]
mod running;
mod schedules;
#[cfg(feature = "search")]
mod search;
mod segments;
mod services;
mod then;
mod truncated;
#[cfg(feature = "assistant")]
mod worded;
