//! Topics of the log. User topics share one partition count and are keyed by user; the catalogue is keyed by item.

use std::fmt;

/// Where a record lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Topic {
    Browse = 0,
    Cart = 1,
    Order = 2,
    Forum = 3,
    Feedback = 4,
    Catalogue = 5,
}

/// The user-keyed topics; position is the index of a user's part.
pub const USER_TOPICS: [Topic; 5] = [Topic::Browse, Topic::Cart, Topic::Order, Topic::Forum, Topic::Feedback];
pub const ALL_TOPICS: [Topic; 6] =
    [Topic::Browse, Topic::Cart, Topic::Order, Topic::Forum, Topic::Feedback, Topic::Catalogue];
/// Parts of a user's state: one a user topic.
pub const PARTS: usize = USER_TOPICS.len();

impl Topic {
    pub fn name(self) -> &'static str {
        match self {
            Topic::Browse => "shop.browse",
            Topic::Cart => "shop.cart",
            Topic::Order => "shop.order",
            Topic::Forum => "shop.forum",
            Topic::Feedback => "shop.feedback",
            Topic::Catalogue => "shop.catalogue",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        ALL_TOPICS.into_iter().find(|t| t.name() == name)
    }

    /// Number at rest, stable for ever.
    pub fn code(self) -> u8 {
        self as u8
    }

    pub fn from_code(code: i64) -> Option<Self> {
        ALL_TOPICS.into_iter().find(|t| i64::from(t.code()) == code)
    }

    pub fn is_user(self) -> bool {
        self != Topic::Catalogue
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
