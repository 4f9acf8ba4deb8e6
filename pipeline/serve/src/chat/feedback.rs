//! What a user says of a product that he was shown: once, and of his own.

use std::sync::Arc;

use shoptide_schemas::UserId;
use shoptide_schemas::event::Feedback;
use shoptide_store::{ChatFeedback, ChatKey, ChatRecord};

use super::ask::RecordId;
use super::session::conflict;
use crate::app::App;
use crate::error::ApiError;

/// At rest; never 0.
pub(super) fn code(feedback: Feedback) -> u8 {
    match feedback {
        Feedback::Like => 1,
        Feedback::Dislike => 2,
        Feedback::NotInterested => 3,
        Feedback::Bought => 4,
    }
}

impl App {
    /// A product that a turn showed, if it did.
    pub(super) async fn chat_record(
        &self,
        key: &ChatKey,
        turn: u32,
        place: u32,
    ) -> Result<Option<ChatRecord>, ApiError> {
        let (truth, key) = (self.context.truth.clone(), key.clone());
        let patience = self.context.options.request_timeout;
        self.ask(patience, async move { truth.chat_record(&key, turn, place).await }).await
    }

    /// Keeps what is said of a product with its recommendation; `false` if something was said of it before, or there is none.
    pub(super) async fn keep_feedback(
        &self,
        key: &ChatKey,
        turn: u32,
        place: u32,
        feedback: Feedback,
        text: String,
    ) -> Result<bool, ApiError> {
        let (truth, key) = (self.context.truth.clone(), key.clone());
        let said = ChatFeedback { code: code(feedback), at_ms: self.now_ms(), text };
        let kept = self.changing(async move { truth.chat_feedback(&key, turn, place, said).await }).await?;
        Ok(kept.is_ok())
    }
}

/// Takes feedback of a record.
///
/// # Errors
/// 404 for a record that this user does not have, 409 for a second word.
pub(super) async fn take(
    app: &Arc<App>,
    record: &str,
    user: Option<&UserId>,
    feedback: Feedback,
    text: String,
) -> Result<(), ApiError> {
    let unknown = || ApiError::not_found("record_id", "there is no such recommendation of this user");
    let id = RecordId::parse(record).ok_or_else(unknown)?;
    let (key, _) = app.chat_key_of(&id.session, user).await?;
    let found = app.chat_record(&key, id.turn, id.place).await?.ok_or_else(unknown)?;
    let twice = || conflict("record_id", "feedback was given before, and is given once");
    match &found.feedback {
        Some(before) => {
            // The same again may be a client whose first answer was lost, and the event with it: told again, it is the same event.
            if before.code == code(feedback) {
                app.note_feedback(&key, id.turn, &found.item, feedback).await?;
            }
            return Err(twice());
        }
        None => {
            if !app.keep_feedback(&key, id.turn, id.place, feedback, text).await? {
                return Err(twice());
            }
        }
    }
    app.note_feedback(&key, id.turn, &found.item, feedback).await
}
