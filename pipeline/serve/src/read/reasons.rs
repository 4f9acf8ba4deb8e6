//! Reasons as readers get them: a code for machines, a sentence for people, and the user's own act as evidence.

use std::collections::HashMap;

use serde::Serialize;
use shoptide_models::catalogue::Catalogue;
use shoptide_models::list::{Evidence, explain};
use shoptide_models::segments::ServedSegments;
use shoptide_models::state::{Act, UserState};
use shoptide_schemas::{EventType, ItemId};
use utoipa::ToSchema;

use super::rules::Pick;
use crate::app::{App, Waits};

/// "In the last 7 days" is today and the six days before it.
const RECENT_DAYS: u32 = 6;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReasonBody {
    /// `like_what_you`, `with_what_you`, `popular_in_segment`, `popular`, `trending` or `catalogue`.
    pub code: &'static str,
    /// For people, in English.
    pub text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceBody>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EvidenceBody {
    pub item_id: String,
    pub title: String,
    /// What the user did with it, such as `add_to_cart`.
    pub act: &'static str,
    /// RFC 3339, UTC.
    pub at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<String>,
}

impl From<Evidence> for EvidenceBody {
    fn from(evidence: Evidence) -> Self {
        let Evidence { item, title, act, at, thread } = evidence;
        Self { item_id: item.to_string(), title, act: act.name(), at: at.to_rfc3339(), thread_id: thread }
    }
}

/// How often users acted on these items lately; empty when the store is silent.
pub(crate) async fn recent(app: &App, items: Vec<ItemId>, waits: Waits) -> HashMap<ItemId, i64> {
    let (truth, today) = (app.context.truth.clone(), app.today());
    let question = async move { truth.item_counts(&items, today.saturating_sub(RECENT_DAYS), today).await };
    let shown = [EventType::ViewItemList, EventType::RecommendationShown].map(|t| Act(t as u8));
    let mut sums = HashMap::new();
    for count in app.ask(waits.left(), question).await.unwrap_or_default() {
        // Being shown is the shop's act, not a user's.
        if !shown.contains(&Act(count.kind)) {
            *sums.entry(count.item).or_insert(0) += count.n;
        }
    }
    sums
}

pub(crate) fn reason(
    pick: &Pick,
    user: &UserState,
    catalogue: &Catalogue,
    segments: &ServedSegments,
    recent: Option<i64>,
) -> ReasonBody {
    let reason = explain(pick.source, pick.evidence, user, catalogue, segments, recent);
    ReasonBody { code: reason.code, text: reason.text, evidence: reason.evidence.map(EvidenceBody::from) }
}
