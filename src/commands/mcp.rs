//! `mcp`: the shop's tools for an assistant on the other end of standard input and output.

use std::process::ExitCode;

use crate::app::Refused;
use crate::args::Mcp;

#[cfg(not(feature = "mcp"))]
pub async fn run(_: Mcp) -> anyhow::Result<ExitCode> {
    let message = "mcp needs a binary with the Model Context Protocol: cargo build --release";
    Err(Refused(message.to_owned()).into())
}

#[cfg(feature = "mcp")]
pub async fn run(args: Mcp) -> anyhow::Result<ExitCode> {
    use std::sync::Arc;
    use std::time::Duration;

    use anyhow::Context;
    use shoptide_live::{Live, Metrics};
    use shoptide_schemas::UserId;
    use shoptide_serve::tools::Caller;

    use crate::app::{Signals, serve_context};
    use crate::commands::{key_of, load_config};
    use crate::data_dir::DataDir;
    use crate::services;

    /// Lists held: one shopper's, and those of the items that he is shown.
    const CACHE_ENTRIES: usize = 100;
    /// A list of another process may be this old before the store is asked again.
    const LIST_AGE: Duration = Duration::from_secs(1);

    let user = args.user.as_deref().map(UserId::parse).transpose();
    let user = user.map_err(|reject| Refused(format!("--user: {}", reject.message)))?;
    let config = load_config(args.place.config.as_deref())?;
    let writes = match key_of(args.key_file.as_deref())? {
        None => false,
        Some(given) => {
            let key = config.serve.write_key.as_ref().map(|key| key.expose().as_bytes());
            if key != Some(given.as_bytes()) {
                let message =
                    "the key of --key-file is not serve.write_key, which alone allows tools that write";
                return Err(Refused(message.to_owned()).into());
            }
            true
        }
    };
    let mut signals = Signals::catch()?;
    let data = DataDir::with_truth_of(&config, &args.place.data_dir)?;
    let log = services::open_log(&config, &data).await?;
    let truth = match writes {
        true => services::open_truth(&config, &data).await?,
        false => services::open_truth_to_read(&config, &data).await?,
    };
    let cache = services::open_cache(&config, CACHE_ENTRIES, LIST_AGE).await?;
    let metrics = Arc::new(Metrics::new().context("metrics")?);
    let live = Live::start(log.clone(), truth.clone(), data.model_files(&config), metrics).await?;
    let mut context = serve_context(&config, log.clone(), truth.clone(), cache, live.clone());
    // Whoever can read the files needs no key.
    (context.options.read_key, context.options.write_key) = (None, None);
    let stop = async move { signals.next().await };
    let served = shoptide_serve::serve_stdio(context, Caller { user, writes }, stop).await;
    live.stop();
    let closing = async { tokio::join!(log.close(), truth.close()) };
    // What was written is written; files are only let go.
    let _ = tokio::time::timeout(Duration::from_millis(500), closing).await;
    served?;
    Ok(ExitCode::SUCCESS)
}
