//! One file a row of the table. Each says in `how` what one must know to measure it again.

pub mod archive;
pub mod cached;
pub mod chat;
pub mod demo;
pub mod exact;
pub mod held_out;
pub mod one_user;
pub mod online_retail;
pub mod quality;
pub mod replay;
pub mod retailrocket;
pub mod search;
pub mod skew;
pub mod sustained;
pub mod training;
