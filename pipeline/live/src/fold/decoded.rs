//! A record once it is read: an event that may be folded here, or the reason why not.

use std::panic::{AssertUnwindSafe, catch_unwind};

use shoptide_log::Record;
use shoptide_schemas::partition::partition_of;
use shoptide_schemas::{CatalogueEvent, Code, Reject, ShopEvent, Topic};

/// What a record holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    User(Box<ShopEvent>),
    Catalogue(Box<CatalogueEvent>),
    Dead(Reject),
}

impl Decoded {
    pub fn user_event(&self) -> Option<&ShopEvent> {
        match self {
            Decoded::User(event) => Some(event),
            _ => None,
        }
    }
}

/// Reads a record of any producer. `partitions`: of the user topics. A panic is one record's reason, not a shard's end.
pub fn decode(record: &Record, partitions: u32) -> Decoded {
    let panicked = |_| Err(Reject::new(Code::Panicked, "body", "reading the event failed"));
    catch_unwind(AssertUnwindSafe(|| read(record, partitions)))
        .unwrap_or_else(panicked)
        .unwrap_or_else(Decoded::Dead)
}

fn read(record: &Record, partitions: u32) -> Result<Decoded, Reject> {
    let value = record
        .value
        .as_ref()
        .ok_or_else(|| Reject::new(Code::Malformed, "body", "the record has no value"))?;
    if record.topic == Topic::Catalogue {
        return shoptide_schemas::catalogue::decode(value).map(|e| Decoded::Catalogue(Box::new(e)));
    }
    let event = shoptide_schemas::wire::decode(value)?;
    // A part that is absorbed travels in the topic it belongs to, whichever that is.
    let anywhere = event.event_type.is_broadcast() || event.event_type.is_internal();
    if !anywhere && event.event_type.topic() != record.topic {
        let message = format!("{} belongs into {}", event.event_type.name(), event.event_type.topic());
        return Err(Reject::new(Code::WrongTopic, "type", message));
    }
    let home = partition_of(event.user.as_bytes(), partitions);
    if home != record.partition {
        let message = format!("the user hashes to partition {home}, the record lies in {}", record.partition);
        return Err(Reject::new(Code::WrongPartition, "user_id", message));
    }
    Ok(Decoded::User(Box::new(event)))
}
