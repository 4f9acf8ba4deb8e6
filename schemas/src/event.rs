//! One thing a user did, checked once at the border; past it, the type is the proof.

use crate::ids::{EventId, ItemId, UserId};
use crate::money::{Currency, Micros};
use crate::time::EventMs;
use crate::topic::Topic;

macro_rules! event_types {
    ($($variant:ident = $code:literal, $name:literal, $topic:ident, $doc:literal;)*) => {
        /// The names that storefronts already emit (GA4 e-commerce), and the number each has at rest.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum EventType { $(#[doc = $doc] $variant = $code,)* }

        impl EventType {
            pub const ALL: &'static [EventType] = &[$(EventType::$variant,)*];

            pub fn name(self) -> &'static str {
                match self { $(EventType::$variant => $name,)* }
            }

            /// What it says, for the generated event reference.
            pub fn meaning(self) -> &'static str {
                match self { $(EventType::$variant => $doc,)* }
            }

            /// The topic it travels in; `user_erased` and `identify` travel in every user topic.
            pub fn topic(self) -> Topic {
                match self { $(EventType::$variant => Topic::$topic,)* }
            }

            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(EventType::$variant),)* _ => None }
            }

            pub fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(EventType::$variant),)* _ => None }
            }
        }
    };
}

event_types! {
    ViewItem = 1, "view_item", Browse, "The user looked at an item's page.";
    ViewItemList = 2, "view_item_list", Browse, "The user saw an item in a list that is not ours.";
    Search = 3, "search", Browse, "The user searched; an item, if given, is what was found and opened.";
    AddToWishlist = 10, "add_to_wishlist", Cart, "The user put an item on a wish list.";
    AddToCart = 11, "add_to_cart", Cart, "The user put an item into the cart.";
    RemoveFromCart = 12, "remove_from_cart", Cart, "The user took an item out of the cart.";
    BeginCheckout = 13, "begin_checkout", Cart, "The user began to pay.";
    Purchase = 20, "purchase", Order, "The user bought an item: one line of an order.";
    Refund = 21, "refund", Order, "A line of an order was given back.";
    ForumPost = 30, "forum_post", Forum, "The user opened a thread, perhaps about an item.";
    ForumReply = 31, "forum_reply", Forum, "The user answered in a thread.";
    ForumLike = 32, "forum_like", Forum, "The user liked a thread or reply.";
    RateItem = 40, "rate_item", Feedback, "The user rated an item, 0 to 5.";
    RecommendationShown = 41, "recommendation_shown", Feedback, "An item of one of our lists was shown.";
    RecommendationClicked = 42, "recommendation_clicked", Feedback, "An item of one of our lists was clicked.";
    RecommendationFeedback = 43, "recommendation_feedback", Feedback, "The user said what he thinks of a recommended item.";
    ChatIntent = 44, "chat_intent", Feedback, "What a chat understood the user to want.";
    Identify = 45, "identify", Feedback, "An anonymous user turned out to be a known one.";
    UserErased = 50, "user_erased", Feedback, "Forget this user: one copy in every user topic.";
    PartAbsorbed = 60, "part_absorbed", Feedback, "Written by the stream itself: the part of an anonymous user arrives at the known one.";
}

impl EventType {
    /// Travels in every user topic, one copy each.
    pub fn is_broadcast(self) -> bool {
        matches!(self, EventType::UserErased | EventType::Identify)
    }

    /// Only the program itself writes it.
    pub fn is_internal(self) -> bool {
        self == EventType::PartAbsorbed
    }
}

/// What a user says of a recommended item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feedback {
    Like,
    Dislike,
    NotInterested,
    Bought,
}

impl Feedback {
    pub const ALL: [Feedback; 4] =
        [Feedback::Like, Feedback::Dislike, Feedback::NotInterested, Feedback::Bought];

    pub fn name(self) -> &'static str {
        match self {
            Feedback::Like => "like",
            Feedback::Dislike => "dislike",
            Feedback::NotInterested => "not_interested",
            Feedback::Bought => "bought",
        }
    }
}

/// What the event's type needs beside user and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    View {
        item: ItemId,
    },
    ListSeen {
        item: Option<ItemId>,
    },
    Search {
        query: String,
        item: Option<ItemId>,
    },
    Wish {
        item: ItemId,
    },
    CartAdd {
        item: ItemId,
        quantity: u32,
    },
    CartRemove {
        item: ItemId,
        quantity: u32,
    },
    Checkout,
    /// `paid` is the price of one piece.
    Purchase {
        item: ItemId,
        quantity: u32,
        paid: Option<(Micros, Currency)>,
        order: Option<OrderLine>,
    },
    Refund {
        item: ItemId,
        quantity: u32,
        paid: Option<(Micros, Currency)>,
        order: Option<OrderLine>,
    },
    Post {
        item: Option<ItemId>,
        thread: Option<String>,
        text: String,
    },
    Reply {
        item: Option<ItemId>,
        thread: String,
        text: String,
    },
    Like {
        item: Option<ItemId>,
        thread: String,
    },
    /// In hundredths: 450 is 4.5 of 5.
    Rate {
        item: ItemId,
        hundredths: u16,
    },
    Shown {
        item: Option<ItemId>,
    },
    Clicked {
        item: ItemId,
    },
    Feedback {
        item: ItemId,
        feedback: Feedback,
    },
    ChatIntent {
        query: Option<String>,
        item: Option<ItemId>,
    },
    Identify {
        known: UserId,
    },
    Erased,
    /// The encoded part of an anonymous user.
    Absorbed {
        from: UserId,
        part: Vec<u8>,
    },
}

/// A line of an order: unique for ever within its user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderLine {
    pub order: String,
    /// Given by the producer or by the line's place in `items`; else the item's id stands for it.
    pub line: String,
}

/// One thing one user did. Whoever holds one need not check it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopEvent {
    pub id: EventId,
    pub event_type: EventType,
    pub user: UserId,
    pub at: EventMs,
    /// An import of the past: never `late`.
    pub historical: bool,
    /// The recommendation list that led here.
    pub list: Option<String>,
    pub session: Option<String>,
    pub kind: EventKind,
}

impl ShopEvent {
    /// The item it is about, if any.
    pub fn item(&self) -> Option<&ItemId> {
        match &self.kind {
            EventKind::View { item }
            | EventKind::Wish { item }
            | EventKind::CartAdd { item, .. }
            | EventKind::CartRemove { item, .. }
            | EventKind::Purchase { item, .. }
            | EventKind::Refund { item, .. }
            | EventKind::Rate { item, .. }
            | EventKind::Clicked { item }
            | EventKind::Feedback { item, .. } => Some(item),
            EventKind::ListSeen { item }
            | EventKind::Search { item, .. }
            | EventKind::Post { item, .. }
            | EventKind::Reply { item, .. }
            | EventKind::Like { item, .. }
            | EventKind::Shown { item }
            | EventKind::ChatIntent { item, .. } => item.as_ref(),
            EventKind::Checkout
            | EventKind::Identify { .. }
            | EventKind::Erased
            | EventKind::Absorbed { .. } => None,
        }
    }

    /// As [`ShopEvent::item`], to be replaced by an equal one that others hold too.
    pub fn item_mut(&mut self) -> Option<&mut ItemId> {
        match &mut self.kind {
            EventKind::View { item }
            | EventKind::Wish { item }
            | EventKind::CartAdd { item, .. }
            | EventKind::CartRemove { item, .. }
            | EventKind::Purchase { item, .. }
            | EventKind::Refund { item, .. }
            | EventKind::Rate { item, .. }
            | EventKind::Clicked { item }
            | EventKind::Feedback { item, .. } => Some(item),
            EventKind::ListSeen { item }
            | EventKind::Search { item, .. }
            | EventKind::Post { item, .. }
            | EventKind::Reply { item, .. }
            | EventKind::Like { item, .. }
            | EventKind::Shown { item }
            | EventKind::ChatIntent { item, .. } => item.as_mut(),
            EventKind::Checkout
            | EventKind::Identify { .. }
            | EventKind::Erased
            | EventKind::Absorbed { .. } => None,
        }
    }

    /// The order line that this event claims, for events that are unique for ever.
    pub fn order_line(&self) -> Option<&OrderLine> {
        match &self.kind {
            EventKind::Purchase { order, .. } | EventKind::Refund { order, .. } => order.as_ref(),
            _ => None,
        }
    }
}
