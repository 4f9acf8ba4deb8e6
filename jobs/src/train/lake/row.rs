//! A row of the lake as the event that it was, as far as a fold for training asks: prices, texts and sessions stay in the file.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType, UInt16Type};
use arrow_array::{Array, BinaryArray, BooleanArray, PrimitiveArray, RecordBatch, StringArray};
use shoptide_lake::LakeError;
use shoptide_schemas::event::{EventKind, OrderLine};
use shoptide_schemas::{EventId, EventMs, EventType, Feedback, ItemId, ShopEvent, UserId};

/// Columns that every row has.
const EVERY: [&str; 6] = ["offset", "appended_at", "event_id", "user_id", "occurred_at", "historical"];

/// The columns that an event of a type is made of.
pub fn columns(event_type: EventType) -> Vec<&'static str> {
    use EventType::*;
    let own: &[&str] = match event_type {
        BeginCheckout | UserErased => &[],
        Identify | PartAbsorbed => &["known_user_id"],
        RateItem => &["item_id", "rating_hundredths"],
        ForumPost | ForumReply | ForumLike => &["item_id", "thread_id"],
        Purchase | Refund => &["item_id", "order_id", "order_line"],
        RecommendationFeedback => &["item_id", "feedback"],
        _ => &["item_id"],
    };
    EVERY.iter().chain(own).copied().collect()
}

/// The columns of one batch.
pub struct Columns {
    event_type: EventType,
    offset: PrimitiveArray<Int64Type>,
    appended: PrimitiveArray<TimestampMillisecondType>,
    occurred: PrimitiveArray<TimestampMillisecondType>,
    event_id: BinaryArray,
    user: BinaryArray,
    historical: BooleanArray,
    item: Option<BinaryArray>,
    known: Option<BinaryArray>,
    rating: Option<PrimitiveArray<UInt16Type>>,
    thread: Option<StringArray>,
    order: Option<StringArray>,
    line: Option<StringArray>,
    feedback: Option<StringArray>,
}

impl Columns {
    /// # Errors
    /// [`LakeError::Damaged`] for a batch without them.
    pub fn of(batch: &RecordBatch, event_type: EventType, path: &str) -> Result<Self, LakeError> {
        let lacks = || LakeError::Damaged {
            path: path.to_owned(),
            reason: format!("it lacks a column of {}", event_type.name()),
        };
        let get = |name: &str| batch.column_by_name(name);
        let time = |name: &str| {
            get(name)
                .and_then(|c| c.as_primitive_opt::<TimestampMillisecondType>())
                .cloned()
                .ok_or_else(lacks)
        };
        let binary = |name: &str| get(name).and_then(|c| c.as_binary_opt::<i32>()).cloned();
        let text = |name: &str| get(name).and_then(|c| c.as_string_opt::<i32>()).cloned();
        Ok(Self {
            event_type,
            offset: get("offset")
                .and_then(|c| c.as_primitive_opt::<Int64Type>())
                .cloned()
                .ok_or_else(lacks)?,
            appended: time("appended_at")?,
            occurred: time("occurred_at")?,
            event_id: binary("event_id").ok_or_else(lacks)?,
            user: binary("user_id").ok_or_else(lacks)?,
            historical: get("historical").and_then(|c| c.as_boolean_opt()).cloned().ok_or_else(lacks)?,
            item: binary("item_id"),
            known: binary("known_user_id"),
            rating: get("rating_hundredths").and_then(|c| c.as_primitive_opt::<UInt16Type>()).cloned(),
            thread: text("thread_id"),
            order: text("order_id"),
            line: text("order_line"),
            feedback: text("feedback"),
        })
    }

    pub fn rows(&self) -> usize {
        self.offset.len()
    }

    pub fn offset(&self, row: usize) -> i64 {
        self.offset.value(row)
    }

    pub fn appended(&self, row: usize) -> EventMs {
        EventMs(self.appended.value(row))
    }

    /// The event of a row; `None` if it lacks what its type needs, which no event of ours does.
    pub fn event(&self, row: usize) -> Option<ShopEvent> {
        use EventType::*;
        let bytes = |column: &Option<BinaryArray>| {
            column.as_ref().filter(|c| c.is_valid(row)).map(|c| c.value(row).to_vec())
        };
        let text = |column: &Option<StringArray>| {
            column.as_ref().filter(|c| c.is_valid(row)).map(|c| c.value(row).to_owned())
        };
        let item =
            || self.item.as_ref().filter(|c| c.is_valid(row)).map(|c| ItemId::from_trusted(c.value(row)));
        let order = || Some(OrderLine { order: text(&self.order)?, line: text(&self.line)? });
        let known = || bytes(&self.known).map(|id| UserId::from_trusted(&id));
        let kind = match self.event_type {
            ViewItem => EventKind::View { item: item()? },
            ViewItemList => EventKind::ListSeen { item: item() },
            Search => EventKind::Search { query: String::new(), item: item() },
            AddToWishlist => EventKind::Wish { item: item()? },
            AddToCart => EventKind::CartAdd { item: item()?, quantity: 1 },
            RemoveFromCart => EventKind::CartRemove { item: item()?, quantity: 1 },
            BeginCheckout => EventKind::Checkout,
            Purchase => EventKind::Purchase { item: item()?, quantity: 1, paid: None, order: order() },
            Refund => EventKind::Refund { item: item()?, quantity: 1, paid: None, order: order() },
            ForumPost => EventKind::Post { item: item(), thread: text(&self.thread), text: String::new() },
            ForumReply => EventKind::Reply { item: item(), thread: text(&self.thread)?, text: String::new() },
            ForumLike => EventKind::Like { item: item(), thread: text(&self.thread)? },
            RateItem => EventKind::Rate {
                item: item()?,
                hundredths: self.rating.as_ref().filter(|c| c.is_valid(row)).map(|c| c.value(row))?,
            },
            RecommendationShown => EventKind::Shown { item: item() },
            RecommendationClicked => EventKind::Clicked { item: item()? },
            RecommendationFeedback => {
                let said = text(&self.feedback)?;
                let feedback = Feedback::ALL.into_iter().find(|feedback| feedback.name() == said)?;
                EventKind::Feedback { item: item()?, feedback }
            }
            ChatIntent => EventKind::ChatIntent { query: None, item: item() },
            Identify => EventKind::Identify { known: known()? },
            UserErased => EventKind::Erased,
            // Its part lies elsewhere, as a raw record.
            PartAbsorbed => EventKind::Absorbed { from: known()?, part: Vec::new() },
        };
        Some(ShopEvent {
            id: EventId::from_trusted(self.event_id.value(row)),
            event_type: self.event_type,
            user: UserId::from_trusted(self.user.value(row)),
            at: EventMs(self.occurred.value(row)),
            historical: self.historical.value(row),
            list: None,
            session: None,
            kind,
        })
    }
}
