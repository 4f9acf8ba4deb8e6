//! Cuts a body into its events without reading them: one scan, bounded by the number of events and not by the body.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{self, SeqAccess, Visitor};
use serde_json::value::RawValue;
use shoptide_schemas::limits::BATCH_EVENTS_MAX;

use crate::body::{Media, malformed};
use crate::error::ApiError;

/// The events of a body, each as its own bytes. A single object is a batch of one.
pub(crate) fn pieces(media: Media, body: &[u8]) -> Result<Vec<&[u8]>, ApiError> {
    let body = body.trim_ascii();
    let found = match media {
        Media::Lines => lines(body)?,
        Media::Json if body.starts_with(b"[") => array(body)?,
        Media::Json => {
            let one: &RawValue = serde_json::from_slice(body).map_err(|e| ApiError::json(&e))?;
            vec![one.get().as_bytes()]
        }
    };
    if found.is_empty() {
        Err(malformed("the batch is empty, expected at least one event"))
    } else {
        Ok(found)
    }
}

fn lines(body: &[u8]) -> Result<Vec<&[u8]>, ApiError> {
    let mut found = Vec::new();
    for line in body.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
        if BATCH_EVENTS_MAX <= found.len() {
            return Err(too_many());
        }
        found.push(line);
    }
    Ok(found)
}

fn array(body: &[u8]) -> Result<Vec<&[u8]>, ApiError> {
    let mut found = Vec::new();
    let mut from = serde_json::Deserializer::from_slice(body);
    let read = from.deserialize_seq(Cut(&mut found)).and_then(|()| from.end());
    match read {
        Ok(()) => Ok(found),
        // The visitor stops at the first event too many, and only then holds that many.
        Err(_) if BATCH_EVENTS_MAX < found.len() => Err(too_many()),
        Err(error) => Err(ApiError::json(&error)),
    }
}

struct Cut<'v, 'de>(&'v mut Vec<&'de [u8]>);

impl<'de> Visitor<'de> for Cut<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(event) = seq.next_element::<&'de RawValue>()? {
            self.0.push(event.get().as_bytes());
            if BATCH_EVENTS_MAX < self.0.len() {
                return Err(de::Error::custom("too many events"));
            }
        }
        Ok(())
    }
}

fn too_many() -> ApiError {
    ApiError::too_large("body", format!("the batch has more than {BATCH_EVENTS_MAX} events"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_gives_the_same_pieces() {
        for (media, body) in
            [(Media::Json, r#" [ {"a":1} , {"b":[2]} ] "#), (Media::Lines, "{\"a\":1}\r\n\n  {\"b\":[2]}")]
        {
            assert_eq!(
                pieces(media, body.as_bytes()).unwrap(),
                [r#"{"a":1}"#.as_bytes(), br#"{"b":[2]}"#],
                "{body}"
            );
        }
        assert_eq!(pieces(Media::Json, b"{ }").unwrap(), [b"{ }"]);
    }

    #[test]
    fn one_too_many_is_too_long_and_not_malformed() {
        let array = |n: usize| format!("[{}]", vec!["0"; n].join(","));
        assert_eq!(pieces(Media::Json, array(BATCH_EVENTS_MAX).as_bytes()).unwrap().len(), BATCH_EVENTS_MAX);
        for error in [
            pieces(Media::Json, array(BATCH_EVENTS_MAX + 1).as_bytes()).unwrap_err(),
            pieces(Media::Lines, "0\n".repeat(BATCH_EVENTS_MAX + 1).as_bytes()).unwrap_err(),
        ] {
            assert_eq!((error.status.as_u16(), &*error.body.code), (413, "too_long"));
        }
        for bad in ["[]", "[1,]", "[1]]", "[1", "{\"a\":1},", ""] {
            assert_eq!(pieces(Media::Json, bad.as_bytes()).unwrap_err().body.code, "malformed", "{bad}");
        }
    }
}
