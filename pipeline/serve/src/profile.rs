//! What is known of a user, readable: tastes, categories, brands, last acts, spending, searches, counts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shoptide_models::catalogue::{Catalogue, CatalogueItem};
use shoptide_models::state::{Tastes, UserState};
use shoptide_schemas::{EventMs, ItemId, Micros, UserId};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;
use crate::params::{NoQuery, PathUser};
use crate::read::text_of;
use crate::users::month_text;

/// Rows of each list of a profile: a screenful.
const SHOWN_MAX: usize = 20;
/// Forwarding addresses that are followed.
const HOPS_MAX: usize = 3;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Profile {
    pub user_id: String,
    /// The known user that this id turned out to be; the rest is his.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarded_to: Option<String>,
    /// RFC 3339, UTC: "now" of the decays below.
    pub last_event_at: Option<String>,
    /// The group of users with a like taste that he is in; absent before there are any, and for who came since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<SegmentBody>,
    /// Strongest first.
    pub tastes: Vec<TasteBody>,
    /// Sums of the positive tastes, strongest first.
    pub categories: Vec<Weight>,
    pub brands: Vec<Weight>,
    /// Newest first.
    pub recent: Vec<ActBody>,
    /// By month, newest first.
    pub spending: Vec<SpendBody>,
    /// Newest first.
    pub queries: Vec<QueryBody>,
    /// How often the user did what, of what is kept.
    pub counts: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TasteBody {
    pub item_id: String,
    pub title: String,
    /// Sum of decayed weights.
    pub strength: f32,
    /// Bought lately, in the cart, or refused: not recommended.
    pub hidden: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SegmentBody {
    /// Stays when the segment is found again.
    pub id: u32,
    /// Such as `technology`.
    pub name: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Weight {
    pub name: String,
    pub strength: f32,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActBody {
    pub item_id: String,
    pub title: String,
    pub act: &'static str,
    /// RFC 3339, UTC.
    pub at: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SpendBody {
    /// `2026-05`
    pub month: String,
    pub currency: String,
    /// A decimal string; negative after refunds of older orders.
    pub amount: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueryBody {
    pub text: String,
    /// RFC 3339, UTC.
    pub at: String,
}

/// A user's profile
///
/// All that the folded events say of a user, at the time of his last event.
#[utoipa::path(
    get, path = "/v1/users/{id}/profile", tag = "users",
    params(("id" = String, Path, description = "Opaque, 1 to 128 bytes, percent-encoded.", min_length = 1)),
    responses((status = 200, description = "The profile.", body = Profile), (status = 404, description = "Nothing is known of this user.", body = crate::error::ErrorBody)),
)]
pub(crate) async fn profile(
    State(app): State<Arc<App>>,
    PathUser(asked): PathUser,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let patience = app.context.options.request_timeout;
    let mut user = asked.clone();
    let mut state = app.state(app.shard_of(&user), &user, patience).await?;
    for _ in 0..HOPS_MAX {
        let Some(known) = state.forward().cloned() else { break };
        state = app.state(app.shard_of(&known), &known, patience).await?;
        user = known;
    }
    if state.parts.iter().all(|part| part.is_empty()) {
        return Err(ApiError::not_found("user_id", "nothing is known of this user"));
    }
    let catalogue = app.context.live.catalogue();
    let tastes = state.tastes(&app.context.lists.taste);
    let counts = counts(&state);
    let segment = segment_of(&app, &user).await;
    let profile = Profile {
        user_id: text_of(asked.as_bytes()).into_owned(),
        forwarded_to: (user != asked).then(|| text_of(user.as_bytes()).into_owned()),
        last_event_at: state.last_ms().map(|ms| EventMs(ms).to_rfc3339()),
        segment,
        categories: weights(&tastes, &catalogue, |item| &item.category),
        brands: weights(&tastes, &catalogue, |item| &item.brand),
        tastes: strongest(&tastes, &catalogue),
        recent: recent(&state, &catalogue),
        spending: spending(&state),
        queries: queries(&state),
        counts,
    };
    Ok(axum::Json(profile).into_response())
}

/// As the run that counts has him; nothing when the store is silent.
async fn segment_of(app: &Arc<App>, user: &UserId) -> Option<SegmentBody> {
    let (truth, shard, user) = (app.context.truth.clone(), app.shard_of(user), user.clone());
    let found = app
        .ask(app.context.options.request_timeout, async move {
            let id =
                truth.user_segments(shard, std::slice::from_ref(&user)).await?.into_iter().flatten().next();
            let Some(id) = id else { return Ok(None) };
            let named =
                truth.segments(None).await?.and_then(|(_, rows)| rows.into_iter().find(|r| r.segment == id));
            Ok(named.map(|row| SegmentBody { id, name: row.name }))
        })
        .await;
    found.ok().flatten()
}

fn row<'a>(catalogue: &'a Catalogue, item: &ItemId) -> Option<&'a CatalogueItem> {
    catalogue.number(item).and_then(|number| catalogue.row(number)).map(|(_, row)| row)
}

fn title(catalogue: &Catalogue, item: &ItemId) -> String {
    row(catalogue, item).map(|row| row.title.clone()).unwrap_or_default()
}

fn strongest(tastes: &Tastes<'_>, catalogue: &Catalogue) -> Vec<TasteBody> {
    let mut items: Vec<_> = tastes.items.iter().collect();
    items.sort_by(|a, b| b.strength.total_cmp(&a.strength).then_with(|| a.item.cmp(b.item)));
    let body = |t: &shoptide_models::state::ItemTaste<'_>| TasteBody {
        item_id: t.item.to_string(),
        title: title(catalogue, t.item),
        strength: t.strength,
        hidden: t.hidden,
    };
    items.into_iter().take(SHOWN_MAX).map(body).collect()
}

fn weights(
    tastes: &Tastes<'_>,
    catalogue: &Catalogue,
    name: impl Fn(&CatalogueItem) -> &String,
) -> Vec<Weight> {
    let mut sums: HashMap<&str, f32> = HashMap::new();
    for taste in tastes.items.iter().filter(|t| 0.0 < t.strength) {
        let Some(name) = row(catalogue, taste.item).map(&name).filter(|name| !name.is_empty()) else {
            continue;
        };
        *sums.entry(name).or_default() += taste.strength;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    sums.into_iter()
        .take(SHOWN_MAX)
        .map(|(name, strength)| Weight { name: name.to_owned(), strength })
        .collect()
}

fn recent(state: &UserState, catalogue: &Catalogue) -> Vec<ActBody> {
    let mut entries: Vec<_> = state.parts.iter().flat_map(|p| &p.items).collect();
    entries.sort_by(|a, b| b.last_ms.cmp(&a.last_ms).then_with(|| a.item.cmp(&b.item)));
    let body = |entry: &shoptide_models::state::ItemEntry| ActBody {
        item_id: entry.item.to_string(),
        title: title(catalogue, &entry.item),
        act: entry.last_act.name(),
        at: EventMs(entry.last_ms).to_rfc3339(),
    };
    entries.into_iter().take(SHOWN_MAX).map(body).collect()
}

fn spending(state: &UserState) -> Vec<SpendBody> {
    let mut sums: BTreeMap<(u32, _), i64> = BTreeMap::new();
    for spend in state.parts.iter().flat_map(|p| &p.spend) {
        *sums.entry((spend.month, spend.currency)).or_default() += spend.micros;
    }
    let body = |((month, currency), micros): ((u32, shoptide_schemas::Currency), i64)| SpendBody {
        month: month_text(month),
        currency: currency.to_string(),
        amount: Micros(micros).to_string(),
    };
    sums.into_iter().rev().map(body).collect()
}

fn queries(state: &UserState) -> Vec<QueryBody> {
    let mut queries: Vec<_> = state.parts.iter().flat_map(|p| &p.queries).collect();
    queries.sort_by_key(|q| std::cmp::Reverse(q.at_ms));
    let body = |q: &shoptide_models::state::Query| QueryBody {
        text: q.text.clone(),
        at: EventMs(q.at_ms).to_rfc3339(),
    };
    queries.into_iter().take(SHOWN_MAX).map(body).collect()
}

fn counts(state: &UserState) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for act in state.parts.iter().flat_map(|p| &p.items).flat_map(|item| &item.acts) {
        *counts.entry(act.act.name()).or_default() += u64::from(act.n);
    }
    counts
}
