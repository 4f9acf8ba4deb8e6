//! What was understood goes to the log, by the way that the collector's events go: a chat is behaviour.

use serde::Serialize;
use serde_json::value::to_raw_value;
use shoptide_models::chat::{ActionKind, Intent, Slots};
use shoptide_schemas::event::Feedback;
use shoptide_schemas::limits::{CONTEXT_BYTES_MAX, QUERY_BYTES_MAX};
use shoptide_schemas::wire::{WireEvent, WireTime};
use shoptide_schemas::{ItemId, UserId};
use shoptide_store::ChatKey;
use xxhash_rust::xxh3::xxh3_64;

use crate::app::App;
use crate::collect::Checked;
use crate::error::ApiError;
use crate::read::text_of;

/// What is carried beside the event, never interpreted.
#[derive(Serialize)]
struct Carried<'a> {
    intent: Intent,
    action: ActionKind,
    slots: &'a Slots,
}

/// A turn, as far as an event tells it.
pub(super) struct Said<'a> {
    pub message: &'a str,
    pub intent: Intent,
    pub action: ActionKind,
    pub slots: &'a Slots,
    /// The product that was spoken of.
    pub item: Option<&'a ItemId>,
}

/// A list's name: of the dialogue by its hash, since whoever has its name can read it.
pub(super) fn list_id(key: &ChatKey, turn: u32) -> String {
    format!("c-{:016x}-{turn}", xxh3_64(key.session.as_bytes()))
}

/// The visit that a dialogue is, by the same hash.
fn visit(key: &ChatKey) -> String {
    format!("c-{:016x}", xxh3_64(key.session.as_bytes()))
}

impl App {
    /// `id`: what it is of, so that the same said again is the same event.
    fn event(&self, name: &str, user: &UserId, id: String) -> WireEvent {
        WireEvent {
            event_id: Some(id),
            event_type: Some(name.to_owned()),
            user_id: Some(text_of(user.as_bytes()).into_owned()),
            occurred_at: Some(WireTime::Ms(self.now_ms())),
            ..WireEvent::default()
        }
    }

    /// Has the log take what a turn understood. A shopper gets his answer whether or not it could.
    pub(super) async fn note_intent(&self, key: &ChatKey, turn: u32, said: Said<'_>) {
        let query = said.message.get(..said.message.floor_char_boundary(QUERY_BYTES_MAX)).unwrap_or_default();
        let carried = Carried { intent: said.intent, action: said.action, slots: said.slots };
        let context = to_raw_value(&carried).ok().filter(|raw| raw.get().len() <= CONTEXT_BYTES_MAX);
        let wire = WireEvent {
            query: Some(query.to_owned()).filter(|query| !query.trim().is_empty()),
            item_id: said.item.map(|item| text_of(item.as_bytes()).into_owned()),
            session_id: Some(visit(key)),
            list_id: Some(list_id(key, turn)),
            context,
            ..self.event("chat_intent", &key.user, format!("{}-intent", list_id(key, turn)))
        };
        if let Err(error) = self.note(wire).await {
            tracing::warn!(message = error.body.message, "a chat's intent is not in the log");
        }
    }

    /// Has the log take what a user says of a product.
    pub(super) async fn note_feedback(
        &self,
        key: &ChatKey,
        turn: u32,
        item: &ItemId,
        feedback: Feedback,
    ) -> Result<(), ApiError> {
        let name = format!("{}-{}-{:016x}", list_id(key, turn), feedback.name(), xxh3_64(item.as_bytes()));
        let wire = WireEvent {
            item_id: Some(text_of(item.as_bytes()).into_owned()),
            feedback: Some(feedback.name().to_owned()),
            session_id: Some(visit(key)),
            list_id: Some(list_id(key, turn)),
            ..self.event("recommendation_feedback", &key.user, name)
        };
        self.note(wire).await
    }

    async fn note(&self, wire: WireEvent) -> Result<(), ApiError> {
        let bytes = serde_json::to_vec(&wire).map_err(crate::recommend::unwritable)?;
        let mut checked = Checked::with_capacity(1);
        checked.event(&bytes);
        let verdict = checked.verdicts.pop().map(|verdict| verdict.outcome);
        if let Some(Err(reject)) = verdict {
            return Err(ApiError::unprocessable(reject));
        }
        let collected = &self.context.live.metrics().collected;
        let appended = self.append(std::mem::take(&mut checked.records)).await;
        collected.with_label_values(&[if appended.is_ok() { "accepted" } else { "refused" }]).inc();
        appended.map(drop)
    }
}
