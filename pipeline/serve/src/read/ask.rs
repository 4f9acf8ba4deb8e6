//! What a reader asks of a list, from a query or from a body.

use serde::Deserialize;
use shoptide_schemas::{Code, ItemId, Reject};
use utoipa::ToSchema;

use crate::app::App;
use crate::params::{EXCLUDE_MAX, checked_category, in_range};

/// Checked.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// Places.
    pub n: usize,
    /// A category, or the beginning of one up to a `/`.
    pub category: Option<String>,
    pub exclude: Vec<ItemId>,
    /// Whether each place carries its reason.
    pub explain: bool,
}

impl Ask {
    /// Whether it is what most readers ask.
    pub fn is_plain(&self, app: &App) -> bool {
        let Self { n, category, exclude, explain } = self;
        *n == app.context.options.shown_default && category.is_none() && exclude.is_empty() && !explain
    }

    /// The default number of places, nothing left out.
    pub fn plain(app: &App) -> Self {
        Self { n: app.context.options.shown_default, category: None, exclude: Vec::new(), explain: false }
    }
}

/// As it stands in a body.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"user_ids": ["U10001", "U10002"], "n": 5, "category": "technology"}))]
pub(crate) struct AskBody {
    /// Of `POST /v1/recommendations`: 1 to 100 users.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 100)]
    pub user_ids: Option<Vec<String>>,
    /// Of `POST /v1/session/recommendations`: at most 200 items, oldest first.
    #[serde(default)]
    #[schema(max_items = 200)]
    pub items: Option<Vec<String>>,
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    pub n: Option<i64>,
    /// A category, or the beginning of one up to a `/`.
    #[serde(default)]
    pub category: Option<String>,
    #[serde(default)]
    #[schema(max_items = 200)]
    pub exclude: Option<Vec<String>>,
    #[serde(default)]
    pub explain: Option<bool>,
}

impl AskBody {
    pub fn checked(&self, app: &App) -> Result<Ask, Reject> {
        let mut ask = Ask::plain(app);
        if let Some(n) = self.n {
            ask.n = in_range(n, "n", 1..=app.context.options.shown_max)?;
        }
        ask.category = self.category.as_deref().map(checked_category).transpose()?;
        ask.exclude = item_ids(self.exclude.as_deref().unwrap_or_default(), "exclude", EXCLUDE_MAX)?;
        ask.explain = self.explain.unwrap_or(false);
        Ok(ask)
    }
}

/// Item ids of a body, at most `max`.
pub(crate) fn item_ids(ids: &[String], field: &'static str, max: usize) -> Result<Vec<ItemId>, Reject> {
    if max < ids.len() {
        let message = format!("{field} names {} items, expected at most {max}", ids.len());
        return Err(Reject::new(Code::TooLong, field, message));
    }
    ids.iter().map(|id| ItemId::parse(id).map_err(|r| Reject { field: field.into(), ..r })).collect()
}
