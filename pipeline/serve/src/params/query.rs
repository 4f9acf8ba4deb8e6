//! What a query asks, parameter by parameter.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use shoptide_models::faq::HITS_MAX;
use shoptide_models::find::Wanted;
use shoptide_schemas::{Code, ItemId, Micros, Reject, UserId};

use super::values::{
    brand_of, category_of, decoded, excluded, flag, number, price, query, searched, sort_of, user_of,
};
use crate::app::App;
use crate::error::ApiError;
use crate::facts::FactsAsk;
use crate::faq::{FAQ_PAGE_MAX, FaqAsk};
use crate::read::Ask;
use crate::search::{SearchAsk, SearchSort, SuggestAsk};

/// Suggestions of each kind: as many as fit below a field.
const SUGGESTED_DEFAULT: usize = 5;
const SUGGESTED_MAX: usize = 20;

/// Messages of one page: a screenful, and what fits one answer of some 100 KB.
const MESSAGES_DEFAULT: usize = 20;
const MESSAGES_MAX: usize = 100;

/// What a reader asks of a list: `n`, `category`, `exclude`, `explain`.
pub(crate) struct AskQuery(pub Ask);

impl FromRequestParts<Arc<App>> for AskQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let [n, category, exclude, explain] = query(parts, ["n", "category", "exclude", "explain"])?;
        let mut ask = Ask::plain(app);
        if let Some(n) = n {
            ask.n = number(n, "n", 1..=app.context.options.shown_max)?;
        }
        ask.category = category.map(category_of).transpose()?;
        if let Some(exclude) = exclude {
            ask.exclude = excluded(exclude)?;
        }
        ask.explain = explain.map(|e| flag(e, "explain")).transpose()?.unwrap_or(false);
        Ok(Self(ask))
    }
}

/// `n` and `category` alone.
pub(crate) struct ShortQuery(pub Ask);

impl FromRequestParts<Arc<App>> for ShortQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let [n, category] = query(parts, ["n", "category"])?;
        let mut ask = Ask::plain(app);
        if let Some(n) = n {
            ask.n = number(n, "n", 1..=app.context.options.shown_max)?;
        }
        ask.category = category.map(category_of).transpose()?;
        Ok(Self(ask))
    }
}

/// A shopper's search.
pub(crate) struct SearchQuery(pub SearchAsk);

impl FromRequestParts<Arc<App>> for SearchQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let names = [
            "q",
            "category",
            "brand",
            "price_min",
            "price_max",
            "in_stock",
            "sort",
            "user_id",
            "n",
            "cursor",
        ];
        let [q, category, brand, price_min, price_max, in_stock, sort, user, n, cursor] =
            query(parts, names)?;
        let options = &app.context.options;
        let wanted = Wanted {
            category: category.map(category_of).transpose()?,
            brand: brand.map(brand_of).transpose()?,
            price_min: price_min.map(|p| price(p, "price_min")).transpose()?,
            price_max: price_max.map(|p| price(p, "price_max")).transpose()?,
            sold_out_too: !in_stock.map(|s| flag(s, "in_stock")).transpose()?.unwrap_or(true),
        };
        if let (Some(min), Some(max)) = (wanted.price_min, wanted.price_max)
            && max < min
        {
            let message =
                format!("price_min is {}, expected at most price_max, {}", Micros(min), Micros(max));
            return Err(ApiError::bad(Reject::new(Code::OutOfRange, "price_min", message)));
        }
        let ask = SearchAsk {
            text: q.map(searched).transpose()?.unwrap_or_default(),
            wanted,
            sort: sort.map(sort_of).transpose()?.unwrap_or(SearchSort::Relevance),
            user: user.map(user_of).transpose()?,
            n: n.map(|n| number(n, "n", 1..=options.shown_max)).transpose()?.unwrap_or(options.shown_default),
            cursor: cursor.map(|c| decoded(c, "cursor").map(Cow::into_owned)).transpose()?,
        };
        if ask.sort == SearchSort::Personal && ask.user.is_none() {
            let message = "user_id is missing, sort=personal needs it";
            return Err(ApiError::bad(Reject::new(Code::Missing, "user_id", message)));
        }
        Ok(Self(ask))
    }
}

/// A text as far as it is typed.
pub(crate) struct SuggestQuery(pub SuggestAsk);

impl FromRequestParts<Arc<App>> for SuggestQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, ApiError> {
        let [q, n] = query(parts, ["q", "n"])?;
        let n = n.map(|n| number(n, "n", 1..=SUGGESTED_MAX)).transpose()?;
        let text = q.map(searched).transpose()?.unwrap_or_default();
        Ok(Self(SuggestAsk { text, n: n.unwrap_or(SUGGESTED_DEFAULT) }))
    }
}

/// Which messages of a dialogue.
pub(crate) struct MessagesQuery {
    pub user: Option<UserId>,
    pub after: u32,
    pub n: usize,
}

impl FromRequestParts<Arc<App>> for MessagesQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, ApiError> {
        let [user, after, n] = query(parts, ["user_id", "after", "n"])?;
        let after = after.map(|after| number(after, "after", 0..=u32::MAX as usize)).transpose()?;
        let n = n.map(|n| number(n, "n", 1..=MESSAGES_MAX)).transpose()?;
        Ok(Self {
            user: user.map(user_of).transpose()?,
            after: after.and_then(|after| u32::try_from(after).ok()).unwrap_or(0),
            n: n.unwrap_or(MESSAGES_DEFAULT),
        })
    }
}

/// A question to the shop, and how many answers it may get.
pub(crate) struct FaqQuery(pub FaqAsk);

impl FromRequestParts<Arc<App>> for FaqQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, ApiError> {
        let [q, n] = query(parts, ["q", "n"])?;
        let missing = || ApiError::bad(Reject::new(Code::Missing, "q", "q is missing"));
        let question = decoded(q.ok_or_else(missing)?, "q")?.into_owned();
        let n = n.map(|n| number(n, "n", 1..=HITS_MAX)).transpose()?;
        FaqAsk::checked(question, n).map(Self).map_err(ApiError::bad)
    }
}

/// What is asked of a product's facts.
pub(crate) struct FactsQuery(pub FactsAsk);

impl FromRequestParts<Arc<App>> for FactsQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, ApiError> {
        let [has, or] = query(parts, ["has", "or"])?;
        let has = has.map(|text| decoded(text, "has").map(Cow::into_owned)).transpose()?;
        let other = |raw| {
            let id = ItemId::parse(&decoded(raw, "or")?);
            id.map_err(|reject| ApiError::bad(Reject { field: "or".into(), ..reject }))
        };
        FactsAsk::checked(has, or.map(other).transpose()?).map(Self).map_err(ApiError::bad)
    }
}

/// A page of entries: those after an id.
pub(crate) struct FaqPage {
    pub after: Option<String>,
    pub n: usize,
}

impl FromRequestParts<Arc<App>> for FaqPage {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, ApiError> {
        let [after, n] = query(parts, ["after", "n"])?;
        let after = after.map(|after| decoded(after, "after").map(Cow::into_owned)).transpose()?;
        let n = n.map(|n| number(n, "n", 1..=FAQ_PAGE_MAX)).transpose()?;
        Ok(Self { after, n: n.unwrap_or(FAQ_PAGE_MAX) })
    }
}

/// No parameter at all.
pub(crate) struct NoQuery;

impl FromRequestParts<Arc<App>> for NoQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, ApiError> {
        query(parts, []).map(|[]| Self)
    }
}
