//! The stream over a log and a truth in a temporary directory: lists come out, faults cannot be seen.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod faults;
mod faulty;
mod lists;
mod owners;
mod published;
mod rested;
mod shop;
