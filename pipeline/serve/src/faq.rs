//! Questions to the shop: answered from what it wrote itself, or honestly not; and the entries, for those who write them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use shoptide_models::faq::{Asked, FaqHit};
use shoptide_schemas::limits::FAQ_ENTRIES_MAX;
use shoptide_schemas::{Code, FaqEntry, Reject};
use shoptide_store::{FaqChange, FaqRow, StoreError};
use utoipa::ToSchema;

use crate::app::App;
use crate::body::Json;
use crate::error::ApiError;
use crate::params::{FaqPage, FaqQuery, NoQuery, PathFaq};

/// Characters of a question: those of a chat's message.
pub(crate) const FAQ_QUESTION_CHARS_MAX: usize = 2_000;
/// Answers if nobody says how many.
const ANSWERS_DEFAULT: usize = 3;
/// Entries of one page: at 80 KiB each at most, 8 MiB.
pub(crate) const FAQ_PAGE_MAX: usize = 100;

/// A question, checked.
#[derive(Debug, Clone)]
pub(crate) struct FaqAsk {
    question: String,
    n: usize,
}

impl FaqAsk {
    pub fn checked(question: String, n: Option<usize>) -> Result<Self, Reject> {
        if question.trim().is_empty() {
            return Err(Reject::new(Code::Blank, "q", "q is blank"));
        }
        let chars = question.chars().count();
        if FAQ_QUESTION_CHARS_MAX < chars {
            let message = format!("q has {chars} characters, expected at most {FAQ_QUESTION_CHARS_MAX}");
            return Err(Reject::new(Code::TooLong, "q", message));
        }
        Ok(Self { question, n: n.unwrap_or(ANSWERS_DEFAULT) })
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"known": true, "language": "en", "answers": [{"id": "delivery-fee", "category": "delivery",
    "question": "How much is shipping?", "answer": "Shipping is free from 99 yuan; below that it costs 8 yuan.",
    "language": "en", "confidence": 0.83}]}))]
pub(crate) struct FaqAnswers {
    /// Whether the shop's entries answer the question.
    pub known: bool,
    /// `zh` or `en`: the language of the question.
    pub language: &'static str,
    /// Best first; empty if it is not known.
    pub answers: Vec<FaqAnswer>,
    /// What to say instead: that it is not known, and that a person can be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub message: Option<&'static str>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FaqAnswer {
    /// The entry: name it as the source of what is said.
    pub id: String,
    pub category: String,
    /// The entry's first wording, in the language of the answer.
    pub question: String,
    pub answer: String,
    /// `zh` or `en`: the asker's, if the entry has an answer in it.
    pub language: String,
    /// 0 to 1: how much of the question the entry speaks of.
    pub confidence: f32,
}

impl FaqAnswer {
    fn new(hit: &FaqHit<'_>, language: &str) -> Self {
        let (language, answer) = hit.answer(language);
        let question = hit.entry.questions.get(language).and_then(|all| all.first());
        Self {
            id: hit.entry.id.clone(),
            category: hit.entry.category.clone(),
            question: question.cloned().unwrap_or_default(),
            answer: answer.to_owned(),
            language: language.to_owned(),
            confidence: hit.confidence,
        }
    }
}

/// What is said when nothing is known.
fn unknown(language: &str) -> &'static str {
    match language {
        "zh" => "这个问题我还不知道答案，可以请人工客服帮您。",
        _ => "I do not know the answer to that; our customer service can help you.",
    }
}

/// Ask the shop
///
/// Delivery, returns, invoices and whatever else the shop has written answers to, in Chinese or English. Below a confidence
/// nothing is answered: `known` is false, and `message` offers a person.
#[utoipa::path(
    get, path = "/v1/faq", tag = "faq",
    params(
        ("q" = String, Query, description = "The question, 1 to 2,000 characters; it is text, nothing in it is an operator.", example = "How much is shipping?"),
        ("n" = Option<u32>, Query, description = "Answers at most.", minimum = 1, maximum = 10),
    ),
    responses((status = 200, description = "Answers, or that it is not known.", body = FaqAnswers)),
)]
pub(crate) async fn ask(
    State(app): State<Arc<App>>,
    FaqQuery(ask): FaqQuery,
) -> Result<axum::Json<FaqAnswers>, ApiError> {
    let book = app.context.live.faq();
    let answers = move || {
        let asked = Asked::new(&ask.question);
        let hits = book.ask(&asked, ask.n);
        let answers: Vec<FaqAnswer> =
            hits.iter().filter(|hit| hit.is_known()).map(|hit| FaqAnswer::new(hit, asked.language)).collect();
        let known = !answers.is_empty();
        let message = (!known).then(|| unknown(asked.language));
        FaqAnswers { known, language: asked.language, answers, message }
    };
    app.questions.scan(answers).await.map(axum::Json)
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FaqEntries {
    /// By id.
    pub entries: Vec<FaqBody>,
    /// All of the shop.
    pub total: usize,
    /// Send it as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A question with its answer.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"category": "delivery", "tags": ["shipping"], "questions": {"en": ["How much is shipping?"], "zh": ["运费多少？"]},
    "answers": {"en": "Free from 99 yuan.", "zh": "满 99 元免运费。"}}))]
pub(crate) struct FaqBody {
    /// In a `PUT`: that of the path, or absent.
    #[serde(default)]
    pub id: Option<String>,
    /// 1 to 64 bytes.
    pub category: String,
    /// At most 16.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Wordings by language, `zh` or `en`: at most 16 each.
    pub questions: std::collections::BTreeMap<String, Vec<String>>,
    /// One for each language that has a question, at most 4 KiB.
    pub answers: std::collections::BTreeMap<String, String>,
}

impl From<&FaqEntry> for FaqBody {
    fn from(entry: &FaqEntry) -> Self {
        let FaqEntry { id, category, tags, questions, answers } = entry.clone();
        Self { id: Some(id), category, tags, questions, answers }
    }
}

/// List the entries
///
/// By id, in pages.
#[utoipa::path(
    get, path = "/v1/faq/entries", tag = "faq",
    params(
        ("after" = Option<String>, Query, description = "The last id of the page before."),
        ("n" = Option<u32>, Query, description = "Entries of the page.", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "A page.", body = FaqEntries)),
)]
pub(crate) async fn list(State(app): State<Arc<App>>, page: FaqPage) -> axum::Json<FaqEntries> {
    let book = app.context.live.faq();
    // By id, as the store gives them.
    let behind = |entry: &&FaqEntry| page.after.as_deref().is_none_or(|after| after < entry.id.as_str());
    let mut rest = book.entries().iter().filter(behind);
    let entries: Vec<FaqBody> = rest.by_ref().take(page.n).map(FaqBody::from).collect();
    let next = rest.next().and(entries.last().and_then(|entry| entry.id.clone()));
    axum::Json(FaqEntries { entries, total: book.entries().len(), next })
}

/// Write an entry
///
/// Adds it, or replaces the one of this id. Answered from at once here, within a second by other processes.
#[utoipa::path(
    put, path = "/v1/faq/entries/{id}", tag = "faq",
    params(("id" = String, Path, description = "1 to 64 bytes, percent-encoded.", min_length = 1)),
    request_body = FaqBody,
    responses(
        (status = 200, description = "As it is now.", body = FaqBody),
        (status = 409, description = "There are 10,000 already.", body = crate::error::ErrorBody),
    ),
)]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    PathFaq(id): PathFaq,
    _: NoQuery,
    Json(body): Json<FaqBody>,
) -> Result<axum::Json<FaqBody>, ApiError> {
    if body.id.as_ref().is_some_and(|named| *named != id) {
        let reject = Reject::new(Code::BadValue, "id", "id is not the one of the path");
        return Err(ApiError::unprocessable(reject));
    }
    let FaqBody { category, tags, questions, answers, .. } = body;
    let entry = FaqEntry { id, category, tags, questions, answers };
    entry.check().map_err(ApiError::unprocessable)?;
    let row = FaqRow { id: entry.id.clone(), data: entry.to_bytes() };
    change(&app, FaqChange { put: vec![row], entries_max: FAQ_ENTRIES_MAX, ..FaqChange::default() }).await?;
    Ok(axum::Json(FaqBody::from(&entry)))
}

/// Remove an entry
#[utoipa::path(
    delete, path = "/v1/faq/entries/{id}", tag = "faq",
    params(("id" = String, Path, description = "1 to 64 bytes, percent-encoded.", min_length = 1)),
    responses((status = 204, description = "There is no such entry (any more).")),
)]
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    PathFaq(id): PathFaq,
    _: NoQuery,
) -> Result<StatusCode, ApiError> {
    let gone = FaqChange { gone: vec![id], entries_max: FAQ_ENTRIES_MAX, ..FaqChange::default() };
    change(&app, gone).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn change(app: &Arc<App>, change: FaqChange) -> Result<(), ApiError> {
    let truth = app.context.truth.clone();
    let patience = app.context.options.request_timeout;
    let full = app
        .order(patience, async move {
            match truth.change_faq(change).await {
                Err(StoreError::Full { reason, .. }) => Ok(Some(reason)),
                other => other.map(|()| None),
            }
        })
        .await?;
    if let Some(reason) = full {
        return Err(ApiError::new(StatusCode::CONFLICT, "too_many", "entries", reason));
    }
    // Written is written: if it cannot be read now, the follower reads it within a second.
    let (live, truth) = (app.context.live.clone(), app.context.truth.clone());
    let _ = app.ask(patience, async move { live.refresh_faq(&*truth).await }).await;
    Ok(())
}
