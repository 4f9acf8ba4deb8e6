//! Ids are opaque bytes: `User1`, `user1`, `üser1`, `user1 ` and `1` / `01` stay different everywhere.

use std::fmt;
use std::sync::Arc;

use crate::limits::{EVENT_ID_BYTES_MAX, ID_BYTES_MAX};
use crate::reject::{Code, Reject};

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<[u8]>);

        impl $name {
            /// Takes over bytes that a checked source (store, log, model file) already holds.
            pub fn from_trusted(bytes: &[u8]) -> Self {
                Self(Arc::from(bytes))
            }

            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        /// For people and JSON; bytes that are not UTF-8 show as replacement characters.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&String::from_utf8_lossy(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), String::from_utf8_lossy(&self.0))
            }
        }
    };
}

opaque_id!(
    /// One shopper, known or anonymous.
    UserId
);
opaque_id!(
    /// One product of the catalogue, or of an event that came before its catalogue row.
    ItemId
);
opaque_id!(
    /// What the producer calls an event; the dedupe key within a user and topic.
    EventId
);

/// Checks an id of the wire: not blank, at most `max` bytes.
///
/// # Errors
/// [`Code::Missing`] when absent, [`Code::Blank`] when empty or only white space, [`Code::TooLong`] beyond `max`.
pub(crate) fn checked<'a>(
    value: Option<&'a str>,
    field: &'static str,
    max: usize,
) -> Result<&'a str, Reject> {
    let value = value.ok_or_else(|| Reject::missing(field))?;
    if value.trim().is_empty() {
        return Err(Reject::new(Code::Blank, field, format!("{field} is blank, expected 1 to {max} bytes")));
    }
    if max < value.len() {
        let message = format!("{field} has {} bytes, expected 1 to {max}", value.len());
        return Err(Reject::new(Code::TooLong, field, message));
    }
    Ok(value)
}

impl UserId {
    /// # Errors
    /// If it is blank or longer than [`ID_BYTES_MAX`].
    pub fn parse(value: &str) -> Result<Self, Reject> {
        checked(Some(value), "user_id", ID_BYTES_MAX).map(|v| Self::from_trusted(v.as_bytes()))
    }
}

impl ItemId {
    /// # Errors
    /// If it is blank or longer than [`ID_BYTES_MAX`].
    pub fn parse(value: &str) -> Result<Self, Reject> {
        checked(Some(value), "item_id", ID_BYTES_MAX).map(|v| Self::from_trusted(v.as_bytes()))
    }
}

impl EventId {
    /// # Errors
    /// If it is blank or longer than [`EVENT_ID_BYTES_MAX`].
    pub fn parse(value: &str) -> Result<Self, Reject> {
        checked(Some(value), "event_id", EVENT_ID_BYTES_MAX).map(|v| Self::from_trusted(v.as_bytes()))
    }

    /// The key that the dedupe window remembers: 64 bits of XXH3. Two ids of one user, topic and window of 256
    /// share it by chance once in 7e16 events.
    pub fn hash64(&self) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&self.0)
    }
}
