//! An answer as clients and the store get it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shoptide_models::chat::{ActionKind, Intent};
use shoptide_models::product_score::ScorePart;
use utoipa::ToSchema;

/// What a turn says and shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"session_id": "9f86d081884c7d659a2feaa0c55ad015", "message_id": "9f86d081884c7d659a2feaa0c55ad015.1",
    "list_id": "c-0f1e2d3c4b5a6978-1", "intent": "find", "action": "show", "language": "zh", "reply": "按您的条件（手机、3000 元以内、不要apple）找到 1 款：\n1. 小米 14，2999 元。有拍照",
    "products": [{"rank": 1, "record_id": "9f86d081884c7d659a2feaa0c55ad015.1.1", "item_id": "P03", "title": "小米 14", "brand": "小米",
        "category": "technology/phone", "price": "2999.00", "currency": "CNY", "score": 0.91,
        "parts": [{"part": "price", "score": 1.0, "share": 0.5}], "reasons": [{"code": "price", "text": "价格在您说的范围内"}]}],
    "followups": ["便宜一点的"], "as_of": {"shop.catalogue": 412}, "source": "rules"}))]
pub(crate) struct TurnAnswer {
    /// Send it back with the next message. Who has it and the user's id can read the dialogue.
    pub session_id: String,
    pub message_id: String,
    /// Send it back as `list_id` of the events that the products lead to.
    pub list_id: String,
    #[schema(value_type = String)]
    pub intent: Intent,
    /// What was done: `show`, `ask`, `compare`, `similar`, `goes_with`, `describe`, `price_history`, `service`, `budget`, `feedback`,
    /// `small_talk` or `decline`.
    #[schema(value_type = String)]
    pub action: ActionKind,
    /// `zh` or `en`: that of the message.
    pub language: String,
    /// Plain text, never markup.
    pub reply: String,
    pub products: Vec<Product>,
    /// What may be said next.
    pub followups: Vec<String>,
    /// The offset of the catalogue up to which words and products are known; prices and stock are those of the moment.
    pub as_of: BTreeMap<String, i64>,
    /// Who worded the reply: `model`, a language model, each sentence checked against what the rules found; or `rules`. Products are always theirs.
    pub source: String,
}

/// A product that is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Product {
    /// From 1.
    pub rank: u32,
    /// For `POST /v1/recommendations/{record_id}/feedback`.
    pub record_id: String,
    pub item_id: String,
    pub title: String,
    pub brand: String,
    pub category: String,
    /// A decimal string; absent if the product has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// 0 to 1: the sum of its parts by their shares.
    pub score: f32,
    pub parts: Vec<Part>,
    pub reasons: Vec<Why>,
}

/// A part of a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Part {
    /// `price`, `brand`, `features`, `text`, `rating`, `popularity`, `profile`, `liking` or `budget`.
    pub part: String,
    /// 0 to 1.
    pub score: f32,
    /// Of the whole; they sum to 1.
    pub share: f32,
}

impl From<&ScorePart> for Part {
    fn from(part: &ScorePart) -> Self {
        Self { part: part.kind.name().to_owned(), score: part.score, share: part.share }
    }
}

/// Why a product is shown, with its evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Why {
    /// The part that it is of, `stock`, or the edge that says so: `bought-with` or `compatible-with`.
    pub code: String,
    /// For people, in the answer's language.
    pub text: String,
    /// The user's own act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Act>,
}

/// Something that the user did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Act {
    pub item_id: String,
    pub title: String,
    /// Such as `add_to_cart`.
    pub act: String,
    /// RFC 3339, UTC.
    pub at: String,
}

/// What the store keeps of why a product was shown.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub parts: Vec<Part>,
    pub reasons: Vec<Why>,
}

/// A dialogue's messages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Messages {
    pub session_id: String,
    /// Oldest first.
    pub messages: Vec<MessageBody>,
    /// There are more: ask again with `after` the last `turn`.
    pub more: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessageBody {
    /// From 1.
    pub turn: u32,
    /// RFC 3339, UTC.
    pub at: String,
    pub message: String,
    /// As it was given; prices and stock are those of then.
    pub answer: TurnAnswer,
}
