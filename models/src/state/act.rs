//! What a user did with an item, as a number at rest: the event type, and for feedback what was said.

use shoptide_schemas::{EventKind, EventType, Feedback, ShopEvent};

/// Codes below 100 are event types; 100 to 103 are the four answers of `recommendation_feedback`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Act(pub u8);

impl Act {
    pub const VIEW: Act = Act(EventType::ViewItem as u8);
    pub const PURCHASE: Act = Act(EventType::Purchase as u8);
    pub const REFUND: Act = Act(EventType::Refund as u8);
    pub const CART_ADD: Act = Act(EventType::AddToCart as u8);
    pub const CART_REMOVE: Act = Act(EventType::RemoveFromCart as u8);
    pub const RATE: Act = Act(EventType::RateItem as u8);
    pub const LIKE: Act = Act(100);
    pub const DISLIKE: Act = Act(101);
    pub const NOT_INTERESTED: Act = Act(102);
    pub const SAYS_BOUGHT: Act = Act(103);

    /// Every act, in order of code.
    pub fn all() -> impl Iterator<Item = Act> {
        let types = EventType::ALL.iter().filter(|t| !t.is_broadcast() && !t.is_internal());
        types.map(|t| Act(*t as u8)).chain([Act::LIKE, Act::DISLIKE, Act::NOT_INTERESTED, Act::SAYS_BOUGHT])
    }

    /// The act of an event.
    pub fn of(event: &ShopEvent) -> Act {
        match &event.kind {
            EventKind::Feedback { feedback: Feedback::Like, .. } => Act::LIKE,
            EventKind::Feedback { feedback: Feedback::Dislike, .. } => Act::DISLIKE,
            EventKind::Feedback { feedback: Feedback::NotInterested, .. } => Act::NOT_INTERESTED,
            EventKind::Feedback { feedback: Feedback::Bought, .. } => Act::SAYS_BOUGHT,
            _ => Act(event.event_type as u8),
        }
    }

    /// The name under which configuration and answers speak of it.
    pub fn name(self) -> &'static str {
        match self {
            Act::LIKE => "feedback_like",
            Act::DISLIKE => "feedback_dislike",
            Act::NOT_INTERESTED => "feedback_not_interested",
            Act::SAYS_BOUGHT => "feedback_bought",
            Act(code) => EventType::from_code(code).map_or("unknown", EventType::name),
        }
    }
}
