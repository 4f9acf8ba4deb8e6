//! `generate`: the simulated shop as JSON lines, into a collector or into the log.

use std::io::Write;
use std::process::ExitCode;

use shoptide_jobs::import::{BATCH_EVENTS_MAX, Outgoing, Sink};
use shoptide_jobs::shop::{Shop, ShopOptions, ShopParams};
use shoptide_schemas::EventMs;

use crate::app::Refused;
use crate::args::Generate;
use crate::commands::import::open_sink;
use crate::data_dir::system_clock;
use crate::outln;

/// Written at once.
const BUFFER_BYTES: usize = 1 << 20;

pub async fn run(args: Generate) -> anyhow::Result<ExitCode> {
    let end_ms = match args.end.as_str() {
        "now" => system_clock()(),
        text => {
            EventMs::from_rfc3339(text).map_err(|e| Refused(e.message.replace("occurred_at", "--end")))?.0
        }
    };
    let mut options = ShopOptions::demo(args.seed, end_ms);
    options.users = args.users;
    options.items = args.items;
    options.events = args.events;
    options.span_days = args.span_days;
    options.bad_per_mille = args.bad_per_mille;
    if let Some(run) = args.run {
        options.run = run;
    }
    let shop = Shop::new(ShopParams::new(options).map_err(|e| Refused(e.to_string()))?);
    let outgoing = shop.catalogue().map(Outgoing::Item).chain(shop.events().map(Outgoing::Event));
    match args.to.as_str() {
        "-" => write(outgoing, std::io::stdout().lock())?,
        "log" => send(outgoing, None, &args.key_file, &args.place).await?,
        // The sink says what is wrong with other addresses, which would be strange names of files.
        url if url.contains("://") => send(outgoing, Some(url), &args.key_file, &args.place).await?,
        path => {
            let file = std::fs::File::create(path).map_err(|e| Refused(format!("--to {path}: {e}")))?;
            write(outgoing, file)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write(outgoing: impl Iterator<Item = Outgoing>, to: impl Write) -> anyhow::Result<()> {
    let mut to = std::io::BufWriter::with_capacity(BUFFER_BYTES, to);
    for one in outgoing {
        let written = match &one {
            Outgoing::Event(event) => serde_json::to_writer(&mut to, event),
            Outgoing::Item(item) => serde_json::to_writer(&mut to, item),
        };
        let result = written.map_err(std::io::Error::from).and_then(|()| to.write_all(b"\n"));
        match result {
            // `shoptide generate | head` is no failure.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            other => other?,
        }
    }
    match to.flush() {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

async fn send(
    outgoing: impl Iterator<Item = Outgoing>,
    to: Option<&str>,
    key_file: &Option<std::path::PathBuf>,
    place: &crate::args::Place,
) -> anyhow::Result<()> {
    let (mut sink, log): (Box<dyn Sink>, _) = open_sink(to, key_file.as_deref(), place).await?;
    let (mut accepted, mut rejected) = (0, 0);
    let mut batch = Vec::with_capacity(BATCH_EVENTS_MAX);
    for one in outgoing {
        batch.push(one);
        if batch.len() == BATCH_EVENTS_MAX {
            let sent = sink.send(std::mem::take(&mut batch)).await?;
            (accepted, rejected) = (accepted + sent.accepted, rejected + sent.rejected);
        }
    }
    if !batch.is_empty() {
        let sent = sink.send(batch).await?;
        (accepted, rejected) = (accepted + sent.accepted, rejected + sent.rejected);
    }
    if let Some(log) = log {
        shoptide_log::Log::close(&*log).await;
    }
    outln!("{accepted} accepted, {rejected} rejected")?;
    Ok(())
}
