//! The log itself as a report's source: nothing but it is needed. It has what its retention has left of the generation of topics
//! that is folded; what is older is in the lake.

use std::sync::Arc;

use async_trait::async_trait;
use shoptide_live::fold::{Decoded, decode};
use shoptide_log::{Log, LogError, ReadMax};
use shoptide_models::catalogue::{Catalogue, CatalogueBuilder};
use shoptide_models::report::{Period, Seen};
use shoptide_schemas::partition::partition_of;
use shoptide_schemas::{Topic, USER_TOPICS, UserId};

use super::{EventGroup, Events, ReportError};

/// One read of the log.
const READ: ReadMax = ReadMax { records: 2_000, bytes: 8 * 1024 * 1024 };
/// Topics with events that a report needs.
pub(super) const TOPICS: [Topic; 3] = [Topic::Feedback, Topic::Cart, Topic::Order];

/// Reads the log.
pub struct LogEvents(pub Arc<dyn Log>);

#[async_trait]
impl Events for LogEvents {
    fn name(&self) -> &'static str {
        "log"
    }

    async fn groups(&self, _: Period) -> Result<Vec<EventGroup>, ReportError> {
        let mut groups = Vec::new();
        for number in 0..self.0.partitions(USER_TOPICS[0]) {
            let mut events_max = 0;
            for topic in TOPICS {
                let marks = self.0.watermarks(topic, number).await?;
                events_max += u64::try_from(marks.next - marks.first).unwrap_or(0);
            }
            groups.push(EventGroup { number, events_max });
        }
        Ok(groups)
    }

    fn holds(&self, group: &EventGroup, user: &UserId) -> bool {
        group.number == partition_of(user.as_bytes(), self.0.partitions(USER_TOPICS[0]))
    }

    async fn read(
        &self,
        group: &EventGroup,
        _: Period,
        take: &mut (dyn for<'a> FnMut(Seen<'a>) + Send),
    ) -> Result<(), ReportError> {
        for topic in TOPICS {
            let marks = self.0.watermarks(topic, group.number).await?;
            let partitions = self.0.partitions_at(topic, marks.first);
            let mut next = marks.first;
            while next < marks.next {
                let records = match self.0.read(topic, group.number, next, READ).await {
                    // Retention went on meanwhile.
                    Err(LogError::Truncated { first, .. }) if next < first => {
                        next = first;
                        continue;
                    }
                    read => read?,
                };
                let Some(last) = records.last().map(|record| record.offset) else { break };
                next = last + 1;
                for record in records.iter().filter(|record| record.offset < marks.next) {
                    if let Decoded::User(event) = decode(record, partitions) {
                        take(Seen::of(&event, record.appended));
                    }
                }
            }
        }
        Ok(())
    }
}

/// The catalogue that the log's own records make, for a log of which there is no truth yet.
///
/// # Errors
/// [`ReportError::Log`].
pub async fn catalogue_of(log: &dyn Log) -> Result<Catalogue, ReportError> {
    let marks = log.watermarks(Topic::Catalogue, 0).await?;
    let mut builder = CatalogueBuilder::default();
    let mut next = marks.first;
    while next < marks.next {
        let records = log.read(Topic::Catalogue, 0, next, READ).await?;
        let Some(last) = records.last().map(|record| record.offset) else { break };
        for value in records.iter().filter_map(|record| record.value.as_ref()) {
            if let Ok(event) = shoptide_schemas::catalogue::decode(value) {
                builder.fold(&event);
            }
        }
        next = last + 1;
    }
    Ok(builder.finish(next))
}
