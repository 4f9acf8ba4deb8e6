//! Plain endpoints for clients of older systems: `POST /recommend` and `GET /users`.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use shoptide_schemas::UserId;
use utoipa::ToSchema;

use crate::app::App;
use crate::body::Json;
use crate::error::ApiError;
use crate::params::{NoQuery, in_range};
use crate::read::{Ask, rated_answer, text_of};

/// Places that may be asked for, whatever the length of stored lists.
const TOP_N_MAX: usize = 100;
/// Users that `GET /users` names.
const USERS_SHOWN: usize = 100;

/// A user id as older clients send it: a string, or an integer that stands for its digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum LegacyId {
    Text(String),
    Number(u64),
    Negative(i64),
}

impl fmt::Display for LegacyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LegacyId::Text(text) => f.write_str(text),
            LegacyId::Number(n) => write!(f, "{n}"),
            LegacyId::Negative(n) => write!(f, "{n}"),
        }
    }
}

impl<'de> Deserialize<'de> for LegacyId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Ids;
        impl Visitor<'_> for Ids {
            type Value = LegacyId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an integer")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<LegacyId, E> {
                Ok(LegacyId::Text(text.to_owned()))
            }

            fn visit_u64<E: de::Error>(self, n: u64) -> Result<LegacyId, E> {
                Ok(LegacyId::Number(n))
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<LegacyId, E> {
                Ok(LegacyId::Negative(n))
            }
        }
        from.deserialize_any(Ids)
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"user_id": "U10001", "top_n": 10, "exclude_rated": true}))]
pub(crate) struct RecommendBody {
    /// A string, or an integer that stands for its digits.
    #[schema(value_type = String)]
    pub user_id: LegacyId,
    #[serde(default = "ten")]
    #[schema(minimum = 1, maximum = 100, default = 10)]
    pub top_n: i64,
    /// Whether items that the user has dealt with stay out.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub exclude_rated: bool,
}

fn ten() -> i64 {
    10
}

fn yes() -> bool {
    true
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"user_id": "U10001", "recommendations": [{"rank": 1, "item_id": "TECH1005",
    "predicted_rating": 4.83, "title": "Headphones"}], "total_count": 1}))]
pub(crate) struct RecommendAnswer {
    /// As it was sent.
    #[schema(value_type = String)]
    pub user_id: LegacyId,
    pub recommendations: Vec<Rated>,
    pub total_count: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Rated {
    pub rank: usize,
    pub item_id: String,
    /// 1 to 5: the list's score, mapped from the range of the list.
    pub predicted_rating: f32,
    pub title: String,
}

/// Recommend
///
/// The user's list in the words of older systems. Until a rating model exists, `predicted_rating` is the blend's score
/// mapped to 1 to 5.
#[utoipa::path(
    post, path = "/recommend", tag = "legacy",
    request_body = RecommendBody,
    responses((status = 200, description = "The list.", body = RecommendAnswer)),
)]
pub(crate) async fn recommend(
    State(app): State<Arc<App>>,
    _: NoQuery,
    Json(body): Json<RecommendBody>,
) -> Result<Response, ApiError> {
    let user = UserId::parse(&body.user_id.to_string()).map_err(ApiError::unprocessable)?;
    let n = in_range(body.top_n, "top_n", 1..=TOP_N_MAX).map_err(ApiError::unprocessable)?;
    let ask = Ask { n, ..Ask::plain(&app) };
    let recommendations = rated_answer(&app, &user, ask, body.exclude_rated).await;
    let total_count = recommendations.len();
    Ok(axum::Json(RecommendAnswer { user_id: body.user_id, recommendations, total_count }).into_response())
}

/// Scores of a list as ratings, two decimals.
pub(crate) fn ratings(scores: &[f32]) -> Vec<f32> {
    let lowest = scores.iter().copied().fold(f32::INFINITY, f32::min);
    let range = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max) - lowest;
    let rating = |score: &f32| if 0.0 < range { 1.0 + 4.0 * (score - lowest) / range } else { 3.0 };
    scores.iter().map(rating).map(|r| (r * 100.0).round() / 100.0).collect()
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsersAnswer {
    /// The first 100, by shard and id.
    pub users: Vec<String>,
    pub total: u64,
}

/// Users
///
/// The first 100 and how many there are.
#[utoipa::path(get, path = "/users", tag = "legacy", responses((status = 200, description = "Users.", body = UsersAnswer)))]
pub(crate) async fn users(State(app): State<Arc<App>>, _: NoQuery) -> Result<Response, ApiError> {
    let truth = app.context.truth.clone();
    let patience = app.context.options.request_timeout;
    let rows = app.ask(patience, async move { truth.users_after(None, USERS_SHOWN).await }).await?;
    let total = app.count_users().await?;
    let users = rows.iter().map(|(_, user)| text_of(user.as_bytes()).into_owned()).collect();
    Ok(axum::Json(UsersAnswer { users, total }).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_become_ratings_of_one_to_five() {
        assert_eq!(ratings(&[2.0, 0.0, 1.0]), [5.0, 1.0, 3.0]);
        assert_eq!(ratings(&[0.7]), [3.0]);
        assert_eq!(ratings(&[]), [0.0_f32; 0]);
    }

    #[test]
    fn an_integer_stands_for_its_digits_and_nothing_else_does() {
        let id = |json: &str| serde_json::from_str::<LegacyId>(json);
        for (json, text) in
            [("1", "1"), ("\"01\"", "01"), ("-5", "-5"), ("18446744073709551615", "18446744073709551615")]
        {
            assert_eq!(id(json).unwrap().to_string(), text);
        }
        for bad in ["1.0", "1e3", "-0", "18446744073709551616", "null", "true", "[1]"] {
            assert!(id(bad).is_err(), "{bad}");
        }
    }
}
