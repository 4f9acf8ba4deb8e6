//! Why an event was refused: a code for machines, the field, and a sentence with the value's bound.

use std::borrow::Cow;
use std::fmt;

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $variant:ident => $text:literal,)*) => {
        /// The closed set of reasons; the text is what dead letters, verdicts and metrics carry.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $($(#[doc = $doc])* $variant,)* }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $text,)* }
            }

            /// What the code means, for the generated event reference.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$variant => concat!($($doc,)*).trim_ascii(),)* }
            }
        }
    };
}

codes! {
    /// not JSON, or no object
    Malformed => "malformed",
    /// a key that no event has
    UnknownField => "unknown_field",
    /// a key given twice
    DuplicateField => "duplicate_field",
    /// a required field is absent
    Missing => "missing",
    /// an id that is empty or only white space
    Blank => "blank",
    /// more bytes or entries than the bound
    TooLong => "too_long",
    /// a number outside its bounds
    OutOfRange => "out_of_range",
    /// a value that cannot be read as what the field holds
    BadValue => "bad_value",
    /// `type` names no event
    UnknownType => "unknown_type",
    /// the event belongs to another topic
    WrongTopic => "wrong_topic",
    /// the record lies in a partition that its user does not hash to
    WrongPartition => "wrong_partition",
    /// more than 5 minutes ahead of the log's append time
    Future => "future",
    /// `items` must be split into one record a line before the log
    Unsplit => "unsplit",
    /// a wire version this program does not know
    UnknownVersion => "unknown_version",
    /// reserved for records the program itself writes
    Internal => "internal",
    /// folding the event failed twice, alone the second time
    Panicked => "panicked",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refused event. The message names the field and its bound and never repeats the payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Reject {
    pub code: Code,
    pub field: Cow<'static, str>,
    pub message: String,
}

impl Reject {
    pub fn new(code: Code, field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { code, field: field.into(), message: message.into() }
    }

    pub(crate) fn missing(field: &'static str) -> Self {
        Self::new(Code::Missing, field, format!("{field} is missing"))
    }
}
