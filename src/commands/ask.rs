//! `recommend`, `similar`, `profile`: the API's own answers, asked without a socket of a shop that runs or rests.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use shoptide_live::{Live, Metrics};
use tower::ServiceExt;

use crate::app::{Refused, serve_context};
use crate::args::{Ask, Place, Profile, Recommend};
use crate::commands::load_config;
use crate::data_dir::DataDir;
use crate::render::profile::profile_text;
use crate::render::{shown, table, visible};
use crate::services;
use crate::{out, outln};

/// Largest answer read: a list of 500 places with reasons has some 300 KiB.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Lists held for one question.
const CACHE_ENTRIES: usize = 100;

pub async fn recommend(asked: Recommend) -> anyhow::Result<ExitCode> {
    let Recommend { at, ask } = asked;
    if let Some(at) = at {
        return super::at::recommend(&ask, &at).await;
    }
    let path = format!("/v1/users/{}/recommendations?explain=true&n={}", escaped(&ask.id), ask.n);
    let answer = get(&ask.place, &path).await?;
    if ask.json {
        return answer.print();
    }
    let text = |k: &str| visible(&shown(answer.json.get(k)));
    outln!("{} · list {} · model {}", text("made_from"), text("list_id"), text("model_version"))?;
    out!("{}", list_table(&answer.json))?;
    Ok(ExitCode::SUCCESS)
}

pub async fn similar(ask: Ask) -> anyhow::Result<ExitCode> {
    let path = format!("/v1/items/{}/similar?n={}", escaped(&ask.id), ask.n);
    let answer = get(&ask.place, &path).await?;
    if ask.json {
        return answer.print();
    }
    let text = |v: &Value, k: &str| shown(v.get(k));
    let rows = items(&answer.json).map(|i| {
        vec![
            text(i, "rank"),
            text(i, "item_id"),
            text(i, "title"),
            text(i, "price"),
            text(i, "score"),
            text(i, "source"),
        ]
    });
    out!("{}", table(&["#", "item", "title", "price", "score", "source"], &rows.collect::<Vec<_>>()))?;
    Ok(ExitCode::SUCCESS)
}

pub async fn profile(ask: Profile) -> anyhow::Result<ExitCode> {
    let answer = get(&ask.place, &format!("/v1/users/{}/profile", escaped(&ask.id))).await?;
    if ask.json {
        return answer.print();
    }
    out!("{}", profile_text(&answer.json))?;
    Ok(ExitCode::SUCCESS)
}

/// A list's places with their reasons.
pub fn list_table(list: &Value) -> String {
    let rows = items(list).map(|i| {
        let text = |k: &str| shown(i.get(k));
        let reason = i.get("reason").map(|r| shown(r.get("text"))).unwrap_or_default();
        vec![text("rank"), text("item_id"), text("title"), text("price"), text("source"), reason]
    });
    table(&["#", "item", "title", "price", "source", "why"], &rows.collect::<Vec<_>>())
}

fn items(answer: &Value) -> impl Iterator<Item = &Value> {
    answer.get("items").and_then(Value::as_array).into_iter().flatten()
}

/// Percent-encoding of all that is not unreserved: ids are opaque.
pub fn escaped(id: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    id.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// What the API answered.
pub struct Answer {
    pub json: Value,
    /// Word for word.
    text: String,
}

impl Answer {
    fn print(&self) -> anyhow::Result<ExitCode> {
        outln!("{}", self.text)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What the API says of a path, or nothing where it says that there is nothing.
pub async fn found(place: &Place, path: &str) -> anyhow::Result<Option<Value>> {
    let (status, answer) = said(place, path).await?;
    match status {
        StatusCode::NOT_FOUND => Ok(None),
        status => Ok(Some(good(status, answer)?.json)),
    }
}

async fn get(place: &Place, path: &str) -> anyhow::Result<Answer> {
    let (status, answer) = said(place, path).await?;
    good(status, answer)
}

fn good(status: StatusCode, answer: Answer) -> anyhow::Result<Answer> {
    let json = &answer.json;
    if status == StatusCode::BAD_REQUEST {
        return Err(Refused(format!("{}: {}", shown(json.get("code")), shown(json.get("message")))).into());
    }
    if status != StatusCode::OK {
        anyhow::bail!("{}: {}", shown(json.get("code")), shown(json.get("message")));
    }
    Ok(answer)
}

async fn said(place: &Place, path: &str) -> anyhow::Result<(StatusCode, Answer)> {
    let mut config = load_config(place.config.as_deref())?;
    // Whoever can read the files needs no key.
    (config.serve.read_key, config.serve.write_key) = (None, None);
    let data = DataDir::with_truth_of(&config, &place.data_dir)?;
    let log = services::open_log_patiently(&config, &data).await?;
    let truth = services::open_truth_to_read(&config, &data).await?;
    let cache = services::open_cache(&config, CACHE_ENTRIES, Duration::from_secs(60)).await?;
    let metrics = Arc::new(Metrics::new().context("metrics")?);
    let live = Live::start(log.clone(), truth.clone(), data.model_files(&config), metrics).await?;
    let mut context = serve_context(&config, log.clone(), truth.clone(), cache, live.clone());
    // No question of a command is a search or a chat: the whole catalogue would be read for nothing.
    (context.options.search, context.options.chat) = (false, false);
    let answer = asked(context, path).await;
    live.stop();
    // Nothing was written: there is nothing to flush, only files to let go.
    let _ = tokio::time::timeout(Duration::from_millis(500), log.close()).await;
    answer
}

/// Asks the API once for what must be there. Whoever calls lets go of what it stands on.
pub async fn answered(context: shoptide_serve::ServeContext, path: &str) -> anyhow::Result<Answer> {
    let (status, answer) = asked(context, path).await?;
    good(status, answer)
}

async fn asked(context: shoptide_serve::ServeContext, path: &str) -> anyhow::Result<(StatusCode, Answer)> {
    let router = shoptide_serve::router(context);
    let request = Request::get(path).body(Body::empty())?;
    let answer = router.oneshot(request).await.context("the API did not answer")?;
    let status = answer.status();
    let body = http_body_util::Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|e| anyhow::anyhow!("the answer cannot be read: {e}"))?.to_bytes();
    let json: Value = serde_json::from_slice(&body).context("the answer is no JSON")?;
    let text = String::from_utf8(body.to_vec()).context("the answer is no text")?;
    Ok((status, Answer { json, text }))
}
