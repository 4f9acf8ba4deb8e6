//! Functions of ours, the same in every session and on every executor.

mod bounded;
mod cosine;
mod decay;
mod rewrite;
mod segment;
mod text;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

pub use bounded::bounded;
pub use rewrite::IdsAsText;
pub use segment::{NAME as SEGMENT, NamedSegments, SegmentsHandle};

/// All of them: `decay`, `cosine`, `text`, `id`, and `segment` as nobody knows it: without a store it refuses.
pub fn all() -> Vec<Arc<ScalarUDF>> {
    with_segments(SegmentsHandle::default())
}

/// The same with `segment` by a handle that is filled before a query that asks for it runs.
pub fn with_segments(segments: SegmentsHandle) -> Vec<Arc<ScalarUDF>> {
    vec![
        Arc::new(ScalarUDF::from(decay::Decay::default())),
        Arc::new(ScalarUDF::from(cosine::Cosine::default())),
        Arc::new(ScalarUDF::from(text::Text::default())),
        Arc::new(ScalarUDF::from(text::Id::default())),
        Arc::new(ScalarUDF::from(segment::SegmentOf::new(segments))),
    ]
}

/// The names with what each does, for `\df` and the documentation.
pub const MEANINGS: [(&str, &str); 5] = [
    (
        "decay(age_ms, half_life_days)",
        "2^(-age / half-life); also decay(at, now, half_life_days) of two timestamps",
    ),
    ("cosine(a, b)", "cosine of two lists of numbers, NULL where one has no length"),
    ("segment(user_id)", "the name of the user's segment, NULL where he has none"),
    ("text(id)", "an id as text: itself where it is UTF-8, else 0x and its hexadecimal digits"),
    ("id(text)", "the bytes of an id that text() shows so"),
];
