//! The tables that rows are put into, with what an upsert does to a row that is there.

use super::dialect::{Existing, Target};

const fn target(
    table: &'static str,
    columns: &'static [&'static str],
    keys: usize,
    existing: Existing,
) -> Target {
    Target { table, columns, keys, existing, unique_beside: false }
}

use Existing::{Add, AddAndMark, Keep, Replace};

pub(super) const OFFSET: Target = target(
    "stream_offset",
    &[
        "shard",
        "topic",
        "next_off",
        "epoch",
        "base_off",
        "append_ms",
        "logged",
        "applied",
        "duplicate",
        "late",
        "erased",
        "dead",
        "published_off",
    ],
    2,
    Keep,
);
pub(super) const PART: Target =
    target("user_part", &["shard", "user_id", "topic", "upto", "data"], 3, Replace);
pub(super) const LINE: Target =
    target("order_line", &["shard", "user_id", "kind", "order_id", "line_id"], 5, Keep);
pub(super) const COUNT: Target = target("item_count", &["shard", "item_id", "day", "type", "n"], 4, Add);
pub(super) const RATING: Target =
    target("item_rating", &["shard", "item_id", "n", "hundredths", "upto"], 2, AddAndMark);
pub(super) const DEAD: Target = target(
    "dead_letter",
    &["shard", "topic", "off", "append_ms", "reason", "field", "message", "record_key", "payload"],
    3,
    Replace,
);
pub(super) const TOMBSTONE: Target = target("tombstone", &["shard", "user_hash", "topic", "off"], 3, Replace);
pub(super) const OUTBOX: Target =
    target("outbox", &["shard", "topic", "off", "record_key", "payload"], 3, Replace);
pub(super) const LIST: Target =
    target("user_list", &["shard", "user_id", "revision", "model_version", "last_ms", "data"], 2, Replace);
pub(super) const TODO: Target = target("list_todo", &["shard", "user_id"], 2, Keep);
pub(super) const OWED: Target = target("list_owed", &["shard", "user_id"], 2, Keep);
pub(super) const QUALITY: Target = target("quality", &["shard", "day", "metric", "n"], 3, Add);
pub(super) const BUDGET: Target =
    target("user_budget", &["shard", "user_id", "month_micros", "currency", "updated_ms"], 2, Replace);
pub(super) const CHAT_MESSAGE: Target = target(
    "chat_message",
    &["shard", "user_id", "session_id", "turn", "at_ms", "question", "answer"],
    4,
    Replace,
);
pub(super) const CHAT_RECORD: Target = target(
    "chat_record",
    &[
        "shard",
        "user_id",
        "session_id",
        "turn",
        "place",
        "item_id",
        "score",
        "why",
        "shown_ms",
        "feedback",
        "feedback_ms",
        "feedback_text",
    ],
    5,
    Replace,
);
pub(super) const ITEM: Target =
    Target { unique_beside: true, ..target("item", &["num", "item_id", "from_off", "data"], 1, Replace) };
pub(super) const VERSION: Target = target("item_version", &["num", "from_off", "data"], 2, Replace);
pub(super) const MODEL: Target = target(
    "model",
    &["version", "parent", "kind", "file", "bytes", "created_ms", "lineage", "report"],
    1,
    Replace,
);
pub(super) const CANDIDATE: Target = target(
    "model_candidate",
    &["number", "parent", "file", "bytes", "created_ms", "lineage", "report"],
    1,
    Replace,
);
pub(super) const MODEL_FILE: Target = target("model_file", &["version", "file", "part", "data"], 3, Replace);
pub(super) const POINTER: Target = target("pointer", &["name", "value"], 1, Replace);
/// The same table, for pointers that are set once.
pub(super) const POINTER_ONCE: Target = target("pointer", &["name", "value"], 1, Keep);
/// The same table, for pointers that count.
pub(super) const POINTER_COUNT: Target = target("pointer", &["name", "value"], 1, Add);
pub(super) const SEGMENT_RUN: Target =
    target("segment_run", &["run", "parent", "created_ms", "data"], 1, Replace);
pub(super) const SEGMENT: Target =
    target("segment", &["run", "segment", "name", "users", "data"], 2, Replace);
pub(super) const USER_SEGMENT: Target =
    target("user_segment", &["shard", "user_id", "run", "segment"], 3, Replace);
pub(super) const FAQ: Target = target("faq", &["entry_id", "data"], 1, Replace);
pub(super) const ITEM_LINKS: Target = target("item_links", &["item_id", "version", "data"], 1, Replace);
/// A lease that nobody has taken yet.
pub(super) const JOB_LEASE: Target =
    target("job_lease", &["name", "holder", "epoch", "beat", "until_ms"], 1, Keep);
pub(super) const JOB_SCHEDULE: Target =
    target("job_schedule", &["name", "rule", "since_ms", "floor_ms"], 1, Replace);
pub(super) const JOB_RUN: Target = target(
    "job_run",
    &[
        "schedule",
        "by_hand",
        "scheduled_ms",
        "attempt",
        "job",
        "status",
        "started_ms",
        "ended_ms",
        "row_count",
        "note",
        "error",
        "lease",
        "epoch",
        "holder",
    ],
    4,
    Replace,
);
