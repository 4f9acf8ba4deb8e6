//! What travels and what rests: shop events, catalogue events, topics, stored lists, SQL migrations.
//! Pure: bytes in, typed values or a typed [`Reject`] out. Whoever holds a type from here need not check it again.

pub mod arrow;
pub mod catalogue;
mod check;
mod diagnose;
pub mod event;
pub mod faq;
pub mod fields;
mod hex;
pub mod ids;
pub mod limits;
pub mod list;
pub mod migrations;
pub mod money;
mod number;
pub mod partition;
pub mod reference;
pub mod reject;
mod standing;
pub mod time;
pub mod topic;
pub mod wire;

pub use catalogue::{CatalogueChange, CatalogueEvent};
pub use event::{EventKind, EventType, Feedback, ShopEvent};
pub use faq::FaqEntry;
pub use ids::{EventId, ItemId, UserId};
pub use list::{ListEntry, StoredList};
pub use money::{Currency, Micros};
pub use reject::{Code, Reject};
pub use time::{EventMs, TimeVerdict};
pub use topic::{Topic, USER_TOPICS};
