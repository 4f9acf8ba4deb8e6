//! Paths, queries and headers as typed values. Ids are opaque: they are percent-decoded once and otherwise left alone.

mod header;
mod path;
mod query;
mod values;

pub(crate) use header::{IDEMPOTENCY_KEY, IdempotencyKey};
pub(crate) use path::{PathFaq, PathItem, PathName, PathUser};
pub(crate) use query::{
    AskQuery, FactsQuery, FaqPage, FaqQuery, MessagesQuery, NoQuery, SearchQuery, ShortQuery, SuggestQuery,
};
#[cfg(feature = "mcp")]
pub(crate) use values::decoded;
pub(crate) use values::{EXCLUDE_MAX, checked_category, in_range};
