//! What is known of a product, with what says so; and whether it has what somebody asks for.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use shoptide_models::catalogue::Catalogue;
use shoptide_models::knowledge::{Answer, Edge, Evidence, Has, ItemLinks, Knowledge, Node};
use shoptide_schemas::{Code, ItemId, Reject};
use shoptide_store::StoreError;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;
use crate::items::unknown;
use crate::params::{FactsQuery, PathItem};
use crate::read::text_of;

/// Characters of a question: those of a chat's message.
const QUESTION_CHARS_MAX: usize = 2_000;

/// A question about one product, or about two.
#[derive(Debug, Clone, Default)]
pub(crate) struct FactsAsk {
    pub has: Option<String>,
    pub or: Option<ItemId>,
}

impl FactsAsk {
    pub fn checked(has: Option<String>, or: Option<ItemId>) -> Result<Self, Reject> {
        let chars = has.as_deref().map_or(0, |text| text.chars().count());
        if QUESTION_CHARS_MAX < chars {
            let message = format!("has has {chars} characters, expected at most {QUESTION_CHARS_MAX}");
            return Err(Reject::new(Code::TooLong, "has", message));
        }
        if or.is_some() && has.is_none() {
            return Err(Reject::new(
                Code::Missing,
                "has",
                "has is missing, or needs something to compare by",
            ));
        }
        Ok(Self { has, or })
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"item_id": "TECH1005", "facts": [{"relation": "made-by", "kind": "brand", "to": "Aurora",
    "evidence": {"field": "brand", "text": "Aurora"}}, {"relation": "bought-with", "kind": "product", "to": "TECH1011", "title": "Case",
    "evidence": {"baskets": 7}}], "asked": [{"wish": "nfc", "answer": "yes", "fact": {"relation": "has", "kind": "attribute", "to": "nfc",
    "evidence": {"field": "tags", "text": "nfc"}}}], "complete": true}))]
pub(crate) struct Facts {
    pub item_id: String,
    /// By relation, at most 100.
    pub facts: Vec<Fact>,
    /// What `has` asks for and is known as something to ask for; empty if nothing of it is.
    pub asked: Vec<Asked>,
    /// The same of the product that `or` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<Vec<Asked>>,
    /// Of the two the one that meets more; absent if what is known does not decide it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub better: Option<String>,
    /// `false` while the store is silent: what users' acts say is missing.
    pub complete: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Fact {
    /// `is-a`, `made-by`, `has`, `compatible-with`, `bought-with` or `discussed-in`.
    pub relation: &'static str,
    /// What it leads to: `category`, `brand`, `attribute`, `product`, `thread` or `question`.
    pub kind: &'static str,
    /// Its name or id.
    pub to: String,
    /// Of a product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub evidence: Proof,
}

/// What says so: the words of a field, or a number.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Proof {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub field: Option<&'static str>,
    /// At most 160 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// In which both were bought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baskets: Option<u32>,
    /// Who wrote there of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Asked {
    /// Its key, such as `nfc`.
    pub wish: String,
    /// `yes`; `no` if the shop says so or the opposite; else `unknown`.
    pub answer: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fact: Option<Fact>,
}

impl Fact {
    fn new(edge: &Edge, catalogue: &Catalogue) -> Option<Self> {
        let (kind, to, title) = match &edge.to {
            Node::Product(number) => {
                let (id, item) = catalogue.row(*number)?;
                ("product", id.to_string(), Some(item.title.clone()))
            }
            Node::Brand(name) => ("brand", name.clone(), None),
            Node::Category(name) => ("category", name.clone(), None),
            Node::Attribute(key) => ("attribute", key.clone(), None),
            Node::Thread(id) => ("thread", id.clone(), None),
            Node::Question(id) => ("question", id.clone(), None),
        };
        let none = Proof::default();
        let evidence = match edge.evidence.clone() {
            Evidence::Field { field, text } => Proof { field: Some(field), text: Some(text), ..none },
            Evidence::Tag(text) => Proof { field: Some("tags"), text: Some(text), ..none },
            Evidence::Baskets(n) => Proof { baskets: Some(n), ..none },
            Evidence::Users(n) => Proof { users: Some(n), ..none },
        };
        Some(Self { relation: edge.relation.as_str(), kind, to, title, evidence })
    }
}

impl Asked {
    fn new(has: &Has, catalogue: &Catalogue) -> Self {
        let answer = match has.answer {
            Answer::Yes => "yes",
            Answer::No => "no",
            Answer::Unknown => "unknown",
        };
        let fact = has.edge.as_ref().and_then(|edge| Fact::new(edge, catalogue));
        Self { wish: has.wish.clone(), answer, fact }
    }
}

/// What users' acts say of an item; nothing if no training has counted it.
pub(crate) async fn links(app: &App, item: &ItemId) -> Result<ItemLinks, ApiError> {
    let (truth, asked) = (app.context.truth.clone(), item.clone());
    let question = async move {
        let bytes = truth.item_links(&asked).await?;
        let links = bytes.map(|bytes| ItemLinks::decode(&bytes)).transpose();
        links.map(Option::unwrap_or_default).map_err(|e| StoreError::Unusable(e.to_string()))
    };
    app.ask(app.context.options.request_timeout / 2, question).await
}

/// What is known of an item
///
/// What it is, who makes it, what it has, fits, was bought with and is talked of in, each with what says so. `has` asks whether it has
/// something, in Chinese or English; `or` names another item to hold against it. 503 until the words of the catalogue were read once.
#[utoipa::path(
    get, path = "/v1/items/{id}/facts", tag = "catalogue",
    params(
        ("id" = String, Path, description = "Opaque, 1 to 128 bytes, percent-encoded.", min_length = 1),
        ("has" = Option<String>, Query, description = "What is asked for, at most 2,000 characters; plain text.", example = "does it have NFC"),
        ("or" = Option<String>, Query, description = "Another item."),
    ),
    responses((status = 200, description = "The edges.", body = Facts), (status = 404, description = "No such item.", body = crate::error::ErrorBody)),
)]
pub(crate) async fn facts(
    State(app): State<Arc<App>>,
    PathItem(item): PathItem,
    FactsQuery(ask): FactsQuery,
) -> Result<axum::Json<Facts>, ApiError> {
    let catalogue = app.context.live.catalogue();
    let listed = |item: &ItemId| {
        let number = catalogue.number(item)?;
        catalogue.row(number).filter(|(_, row)| !row.removed).map(|_| number)
    };
    let number = listed(&item).ok_or_else(unknown)?;
    let no_other = || ApiError::not_found("or", "the catalogue has no such item");
    let or = ask.or.as_ref().map(|or| listed(or).ok_or_else(no_other)).transpose()?;
    let links = links(&app, &item).await.ok();
    let asker = app.clone();
    app.questions
        .scan(move || {
            let faq = asker.context.live.faq();
            asker.chat.words(|lexicon| {
                let known = Knowledge { catalogue: &catalogue, lexicon, faq: &faq };
                let text = ask.has.as_deref().unwrap_or_default();
                let compared = or.map(|or| known.compare(number, or, text).better);
                let said = |all: Vec<Has>| all.iter().map(|has| Asked::new(has, &catalogue)).collect();
                let better = compared.flatten().and_then(|place| if place == 1 { Some(number) } else { or });
                let name =
                    |number: u32| catalogue.row(number).map(|(id, _)| text_of(id.as_bytes()).into_owned());
                let edges = known.edges(number, links.as_ref().unwrap_or(&ItemLinks::default()));
                Facts {
                    item_id: text_of(item.as_bytes()).into_owned(),
                    facts: edges.iter().filter_map(|edge| Fact::new(edge, &catalogue)).collect(),
                    asked: said(known.has(number, text)),
                    other: or.map(|or| said(known.has(or, text))),
                    better: better.and_then(name),
                    complete: links.is_some(),
                }
            })
        })
        .await?
        .map(axum::Json)
}
