//! `events tail`: the log as it is.

use std::process::ExitCode;

use serde_json::json;
use shoptide_log::{Log, ReadMax, Record};
use shoptide_schemas::Topic;
use shoptide_schemas::topic::ALL_TOPICS;

use crate::app::{Refused, Signals};
use crate::args::{Events, EventsWhat};
use crate::commands::load_config;
use crate::data_dir::DataDir;
use crate::render::table;
use crate::services;
use crate::{out, outln};

/// One read of the log.
const READ: ReadMax = ReadMax { records: 1_000, bytes: 4 * 1024 * 1024 };
/// How often the partitions are asked while following.
const POLL: std::time::Duration = std::time::Duration::from_millis(200);

pub async fn run(args: Events) -> anyhow::Result<ExitCode> {
    let EventsWhat::Tail { topic, n, follow, json, place } = args.what;
    let config = load_config(place.config.as_deref())?;
    let topics = match topic {
        None => ALL_TOPICS.to_vec(),
        Some(name) => vec![Topic::from_name(&name).ok_or_else(|| no_topic(&name))?],
    };
    let log = services::open_log_patiently(&config, &DataDir::with_log_of(&config, &place.data_dir)?).await?;
    let mut next = Vec::new();
    let mut last: Vec<Record> = Vec::new();
    for topic in topics {
        for partition in 0..log.partitions(topic) {
            let marks = log.watermarks(topic, partition).await?;
            let mut from = marks.next.saturating_sub(i64::from(n)).max(marks.first);
            while from < marks.next {
                let records = log.read(topic, partition, from, READ).await?;
                let Some(end) = records.last().map(|r| r.offset + 1) else { break };
                last.extend(records.into_iter().filter(|r| r.offset < marks.next));
                from = end;
            }
            next.push((topic, partition, marks.next));
        }
    }
    last.sort_by_key(|r| (r.appended, r.topic, r.partition, r.offset));
    let surplus = last.len().saturating_sub(n as usize);
    print(last.get(surplus..).unwrap_or_default(), json, true)?;
    drop(last);
    if follow {
        self::follow(&*log, next, json).await?;
    }
    log.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Prints what comes, until a signal.
async fn follow(log: &dyn Log, mut next: Vec<(Topic, u32, i64)>, json: bool) -> anyhow::Result<()> {
    let mut signals = Signals::catch()?;
    loop {
        for (topic, partition, from) in &mut next {
            let records = log.read(*topic, *partition, *from, READ).await?;
            if let Some(record) = records.last() {
                *from = record.offset + 1;
                print(&records, json, false)?;
            }
        }
        tokio::select! {
            () = signals.next() => return Ok(()),
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

fn no_topic(name: &str) -> Refused {
    let topics = ALL_TOPICS.map(Topic::name).join(", ");
    Refused(format!("{name} is no topic of the log, which has {topics}"))
}

fn print(records: &[Record], json: bool, headed: bool) -> anyhow::Result<()> {
    let text = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map(|b| String::from_utf8_lossy(b).into_owned());
    if json {
        for r in records {
            let line = json!({
                "topic": r.topic.name(), "partition": r.partition, "offset": r.offset,
                "appended_at": r.appended.to_rfc3339(), "key": text(&r.key), "value": text(&r.value),
            });
            outln!("{line}")?;
        }
        return Ok(());
    }
    let rows: Vec<Vec<String>> = records
        .iter()
        .map(|r| {
            let value: serde_json::Value =
                r.value.as_ref().and_then(|v| serde_json::from_slice(v).ok()).unwrap_or_default();
            let field = |name: &str| value.get(name).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
            vec![
                r.appended.to_rfc3339(),
                format!("{}/{}/{}", r.topic, r.partition, r.offset),
                field("type"),
                text(&r.key).unwrap_or_default(),
                field("item_id"),
                field("event_id"),
            ]
        })
        .collect();
    let shown = table(&["appended", "position", "type", "key", "item", "event"], &rows);
    let (_, without) = shown.split_once('\n').unwrap_or_default();
    out!("{}", if headed { &shown } else { without })
}
