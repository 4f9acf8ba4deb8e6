//! A moment as people name it: a time, or the offsets of a cut.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use shoptide_schemas::{EventMs, Topic};

use super::{Cut, ReplayToError};

/// The largest file of offsets that is read: a thousand partitions of six topics take some 150 KiB.
const CUT_BYTES_MAX: u64 = 4 << 20;

/// A moment of a shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// All records appended at this time or before, in milliseconds since 1970.
    Time(i64),
    /// All records before these offsets.
    Cut(Cut),
    /// Of one user's partition alone, as an answer names it.
    AsOf {
        /// Its `as_of`: next offset by topic.
        offsets: BTreeMap<Topic, i64>,
        /// Its `model_version`, if the whole answer was given; 0 is none.
        model: Option<u64>,
    },
}

impl Moment {
    /// Reads RFC 3339, milliseconds since 1970, the JSON of offsets, or the name of a file with it.
    ///
    /// # Errors
    /// [`ReplayToError::Moment`].
    pub fn parse(text: &str) -> Result<Self, ReplayToError> {
        let text = text.trim();
        if text.starts_with('{') {
            return offsets(text, "the offsets");
        }
        if let Ok(ms) = text.parse::<i64>() {
            let at = EventMs::from_ms(ms).map_err(|reject| wrong(text, &reject.message))?;
            return Ok(Moment::Time(at.0));
        }
        match EventMs::from_rfc3339(text) {
            Ok(at) => Ok(Moment::Time(at.0)),
            Err(_) if Path::new(text).is_file() => from_file(Path::new(text)),
            Err(reject) => Err(wrong(text, &reject.message)),
        }
    }
}

fn wrong(text: &str, why: &str) -> ReplayToError {
    // No event is spoken of here.
    let why = why.replacen("occurred_at", "the time", 1);
    ReplayToError::Moment(format!(
        "{text:?} is no moment ({why}); expected RFC 3339 such as 2026-05-04T12:00:00Z, milliseconds since 1970, or a file of offsets"
    ))
}

fn from_file(path: &Path) -> Result<Moment, ReplayToError> {
    let io = |source| ReplayToError::Io { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(io)?.len();
    if CUT_BYTES_MAX < bytes {
        let message = format!("{} has {bytes} bytes, expected at most {CUT_BYTES_MAX}", path.display());
        return Err(ReplayToError::Moment(message));
    }
    offsets(&std::fs::read_to_string(path).map_err(io)?, &path.display().to_string())
}

/// `{"shop.browse": [412, 90], …}` is a cut, `{"shop.browse": 412, …}` a user's `as_of`; either may stand under `cut` or `as_of`, as in
/// a whole answer.
fn offsets(text: &str, what: &str) -> Result<Moment, ReplayToError> {
    let refused = |why: String| ReplayToError::Moment(format!("{what}: {why}"));
    let json: Value = serde_json::from_str(text).map_err(|e| refused(e.to_string()))?;
    let inner = json.get("cut").or_else(|| json.get("as_of")).unwrap_or(&json);
    let fields = inner.as_object().filter(|fields| !fields.is_empty());
    let fields = fields.ok_or_else(|| refused("expected an object of offsets by topic".to_owned()))?;
    let (mut cut, mut as_of) = (Cut::default(), BTreeMap::new());
    let offset = |name: &str, value: &Value| {
        let n = value.as_i64().filter(|n| 0 <= *n);
        n.ok_or_else(|| refused(format!("{name} has {value}, expected an offset from 0")))
    };
    for (name, value) in fields {
        let topic = Topic::from_name(name).ok_or_else(|| refused(format!("{name} is no topic")))?;
        match value.as_array() {
            Some(all) => {
                for (partition, value) in (0..).zip(all) {
                    cut.set(topic, partition, offset(name, value)?);
                }
            }
            None => drop(as_of.insert(topic, offset(name, value)?)),
        }
    }
    let model = json.get("model_version").map(|version| {
        version
            .as_u64()
            .ok_or_else(|| refused(format!("model_version is {version}, expected a version from 0")))
    });
    let model = model.transpose()?;
    match (cut.is_empty(), as_of.is_empty()) {
        (false, true) => Ok(Moment::Cut(cut)),
        (true, false) => Ok(Moment::AsOf { offsets: as_of, model }),
        _ => Err(refused("one topic has offsets by partition, another a single one".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_as_people_name_them() {
        let ms = 1_777_896_000_000;
        for text in ["2026-05-04T12:00:00Z", "2026-05-04T14:00:00+02:00", " 1777896000000 "] {
            assert_eq!(Moment::parse(text).unwrap(), Moment::Time(ms), "{text}");
        }
        let as_of = Moment::parse(r#"{"shop.browse": 4, "shop.cart": 0}"#).unwrap();
        let offsets = BTreeMap::from([(Topic::Browse, 4), (Topic::Cart, 0)]);
        assert_eq!(as_of, Moment::AsOf { offsets: offsets.clone(), model: None });
        let answer = r#"{"items": [], "model_version": 3, "as_of": {"shop.browse": 4, "shop.cart": 0}}"#;
        assert_eq!(Moment::parse(answer).unwrap(), Moment::AsOf { offsets, model: Some(3) });
        let Moment::Cut(cut) = Moment::parse(r#"{"cut": {"shop.browse": [4, 7]}, "until": 1}"#).unwrap()
        else {
            panic!("no cut")
        };
        assert_eq!((cut.get(Topic::Browse, 1), cut.get(Topic::Cart, 0)), (Some(7), None));
        for bad in [
            "",
            "yesterday",
            "2026-13-01T00:00:00Z",
            "{}",
            r#"{"shop.x": 1}"#,
            r#"{"shop.cart": -1}"#,
            r#"{"shop.cart": 1.5}"#,
            r#"{"as_of": {"shop.cart": 1}, "model_version": "newest"}"#,
            "3000000000000000",
        ] {
            let error = Moment::parse(bad).unwrap_err();
            assert!(error.is_refusal(), "{bad}: {error}");
        }
        let mixed = Moment::parse(r#"{"shop.browse": 4, "shop.cart": [0]}"#).unwrap_err();
        assert!(mixed.to_string().contains("by partition"), "{mixed}");
    }
}
