//! One value as it stands in a layer. The type of a key is the type of its default, so a file and the environment are read
//! against the same rule, and an integer where a float stands is that float.

use std::fmt;

use toml::de::{DeInteger, DeValue};

use crate::secret::Secret;

/// A value of one of the types that `default.toml` uses.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Hidden(Secret),
    Whole(i64),
    Real(f64),
    Flag(bool),
    Texts(Vec<String>),
}

/// Why a value does not fit its key.
#[derive(Debug, PartialEq)]
pub(crate) enum Misfit {
    Type {
        found: &'static str,
    },
    /// An integer of more than 64 bits.
    Huge,
}

impl Value {
    /// The type, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) | Value::Hidden(_) => "a string",
            Value::Whole(_) => "an integer",
            Value::Real(_) => "a number",
            Value::Flag(_) => "true or false",
            Value::Texts(_) => "an array of strings",
        }
    }

    /// A default; its own type is the type of its key.
    pub(crate) fn of_default(written: &DeValue<'_>, is_secret: bool) -> Option<Self> {
        Some(match written {
            DeValue::String(text) if is_secret => Value::Hidden(Secret::new(text.to_string())),
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => Value::Whole(whole(number).ok()?),
            DeValue::Float(number) => Value::Real(number.as_str().parse().ok()?),
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Array(_) => Value::Texts(texts(written)?),
            DeValue::Datetime(_) | DeValue::Table(_) => return None,
        })
    }

    /// What a file says, as the type of `self`.
    pub(crate) fn read_toml(&self, written: &DeValue<'_>) -> Result<Self, Misfit> {
        let wrong = || Misfit::Type { found: toml_kind(written) };
        Ok(match (self, written) {
            (Value::Text(_), DeValue::String(text)) => Value::Text(text.to_string()),
            (Value::Hidden(_), DeValue::String(text)) => Value::Hidden(Secret::new(text.to_string())),
            (Value::Whole(_), DeValue::Integer(number)) => Value::Whole(whole(number)?),
            (Value::Real(_), DeValue::Float(number)) => {
                Value::Real(number.as_str().parse().map_err(|_| wrong())?)
            }
            (Value::Real(_), DeValue::Integer(number)) => Value::Real(whole(number)? as f64),
            (Value::Flag(_), DeValue::Boolean(flag)) => Value::Flag(*flag),
            (Value::Texts(_), DeValue::Array(_)) => Value::Texts(texts(written).ok_or_else(wrong)?),
            _ => return Err(wrong()),
        })
    }

    /// What a variable says, as the type of `self`.
    pub(crate) fn read_variable(&self, written: &str) -> Result<Self, Misfit> {
        // Not what was written: a secret set under the wrong name would be printed.
        let wrong = Misfit::Type { found: "some other text" };
        let digits = written.strip_prefix(['-', '+']).unwrap_or(written);
        let whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        Ok(match self {
            Value::Text(_) => Value::Text(written.to_owned()),
            Value::Hidden(_) => Value::Hidden(Secret::new(written.to_owned())),
            Value::Whole(_) => match written.parse() {
                Ok(number) => Value::Whole(number),
                Err(_) if whole => return Err(Misfit::Huge),
                Err(_) => return Err(wrong),
            },
            Value::Real(_) => Value::Real(written.parse().map_err(|_| wrong)?),
            Value::Flag(_) => Value::Flag(written.parse().map_err(|_| wrong)?),
            Value::Texts(_) if written.is_empty() => Value::Texts(Vec::new()),
            Value::Texts(_) => Value::Texts(written.split(',').map(|part| part.trim().to_owned()).collect()),
        })
    }

    /// The value in full, for the types that it is about to become.
    pub(crate) fn to_toml(&self) -> toml::Value {
        match self {
            Value::Text(text) => toml::Value::String(text.clone()),
            Value::Hidden(secret) => toml::Value::String(secret.expose().to_owned()),
            Value::Whole(number) => toml::Value::Integer(*number),
            Value::Real(number) => toml::Value::Float(*number),
            Value::Flag(flag) => toml::Value::Boolean(*flag),
            Value::Texts(texts) => {
                toml::Value::Array(texts.iter().cloned().map(toml::Value::String).collect())
            }
        }
    }
}

/// As TOML, secrets masked.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Hidden(secret) if !secret.is_empty() => write!(f, "\"{secret}\""),
            other => other.to_toml().fmt(f),
        }
    }
}

fn whole(written: &DeInteger<'_>) -> Result<i64, Misfit> {
    i64::from_str_radix(written.as_str(), written.radix()).map_err(|_| Misfit::Huge)
}

fn texts(written: &DeValue<'_>) -> Option<Vec<String>> {
    let DeValue::Array(array) = written else { return None };
    let one = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Some(text.to_string()),
        _ => None,
    };
    array.iter().map(|value| one(value.get_ref())).collect()
}

pub(crate) fn toml_kind(written: &DeValue<'_>) -> &'static str {
    match written {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array of something else",
        DeValue::Table(_) => "a table",
    }
}
