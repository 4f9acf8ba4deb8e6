//! The description of the API: written beside the handlers, completed with what all routes share.

use std::sync::LazyLock;

use axum::http::Method;
use axum::response::Response;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, PathItem, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use crate::error::ErrorBody;
use crate::gate::Access;
use crate::params::NoQuery;
use crate::recommend::json;
use crate::router::{Route, table};
use crate::{collect, items, legacy, profile, read, recommend, similar, status, users};

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
        items::post_batch,
        items::get,
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
    components(schemas(ErrorBody, read::ListAnswer, read::Place)),
    modifiers(&Shared),
    tags(
        (name = "collect", description = "Events in."),
        (name = "read", description = "Lists out."),
        (name = "catalogue", description = "Items."),
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
            let operation = api.paths.paths.get_mut(route.path).and_then(|item| operation_of(item, &route.method));
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
        let response = ResponseBuilder::new().description(description).content("application/json", content).build();
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
        operation.security =
            Some(vec![SecurityRequirement::new("bearer", none), SecurityRequirement::new("header", none), SecurityRequirement::default()]);
    }
}

/// The description of everything that is served.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// This description
#[utoipa::path(get, path = "/openapi.json", tag = "status", responses((status = 200, description = "OpenAPI 3.1.", body = serde_json::Value)))]
pub(crate) async fn document(_: NoQuery) -> Response {
    static DOCUMENT: LazyLock<Vec<u8>> = LazyLock::new(|| serde_json::to_vec(&openapi()).unwrap_or_default());
    json(DOCUMENT.clone())
}
