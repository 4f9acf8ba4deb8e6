//! Rows of [`super::event_schema`] read back as events.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType, UInt16Type, UInt32Type};
use arrow_array::{Array, BinaryArray, RecordBatch, StringArray};
use arrow_schema::ArrowError;

use crate::event::{EventKind, EventType, Feedback, OrderLine, ShopEvent};
use crate::ids::{EventId, ItemId, UserId};
use crate::money::{Currency, Micros};
use crate::time::EventMs;

/// One event and where it lay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRow {
    pub offset: i64,
    pub appended: EventMs,
    /// The part of a `part_absorbed` is empty: no column has it.
    pub event: ShopEvent,
}

/// The rows of a batch as events, in their order.
///
/// # Errors
/// [`ArrowError::SchemaError`] for a column that is missing or of another kind, [`ArrowError::InvalidArgumentError`] for a row that is no event;
/// both name the column.
pub fn read_events(batch: &RecordBatch) -> Result<Vec<ReadRow>, ArrowError> {
    let columns = Columns::of(batch)?;
    (0..batch.num_rows()).map(|row| columns.row(row)).collect()
}

struct Columns<'a> {
    batch: &'a RecordBatch,
    event_id: &'a BinaryArray,
    user_id: &'a BinaryArray,
    item_id: &'a BinaryArray,
    known: &'a BinaryArray,
    kind: &'a StringArray,
}

fn missing(name: &str) -> ArrowError {
    ArrowError::SchemaError(format!("column {name} is missing or of another type"))
}

fn wrong(name: &str, row: usize) -> ArrowError {
    ArrowError::InvalidArgumentError(format!("column {name}, row {row}: not what its event needs"))
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self, ArrowError> {
        let binary = |name: &str| {
            let column = batch.column_by_name(name).ok_or_else(|| missing(name))?;
            column.as_binary_opt::<i32>().ok_or_else(|| missing(name))
        };
        let kind = batch.column_by_name("type").and_then(|column| column.as_string_opt::<i32>());
        Ok(Self {
            batch,
            event_id: binary("event_id")?,
            user_id: binary("user_id")?,
            item_id: binary("item_id")?,
            known: binary("known_user_id")?,
            kind: kind.ok_or_else(|| missing("type"))?,
        })
    }

    fn text(&self, name: &'static str, row: usize) -> Result<Option<String>, ArrowError> {
        let column = self.batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        let column = column.ok_or_else(|| missing(name))?;
        Ok(column.is_valid(row).then(|| column.value(row).to_owned()))
    }

    fn ms(&self, name: &'static str, row: usize) -> Result<EventMs, ArrowError> {
        let column = self.batch.column_by_name(name);
        let column = column.and_then(|c| c.as_primitive_opt::<TimestampMillisecondType>());
        Ok(EventMs(column.ok_or_else(|| missing(name))?.value(row)))
    }

    fn int(&self, name: &'static str, row: usize) -> Result<Option<i64>, ArrowError> {
        let column = self.batch.column_by_name(name).and_then(|c| c.as_primitive_opt::<Int64Type>());
        let column = column.ok_or_else(|| missing(name))?;
        Ok(column.is_valid(row).then(|| column.value(row)))
    }

    fn item(&self, row: usize) -> Option<ItemId> {
        self.item_id.is_valid(row).then(|| ItemId::from_trusted(self.item_id.value(row)))
    }

    fn quantity(&self, row: usize) -> Result<u32, ArrowError> {
        let column = self.batch.column_by_name("quantity").and_then(|c| c.as_primitive_opt::<UInt32Type>());
        let column = column.ok_or_else(|| missing("quantity"))?;
        if column.is_valid(row) { Ok(column.value(row)) } else { Err(wrong("quantity", row)) }
    }

    fn hundredths(&self, row: usize) -> Result<u16, ArrowError> {
        let column = self.batch.column_by_name("rating_hundredths");
        let column = column.and_then(|c| c.as_primitive_opt::<UInt16Type>());
        let column = column.ok_or_else(|| missing("rating_hundredths"))?;
        if column.is_valid(row) { Ok(column.value(row)) } else { Err(wrong("rating_hundredths", row)) }
    }

    fn paid(&self, row: usize) -> Result<Option<(Micros, Currency)>, ArrowError> {
        let Some(micros) = self.int("price_micros", row)? else { return Ok(None) };
        let code = self.text("currency", row)?.and_then(|code| code.into_bytes().try_into().ok());
        Ok(Some((Micros(micros), Currency(code.ok_or_else(|| wrong("currency", row))?))))
    }

    fn order(&self, row: usize) -> Result<Option<OrderLine>, ArrowError> {
        let Some(order) = self.text("order_id", row)? else { return Ok(None) };
        let line = self.text("order_line", row)?.ok_or_else(|| wrong("order_line", row))?;
        Ok(Some(OrderLine { order, line }))
    }

    fn row(&self, row: usize) -> Result<ReadRow, ArrowError> {
        let event_type = EventType::from_name(self.kind.value(row)).ok_or_else(|| wrong("type", row))?;
        let historical = self.batch.column_by_name("historical").and_then(|c| c.as_boolean_opt());
        let event = ShopEvent {
            id: EventId::from_trusted(self.event_id.value(row)),
            event_type,
            user: UserId::from_trusted(self.user_id.value(row)),
            at: self.ms("occurred_at", row)?,
            historical: historical.ok_or_else(|| missing("historical"))?.value(row),
            list: self.text("list_id", row)?,
            session: self.text("session_id", row)?,
            kind: self.kind(event_type, row)?,
        };
        let offset = self.int("offset", row)?.ok_or_else(|| wrong("offset", row))?;
        Ok(ReadRow { offset, appended: self.ms("appended_at", row)?, event })
    }

    fn kind(&self, event_type: EventType, row: usize) -> Result<EventKind, ArrowError> {
        let item = || self.item(row);
        let must = || self.item(row).ok_or_else(|| wrong("item_id", row));
        let known = || match self.known.is_valid(row) {
            true => Ok(UserId::from_trusted(self.known.value(row))),
            false => Err(wrong("known_user_id", row)),
        };
        let thread = || self.text("thread_id", row)?.ok_or_else(|| wrong("thread_id", row));
        let text = || self.text("text", row)?.ok_or_else(|| wrong("text", row));
        Ok(match event_type {
            EventType::ViewItem => EventKind::View { item: must()? },
            EventType::ViewItemList => EventKind::ListSeen { item: item() },
            EventType::Search => {
                let query = self.text("query", row)?.ok_or_else(|| wrong("query", row))?;
                EventKind::Search { query, item: item() }
            }
            EventType::AddToWishlist => EventKind::Wish { item: must()? },
            EventType::AddToCart => EventKind::CartAdd { item: must()?, quantity: self.quantity(row)? },
            EventType::RemoveFromCart => {
                EventKind::CartRemove { item: must()?, quantity: self.quantity(row)? }
            }
            EventType::BeginCheckout => EventKind::Checkout,
            EventType::Purchase => EventKind::Purchase {
                item: must()?,
                quantity: self.quantity(row)?,
                paid: self.paid(row)?,
                order: self.order(row)?,
            },
            EventType::Refund => EventKind::Refund {
                item: must()?,
                quantity: self.quantity(row)?,
                paid: self.paid(row)?,
                order: self.order(row)?,
            },
            EventType::ForumPost => {
                EventKind::Post { item: item(), thread: self.text("thread_id", row)?, text: text()? }
            }
            EventType::ForumReply => EventKind::Reply { item: item(), thread: thread()?, text: text()? },
            EventType::ForumLike => EventKind::Like { item: item(), thread: thread()? },
            EventType::RateItem => EventKind::Rate { item: must()?, hundredths: self.hundredths(row)? },
            EventType::RecommendationShown => EventKind::Shown { item: item() },
            EventType::RecommendationClicked => EventKind::Clicked { item: must()? },
            EventType::RecommendationFeedback => {
                let said = self.text("feedback", row)?;
                let feedback = Feedback::ALL.into_iter().find(|f| said.as_deref() == Some(f.name()));
                EventKind::Feedback {
                    item: must()?,
                    feedback: feedback.ok_or_else(|| wrong("feedback", row))?,
                }
            }
            EventType::ChatIntent => EventKind::ChatIntent { query: self.text("query", row)?, item: item() },
            EventType::Identify => EventKind::Identify { known: known()? },
            EventType::UserErased => EventKind::Erased,
            EventType::PartAbsorbed => EventKind::Absorbed { from: known()?, part: Vec::new() },
        })
    }
}
