//! The protocol over standard input and output: one assistant, for as long as it keeps the pipe open.

use std::future::Future;
use std::sync::Arc;

use rmcp::ServiceExt;

use super::server::Handler;
use crate::app::{App, ServeContext};
use crate::tools::{Caller, Tools};

/// Why it ended early.
#[derive(Debug, thiserror::Error)]
pub enum StdioError {
    /// Stop: what came first was not the protocol's beginning.
    #[error("the assistant does not speak the Model Context Protocol: {0}")]
    Protocol(String),
    /// Stop: the program's fault.
    #[error("the server of the tools fell: {0}")]
    Fell(#[from] tokio::task::JoinError),
}

/// Serves the tools to whoever holds the other ends, until he closes his, or until `shutdown` resolves.
///
/// # Errors
/// [`StdioError::Protocol`] if the first message is another than the protocol's.
pub async fn serve_stdio(
    context: ServeContext,
    caller: Caller,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StdioError> {
    let app = App::new(context);
    let handler = Handler { tools: Arc::new(Tools::new(&app)), caller };
    let serving = async {
        let running = handler.serve(rmcp::transport::stdio()).await;
        let running = match running {
            Ok(running) => running,
            // Nobody said anything: he looked whether it starts.
            Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
            Err(error) => return Err(StdioError::Protocol(error.to_string())),
        };
        running.waiting().await?;
        Ok(())
    };
    tokio::select! {
        ended = serving => ended,
        () = shutdown => Ok(()),
    }
}
