//! The lake as a report's source: only the files of the wanted types and days are opened, and of them only the columns needed.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType, UInt32Type};
use arrow_array::{Array, RecordBatch};
use async_trait::async_trait;
use futures::StreamExt;
use shoptide_lake::{FileKind, Lake, LakeError, LakeFile, Snapshot};
use shoptide_log::generation_of;
use shoptide_models::report::{Period, Seen};
use shoptide_schemas::{Currency, EventMs, EventType, Feedback};

use super::from_log::TOPICS;
use super::{EventGroup, Events, ReportError};

const TYPES: [EventType; 6] = [
    EventType::RecommendationShown,
    EventType::RecommendationClicked,
    EventType::RecommendationFeedback,
    EventType::AddToCart,
    EventType::Purchase,
    EventType::Refund,
];
const COLUMNS: [&str; 12] = [
    "appended_at",
    "event_id",
    "user_id",
    "occurred_at",
    "item_id",
    "quantity",
    "price_micros",
    "currency",
    "order_id",
    "list_id",
    "order_line",
    "feedback",
];
const HISTORICAL: &str = "historical";
/// All partitions together: after a growth a user's older events lie in another one.
const EVERYWHERE: u32 = u32::MAX;

impl From<LakeError> for ReportError {
    fn from(error: LakeError) -> Self {
        // One that is missing was tidied away meanwhile, or the next try says so again.
        match error.passes() || matches!(error, LakeError::Missing { .. }) {
            true => Self::LakeAway(error.to_string()),
            false => Self::Lake(error.to_string()),
        }
    }
}

/// Reads the lake as it was at one commit.
pub struct LakeEvents {
    lake: Lake,
    snapshot: Snapshot,
}

impl LakeEvents {
    /// # Errors
    /// [`ReportError::Lake`].
    pub async fn open(lake: Lake) -> Result<Self, ReportError> {
        let snapshot = lake.snapshot().await?;
        Ok(Self { lake, snapshot })
    }

    /// Whether anything was ever archived.
    pub fn is_empty(&self) -> bool {
        self.snapshot.commit == 0
    }

    fn files(&self, period: Period) -> impl Iterator<Item = &LakeFile> {
        let day = |ms: i64| EventMs(ms).to_rfc3339().chars().take(10).collect::<String>();
        let first = (period.from != i64::MIN).then(|| day(period.from));
        let last = (period.to != i64::MAX).then(|| day(period.to));
        self.snapshot.files.iter().filter(move |file| {
            file.kind == FileKind::Events
                && TOPICS.contains(&file.topic)
                && file.event_type.is_some_and(|wanted| TYPES.contains(&wanted))
                && first.as_ref().is_none_or(|first| *first <= file.date)
                && last.as_ref().is_none_or(|last| file.date <= *last)
        })
    }

    /// A row of a user who was erased, but not out of this file yet, is handed over as his erasure.
    fn hand_over(
        &self,
        file: &LakeFile,
        batch: &RecordBatch,
        take: &mut (dyn for<'a> FnMut(Seen<'a>) + Send),
    ) -> Option<()> {
        let event_type = file.event_type?;
        let column = |name: &str| batch.column_by_name(name);
        let (ids, users) =
            (column("event_id")?.as_binary_opt::<i32>()?, column("user_id")?.as_binary_opt::<i32>()?);
        let at = column("occurred_at")?.as_primitive_opt::<TimestampMillisecondType>()?;
        let appended = column("appended_at")?.as_primitive_opt::<TimestampMillisecondType>()?;
        let items = column("item_id")?.as_binary_opt::<i32>()?;
        let quantities = column("quantity")?.as_primitive_opt::<UInt32Type>()?;
        let prices = column("price_micros")?.as_primitive_opt::<Int64Type>()?;
        let currencies = column("currency")?.as_string_opt::<i32>()?;
        let (orders, lines) =
            (column("order_id")?.as_string_opt::<i32>()?, column("order_line")?.as_string_opt::<i32>()?);
        let (lists, said) =
            (column("list_id")?.as_string_opt::<i32>()?, column("feedback")?.as_string_opt::<i32>()?);
        let historical = column(HISTORICAL)?.as_boolean_opt()?;
        for row in 0..batch.num_rows() {
            let user = users.value(row);
            let erased = self.snapshot.erased.contains(file.topic, user);
            let text = |of: &'_ arrow_array::StringArray| of.is_valid(row).then(|| of.value(row).to_owned());
            let currency = text(currencies).and_then(|text| Currency::parse(&text).ok());
            let feedback = text(said);
            let order = orders.is_valid(row).then(|| orders.value(row));
            let line = lines.is_valid(row).then(|| lines.value(row));
            take(Seen {
                event_type: if erased { EventType::UserErased } else { event_type },
                id: ids.value(row),
                user,
                at: EventMs(at.value(row)),
                appended: EventMs(appended.value(row)),
                historical: historical.value(row),
                item: items.is_valid(row).then(|| items.value(row)),
                quantity: if quantities.is_valid(row) { quantities.value(row) } else { 1 },
                paid: prices.is_valid(row).then(|| prices.value(row)).zip(currency),
                order: order.zip(line),
                list: lists.is_valid(row).then(|| lists.value(row)),
                feedback: Feedback::ALL.into_iter().find(|known| Some(known.name()) == feedback.as_deref()),
            });
        }
        Some(())
    }
}

#[async_trait]
impl Events for LakeEvents {
    fn name(&self) -> &'static str {
        "lake"
    }

    async fn groups(&self, period: Period) -> Result<Vec<EventGroup>, ReportError> {
        let mut sums = BTreeMap::<u32, u64>::new();
        let users = self.snapshot.files.iter().filter(|file| file.topic.is_user());
        let generations: BTreeSet<u32> = users.map(|file| generation_of(file.first)).collect();
        let grown = 1 < generations.len();
        for file in self.files(period) {
            *sums.entry(if grown { EVERYWHERE } else { file.partition }).or_default() += file.rows;
        }
        Ok(sums.into_iter().map(|(number, events_max)| EventGroup { number, events_max }).collect())
    }

    async fn read(
        &self,
        group: &EventGroup,
        period: Period,
        take: &mut (dyn for<'a> FnMut(Seen<'a>) + Send),
    ) -> Result<(), ReportError> {
        let columns: Vec<&str> = COLUMNS.into_iter().chain([HISTORICAL]).collect();
        let mine = |file: &&LakeFile| group.number == EVERYWHERE || file.partition == group.number;
        for file in self.files(period).filter(mine) {
            let mut batches = self.lake.read(file, Some(&columns)).await?;
            while let Some(batch) = batches.next().await {
                let batch = batch?;
                self.hand_over(file, &batch, take).ok_or_else(|| {
                    ReportError::Lake(format!("{} has other columns than events have", file.path))
                })?;
            }
        }
        Ok(())
    }
}
