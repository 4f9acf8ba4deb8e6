//! What the shop has answered itself: its [questions](shoptide_models::faq) as a source of the chat.

use std::sync::Arc;

use async_trait::async_trait;
use shoptide_live::Live;
use shoptide_models::faq::Asked;

use super::scene::{code_of, plain};
use super::source::{Question, Source, Told};

/// The shop's questions and answers, as they are when somebody asks.
pub(crate) struct ShopAnswers(pub Arc<Live>);

#[async_trait]
impl Source for ShopAnswers {
    async fn tell(&self, question: &Question) -> Option<Told> {
        let book = self.0.faq();
        let hits = book.ask(&Asked::new(&question.message), 1);
        let hit = hits.first().filter(|hit| hit.is_known())?;
        let (_, answer) = hit.answer(code_of(question.language));
        Some(Told { text: plain(answer) })
    }
}
