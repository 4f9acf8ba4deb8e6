//! `events tail`: the log as it is.

use std::process::ExitCode;

use serde_json::json;
use shoptide_log::{Log, ReadMax, Record};
use shoptide_schemas::Topic;
use shoptide_schemas::topic::ALL_TOPICS;

use crate::app::{Refused, signal};
use crate::args::{Events, EventsWhat};
use crate::commands::load_config;
use crate::data_dir::DataDir;
use crate::render::table;

/// Records of one read while following.
const READ: ReadMax = ReadMax { records: 500, bytes: 4 * 1024 * 1024 };
/// How often the partitions are asked while following.
const POLL: std::time::Duration = std::time::Duration::from_millis(200);

pub async fn run(args: Events) -> anyhow::Result<ExitCode> {
    let EventsWhat::Tail { topic, n, follow, json, place } = args.what;
    let config = load_config(place.config.as_deref())?;
    let data = DataDir::existing(&place.data_dir)?;
    let log = data.open_log(&config).await?;
    let topics = match topic {
        None => ALL_TOPICS.to_vec(),
        Some(name) => vec![Topic::from_name(&name).ok_or_else(|| Refused(format!("{name} is no topic of the log")))?],
    };
    let mut next = Vec::new();
    let mut last: Vec<Record> = Vec::new();
    for topic in topics {
        for partition in 0..log.partitions(topic) {
            let marks = log.watermarks(topic, partition).await?;
            let wanted = i64::try_from(n).unwrap_or(i64::MAX);
            let from = marks.next.saturating_sub(wanted).max(marks.first);
            last.extend(log.read(topic, partition, from, ReadMax { records: n.max(1), ..READ }).await?);
            next.push((topic, partition, marks.next));
        }
    }
    last.sort_by_key(|r| (r.appended, r.topic, r.partition, r.offset));
    let surplus = last.len().saturating_sub(n);
    print(last.get(surplus..).unwrap_or_default(), json);
    // Without `follow` the look ends here.
    let mut more = follow;
    while more {
        tokio::select! {
            () = signal() => more = false,
            () = tokio::time::sleep(POLL) => {}
        }
        for (topic, partition, from) in &mut next {
            let records = log.read(*topic, *partition, *from, READ).await?;
            if let Some(record) = records.last() {
                *from = record.offset + 1;
                print(&records, json);
            }
        }
    }
    log.close().await;
    Ok(ExitCode::SUCCESS)
}

fn print(records: &[Record], json: bool) {
    let text = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map(|b| String::from_utf8_lossy(b).into_owned());
    if json {
        for r in records {
            let line = json!({
                "topic": r.topic.name(), "partition": r.partition, "offset": r.offset,
                "appended_at": r.appended.to_rfc3339(), "key": text(&r.key), "value": text(&r.value),
            });
            println!("{line}");
        }
        return;
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
    print!("{}", table(&["appended", "position", "type", "key", "item", "event"], &rows));
}
