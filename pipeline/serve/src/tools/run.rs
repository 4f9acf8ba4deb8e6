//! Each tool: which route it asks, and what it takes of the answer.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use shoptide_schemas::UserId;

use super::ask::Path;
use super::inputs::*;
use super::outputs::*;
use super::{Caller, TOOL_PLACES_MAX, ToolError, Tools};
use crate::error::ApiError;
use crate::params::in_range;

/// Places if nobody says how many.
const PLACES_DEFAULT: usize = 5;
/// Places that are looked through for a product that is to be explained: a whole stored list.
const LIST_PLACES: &str = "100";
/// Facts of one product: those that come first say what it is and has.
const FACTS_MAX: usize = 40;
/// How often a tool asks again while the catalogue's words are read for the first time, and after how long: two seconds in all. An assistant gives a
/// tool that refuses up, where a person would try again.
const WORDS_TRIES: u32 = 20;
const WORDS_PAUSE: Duration = Duration::from_millis(100);
/// Of a description: what a page shows before "more".
const DESCRIPTION_CHARS_MAX: usize = 2_000;

fn places(n: Option<i64>) -> Result<String, ToolError> {
    let n = n.map_or(Ok(PLACES_DEFAULT), |n| in_range(n, "n", 1..=TOOL_PLACES_MAX));
    Ok(n.map_err(ApiError::unprocessable)?.to_string())
}

/// The caller's id; tools about a user refuse without one.
fn user_of(caller: &Caller) -> Result<String, ToolError> {
    let message = "this is about a shopper, and the request was made for none";
    let none = || ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", "user", message).into();
    caller.user.as_ref().map(UserId::to_string).ok_or_else(none)
}

impl Tools {
    /// # Errors
    /// As `GET /v1/search`; [`ToolError`] `unauthorized` for a personal order without a user.
    pub async fn search_products(
        &self,
        caller: &Caller,
        input: SearchInput,
    ) -> Result<SearchOutput, ToolError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(flatten)]
            found: Value,
            facets: Facets,
        }
        #[derive(Deserialize)]
        struct Facets {
            brands: Vec<ValueCount>,
            categories: Vec<ValueCount>,
        }
        let personal = input.sort.as_deref() == Some("personal");
        let user = if personal { Some(user_of(caller)?) } else { None };
        let path = Path::of(&["/v1/search"])
            .with("q", input.query)
            .with("category", input.category)
            .with("brand", input.brand)
            .with("price_min", input.price_min)
            .with("price_max", input.price_max)
            .with("in_stock", input.in_stock.map(|in_stock| in_stock.to_string()))
            .with("sort", input.sort)
            .with("user_id", user)
            .with("n", Some(places(input.n)?))
            .with("cursor", input.cursor);
        let Answer { mut found, facets } = self.get(path).await?;
        found["brands"] = json!(facets.brands);
        found["categories"] = json!(facets.categories);
        serde_json::from_value(found).map_err(|_| ApiError::failed().into())
    }

    /// # Errors
    /// As `GET /v1/items/{id}` and `GET /v1/items/{id}/facts`.
    pub async fn get_product(&self, _: &Caller, input: ProductInput) -> Result<ProductOutput, ToolError> {
        #[derive(Deserialize)]
        struct Known {
            facts: Vec<Fact>,
            asked: Vec<Asked>,
            other: Option<Vec<Asked>>,
            better: Option<String>,
        }
        let mut item: Value = self.get(Path::of(&["/v1/items", &input.item_id])).await?;
        let is = |field: &str| item.get(field).and_then(Value::as_bool).unwrap_or_default();
        let sold_out = item.get("stock").and_then(Value::as_i64) == Some(0);
        item["available"] = json!(!is("hidden") && !is("unlisted") && !sold_out);
        let mut product: ProductOutput = serde_json::from_value(item).map_err(|_| ApiError::failed())?;
        let path =
            Path::of(&["/v1/items", &input.item_id, "facts"]).with("has", input.has).with("or", input.or);
        let mut tries = 0;
        let known: Known = loop {
            match self.get(path.clone()).await {
                // A process without a chat never reads them.
                Err(error) if error.field == "chat" && tries < WORDS_TRIES && self.app.chat.learns() => {
                    tries += 1
                }
                answered => break answered?,
            }
            tokio::time::sleep(WORDS_PAUSE).await;
        };
        (product.asked, product.other, product.better) = (known.asked, known.other, known.better);
        product.facts = known.facts;
        product.facts.truncate(FACTS_MAX);
        if let Some((end, _)) = product.description.char_indices().nth(DESCRIPTION_CHARS_MAX) {
            product.description.truncate(end);
        }
        Ok(product)
    }

    /// # Errors
    /// As `GET /v1/users/{id}/recommendations`, or `GET /v1/trending` without a user.
    pub async fn recommend(&self, caller: &Caller, input: RecommendInput) -> Result<ListOutput, ToolError> {
        let path = match &caller.user {
            Some(user) => Path::of(&["/v1/users", &user.to_string(), "recommendations"])
                .with("explain", Some("true"))
                .with_ids("exclude", &input.exclude),
            None => Path::of(&["/v1/trending"]),
        };
        self.get(path.with("n", Some(places(input.n)?)).with("category", input.category)).await
    }

    /// # Errors
    /// As `GET /v1/items/{id}/similar`.
    pub async fn similar(&self, _: &Caller, input: SimilarInput) -> Result<ListOutput, ToolError> {
        let path = Path::of(&["/v1/items", &input.item_id, "similar"]);
        self.get(path.with("n", Some(places(input.n)?)).with("category", input.category)).await
    }

    /// # Errors
    /// [`ToolError`] `unauthorized` without a user; as `GET /v1/items/{id}` for a product that is not known.
    pub async fn explain(&self, caller: &Caller, input: ExplainInput) -> Result<ExplainOutput, ToolError> {
        let user = user_of(caller)?;
        let _: Value = self.get(Path::of(&["/v1/items", &input.item_id])).await?;
        let path = Path::of(&["/v1/users", &user, "recommendations"]).with("explain", Some("true"));
        let list: ListOutput = self.get(path.with("n", Some(LIST_PLACES))).await?;
        let place = list.items.iter().position(|product| product.item_id == input.item_id);
        Ok(ExplainOutput {
            recommended: place.is_some(),
            rank: place.map(|place| place + 1),
            reason: place.and_then(|place| list.items.get(place)).and_then(|product| product.reason.clone()),
            item_id: input.item_id,
            list_id: list.list_id.unwrap_or_default(),
        })
    }

    /// # Errors
    /// As `GET /v1/items/{id}/prices`.
    pub async fn price_history(
        &self,
        _: &Caller,
        input: PriceHistoryInput,
    ) -> Result<PriceHistoryOutput, ToolError> {
        self.get(Path::of(&["/v1/items", &input.item_id, "prices"])).await
    }

    /// # Errors
    /// [`ToolError`] `unauthorized` without a user; as `GET /v1/users/{id}/budget`, except that none is an answer.
    pub async fn budget(&self, caller: &Caller, _: BudgetInput) -> Result<BudgetOutput, ToolError> {
        let path = Path::of(&["/v1/users", &user_of(caller)?, "budget"]);
        match self.get::<BudgetOutput>(path).await {
            Ok(budget) => Ok(BudgetOutput { set: true, ..budget }),
            Err(error) if error.code == "not_found" => Ok(BudgetOutput::default()),
            Err(error) => Err(error),
        }
    }

    /// # Errors
    /// As `GET /v1/faq`.
    pub async fn faq(&self, _: &Caller, input: FaqInput) -> Result<FaqOutput, ToolError> {
        let n = input.n.map(|n| n.to_string());
        self.get(Path::of(&["/v1/faq"]).with("q", Some(input.question)).with("n", n)).await
    }

    /// # Errors
    /// [`ToolError`] `unauthorized` without a user; as `PUT /v1/users/{id}/budget`.
    pub async fn set_budget(
        &self,
        caller: &Caller,
        input: SetBudgetInput,
    ) -> Result<BudgetOutput, ToolError> {
        let path = Path::of(&["/v1/users", &user_of(caller)?, "budget"]);
        let body = json!({"month": input.month, "currency": input.currency});
        let budget: BudgetOutput = self.ask(Method::PUT, path, Some(&body)).await?;
        Ok(BudgetOutput { set: true, ..budget })
    }

    /// # Errors
    /// [`ToolError`] `unauthorized` without a user; as `GET /v1/items/{id}` for a product that is not known, and as `POST /v1/events`.
    pub async fn feedback(&self, caller: &Caller, input: FeedbackInput) -> Result<FeedbackOutput, ToolError> {
        let user = user_of(caller)?;
        let _: Value = self.get(Path::of(&["/v1/items", &input.item_id])).await?;
        let mut event = json!({
            "event_id": self.app.new_event_id(),
            "type": "recommendation_feedback",
            "user_id": user,
            "item_id": input.item_id,
            "feedback": input.feedback,
            "occurred_at": self.app.now_ms(),
        });
        if let Some(list) = input.list_id {
            event["list_id"] = json!(list);
        }
        let _: Value = self.ask(Method::POST, Path::of(&["/v1/events"]), Some(&event)).await?;
        Ok(FeedbackOutput { noted: true })
    }
}
