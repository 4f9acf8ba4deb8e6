//! Search and suggestions: what a shopper types, found in the index of this process, and held against the catalogue of this
//! moment.

mod answer;
mod ask;
mod liking;
mod shown;
mod suggest;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use shoptide_search::{Search, SearchError};

pub(crate) use answer::SearchAnswer;
pub(crate) use ask::{SearchAsk, SearchSort, SuggestAsk};
pub(crate) use suggest::SuggestAnswer;

use crate::app::{App, Waits};
use crate::error::ApiError;
use crate::params::{SearchQuery, SuggestQuery};

/// Search the catalogue
///
/// Full text over titles (in all languages), brand, category, tags, description and id, with typing errors forgiven and the last
/// word taken as the beginning of one. The text is text: nothing in it is an operator. Of items whose whole title or id it is,
/// one is always among the first three by relevance and personal order. Without a text, everything that passes the filters.
/// Stock, price and hidden flags are those of the moment; a changed text can be found, and a rating seen, within two seconds.
///
/// `cursor` walks on: each item comes once, unless it is changed meanwhile so that it belongs elsewhere. A personal order remembers
/// what it has shown, up to 1,000 places.
#[utoipa::path(
    get, path = "/v1/search", tag = "search",
    params(
        ("q" = Option<String>, Query, description = "Text, at most 1,024 bytes.", max_length = 1024, example = "wireless headphones"),
        ("category" = Option<String>, Query, description = "A category, or the beginning of one up to a `/`.", example = "technology"),
        ("brand" = Option<String>, Query, description = "A brand, however it is capitalised.", example = "Aurora"),
        ("price_min" = Option<String>, Query, description = "A decimal in the shop's currency; items without a price in it are left out.", example = "100.00"),
        ("price_max" = Option<String>, Query, description = "A decimal, at least `price_min`.", example = "1500.00"),
        ("in_stock" = Option<bool>, Query, description = "`false` shows what is sold out too; the default is `true`."),
        ("sort" = Option<SearchSort>, Query, description = "`relevance` (the default), `price` (cheapest first), `rating` (best rated first, few ratings counting little; what nobody has rated comes last), or `personal`, which needs `user_id`."),
        ("user_id" = Option<String>, Query, description = "Whose liking a personal order follows; opaque, 1 to 128 bytes.", example = "U10001"),
        ("n" = Option<u32>, Query, description = "Places.", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "Of the page before, with the same text, filters and order."),
    ),
    responses(
        (status = 200, description = "What was found.", body = SearchAnswer),
        (status = 501, description = "The program was built without search.", body = crate::error::ErrorBody),
    ),
)]
pub(crate) async fn search(
    State(app): State<Arc<App>>,
    SearchQuery(ask): SearchQuery,
) -> Result<Response, ApiError> {
    let index = app.search()?;
    let user = match &ask.user {
        Some(user) if ask.sort == SearchSort::Personal => {
            app.known_user(user, Waits::begin(&app.context.options)).await.ok().map(|(_, state)| state)
        }
        _ => None,
    };
    let asked = app.clone();
    let answer = app.questions.scan(move || answer::answer(&asked, &index, &ask, user.as_ref())).await??;
    Ok(answer.into_response())
}

/// Suggest while typing
///
/// What the text may become: the words it may end in, brands and categories of what it finds, and items. Only what can be had
/// now.
#[utoipa::path(
    get, path = "/v1/suggest", tag = "search",
    params(
        ("q" = Option<String>, Query, description = "Text as far as it is typed, at most 1,024 bytes.", max_length = 1024, example = "wirel"),
        ("n" = Option<u32>, Query, description = "Suggestions of each kind.", minimum = 1, maximum = 20),
    ),
    responses(
        (status = 200, description = "Suggestions, best first; none for a blank text.", body = SuggestAnswer),
        (status = 501, description = "The program was built without search.", body = crate::error::ErrorBody),
    ),
)]
pub(crate) async fn suggest(
    State(app): State<Arc<App>>,
    SuggestQuery(ask): SuggestQuery,
) -> Result<Response, ApiError> {
    let index = app.search()?;
    let asked = app.clone();
    let answer = app.questions.scan(move || suggest::suggest(&asked, &index, &ask)).await??;
    Ok(answer.into_response())
}

impl App {
    fn search(&self) -> Result<Arc<Search>, ApiError> {
        match &self.search {
            Some(search) => Ok(search.clone()),
            None if cfg!(feature = "search") => {
                Err(ApiError::unavailable("search", "this process has no search index"))
            }
            None => {
                let message = "this program was built without search; build it with --features search, or with its defaults";
                let status = axum::http::StatusCode::NOT_IMPLEMENTED;
                Err(ApiError::new(status, "not_implemented", "search", message))
            }
        }
    }
}

impl From<SearchError> for ApiError {
    fn from(error: SearchError) -> Self {
        tracing::error!(%error, "the search index cannot be used");
        Self::failed()
    }
}
