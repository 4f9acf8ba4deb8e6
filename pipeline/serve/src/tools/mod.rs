//! What an assistant may do in the shop: a few questions with typed answers, each of them a route of the API asked within the
//! process. So a tool checks, answers and fails as the API does, and there is no second way to do it.
//!
//! A tool acts for the caller that the request was authenticated as, and for nobody else: no argument names a user. Answers are
//! small enough for whoever has to read them, an assistant's context included.

mod ask;
mod inputs;
mod outputs;
mod run;

use std::sync::{Arc, LazyLock};

use axum::Router;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};
use shoptide_schemas::UserId;

pub use inputs::{
    BudgetInput, ExplainInput, FaqInput, FeedbackInput, PriceHistoryInput, ProductInput, RecommendInput,
    SearchInput, SetBudgetInput, SimilarInput,
};
pub use outputs::{
    Asked, BudgetOutput, Evidence, ExplainOutput, Fact, FaqOutput, FeedbackOutput, ListOutput,
    PriceHistoryOutput, PriceThen, Product, ProductOutput, Proof, Reason, SearchOutput, ShopAnswer,
    ValueCount,
};

use crate::app::App;
use crate::error::ApiError;

/// Places of one answer: an assistant names a few products, and pays for each word that it reads.
pub const TOOL_PLACES_MAX: usize = 20;

/// Whom a tool acts for, as the request was authenticated. Nothing that a message or an argument says changes it.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// Absent: somebody who is not known; tools about a user refuse.
    pub user: Option<UserId>,
    /// Whether tools that change something may be called.
    pub writes: bool,
}

/// A tool as assistants are told of it.
#[derive(Debug, Clone)]
pub struct ToolSpec {
    pub name: &'static str,
    pub description: &'static str,
    /// JSON Schema of the arguments, an object.
    pub input: Arc<Map<String, Value>>,
    /// JSON Schema of the result, an object.
    pub output: Arc<Map<String, Value>>,
    /// Whether it changes something, so that [`Caller::writes`] is asked for.
    pub writes: bool,
}

/// Why a tool gave no answer; the same three words as every error of the API.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ToolError {
    /// As HTTP would say it.
    #[serde(skip)]
    pub status: u16,
    /// `not_found`, `unauthorized`, `missing`, `too_long` and so on.
    pub code: String,
    /// Which argument, or what else it is about.
    pub field: String,
    pub message: String,
}

impl From<ApiError> for ToolError {
    fn from(error: ApiError) -> Self {
        let ApiError { status, body, .. } = error;
        Self {
            status: status.as_u16(),
            code: body.code.into_owned(),
            field: body.field.into_owned(),
            message: body.message,
        }
    }
}

/// The tools over one running API.
#[derive(Clone)]
pub struct Tools {
    app: Arc<App>,
    /// The routes of the API, each as if its key had been given: who may call a tool is decided before.
    routes: Router,
}

impl Tools {
    pub(crate) fn new(app: &Arc<App>) -> Self {
        Self { app: app.clone(), routes: crate::router::trusted(app) }
    }

    /// All tools, or those that only read.
    pub fn specs(writes: bool) -> impl Iterator<Item = &'static ToolSpec> {
        SPECS.iter().filter(move |spec| writes || !spec.writes)
    }
}

/// The schema of a type, whole: assistants resolve no references to elsewhere.
fn schema_of<T: schemars::JsonSchema>() -> Arc<Map<String, Value>> {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<T>();
    Arc::new(schema.to_value().as_object().cloned().unwrap_or_default())
}

macro_rules! tools {
    ($($name:ident($input:ty) -> $output:ty, $writes:literal, $description:literal;)*) => {
        static SPECS: LazyLock<Vec<ToolSpec>> = LazyLock::new(|| vec![$(ToolSpec {
            name: stringify!($name),
            description: $description,
            input: schema_of::<$input>(),
            output: schema_of::<$output>(),
            writes: $writes,
        },)*]);

        impl Tools {
            /// Calls a tool by its name with arguments as JSON.
            ///
            /// # Errors
            /// [`ToolError`] for a name that is not known or not allowed, for arguments of another shape, and as the tool itself.
            pub async fn call(&self, caller: &Caller, name: &str, arguments: Map<String, Value>) -> Result<Value, ToolError> {
                match name {
                    $(stringify!($name) => {
                        if $writes && !caller.writes {
                            return Err(forbidden());
                        }
                        let input = serde_json::from_value::<$input>(Value::Object(arguments));
                        let input = input.map_err(|error| ApiError::json(&error))?;
                        let output: $output = self.$name(caller, input).await?;
                        serde_json::to_value(output).map_err(|_| ApiError::failed().into())
                    })*
                    _ => Err(ApiError::not_found("name", "there is no such tool").into()),
                }
            }
        }
    };
}

tools! {
    search_products(SearchInput) -> SearchOutput, false,
        "Searches the shop's catalogue by words and filters. Every product that is named to the shopper must come from a result of a tool.";
    get_product(ProductInput) -> ProductOutput, false,
        "One product as the shop has it now, with what is known of it and what says so: features, what it fits, what it is bought with. Answers 'does it have NFC' and 'this or that one for running'.";
    recommend(RecommendInput) -> ListOutput, false,
        "What the shop recommends to this shopper now, within the month's budget, each product with its reason. Without a known shopper: what is trending.";
    similar(SimilarInput) -> ListOutput, false,
        "Products like a product.";
    explain(ExplainInput) -> ExplainOutput, false,
        "Why a product is recommended to this shopper: the reason with its evidence, or that it is not.";
    price_history(PriceHistoryInput) -> PriceHistoryOutput, false,
        "What a product has cost before, and since when.";
    budget(BudgetInput) -> BudgetOutput, false,
        "This shopper's budget of the month: limit, spent, left.";
    faq(FaqInput) -> FaqOutput, false,
        "The shop's own answers about delivery, returns, invoices, warranty, payment, membership. If known is false, say so and offer a person.";
    set_budget(SetBudgetInput) -> BudgetOutput, true,
        "Sets how much this shopper may spend a month.";
    feedback(FeedbackInput) -> FeedbackOutput, true,
        "Notes what this shopper thinks of a product.";
}

fn forbidden() -> ToolError {
    let message = "this tool changes something, and the request carries no key that allows it";
    ApiError::new(axum::http::StatusCode::FORBIDDEN, "forbidden", "authorization", message).into()
}
