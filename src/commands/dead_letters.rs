//! `dead-letters list|show|retry`.

use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;
use shoptide_log::NewRecord;
use shoptide_schemas::{EventMs, Topic};
use shoptide_store::{DeadLetter, DeadPage, Truth};

use crate::app::Refused;
use crate::args::{DeadLetters, DeadLettersWhat, Place};
use crate::commands::load_config;
use crate::data_dir::DataDir;
use crate::render::table;
use crate::services;
use crate::{out, outln};

/// Letters that one `retry --reason` appends; run it again for more.
const RETRY_MAX: usize = 10_000;

pub async fn run(args: DeadLetters) -> anyhow::Result<ExitCode> {
    match args.what {
        DeadLettersWhat::List { reason, n, json, place } => {
            let letters = truth(&place).await?.dead_letters(DeadPage { reason, at: None, limit: n }).await?;
            if json {
                for letter in &letters {
                    outln!("{}", as_json(letter, false))?;
                }
            } else {
                let row = |l: &DeadLetter| {
                    vec![
                        id(l),
                        EventMs(l.append_ms).to_rfc3339(),
                        l.reason.clone(),
                        l.field.clone(),
                        l.message.clone(),
                    ]
                };
                out!(
                    "{}",
                    table(
                        &["id", "appended", "reason", "field", "message"],
                        &letters.iter().map(row).collect::<Vec<_>>()
                    )
                )?;
            }
        }
        DeadLettersWhat::Show { id, json, place } => {
            let letter = one(&*truth(&place).await?, &id).await?;
            if json {
                outln!("{}", as_json(&letter, true))?;
            } else {
                outln!("{}\n{}: {} ({})\n", self::id(&letter), letter.reason, letter.message, letter.field)?;
                let payload = letter.payload.unwrap_or_default();
                let shown: String = String::from_utf8_lossy(&payload)
                    .chars()
                    .map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c })
                    .collect();
                outln!("{shown}")?;
            }
        }
        DeadLettersWhat::Retry { id, reason, place } => return retry(id, reason, &place).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn truth(place: &Place) -> anyhow::Result<Arc<dyn Truth>> {
    let config = load_config(place.config.as_deref())?;
    services::open_truth_to_read(&config, &DataDir::with_truth_of(&config, &place.data_dir)?).await
}

async fn one(truth: &dyn Truth, id: &str) -> anyhow::Result<DeadLetter> {
    let wrong = || Refused(format!("{id} is no dead letter; ids look like shop.browse/0/17"));
    let mut parts = id.split('/');
    let topic = parts.next().and_then(Topic::from_name).ok_or_else(wrong)?;
    let shard = parts.next().and_then(|p| p.parse().ok()).ok_or_else(wrong)?;
    let offset = parts.next().and_then(|p| p.parse().ok()).ok_or_else(wrong)?;
    if parts.next().is_some() {
        return Err(wrong().into());
    }
    let page = DeadPage { reason: None, at: Some((shard, topic, offset)), limit: 1 };
    let found = truth.dead_letters(page).await?;
    Ok(found.into_iter().next().ok_or_else(wrong)?)
}

/// Appends the records as they are: the same key finds the same partition, a cured cause lets them through.
async fn retry(id: Option<String>, reason: Option<String>, place: &Place) -> anyhow::Result<ExitCode> {
    let truth = truth(place).await?;
    let letters = match (id, reason) {
        (Some(id), _) => vec![one(&*truth, &id).await?],
        (None, Some(reason)) => {
            truth.dead_letters(DeadPage { reason: Some(reason), at: None, limit: RETRY_MAX }).await?
        }
        // The command line asks for one of them.
        (None, None) => Vec::new(),
    };
    let config = load_config(place.config.as_deref())?;
    let log =
        services::open_log_patiently(&config, &DataDir::with_truth_of(&config, &place.data_dir)?).await?;
    let (mut sent, mut bare) = (0, 0);
    // The oldest first, as they came.
    for letter in letters.into_iter().rev() {
        let (Some(key), Some(value)) = (letter.key, letter.payload) else {
            bare += 1;
            continue;
        };
        log.append(vec![NewRecord { topic: letter.topic, key: key.into(), value: value.into() }]).await?;
        sent += 1;
    }
    log.close().await;
    outln!("{sent} appended again, {bare} without key or payload left")?;
    Ok(ExitCode::SUCCESS)
}

fn id(letter: &DeadLetter) -> String {
    format!("{}/{}/{}", letter.topic, letter.shard, letter.offset)
}

fn as_json(letter: &DeadLetter, payload: bool) -> serde_json::Value {
    let text = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|b| String::from_utf8_lossy(b).into_owned());
    let mut out = json!({
        "id": id(letter), "topic": letter.topic.name(), "partition": letter.shard, "offset": letter.offset,
        "appended_at": EventMs(letter.append_ms).to_rfc3339(), "code": letter.reason, "field": letter.field,
        "message": letter.message, "key": text(&letter.key),
    });
    if let (true, Some(fields)) = (payload, out.as_object_mut()) {
        fields.insert("payload".to_owned(), json!(text(&letter.payload)));
    }
    out
}
