//! A text as it stands in the JSON that it was read from.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Copied only if the JSON escapes some of it.
pub(crate) struct Standing<'a>(Cow<'a, str>);

impl Deref for Standing<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<Standing<'_>> for String {
    fn from(text: Standing<'_>) -> String {
        text.0.into_owned()
    }
}

impl<'a> Deserialize<'a> for Standing<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'a> Visitor<'a> for Text {
            type Value = Standing<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<Standing<'a>, E> {
                Ok(Standing(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Standing<'a>, E> {
                Ok(Standing(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}
