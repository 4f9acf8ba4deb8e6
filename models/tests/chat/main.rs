//! The chat's core from outside: labelled messages, scripted dialogues, and messages that mean harm or nothing.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

mod catalogue;
mod dialogues;
mod score;
mod utterances;
