//! The end of a turn: it is written with all that it does, and told to the log.

use serde_json::Value;
use shoptide_models::chat::Action;
use shoptide_store::{ChatMessage, ChatTurn, ERASED_USER};

use super::answer::TurnAnswer;
use super::ask::Asked;
use super::effects::Effects;
use super::events::Said;
use super::model::Stored;
use super::session::{Session, conflict};
use super::turn::{Made, Read, lists};
use crate::app::App;
use crate::error::ApiError;

/// A turn whose words are found.
pub(super) struct Turn {
    pub asked: Asked,
    pub session: Session,
    pub number: u32,
    pub read: Read,
    pub made: Made,
    pub effects: Effects,
    /// What came of a language model.
    pub model: Option<Value>,
}

impl Turn {
    /// Remembers it, and has the log take what it understood.
    ///
    /// # Errors
    /// 409 if the session was spoken in at the same time or the user was erased, 503 while the store is silent; nothing was written then. 503 as well
    /// if an opinion was written and the log did not take it: said again, it is taken.
    pub async fn keep(self, app: &App) -> Result<TurnAnswer, ApiError> {
        let Turn { asked, mut session, number, read, made, effects, model } = self;
        let Made { answer, records, remembered, .. } = made;
        session.memory.dialogue = read.after;
        if lists(&read.action, &session.memory.dialogue) && !remembered.is_empty() {
            session.memory.dialogue.show(remembered);
            session.memory.shown_turn = number;
        }
        let at_ms = app.now_ms();
        let stored = Stored { answer: &answer, model: model.as_ref() };
        let stored = serde_json::to_vec(&stored).map_err(crate::recommend::unwritable)?;
        let turn = ChatTurn {
            key: session.key.clone(),
            before: session.turns,
            state: session.memory.written().map_err(crate::recommend::unwritable)?,
            message: ChatMessage { turn: number, at_ms, question: asked.message.clone(), answer: stored },
            records,
            budget: effects.budget.clone(),
            feedback: effects.feedback(at_ms),
        };
        write(app, turn).await?;
        if asked.talk {
            let said: Vec<String> = asked.earlier.iter().chain([&asked.message]).cloned().collect();
            app.chat.talks.note(asked.user.as_ref(), &said, session.memory.dialogue.clone());
        }
        effects.tell(app, &session).await?;
        // A visitor has no preferences that would outlast his dialogue: nobody would ever ask for them, or take them away.
        if asked.user.is_some() {
            let catalogue = app.context.live.catalogue();
            let item = spoken_of(&read.action).and_then(|number| catalogue.row(number)).map(|(id, _)| id);
            let said = Said {
                message: &asked.message,
                intent: read.understood.intent,
                action: read.action.kind(),
                slots: &read.understood.slots,
                item,
            };
            app.note_intent(&session.key, number, said).await;
        }
        Ok(answer)
    }
}

/// The one product that a message is about.
fn spoken_of(action: &Action) -> Option<u32> {
    match action {
        Action::Similar { item, .. } => *item,
        Action::Describe { items, .. }
        | Action::GoesWith { items }
        | Action::PriceHistory { items }
        | Action::Service { items } => items.first().copied(),
        _ => None,
    }
}

/// Writes a turn with what it does; of two at the same time one is told so.
async fn write(app: &App, turn: ChatTurn) -> Result<(), ApiError> {
    let truth = app.context.truth.clone();
    let budget = turn.budget.clone();
    let written = async {
        let changed = |what| match what {
            ERASED_USER => conflict("user_id", "the user was erased; without user_id a visitor speaks"),
            _ => conflict("session_id", "the session was spoken in or ended meanwhile, send it again"),
        };
        app.changing(async move { truth.chat_turn(turn).await }).await?.map_err(changed)
    };
    match budget {
        Some((shard, user, budget)) => app.setting_budget(shard, &user, Some(budget), written).await,
        None => written.await,
    }
}
