//! Results of the tools: of each answer of the API what an assistant needs, so that a result stays small.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A product in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Product {
    pub item_id: String,
    pub title: String,
    #[serde(default)]
    pub brand: String,
    #[serde(default)]
    pub category: String,
    /// A decimal string.
    #[serde(default)]
    pub price: Option<String>,
    #[serde(default)]
    pub currency: Option<String>,
    /// Absent where only products that can be had are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_stock: Option<bool>,
    /// What shoppers gave it; absent where nobody has, and in lists that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rating: Option<Rating>,
    /// Why it is here: `factors`, `item_item`, `popularity`, `trending`, `session`, `category`, `catalogue` or `search`.
    #[serde(default)]
    pub source: String,
    /// Unitless; comparable within one list only.
    #[serde(default)]
    pub score: f32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// What shoppers gave a product.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rating {
    /// 0 to 5.
    pub mean: f64,
    /// Shoppers.
    pub count: u32,
}

/// Why a product is recommended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// `like_what_you`, `with_what_you`, `popular`, `trending` or `catalogue`.
    pub code: String,
    /// For people, in English.
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// The shopper's own act that a reason stands on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    pub item_id: String,
    pub title: String,
    /// Such as `add_to_cart`.
    pub act: String,
    /// RFC 3339, UTC.
    pub at: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ListOutput {
    /// Names the list in events that it leads to; absent for similar products.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_id: Option<String>,
    /// `personal`, `session` or `fallback`; absent for similar products.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_from: Option<String>,
    /// `last_known` or `unknown` while the shop cannot read the shopper's budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<String>,
    /// Best first.
    pub items: Vec<Product>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SearchOutput {
    /// Names the list in events that it leads to.
    pub list_id: String,
    /// Products that pass every filter, on all pages.
    pub total: u64,
    /// `all`: each has every word; `some`: none has all, these have some.
    pub matched: String,
    /// Of the prices.
    pub currency: String,
    pub items: Vec<Product>,
    /// Brands of what was found, most first.
    pub brands: Vec<ValueCount>,
    /// Categories of what was found, most first.
    pub categories: Vec<ValueCount>,
    /// Of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ValueCount {
    pub value: String,
    pub count: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProductOutput {
    pub item_id: String,
    pub title: String,
    pub brand: String,
    pub category: String,
    pub tags: Vec<String>,
    /// Its beginning, if it is longer than 2,000 characters.
    pub description: String,
    /// A decimal string.
    pub price: Option<String>,
    pub currency: Option<String>,
    /// Pieces; absent is not counted.
    pub stock: Option<i64>,
    /// Whether it can be had now: listed and not sold out.
    #[serde(default)]
    pub available: bool,
    /// What is known of it beside: at most 40.
    #[serde(default)]
    pub facts: Vec<Fact>,
    /// Each thing that `has` asks for.
    #[serde(default)]
    pub asked: Vec<Asked>,
    /// The same of the product that `or` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<Vec<Asked>>,
    /// Of the two the id of the one that meets more; absent if what is known does not decide it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub better: Option<String>,
}

/// Something that is known of a product.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fact {
    /// `is-a`, `made-by`, `has`, `compatible-with`, `bought-with` or `discussed-in`.
    pub relation: String,
    /// `category`, `brand`, `attribute`, `product`, `thread` or `question`.
    pub kind: String,
    /// Its name or id.
    pub to: String,
    /// Of a product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub evidence: Proof,
}

/// What says so: the words of a field, or a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Proof {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// In which both were bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baskets: Option<u32>,
    /// Who wrote there of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<u32>,
}

/// Whether a product has something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Asked {
    pub wish: String,
    /// `yes`, `no` or `unknown`.
    pub answer: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fact: Option<Fact>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExplainOutput {
    pub item_id: String,
    /// Whether it is in the shopper's list of now.
    pub recommended: bool,
    /// From 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    pub list_id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PriceHistoryOutput {
    pub item_id: String,
    /// Oldest first; the last is the price of now.
    pub prices: Vec<PriceThen>,
    /// `false` if there were earlier ones that are not shown.
    pub complete: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PriceThen {
    /// A decimal string; absent for a time without a price.
    pub price: Option<String>,
    pub currency: Option<String>,
    /// RFC 3339, UTC; absent if it is not known any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BudgetOutput {
    /// Whether the shopper has set a budget; all else is absent if not.
    #[serde(default)]
    pub set: bool,
    /// The month of now, such as `2026-05`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub month: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaqOutput {
    /// Whether the shop's entries answer the question.
    pub known: bool,
    /// `zh` or `en`.
    pub language: String,
    pub answers: Vec<ShopAnswer>,
    /// What to say if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// One of the shop's own answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShopAnswer {
    /// The entry: the source of what is said.
    pub id: String,
    pub category: String,
    pub question: String,
    pub answer: String,
    pub language: String,
    /// 0 to 1.
    pub confidence: f32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FeedbackOutput {
    /// Whether the log has it.
    pub noted: bool,
}
