//! What answers questions that the catalogue alone does not: an FAQ, a graph of products. The chat asks each in turn and says what the first
//! one knows; if none does, it says that it does not know and offers a person.

use async_trait::async_trait;
use shoptide_models::chat::Language;

/// A question that needs more than the catalogue.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// As the shopper put it.
    pub message: String,
    pub language: Language,
}

/// What is known, ready to be said.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// Plain text in the question's language.
    pub text: String,
}

/// One that may know.
#[async_trait]
pub(crate) trait Source: Send + Sync {
    /// `None` if it does not know. An outage is no knowledge either: it is the source's to log.
    async fn tell(&self, question: &Question) -> Option<Told>;
}

/// What the first one that knows says.
pub(crate) async fn ask(sources: &[Box<dyn Source>], question: &Question) -> Option<Told> {
    for source in sources {
        if let Some(told) = source.tell(question).await {
            return Some(told);
        }
    }
    None
}
