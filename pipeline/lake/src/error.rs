//! What a caller can do about a failure of the lake.

use shoptide_log::LogError;
use shoptide_schemas::Topic;

use crate::proven::{Damaged, NOT_AS_WRITTEN};

/// Named by what can be done.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// Retry with backoff.
    #[error("the lake cannot be reached: {reason}")]
    Unavailable { reason: String },
    /// Another writer was first: look at the newest snapshot and begin again.
    #[error("another writer made commit {commit} of the lake first: {reason}")]
    Conflict { commit: u64, reason: String },
    /// Stop: a file is not what its commit says. Restore it, or give it up by hand.
    #[error("{path} of the lake cannot be used: {reason}")]
    Damaged { path: String, reason: String },
    /// Stop: a file that a commit names is not there.
    #[error("{path} is missing in the lake")]
    Missing { path: String },
    /// Stop: the log has dropped what was not archived yet. Nothing was published.
    #[error(
        "offsets {cut} to {first} of {topic} partition {partition} are gone from the log and were never archived: \
         the lake stands at {cut}, the log begins at {first}"
    )]
    Gap { topic: Topic, partition: u32, cut: i64, first: i64 },
    /// Stop: the log ends before what was archived of it: an older copy was restored, or it is another. Going on would
    /// put other records under offsets that the lake has already.
    #[error(
        "this log is older than the lake, or another one: {topic} partition {partition} ends at {next}, the lake has it up to {cut}"
    )]
    Older { topic: Topic, partition: u32, cut: i64, next: i64 },
    /// Stop: an address, a key or a shape that cannot be used.
    #[error("{0}")]
    Unusable(String),
    #[error(transparent)]
    Log(#[from] LogError),
}

impl LakeError {
    pub(crate) fn damaged(path: &str, reason: impl ToString) -> Self {
        LakeError::Damaged { path: path.to_owned(), reason: reason.to_string() }
    }

    /// Whether the same call may succeed later.
    pub fn passes(&self) -> bool {
        match self {
            LakeError::Unavailable { .. } | LakeError::Conflict { .. } => true,
            LakeError::Log(error) => {
                matches!(error, LogError::Unavailable { .. } | LogError::Overloaded { .. })
            }
            _ => false,
        }
    }
}

/// What an object store said about one path.
impl From<object_store::Error> for LakeError {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error::*;
        match error {
            Generic { source, .. } if source.is::<Damaged>() => {
                let path = source.downcast_ref::<Damaged>().map_or("", |damaged| &damaged.path);
                LakeError::damaged(path, NOT_AS_WRITTEN)
            }
            NotFound { path, .. } => LakeError::Missing { path },
            PermissionDenied { .. }
            | Unauthenticated { .. }
            | NotSupported { .. }
            | NotImplemented { .. } => LakeError::Unusable(format!("the lake's store refuses: {error}")),
            other => told(&other.to_string()),
        }
    }
}

/// Bytes of a store's answer that are repeated.
const TOLD_BYTES_MAX: usize = 300;
/// Answers of S3 that no repeat changes; where it lists, all of them come as one kind of failure.
const REFUSALS: [&str; 6] = [
    "SignatureDoesNotMatch",
    "InvalidAccessKeyId",
    "AccessDenied",
    "NoSuchBucket",
    "InvalidBucketName",
    "PermanentRedirect",
];

/// What is left of a failure that may be a page of XML.
fn told(text: &str) -> LakeError {
    let code =
        text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    let end = text.find("<?xml").unwrap_or(text.len()).min(TOLD_BYTES_MAX);
    let head = text.get(..end).unwrap_or_default().trim_end_matches([' ', ':']);
    let reason = code.map_or_else(|| head.to_owned(), |code| format!("{head}: {code}"));
    match code.is_some_and(|code| REFUSALS.contains(&code)) {
        true => LakeError::Unusable(format!("the lake's store refuses: {reason}")),
        false => LakeError::Unavailable { reason },
    }
}
