//! What a turn does beside answering: a budget is set, an opinion is noted. Decided with the turn's facts, written with the turn itself, so that
//! there is never one without the other; and told to the log once that is done.

use shoptide_models::chat::Opinion;
use shoptide_schemas::event::Feedback;
use shoptide_schemas::{ItemId, UserId};
use shoptide_store::{Budget, ChatFeedback, ChatOpinion};

use super::feedback::code;
use super::session::Session;
use crate::app::App;
use crate::error::ApiError;

/// What a turn does.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Of this user, in this shard.
    pub budget: Option<(u32, UserId, Budget)>,
    opinions: Vec<Opined>,
}

/// What a message says of a product.
#[derive(Debug)]
struct Opined {
    item: ItemId,
    feedback: Feedback,
    /// The turn that showed it; this one if none did.
    turn: u32,
    /// Its place there, if nothing was said of it before.
    place: Option<u32>,
}

impl Effects {
    /// Opinions to be kept with the recommendations that they are of.
    pub fn feedback(&self, at_ms: i64) -> Vec<ChatOpinion> {
        let kept = |said: &Opined| {
            let feedback = ChatFeedback { code: code(said.feedback), at_ms, text: String::new() };
            Some(ChatOpinion { turn: said.turn, place: said.place?, feedback })
        };
        self.opinions.iter().filter_map(kept).collect()
    }

    /// Takes up an opinion of products.
    pub async fn opine(
        &mut self,
        app: &App,
        session: &Session,
        items: &[u32],
        opinion: Opinion,
    ) -> Result<(), ApiError> {
        let feedback = match opinion {
            Opinion::Like => Feedback::Like,
            Opinion::Dislike => Feedback::Dislike,
            Opinion::Bought => Feedback::Bought,
        };
        let memory = &session.memory;
        let catalogue = app.context.live.catalogue();
        for number in items {
            let Some((id, _)) = catalogue.row(*number) else { continue };
            let place = memory.dialogue.shown.iter().position(|shown| shown.number == *number);
            // 0: shown in a dialogue that is not kept.
            let place = place.filter(|_| memory.shown_turn != 0).and_then(|at| u32::try_from(at + 1).ok());
            let mut said =
                Opined { item: id.clone(), feedback, turn: session.turns.saturating_add(1), place };
            if let Some(place) = place {
                said.turn = memory.shown_turn;
                match app
                    .chat_record(&session.key, said.turn, place)
                    .await?
                    .and_then(|record| record.feedback)
                {
                    None => {}
                    // Perhaps the log did not get it the first time: told again, it is the same event.
                    Some(before) if before.code == code(feedback) => said.place = None,
                    // Said twice: the first word stays, as everywhere.
                    Some(_) => continue,
                }
            }
            self.opinions.push(said);
        }
        Ok(())
    }

    /// Tells the log what was said, after the turn is kept.
    pub async fn tell(&self, app: &App, session: &Session) -> Result<(), ApiError> {
        for said in &self.opinions {
            app.note_feedback(&session.key, said.turn, &said.item, said.feedback).await?;
        }
        Ok(())
    }
}
