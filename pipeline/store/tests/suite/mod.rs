//! What every truth must do, whatever database holds it. Each function gets an empty truth.

pub mod chats;
pub mod commits;
pub mod counters;
pub mod faq;
pub mod growth;
pub mod ids;
pub mod jobs;
pub mod ratings;
pub mod reads;
pub mod segments;
pub mod walks;
