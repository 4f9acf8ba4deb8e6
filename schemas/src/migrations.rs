//! SQL of the truth and of the embedded log, in order. Placeholders such as `{BYTES}` are filled by the
//! dialect of the database.

/// One step of the schema: its number, its name, its statements separated by `;`.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    pub version: i64,
    pub name: &'static str,
    pub sql: &'static str,
}

/// The truth: user parts, lists, counters, dead letters, offsets, catalogue, models.
pub const STORE: &[Migration] = &[
    Migration { version: 1, name: "the truth", sql: include_str!("../migrations/0001_truth.sql") },
    Migration {
        version: 2,
        name: "what is published",
        sql: include_str!("../migrations/0002_published.sql"),
    },
    Migration { version: 3, name: "model files", sql: include_str!("../migrations/0003_model_file.sql") },
    Migration { version: 4, name: "chats", sql: include_str!("../migrations/0004_chat.sql") },
    Migration { version: 5, name: "questions", sql: include_str!("../migrations/0005_faq.sql") },
    Migration {
        version: 6,
        name: "ratings of items",
        sql: include_str!("../migrations/0006_item_rating.sql"),
    },
    Migration {
        version: 7,
        name: "segments of users",
        sql: include_str!("../migrations/0007_user_segment.sql"),
    },
    Migration { version: 8, name: "jobs", sql: include_str!("../migrations/0008_jobs.sql") },
    Migration {
        version: 9,
        name: "candidates for models",
        sql: include_str!("../migrations/0009_model_candidate.sql"),
    },
];

/// The embedded log.
pub const LOG: &[Migration] =
    &[Migration { version: 1, name: "the log", sql: include_str!("../migrations/log_0001.sql") }];
