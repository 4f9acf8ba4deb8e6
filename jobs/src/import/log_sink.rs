//! Puts batches straight into the log, with the checks and the routing of the collector: for imports and generated
//! shops on the machine that holds the log.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use shoptide_log::{Log, LogError, NewRecord, Position};
use shoptide_schemas::wire::{self, WireEvent};
use shoptide_schemas::{Code, Reject, Topic, USER_TOPICS, catalogue, limits};

use super::sink::{ATTEMPTS_MAX, Outgoing, Sent, Sink, SinkError, Verdict, wait_ms};

/// Lines of one append: as many as a request to the collector has.
const APPEND_LINES_MAX: usize = limits::BATCH_EVENTS_MAX;

/// The log as a sink.
pub struct LogSink {
    log: Arc<dyn Log>,
}

impl std::fmt::Debug for LogSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogSink").finish_non_exhaustive()
    }
}

impl LogSink {
    pub fn new(log: Arc<dyn Log>) -> Self {
        Self { log }
    }

    /// One append, all or nothing.
    async fn send_part(&self, part: Vec<Outgoing>) -> Result<Sent, SinkError> {
        let (mut records, mut lasts, mut sent) =
            (Vec::with_capacity(part.len()), Vec::new(), Sent::default());
        for (index, outgoing) in part.into_iter().enumerate() {
            let made = match outgoing {
                Outgoing::Event(event) => event_records(event),
                Outgoing::Item(item) => item_record(item),
            };
            match made {
                Ok(made) => {
                    records.extend(made);
                    lasts.push((index, records.len().saturating_sub(1)));
                    sent.accepted += 1;
                }
                Err(reject) => {
                    sent.rejected += 1;
                    sent.verdicts.push(rejected(index, reject));
                }
            }
        }
        if records.is_empty() {
            return Ok(sent);
        }
        let positions = self.append(records).await?;
        for (index, last) in lasts {
            sent.verdicts.push(accepted(index, positions.get(last)));
        }
        sent.verdicts.sort_by_key(|v| v.index);
        Ok(sent)
    }

    async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Position>, SinkError> {
        let mut last = String::new();
        for attempt in 0..ATTEMPTS_MAX {
            match self.log.append(records.clone()).await {
                Ok(positions) => return Ok(positions),
                Err(e @ (LogError::Overloaded { .. } | LogError::Unavailable { .. })) => last = e.to_string(),
                Err(e @ (LogError::Truncated { .. } | LogError::Unusable(_))) => {
                    return Err(SinkError::Log(e));
                }
            }
            tokio::time::sleep(Duration::from_millis(wait_ms(attempt))).await;
        }
        Err(SinkError::Away { target: "the log".to_owned(), attempts: ATTEMPTS_MAX, reason: last })
    }
}

#[async_trait]
impl Sink for LogSink {
    async fn send(&mut self, batch: Vec<Outgoing>) -> Result<Sent, SinkError> {
        let (mut sent, mut base) = (Sent::default(), 0);
        let mut rest = batch.into_iter();
        loop {
            let part: Vec<Outgoing> = rest.by_ref().take(APPEND_LINES_MAX).collect();
            if part.is_empty() {
                return Ok(sent);
            }
            let lines = part.len();
            sent.append(self.send_part(part).await?, base);
            base += lines;
        }
    }
}

/// The records of one event: one a GA4 line, one a user topic for what concerns every part of a user.
fn event_records(event: WireEvent) -> Result<Vec<NewRecord>, Reject> {
    wire::refuse_own(&event)?;
    let lines = wire::split(event)?;
    let mut records = Vec::with_capacity(lines.len());
    for line in lines {
        let value = encode(&line)?;
        let checked = wire::check(line)?;
        let key = Bytes::copy_from_slice(checked.user.as_bytes());
        let own = [checked.event_type.topic()];
        let topics: &[Topic] = if checked.event_type.is_broadcast() { &USER_TOPICS } else { &own };
        records.extend(topics.iter().map(|t| NewRecord {
            topic: *t,
            key: key.clone(),
            value: value.clone(),
        }));
    }
    Ok(records)
}

fn item_record(item: catalogue::WireCatalogue) -> Result<Vec<NewRecord>, Reject> {
    if item.event_type.as_deref().is_some_and(|name| !catalogue::is_catalogue_type(name)) {
        return Err(Reject::new(
            Code::UnknownType,
            "type",
            "type names no catalogue event that producers may send",
        ));
    }
    let value = encode(&item)?;
    let checked = catalogue::check(item)?;
    let key = Bytes::copy_from_slice(checked.item.as_bytes());
    Ok(vec![NewRecord { topic: Topic::Catalogue, key, value }])
}

/// As JSON, within the bound that every reader of the log checks.
fn encode<T: serde::Serialize>(value: &T) -> Result<Bytes, Reject> {
    let bytes = serde_json::to_vec(value).map_err(|e| Reject::new(Code::Malformed, "body", e.to_string()))?;
    if limits::EVENT_BYTES_MAX < bytes.len() {
        let message =
            format!("the event has {} bytes, expected at most {}", bytes.len(), limits::EVENT_BYTES_MAX);
        return Err(Reject::new(Code::TooLong, "body", message));
    }
    Ok(Bytes::from(bytes))
}

fn accepted(index: usize, at: Option<&Position>) -> Verdict {
    Verdict {
        index,
        status: "accepted".to_owned(),
        topic: at.map(|p| p.topic.name().to_owned()),
        partition: at.map(|p| p.partition),
        offset: at.map(|p| p.offset),
        ..Verdict::default()
    }
}

fn rejected(index: usize, reject: Reject) -> Verdict {
    Verdict {
        index,
        status: "rejected".to_owned(),
        code: Some(reject.code.as_str().to_owned()),
        field: Some(reject.field.into_owned()),
        message: Some(reject.message),
        ..Verdict::default()
    }
}
