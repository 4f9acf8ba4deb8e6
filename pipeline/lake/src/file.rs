//! One data file of the lake: its place is its name.

use serde::{Deserialize, Serialize};
use shoptide_schemas::{EventType, Topic};

/// What the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// Rows of [`event_schema`](shoptide_schemas::arrow::event_schema).
    Events,
    /// Records that are no events, and those of the catalogue: rows of [`record_schema`](crate::record_schema).
    Records,
}

/// A file that a commit names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LakeFile {
    /// From the lake's root.
    pub path: String,
    pub kind: FileKind,
    #[serde(with = "topic_name")]
    pub topic: Topic,
    pub partition: u32,
    /// Offset of the first row.
    pub first: i64,
    /// Offset after the last row's.
    pub next: i64,
    /// `YYYY-MM-DD`, the UTC day of `occurred_at`; empty for records.
    pub date: String,
    #[serde(with = "type_name")]
    pub event_type: Option<EventType>,
    pub rows: u64,
    pub bytes: u64,
    /// The greatest append time, ms since 1970.
    pub appended_max: i64,
    /// XXH3 (128 bits, hexadecimal) of the file's bytes.
    pub hash: String,
}

/// Where a file's rows belong: files of one place may become one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    pub kind: FileKind,
    pub topic: Topic,
    pub partition: u32,
    pub date: String,
    pub event_type: Option<EventType>,
}

impl Place {
    /// The path of a file with rows of these offsets. `token` keeps apart what two attempts wrote: an attempt that was given up
    /// can then be swept without asking whether another one uses the name. `hash` is that of the file's bytes: whoever reads it
    /// knows what it must be.
    pub fn path(&self, first: i64, next: i64, token: &str, hash: &str) -> String {
        let folder = match (self.kind, self.event_type) {
            (FileKind::Events, Some(event_type)) => {
                format!("events/date={}/type={}", self.date, event_type.name())
            }
            _ => format!("records/topic={}", self.topic),
        };
        format!("{folder}/{}-{:05}-{first:020}-{next:020}-{token}-{hash}.parquet", self.topic, self.partition)
    }
}

impl LakeFile {
    pub fn place(&self) -> Place {
        Place {
            kind: self.kind,
            topic: self.topic,
            partition: self.partition,
            date: self.date.clone(),
            event_type: self.event_type,
        }
    }
}

/// The UTC day, as the lake's folders name it.
pub fn date_name(day: u32) -> String {
    let epoch = jiff::civil::date(1970, 1, 1);
    let day = jiff::Span::new().try_days(i64::from(day));
    day.and_then(|day| epoch.checked_add(day))
        .map_or_else(|_| "0000-00-00".to_owned(), |date| date.to_string())
}

pub(crate) mod topic_name {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use shoptide_schemas::Topic;

    pub fn serialize<S: Serializer>(topic: &Topic, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(topic.name())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Topic, D::Error> {
        let name = String::deserialize(d)?;
        Topic::from_name(&name).ok_or_else(|| de::Error::custom("a topic that this program does not know"))
    }
}

mod type_name {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
    use shoptide_schemas::EventType;

    pub fn serialize<S: Serializer>(event_type: &Option<EventType>, s: S) -> Result<S::Ok, S::Error> {
        event_type.map(EventType::name).serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<EventType>, D::Error> {
        let Some(name) = Option::<String>::deserialize(d)? else { return Ok(None) };
        let event_type = EventType::from_name(&name);
        event_type.map(Some).ok_or_else(|| de::Error::custom("an event type that this program does not know"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_where_rows_come_from() {
        assert_eq!(date_name(0), "1970-01-01");
        assert_eq!(date_name(20_576), "2026-05-03");
        let place = Place {
            kind: FileKind::Events,
            topic: Topic::Browse,
            partition: 3,
            date: date_name(20_576),
            event_type: Some(EventType::ViewItem),
        };
        assert_eq!(
            place.path(7, 12, "0a", "ff"),
            "events/date=2026-05-03/type=view_item/shop.browse-00003-00000000000000000007-00000000000000000012-0a-ff.parquet"
        );
    }
}
