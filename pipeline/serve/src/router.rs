//! The table of routes, and the router it becomes. The API description is checked against the same table.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use axum::{Router, http};
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::app::{App, ServeContext};
use crate::error::ApiError;
use crate::gate::{Access, Gate, count, pass};
use crate::options::Cors;
use crate::params::IDEMPOTENCY_KEY;
use crate::tools::Tools;
use crate::{
    chat, collect, facts, faq, items, legacy, mcp, openai, openapi, prices, profile, recommend, search,
    similar, status, users,
};

/// Preflight answers are asked again after ten minutes.
const PREFLIGHT_AGE: std::time::Duration = std::time::Duration::from_secs(600);

/// Where assistants speak the Model Context Protocol.
pub(crate) const MCP_PATH: &str = "/mcp";

/// What monitors ask of any process.
const STATUS: [&str; 4] = ["/live", "/ready", "/metrics", "/health"];

pub(crate) struct Route {
    pub method: Method,
    pub path: &'static str,
    pub access: Access,
    handler: MethodRouter<Arc<App>>,
}

/// Everything that is served, beside the pages under `/docs`.
pub(crate) fn table() -> Vec<Route> {
    use Access::{Either, Open, Read, Write};
    let route = |method, path, access, handler| Route { method, path, access, handler };
    vec![
        route(Method::POST, "/v1/events", Write, post(collect::collect)),
        route(Method::GET, "/v1/users/{id}/recommendations", Read, get(recommend::recommendations)),
        route(Method::POST, "/v1/recommendations", Read, post(recommend::recommend_many)),
        route(Method::POST, "/v1/session/recommendations", Read, post(recommend::session)),
        route(Method::GET, "/v1/trending", Read, get(recommend::trending)),
        route(Method::GET, "/v1/items/{id}/similar", Read, get(similar::similar)),
        route(Method::GET, "/v1/search", Read, get(search::search)),
        route(Method::GET, "/v1/suggest", Read, get(search::suggest)),
        route(Method::POST, "/v1/chat", Write, post(chat::chat)),
        route(Method::GET, "/v1/chat/sessions/{id}/messages", Read, get(chat::messages)),
        route(Method::POST, "/v1/recommendations/{record_id}/feedback", Write, post(chat::feedback)),
        route(Method::POST, "/v1/chat/completions", Write, post(openai::chat_completions)),
        route(Method::GET, "/v1/models", Read, get(openai::list_models)),
        route(Method::GET, "/v1/faq", Read, get(faq::ask)),
        route(Method::GET, "/v1/faq/entries", Write, get(faq::list)),
        route(Method::PUT, "/v1/faq/entries/{id}", Write, put(faq::put)),
        route(Method::DELETE, "/v1/faq/entries/{id}", Write, delete(faq::delete)),
        route(Method::POST, "/v1/items", Write, post(items::post_batch)),
        route(Method::GET, "/v1/items/{id}", Read, get(items::get)),
        route(Method::GET, "/v1/items/{id}/facts", Read, get(facts::facts)),
        route(Method::GET, "/v1/items/{id}/prices", Read, get(prices::prices)),
        route(Method::PUT, "/v1/items/{id}", Write, put(items::put)),
        route(Method::PATCH, "/v1/items/{id}", Write, patch(items::patch)),
        route(Method::DELETE, "/v1/items/{id}", Write, delete(items::delete)),
        route(Method::DELETE, "/v1/users/{id}", Write, delete(users::erase)),
        route(Method::GET, "/v1/users/{id}/profile", Read, get(profile::profile)),
        route(Method::GET, "/v1/users/{id}/budget", Read, get(users::get_budget)),
        route(Method::PUT, "/v1/users/{id}/budget", Write, put(users::put_budget)),
        route(Method::DELETE, "/v1/users/{id}/budget", Write, delete(users::delete_budget)),
        route(Method::POST, MCP_PATH, Either, post(mcp::mcp)),
        route(Method::GET, "/live", Open, get(status::live)),
        route(Method::GET, "/ready", Open, get(status::ready)),
        route(Method::GET, "/metrics", Open, get(status::metrics)),
        route(Method::GET, "/health", Open, get(status::health)),
        route(Method::POST, "/recommend", Read, post(legacy::recommend)),
        route(Method::GET, "/users", Read, get(legacy::users)),
        route(Method::GET, "/openapi.json", Open, get(openapi::document)),
    ]
}

/// Method and path of everything that is served, beside the pages under `/docs`.
pub fn routes() -> Vec<(String, &'static str)> {
    table().into_iter().map(|route| (route.method.to_string(), route.path)).collect()
}

fn routed(app: &Arc<App>, routes: impl Iterator<Item = Route>) -> Router<Arc<App>> {
    routes.fold(Router::new(), |router, Route { method, path, access, handler }| {
        let gate = Gate::new(app.clone(), access, &method, path);
        router.route(path, handler.route_layer(from_fn_with_state(gate, pass)))
    })
}

/// The routes for whoever was asked for his key already; counted and bounded as all are.
pub(crate) fn trusted(app: &Arc<App>) -> Router {
    // What calls tools is no tool: nothing may call itself without end.
    let routes = table().into_iter().filter(|route| route.path != MCP_PATH);
    routed(app, routes.map(|route| Route { access: Access::Open, ..route }))
        .fallback(unknown_path)
        .with_state(app.clone())
}

/// Only what monitors ask, for a process that has no API.
pub(crate) fn status_router(mut context: ServeContext) -> Router {
    (context.options.search, context.options.chat) = (false, false);
    let app = App::new(context);
    let asked = |route: &Route| STATUS.contains(&route.path);
    routed(&app, table().into_iter().filter(asked))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .with_state(app)
}

/// The whole HTTP side as a service.
pub fn router(context: ServeContext) -> Router {
    let app = App::new(context);
    let router = routed(&app, table().into_iter());
    let docs = SwaggerUi::new("/docs").config(Config::from("/openapi.json"));
    let router = router
        .merge(docs)
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(axum::Extension(Arc::new(Tools::new(&app))))
        .with_state(app.clone());
    match cors(&app.context.options.cors) {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

async fn unknown_path(State(app): State<Arc<App>>) -> Response {
    count(&app, "unknown", StatusCode::NOT_FOUND);
    ApiError::not_found("path", "no such path, see /openapi.json").into_response()
}

async fn unknown_method(State(app): State<Arc<App>>) -> Response {
    count(&app, "unknown", StatusCode::METHOD_NOT_ALLOWED);
    let message = "the path does not take this method, see the allow header";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "method", message).into_response()
}

/// No credentials are ever allowed: keys travel in headers that a page must set itself.
fn cors(origins: &Cors) -> Option<CorsLayer> {
    let origin = match origins {
        Cors::Nobody => return None,
        Cors::Anybody => AllowOrigin::any(),
        Cors::Only(origins) => {
            AllowOrigin::list(origins.iter().filter_map(|o| HeaderValue::from_str(o).ok()))
        }
    };
    let methods = [http::Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let headers = [
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::AUTHORIZATION,
        HeaderName::from_static("x-api-key"),
        HeaderName::from_static(IDEMPOTENCY_KEY),
    ];
    let layer = CorsLayer::new().allow_origin(origin).allow_methods(methods).allow_headers(headers);
    Some(layer.expose_headers([header::RETRY_AFTER]).max_age(PREFLIGHT_AGE))
}
