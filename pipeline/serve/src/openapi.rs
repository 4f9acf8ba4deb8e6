//! The description of the API: written beside the handlers, completed with what all routes share.

use std::sync::LazyLock;

use axum::http::Method;
use axum::response::Response;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};
use shoptide_schemas::catalogue::WireCatalogue;
use shoptide_schemas::limits::BATCH_EVENTS_MAX;
use shoptide_schemas::wire::WireEvent;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Content, PathItem, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use crate::error::ErrorBody;
use crate::gate::Access;
use crate::params::NoQuery;
use crate::recommend::json as json_bytes;
use crate::router::{Route, table};
use crate::{
    chat, collect, facts, faq, items, legacy, mcp, openai, prices, profile, read, recommend, search, similar,
    status, users,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Shoptide",
        description = "Events in, fresh explained lists out. Every error has one body: `{code, field, message}`. Ids are opaque bytes of 1 to 128: `User1`, `user1`, `user1 `, `1` and `01` are five.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        collect::collect,
        recommend::recommendations,
        recommend::recommend_many,
        recommend::session,
        recommend::trending,
        similar::similar,
        search::search,
        search::suggest,
        chat::chat,
        chat::messages,
        chat::feedback,
        openai::chat_completions,
        openai::list_models,
        faq::ask,
        faq::list,
        faq::put,
        faq::delete,
        items::post_batch,
        items::get,
        prices::prices,
        facts::facts,
        mcp::mcp,
        items::put,
        items::patch,
        items::delete,
        users::erase,
        profile::profile,
        users::get_budget,
        users::put_budget,
        users::delete_budget,
        status::live,
        status::ready,
        status::metrics,
        status::health,
        legacy::recommend,
        legacy::users,
        document,
    ),
    components(schemas(ErrorBody, read::ListAnswer, read::Place, search::SearchAnswer, search::SearchSort, search::SuggestAnswer, chat::TurnAnswer, chat::Messages, faq::FaqAnswers)),
    modifiers(&Shared),
    tags(
        (name = "collect", description = "Events in."),
        (name = "read", description = "Lists out."),
        (name = "search", description = "What a shopper types."),
        (name = "chat", description = "Products in answer to words."),
        (name = "faq", description = "Questions to the shop."),
        (name = "catalogue", description = "Items."),
        (name = "assistants", description = "For assistants that speak the Model Context Protocol."),
        (name = "users", description = "Budgets, profiles, erasure."),
        (name = "status", description = "For monitors."),
        (name = "legacy", description = "For clients of older systems."),
    ),
)]
struct Api;

/// Keys, and the errors that any route may answer with.
struct Shared;

impl Modify for Shared {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        if let Some(components) = &mut api.components {
            let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
            components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
            let header = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key")));
            components.add_security_scheme("header", header);
        }
        for route in table() {
            let operation =
                api.paths.paths.get_mut(route.path).and_then(|item| operation_of(item, &route.method));
            if let Some(operation) = operation {
                complete(operation, &route);
            }
        }
    }
}

fn operation_of<'a>(item: &'a mut PathItem, method: &Method) -> Option<&'a mut Operation> {
    match *method {
        Method::GET => item.get.as_mut(),
        Method::POST => item.post.as_mut(),
        Method::PUT => item.put.as_mut(),
        Method::PATCH => item.patch.as_mut(),
        Method::DELETE => item.delete.as_mut(),
        _ => None,
    }
}

fn complete(operation: &mut Operation, route: &Route) {
    let mut add = |status: &str, description: &str| {
        let content = Content::new(Some(Ref::from_schema_name("ErrorBody")));
        let response =
            ResponseBuilder::new().description(description).content("application/json", content).build();
        operation.responses.responses.entry(status.to_owned()).or_insert(RefOr::T(response));
    };
    add("400", "The path, the query, a header or the JSON cannot be read.");
    add("500", "The program failed on this request.");
    add("503", "Overloaded, or a dependency is down; `Retry-After` says when to come back.");
    if matches!(route.method, Method::POST | Method::PUT | Method::PATCH) {
        add("408", "The body did not arrive in time.");
        add("413", "The body is larger than 2 MiB decompressed, or holds more than 1,000 entries.");
        add("415", "The body is neither JSON nor, where allowed, JSON lines; or its encoding is not gzip.");
        add("422", "The body is JSON, but a value in it is not what the field holds.");
    } else if route.path == "/v1/items/{id}" || route.path == "/v1/users/{id}" {
        add("422", "The write is not possible with these values.");
    }
    if route.access != Access::Open {
        add("401", "A key is configured, and is missing or wrong.");
        let none: [&str; 0] = [];
        operation.security = Some(vec![
            SecurityRequirement::new("bearer", none),
            SecurityRequirement::new("header", none),
            SecurityRequirement::default(),
        ]);
    }
}

/// The description of everything that is served.
pub fn openapi() -> Value {
    let mut api = serde_json::to_value(Api::openapi()).unwrap_or_default();
    describe_events(&mut api);
    api
}

/// Events come with the schemas of the types that read them, so the description cannot drift from the reader.
fn describe_events(api: &mut Value) {
    let settings = SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let event = json!({"anyOf": [
        generator.subschema_for::<WireEvent>(),
        generator.subschema_for::<WireCatalogue>(),
    ]});
    let schemas = api.pointer_mut("/components/schemas").and_then(Value::as_object_mut);
    if let Some(schemas) = schemas {
        schemas.extend(generator.take_definitions(true));
    }
    let batch = json!({"type": "array", "items": event, "minItems": 1, "maxItems": BATCH_EVENTS_MAX});
    let content = api.pointer_mut("/paths/~1v1~1events/post/requestBody/content/application~1json");
    if let Some(content) = content {
        *content = json!({
            "schema": {"anyOf": [event, batch]},
            "example": [
                {"event_id": "e1", "type": "view_item", "user_id": "U10001", "item_id": "TECH1005",
                    "occurred_at": "2026-05-04T12:00:00Z"},
                {"event_id": "e2", "type": "stock", "item_id": "TECH1005", "stock": 3, "occurred_at": 1_777_896_000_000_i64},
            ],
        });
    }
}

/// This description
#[utoipa::path(get, path = "/openapi.json", tag = "status", responses((status = 200, description = "OpenAPI 3.1.", body = serde_json::Value)))]
pub(crate) async fn document(_: NoQuery) -> Response {
    static DOCUMENT: LazyLock<Vec<u8>> = LazyLock::new(|| openapi().to_string().into_bytes());
    json_bytes(DOCUMENT.clone())
}
