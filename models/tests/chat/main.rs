//! The chat's core from outside: labelled messages, scripted dialogues, and messages that mean harm or nothing.

mod catalogue;
mod dialogues;
mod score;
mod utterances;
