//! What the truth keeps of chats: dialogues, their messages, and the products that were recommended in them. States, answers and
//! reasons are opaque bytes here.

use shoptide_schemas::{ItemId, UserId};

use crate::Budget;

/// What has changed, of [`StoreError::Changed`](crate::StoreError::Changed), if it is that the user was erased.
pub const ERASED_USER: &str = "the erased user";

/// Names a dialogue: whoever does not name its user does not find it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChatKey {
    pub shard: u32,
    pub user: UserId,
    pub session: String,
}

/// A dialogue so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatSession {
    pub turns: u32,
    pub created_ms: i64,
    pub updated_ms: i64,
    /// What it remembers, encoded.
    pub state: Vec<u8>,
}

/// A message of the user with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// From 1.
    pub turn: u32,
    pub at_ms: i64,
    pub question: String,
    /// Encoded.
    pub answer: Vec<u8>,
}

/// What a user said of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatFeedback {
    /// Not 0.
    pub code: u8,
    pub at_ms: i64,
    pub text: String,
}

/// A product that a turn showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatRecord {
    /// From 1.
    pub place: u32,
    pub item: ItemId,
    /// In millionths.
    pub score: i64,
    /// Parts of the score and reasons, encoded.
    pub why: Vec<u8>,
    pub shown_ms: i64,
    pub feedback: Option<ChatFeedback>,
}

/// One turn, to be written as a whole with all that it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatTurn {
    pub key: ChatKey,
    /// Turns that the dialogue had when it was read; 0 begins it.
    pub before: u32,
    /// What it remembers from now on.
    pub state: Vec<u8>,
    /// Its turn is `before + 1`.
    pub message: ChatMessage,
    pub records: Vec<ChatRecord>,
    /// The month's budget that the message sets: of this user in this shard.
    pub budget: Option<(u32, UserId, Budget)>,
    /// What the message says of products that were shown before.
    pub feedback: Vec<ChatOpinion>,
}

/// What a message says of a product that an earlier turn of its dialogue showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatOpinion {
    pub turn: u32,
    pub place: u32,
    pub feedback: ChatFeedback,
}
