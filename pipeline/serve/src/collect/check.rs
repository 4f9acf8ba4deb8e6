//! From an event's bytes to the records it becomes, or the reason why not. What goes into the log is the checked event,
//! written again: `context` verbatim, everything else in one form.

use bytes::Bytes;
use serde::Deserialize;
use shoptide_log::NewRecord;
use shoptide_schemas::catalogue::{self, WireCatalogue, is_catalogue_type};
use shoptide_schemas::limits::EVENT_BYTES_MAX;
use shoptide_schemas::wire::{self, WireEvent};
use shoptide_schemas::{Code, EventType, Reject, Topic, USER_TOPICS};

use crate::body::object;

/// Records of one request: an event's `items` multiply it, and a request must not fill the log's queue alone.
const RECORDS_MAX: usize = 5_000;
/// Bytes of those records: `items` repeat the event's other fields a line.
const RECORDS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A batch, checked: records to append, and for each event where its last record is, or why it has none.
#[derive(Default)]
pub(crate) struct Checked {
    pub records: Vec<NewRecord>,
    pub verdicts: Vec<Verdict>,
    bytes: usize,
}

pub(crate) struct Verdict {
    pub event_id: Option<String>,
    /// Index of the event's record in its own topic; the last one of its lines.
    pub outcome: Result<usize, Reject>,
}

impl Checked {
    pub fn with_capacity(events: usize) -> Self {
        Self { records: Vec::with_capacity(events), verdicts: Vec::with_capacity(events), bytes: 0 }
    }

    /// Checks one event of the wire, of a user or of the catalogue.
    pub fn event(&mut self, bytes: &[u8]) {
        let mut event_id = None;
        let outcome = self.user_or_catalogue(bytes, &mut event_id);
        self.verdicts.push(Verdict { event_id, outcome });
    }

    /// Checks a catalogue event that the API itself makes of an item's fields.
    pub fn catalogue(&mut self, wire: WireCatalogue) {
        let event_id = wire.event_id.clone();
        let outcome = self.catalogue_record(wire);
        self.verdicts.push(Verdict { event_id, outcome });
    }

    /// Notes what was refused before it became an event.
    pub fn refuse(&mut self, reject: Reject) {
        self.verdicts.push(Verdict { event_id: None, outcome: Err(reject) });
    }

    pub fn accepted(&self) -> usize {
        self.verdicts.iter().filter(|v| v.outcome.is_ok()).count()
    }

    fn user_or_catalogue(&mut self, bytes: &[u8], event_id: &mut Option<String>) -> Result<usize, Reject> {
        object(bytes)?;
        let parsed = wire::parse(bytes);
        // Catalogue events have fields that user events lack, and the other way round; `type` decides.
        let catalogue_type = match &parsed {
            Ok(wire) => wire.event_type.as_deref().is_some_and(is_catalogue_type),
            Err(reject) if reject.code == Code::TooLong => false,
            Err(_) => names_a_catalogue_type(bytes),
        };
        if catalogue_type {
            let wire = catalogue::parse(bytes)?;
            event_id.clone_from(&wire.event_id);
            return self.catalogue_record(wire);
        }
        let wire = parsed?;
        event_id.clone_from(&wire.event_id);
        wire::refuse_own(&wire)?;
        if wire.items.is_none() { self.user_record(wire) } else { self.user_lines(wire) }
    }

    fn user_record(&mut self, wire: WireEvent) -> Result<usize, Reject> {
        let (event_type, record) = record_of(wire)?;
        if !event_type.is_broadcast() {
            return self.push([record]);
        }
        // The copy in the event's own topic goes last: it is the one that the verdict names.
        let own = event_type.topic();
        let topics = USER_TOPICS.into_iter().filter(|t| *t != own).chain([own]);
        self.push(topics.map(|topic| NewRecord { topic, ..record.clone() }).collect::<Vec<_>>())
    }

    /// All lines or none.
    fn user_lines(&mut self, wire: WireEvent) -> Result<usize, Reject> {
        let lines = wire::split(wire)?.into_iter();
        let records = lines.map(|line| record_of(line).map(|(_, record)| record));
        self.push(records.collect::<Result<Vec<_>, Reject>>()?)
    }

    fn catalogue_record(&mut self, wire: WireCatalogue) -> Result<usize, Reject> {
        let value = written(&wire)?;
        let event = catalogue::check(wire)?;
        let key = Bytes::copy_from_slice(event.item.as_bytes());
        self.push([NewRecord { topic: Topic::Catalogue, key, value }])
    }

    fn push(
        &mut self,
        records: impl IntoIterator<Item = NewRecord> + AsRef<[NewRecord]>,
    ) -> Result<usize, Reject> {
        let more = records.as_ref();
        let bytes = self.bytes + more.iter().map(|r| r.key.len() + r.value.len()).sum::<usize>();
        if RECORDS_MAX < self.records.len() + more.len() || RECORDS_BYTES_MAX < bytes {
            let message =
                format!("the batch becomes more than {RECORDS_MAX} records or {RECORDS_BYTES_MAX} bytes");
            return Err(Reject::new(Code::TooLong, "items", message));
        }
        self.bytes = bytes;
        self.records.extend(records);
        Ok(self.records.len().saturating_sub(1))
    }
}

fn record_of(wire: WireEvent) -> Result<(EventType, NewRecord), Reject> {
    let value = written(&wire)?;
    let event = wire::check(wire)?;
    let key = Bytes::copy_from_slice(event.user.as_bytes());
    Ok((event.event_type, NewRecord { topic: event.event_type.topic(), key, value }))
}

fn written<T: serde::Serialize>(wire: &T) -> Result<Bytes, Reject> {
    let unwritable = |_| Reject::new(Code::Malformed, "body", "the event cannot be written as JSON");
    let value = serde_json::to_vec(wire).map_err(unwritable)?;
    if EVENT_BYTES_MAX < value.len() {
        let message = format!("the event has {} bytes, expected at most {EVENT_BYTES_MAX}", value.len());
        return Err(Reject::new(Code::TooLong, "body", message));
    }
    Ok(Bytes::from(value))
}

fn names_a_catalogue_type(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(rename = "type", borrow)]
        event_type: std::borrow::Cow<'a, str>,
    }
    serde_json::from_slice::<Typed<'_>>(bytes).is_ok_and(|t| is_catalogue_type(&t.event_type))
}
