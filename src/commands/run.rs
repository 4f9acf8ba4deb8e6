//! `up`, `stream`, `serve`, and `jobs` without a job: roles until a signal.

use std::process::ExitCode;

use crate::app::{App, Roles, Signals, listen};
use crate::args::Run;
use crate::commands::load_config;
use crate::data_dir::DataDir;

pub async fn run(args: Run, roles: Roles) -> anyhow::Result<ExitCode> {
    let mut config = load_config(args.place.config.as_deref())?;
    if let Some(port) = args.port {
        config.serve.port = port;
    }
    let mut signals = Signals::catch()?;
    let listener = match roles.address(&config) {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let data = DataDir::create(&args.place.data_dir)?;
    let mut app = tokio::select! {
        app = App::start(&config, &data, roles, listener) => app?,
        // Nothing was accepted yet, and what is open closes with the process.
        () = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    let path = data.path().display();
    match app.address {
        Some(address) => {
            tracing::info!(url = %format_args!("http://{address}"), data = %path, "shoptide is up")
        }
        None => tracing::info!(data = %path, "shoptide is up"),
    }
    let ended = tokio::select! {
        () = signals.next() => None,
        error = app.role_failed() => Some(error),
    };
    app.shutdown().await;
    match ended {
        None => Ok(ExitCode::SUCCESS),
        Some(error) => Err(error),
    }
}
