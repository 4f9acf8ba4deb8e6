//! Lists: of one user, of many, of a session, of nobody.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use shoptide_schemas::{Code, Reject, UserId};

use crate::app::App;
use crate::body::Json;
use crate::error::ApiError;
use crate::params::{AskQuery, NoQuery, PathUser, ShortQuery};
use crate::read::{AskBody, ListAnswer, answer, item_ids, session_answer, trending_answer};

/// Users of one request.
const USERS_MAX: usize = 100;
/// Items of a session; older ones say nothing that newer ones do not.
const SESSION_ITEMS_MAX: usize = 200;

/// A user's list
///
/// Ready made, filtered by the rules of this moment: listed, in stock, category, `exclude`, what is left of the month's
/// budget. A user nobody knows gets what is trending and popular; nobody gets an empty list while the filtered
/// catalogue has something.
#[utoipa::path(
    get, path = "/v1/users/{id}/recommendations", tag = "read",
    params(
        ("id" = String, Path, description = "Opaque, 1 to 128 bytes, percent-encoded.", min_length = 1),
        ("n" = Option<u32>, Query, description = "Places; the default and the largest are configured.", minimum = 1, maximum = 100),
        ("category" = Option<String>, Query, description = "A category, or the beginning of one up to a `/`."),
        ("exclude" = Option<String>, Query, description = "Item ids, separated by commas; at most 200."),
        ("explain" = Option<bool>, Query, description = "Whether each place carries its reason."),
    ),
    responses((status = 200, description = "The list.", body = ListAnswer)),
)]
pub(crate) async fn recommendations(
    State(app): State<Arc<App>>,
    PathUser(user): PathUser,
    AskQuery(ask): AskQuery,
) -> Result<Response, ApiError> {
    answer(&app, &user, &ask).await.map(json).map_err(unwritable)
}

/// The lists of up to 100 users.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub(crate) struct ListAnswers<'a> {
    /// In the order asked.
    pub answers: Vec<ListAnswer<'a>>,
}

/// Many users' lists
///
/// Up to 100 users in one request, each answered as by `GET /v1/users/{id}/recommendations`.
#[utoipa::path(
    post, path = "/v1/recommendations", tag = "read",
    request_body = AskBody,
    responses((status = 200, description = "The lists, in the order asked.", body = ListAnswers)),
)]
pub(crate) async fn recommend_many(
    State(app): State<Arc<App>>,
    _: NoQuery,
    Json(body): Json<AskBody>,
) -> Result<Response, ApiError> {
    let bad = |code, message: String| ApiError::unprocessable(Reject::new(code, "user_ids", message));
    if body.items.is_some() {
        let message = "items belongs to /v1/session/recommendations";
        return Err(ApiError::unprocessable(Reject::new(Code::UnknownField, "items", message)));
    }
    let ids = body.user_ids.as_deref().ok_or_else(|| bad(Code::Missing, "user_ids is missing".to_owned()))?;
    if !(1..=USERS_MAX).contains(&ids.len()) {
        let code = if ids.is_empty() { Code::Missing } else { Code::TooLong };
        return Err(bad(code, format!("user_ids names {} users, expected 1 to {USERS_MAX}", ids.len())));
    }
    let users = ids.iter().map(|id| UserId::parse(id)).collect::<Result<Vec<_>, Reject>>();
    let users = users.map_err(ApiError::unprocessable)?;
    let ask = body.checked(&app).map_err(ApiError::unprocessable)?;
    let answers = futures::future::join_all(users.iter().map(|user| answer(&app, user, &ask))).await;
    let mut out = br#"{"answers":["#.to_vec();
    for (place, answer) in answers.into_iter().enumerate() {
        if 0 < place {
            out.push(b',');
        }
        out.extend(answer.map_err(unwritable)?);
    }
    out.extend(b"]}");
    Ok(json(out))
}

/// A session's list
///
/// For a visitor nobody knows: from the items of his session alone, oldest first.
#[utoipa::path(
    post, path = "/v1/session/recommendations", tag = "read",
    request_body(content = AskBody, example = json!({"items": ["TECH1005", "TECH1011"], "n": 5})),
    responses((status = 200, description = "The list.", body = ListAnswer)),
)]
pub(crate) async fn session(
    State(app): State<Arc<App>>,
    _: NoQuery,
    Json(body): Json<AskBody>,
) -> Result<Response, ApiError> {
    let bad =
        |code, field: &'static str, message: &str| ApiError::unprocessable(Reject::new(code, field, message));
    if body.user_ids.is_some() {
        return Err(bad(Code::UnknownField, "user_ids", "user_ids belongs to /v1/recommendations"));
    }
    if body.explain == Some(true) {
        return Err(bad(Code::BadValue, "explain", "a session has no user whose acts could be a reason"));
    }
    let items = body.items.as_deref().ok_or_else(|| bad(Code::Missing, "items", "items is missing"))?;
    let items = item_ids(items, "items", SESSION_ITEMS_MAX).map_err(ApiError::unprocessable)?;
    let ask = body.checked(&app).map_err(ApiError::unprocessable)?;
    session_answer(&app, &items, &ask).map(json).map_err(unwritable)
}

/// What is trending
///
/// Trending first, then popular, then the newest of the catalogue.
#[utoipa::path(
    get, path = "/v1/trending", tag = "read",
    params(
        ("n" = Option<u32>, Query, description = "Places.", minimum = 1, maximum = 100),
        ("category" = Option<String>, Query, description = "A category, or the beginning of one up to a `/`."),
    ),
    responses((status = 200, description = "The list.", body = ListAnswer)),
)]
pub(crate) async fn trending(
    State(app): State<Arc<App>>,
    ShortQuery(ask): ShortQuery,
) -> Result<Response, ApiError> {
    trending_answer(&app, &ask).map(json).map_err(unwritable)
}

/// Bytes that are JSON already.
pub(crate) fn json(bytes: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], bytes.into()).into_response()
}

pub(crate) fn unwritable(error: serde_json::Error) -> ApiError {
    tracing::error!(%error, "an answer cannot be written as JSON");
    ApiError::failed()
}
