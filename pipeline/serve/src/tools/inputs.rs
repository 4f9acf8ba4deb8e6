//! Arguments of the tools. A name that is not known is an error: a misspelt one would silently do nothing.

use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchInput {
    /// Words to look for, in Chinese or English; plain text, at most 1,024 bytes.
    #[serde(default)]
    pub query: Option<String>,
    /// A category, or the beginning of one up to a `/`.
    #[serde(default)]
    pub category: Option<String>,
    #[serde(default)]
    pub brand: Option<String>,
    /// A decimal such as "100" or "99.90", in the shop's currency.
    #[serde(default)]
    pub price_min: Option<String>,
    /// A decimal, at least `price_min`.
    #[serde(default)]
    pub price_max: Option<String>,
    /// `false` finds what is sold out too.
    #[serde(default)]
    pub in_stock: Option<bool>,
    /// `relevance` (the default), `price`, `rating` or `personal`.
    #[serde(default)]
    pub sort: Option<String>,
    /// Places, 1 to 20; 5 if absent.
    #[serde(default)]
    #[schemars(range(min = 1, max = 20))]
    pub n: Option<i64>,
    /// Of the page before, with the same other arguments.
    #[serde(default)]
    pub cursor: Option<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductInput {
    /// The product's id, as a tool named it.
    #[schemars(length(min = 1, max = 128))]
    pub item_id: String,
    /// What the shopper asks of it, in his own words, such as "does it have NFC"; at most 2,000 characters.
    #[serde(default)]
    pub has: Option<String>,
    /// Another product's id, to hold against it by what `has` asks.
    #[serde(default)]
    pub or: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecommendInput {
    /// Places, 1 to 20; 5 if absent.
    #[serde(default)]
    #[schemars(range(min = 1, max = 20))]
    pub n: Option<i64>,
    /// A category, or the beginning of one up to a `/`.
    #[serde(default)]
    pub category: Option<String>,
    /// Ids of products to leave out, at most 200; only for a known shopper.
    #[serde(default)]
    pub exclude: Vec<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SimilarInput {
    /// The product's id.
    #[schemars(length(min = 1, max = 128))]
    pub item_id: String,
    /// Places, 1 to 20; 5 if absent.
    #[serde(default)]
    #[schemars(range(min = 1, max = 20))]
    pub n: Option<i64>,
    /// A category, or the beginning of one up to a `/`.
    #[serde(default)]
    pub category: Option<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainInput {
    /// The product's id.
    #[schemars(length(min = 1, max = 128))]
    pub item_id: String,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceHistoryInput {
    /// The product's id.
    #[schemars(length(min = 1, max = 128))]
    pub item_id: String,
}

/// Nothing: whose budget it is follows from the request.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetInput {}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaqInput {
    /// The shopper's question in his own words, at most 2,000 characters.
    pub question: String,
    /// Answers at most, 1 to 10; 3 if absent.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10))]
    pub n: Option<i64>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetBudgetInput {
    /// A decimal, 0 or more.
    pub month: String,
    /// ISO 4217; the shop's if absent.
    #[serde(default)]
    pub currency: Option<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedbackInput {
    /// The product's id.
    #[schemars(length(min = 1, max = 128))]
    pub item_id: String,
    /// `like`, `dislike`, `not_interested` or `bought`.
    pub feedback: String,
    /// The list that showed it, as a tool named it.
    #[serde(default)]
    pub list_id: Option<String>,
}
