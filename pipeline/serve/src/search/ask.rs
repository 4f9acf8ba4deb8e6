//! What a shopper asks, checked.

use std::hash::{Hash, Hasher};

use shoptide_models::find::Wanted;
use shoptide_schemas::UserId;
use utoipa::ToSchema;
use xxhash_rust::xxh3::Xxh3Default;

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum SearchSort {
    Relevance,
    Price,
    Rating,
    Personal,
}

impl SearchSort {
    pub const ALL: [(&str, Self); 4] = [
        ("relevance", Self::Relevance),
        ("price", Self::Price),
        ("rating", Self::Rating),
        ("personal", Self::Personal),
    ];

    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, sort)| *sort == self).map_or("", |(name, _)| name)
    }
}

/// Of `GET /v1/search`.
#[derive(Debug, Clone)]
pub(crate) struct SearchAsk {
    pub text: String,
    pub wanted: Wanted,
    pub sort: SearchSort,
    /// There if the order is personal.
    pub user: Option<UserId>,
    pub n: usize,
    pub cursor: Option<String>,
}

impl SearchAsk {
    /// Names all that decides which items come in which order: a cursor is of one question.
    pub fn question(&self) -> u64 {
        let mut hasher = Xxh3Default::new();
        let Wanted { category, brand, price_min, price_max, sold_out_too } = &self.wanted;
        let user = self.user.as_ref().filter(|_| self.sort == SearchSort::Personal).map(UserId::as_bytes);
        (&self.text, category, brand, price_min, price_max, sold_out_too).hash(&mut hasher);
        (self.sort.name(), user).hash(&mut hasher);
        hasher.finish()
    }
}

/// Of `GET /v1/suggest`.
#[derive(Debug, Clone)]
pub(crate) struct SuggestAsk {
    pub text: String,
    pub n: usize,
}
