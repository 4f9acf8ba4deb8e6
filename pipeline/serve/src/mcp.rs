//! The tools for any assistant that speaks the Model Context Protocol: over streamable HTTP at `/mcp`, or over standard input and
//! output. Nothing is kept between two requests, so any replica answers any of them, and there is no session to bound.

#[cfg(feature = "mcp")]
mod server;
#[cfg(feature = "mcp")]
mod stdio;

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;

#[cfg(feature = "mcp")]
pub use self::stdio::{StdioError, serve_stdio};
use crate::app::App;
use crate::error::ApiError;
use crate::params::NoQuery;
use crate::tools::Tools;

/// The header that names whom a request is made for, percent-encoded. It comes from whoever holds the key, never from what an
/// assistant was told.
#[cfg(feature = "mcp")]
const USER_HEADER: &str = "x-shoptide-user";

/// Speak the Model Context Protocol
///
/// Streamable HTTP, one JSON-RPC message a request, answered as JSON. Tools: `search_products`, `get_product`, `recommend`, `similar`,
/// `explain`, `price_history`, `budget`, `faq`; with the key of writers also `set_budget` and `feedback`. The key of readers or of
/// writers is asked for, if there is one.
#[utoipa::path(
    post, path = "/mcp", tag = "assistants",
    params(
        ("X-Shoptide-User" = Option<String>, Header, description = "The shopper that the tools act for, percent-encoded; without it those about a shopper refuse."),
        ("Accept" = String, Header, description = "`application/json, text/event-stream`, as the protocol asks."),
    ),
    request_body(content = serde_json::Value, description = "A JSON-RPC 2.0 message.", example = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})),
    responses(
        (status = 200, description = "The JSON-RPC answer.", body = serde_json::Value),
        (status = 202, description = "A notification was taken."),
        (status = 403, description = "A page of another origin or host asks.", body = crate::error::ErrorBody),
        (status = 406, description = "`Accept` does not name both media types.", body = crate::error::ErrorBody),
        (status = 501, description = "The program was built without it.", body = crate::error::ErrorBody),
    ),
)]
pub(crate) async fn mcp(
    State(app): State<Arc<App>>,
    Extension(tools): Extension<Arc<Tools>>,
    _: NoQuery,
    request: Request,
) -> Result<Response, ApiError> {
    #[cfg(feature = "mcp")]
    return server::answer(&app, &tools, request).await;
    #[cfg(not(feature = "mcp"))]
    {
        let _ = (app, tools, request);
        let message = "this program was built without the Model Context Protocol; build it with --features mcp, or with its defaults";
        let status = axum::http::StatusCode::NOT_IMPLEMENTED;
        Err(ApiError::new(status, "not_implemented", "mcp", message))
    }
}
