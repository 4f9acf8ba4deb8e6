//! A dialogue between two messages: found by its user alone, named by 128 bits that nobody guesses.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shoptide_models::chat::{DialogueState, STATE_BYTES_MAX};
use shoptide_models::state::UserState;
use shoptide_schemas::UserId;
use shoptide_store::{ChatKey, StoreError};

use super::ask::is_session;
use super::scene::Shopper;
use crate::app::{App, Waits};
use crate::error::ApiError;

/// Turns of one dialogue. Nobody talks for longer; without it a row a message would grow for ever.
pub(super) const TURNS_MAX: u32 = 1_000;
const VERSION: u32 = 1;

/// What is remembered, as the store keeps it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    v: u32,
    pub dialogue: DialogueState,
    /// The turn whose products "the first one" counts on; 0 is none.
    #[serde(default)]
    pub shown_turn: u32,
}

/// A dialogue that is spoken in.
pub(super) struct Session {
    pub key: ChatKey,
    /// Turns so far.
    pub turns: u32,
    pub memory: Memory,
}

impl Session {
    /// A dialogue in which nothing was said yet.
    pub fn begun(key: ChatKey) -> Self {
        Self { key, turns: 0, memory: Memory::default() }
    }
}

/// A name for a dialogue that nobody guesses.
pub(super) fn new_name() -> Result<String, ApiError> {
    let mut bits = [0_u8; 16];
    getrandom::fill(&mut bits).map_err(|error| {
        tracing::error!(%error, "the system gives no random bits");
        ApiError::failed()
    })?;
    Ok(bits.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Memory {
    pub fn written(&mut self) -> Result<Vec<u8>, serde_json::Error> {
        self.v = VERSION;
        self.dialogue.bound();
        serde_json::to_vec(self)
    }

    /// What cannot be read is forgotten: a dialogue begins anew rather than never to go on.
    fn read(bytes: &[u8]) -> Self {
        if 2 * STATE_BYTES_MAX < bytes.len() {
            return Self::default();
        }
        let mut memory: Self = serde_json::from_slice(bytes).unwrap_or_default();
        memory.dialogue.bound();
        memory
    }
}

/// A visitor is known by his session alone. His id stands where users stand, so it must not open the dialogue: 128 bits of the name's SHA-256.
pub(super) fn visitor(session: &str) -> UserId {
    let digest = Sha256::digest(session.as_bytes());
    let id: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    UserId::from_trusted(format!("chat:{id}").as_bytes())
}

pub(super) fn unknown() -> ApiError {
    ApiError::not_found("session_id", "there is no such session of this user")
}

impl App {
    pub(super) fn chat_key(&self, session: &str, user: Option<&UserId>) -> Result<ChatKey, ApiError> {
        let session = is_session(session).ok_or_else(unknown)?.to_owned();
        let user = user.cloned().unwrap_or_else(|| visitor(&session));
        Ok(ChatKey { shard: self.shard_of(&user), user, session })
    }

    /// A dialogue's key, by the id that is asked with: a dialogue is of whoever that id is known to belong to, or it would outlive his erasure.
    pub(super) async fn chat_key_of(
        &self,
        session: &str,
        asked: Option<&UserId>,
    ) -> Result<(ChatKey, Option<UserState>), ApiError> {
        // Before the store is asked who that is.
        is_session(session).ok_or_else(unknown)?;
        let Some(asked) = asked else { return Ok((self.chat_key(session, None)?, None)) };
        let (user, state) = self.known_user(asked, Waits::patient(&self.context.options)).await?;
        Ok((self.chat_key(session, Some(&user))?, Some(state)))
    }

    /// A dialogue that this user has.
    ///
    /// # Errors
    /// 404 for one that nobody has and for one that somebody else has, alike; 409 for one that is full.
    pub(super) async fn session(&self, key: ChatKey) -> Result<Session, ApiError> {
        let (truth, asked) = (self.context.truth.clone(), key.clone());
        let patience = self.context.options.request_timeout;
        let stored = self.ask(patience, async move { truth.chat_session(&asked).await }).await?;
        let stored = stored.ok_or_else(unknown)?;
        if TURNS_MAX <= stored.turns {
            let message = format!("the session has {TURNS_MAX} messages, begin another");
            return Err(conflict("session_id", message));
        }
        Ok(Session { key, turns: stored.turns, memory: Memory::read(&stored.state) })
    }

    /// Has the store write what only fits the state that was read; else what has changed.
    pub(super) async fn changing(
        &self,
        order: impl Future<Output = Result<(), StoreError>> + Send + 'static,
    ) -> Result<Result<(), &'static str>, ApiError> {
        let order = async move {
            match order.await {
                Ok(()) => Ok(Ok(())),
                Err(StoreError::Changed { what }) => Ok(Err(what)),
                Err(error) => Err(error),
            }
        };
        self.order(self.context.options.request_timeout, order).await
    }

    /// What is known of a user, as far as the store tells in time.
    pub(super) async fn shopper(&self, user: &UserId, state: Option<UserState>) -> Shopper {
        let waits = Waits::begin(&self.context.options);
        let mut state = state.map(Arc::new);
        let left = self.left_of_month(self.shard_of(user), user, &mut state, waits).await;
        let state = state.map(Arc::unwrap_or_clone).unwrap_or_default();
        Shopper { user: user.clone(), state, left: left.left, certainty: Some(left.certainty) }
    }
}

pub(super) fn conflict(field: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(axum::http::StatusCode::CONFLICT, "conflict", field, message)
}
