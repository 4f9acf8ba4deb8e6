//! Why JSON is no event: a second, slower look at bytes that were refused, which names the field by its own path
//! instead of trusting the words of a parser. No message repeats a value of the payload.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::fields::{Field, Holds, LINE_FIELDS, expected};
use crate::number::whole_of_float;
use crate::reject::{Code, Reject};

/// A key longer than this is a value in the wrong place and is not shown.
const KEY_SHOWN_BYTES_MAX: usize = 48;

/// The reason why `bytes` cannot be read as an object of these fields.
pub(crate) fn diagnose(bytes: &[u8], fields: &[Field]) -> Reject {
    let raw: &RawValue = match serde_json::from_slice(bytes) {
        Ok(raw) => raw,
        // Serde's words for bad syntax are a closed set and hold nothing of the input.
        Err(error) => return Reject::new(Code::Malformed, "body", format!("the event is not JSON: {error}")),
    };
    object(raw, fields, "")
        .unwrap_or_else(|| Reject::new(Code::Malformed, "body", "the event is JSON of another shape"))
}

/// The keys and values of an object, in their order, twins included.
struct Pairs<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    pairs.push((pair.0.0, pair.1));
                }
                Ok(Pairs(pairs))
            }
        }
        from.deserialize_map(All)
    }
}

#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

fn object(raw: &RawValue, fields: &[Field], path: &str) -> Option<Reject> {
    let place = if path.is_empty() {
        Cow::Borrowed("body")
    } else {
        Cow::Owned(path.trim_end_matches('.').to_owned())
    };
    let what = if path.is_empty() { "the event" } else { &place };
    if !raw.get().starts_with('{') {
        let message = format!("{what} is {}, expected an object", kind(raw));
        return Some(Reject::new(Code::Malformed, place, message));
    }
    let Ok(Pairs(pairs)) = serde_json::from_str(raw.get()) else {
        let message = format!("{what} has a key that is no Unicode text");
        return Some(Reject::new(Code::Malformed, place, message));
    };
    let mut seen: Vec<&str> = Vec::with_capacity(fields.len());
    for (key, value) in &pairs {
        let Some(field) = fields.iter().find(|f| f.name == key) else {
            let shown = format!("{path}{}", shown_key(key));
            return Some(Reject::new(
                Code::UnknownField,
                shown.clone(),
                format!("{shown} is not a field of an event"),
            ));
        };
        let name = format!("{path}{}", field.name);
        if seen.contains(&field.name) {
            return Some(Reject::new(Code::DuplicateField, name.clone(), format!("{name} is given twice")));
        }
        seen.push(field.name);
        if let Some(reject) = misfit(value, field.holds, &name) {
            return Some(reject);
        }
    }
    None
}

fn misfit(raw: &RawValue, holds: Holds, name: &str) -> Option<Reject> {
    let bad = |message: String| Some(Reject::new(Code::BadValue, name.to_owned(), message));
    let other = || bad(format!("{name} is {}, expected {}", kind(raw), expected(holds)));
    let far = || {
        Some(Reject::new(
            Code::OutOfRange,
            name.to_owned(),
            format!("{name} is out of range, expected {}", expected(holds)),
        ))
    };
    let first = raw.get().bytes().next().unwrap_or_default();
    let is_number = first == b'-' || first.is_ascii_digit();
    let float = || serde_json::from_str::<f64>(raw.get()).ok();
    match holds {
        _ if raw.get() == "null" => None,
        Holds::Carried { .. } | Holds::Ignored => None,
        Holds::Flag if matches!(raw.get(), "true" | "false") => None,
        Holds::Number { .. } if is_number => {
            if float().is_none() {
                far()
            } else {
                None
            }
        }
        Holds::Whole { .. } | Holds::Time if is_number => {
            if serde_json::from_str::<i64>(raw.get()).is_ok() || float().and_then(whole_of_float).is_some() {
                None
            } else if float().is_some_and(|f| f.fract() != 0.0) {
                bad(format!("{name} is a fraction, expected {}", expected(holds)))
            } else {
                far()
            }
        }
        Holds::Flag | Holds::Number { .. } | Holds::Whole { .. } => other(),
        Holds::Lines if first == b'[' => lines(raw, name),
        Holds::Tags if first == b'[' => match serde_json::from_str::<Vec<Key<'_>>>(raw.get()) {
            Ok(_) => None,
            Err(_) => bad(format!("{name} holds what is no text, expected {}", expected(holds))),
        },
        Holds::Titles if first == b'{' => match serde_json::from_str::<Pairs<'_>>(raw.get()) {
            Ok(Pairs(all)) if all.iter().all(|(_, v)| serde_json::from_str::<Key<'_>>(v.get()).is_ok()) => {
                None
            }
            _ => bad(format!("{name} holds what is no text, expected {}", expected(holds))),
        },
        Holds::Lines | Holds::Tags | Holds::Titles => other(),
        _ if first != b'"' => other(),
        _ if serde_json::from_str::<Key<'_>>(raw.get()).is_err() => {
            bad(format!("{name} holds an escape that is no Unicode text"))
        }
        _ => None,
    }
}

fn lines(raw: &RawValue, name: &str) -> Option<Reject> {
    let lines: Vec<&RawValue> = serde_json::from_str(raw.get()).ok()?;
    lines.iter().enumerate().find_map(|(place, line)| {
        let path = format!("{name}[{place}].");
        object(line, LINE_FIELDS, &path).or_else(|| {
            let Ok(Pairs(pairs)) = serde_json::from_str(line.get()) else { return None };
            let given = pairs.iter().any(|(key, value)| key == "item_id" && value.get() != "null");
            let field = format!("{path}item_id");
            (!given).then(|| Reject::new(Code::Missing, field.clone(), format!("{field} is missing")))
        })
    })
}

/// Keys are shown only if they look like keys, so that a value in the wrong place stays where it is.
fn shown_key(key: &str) -> Cow<'_, str> {
    let plain = key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if !key.is_empty() && key.len() <= KEY_SHOWN_BYTES_MAX && plain {
        Cow::Borrowed(key)
    } else {
        Cow::Owned(format!("(a key of {} bytes)", key.len()))
    }
}

fn kind(raw: &RawValue) -> &'static str {
    match raw.get().bytes().next() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b't' | b'f') => "a flag",
        Some(b'n') => "null",
        _ => "a number",
    }
}
