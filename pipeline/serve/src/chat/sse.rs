//! An answer as server-sent events: first what it is about, then the products, then the words as they come.
//!
//! Events wait in a short queue. A reader that stops is waited for no longer than a moment; one that leaves is noticed at the next event.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::mpsc;

use super::answer::TurnAnswer;
use super::turn::Begun;

/// Events that wait for a slow reader: an answer's words are some dozens, so a model would be a sentence ahead.
const EVENTS_WAITING_MAX: usize = 16;
/// How long one event waits for room.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why an event went nowhere.
#[derive(Debug)]
pub(crate) struct Left;

/// Where events go.
pub(crate) struct Events(mpsc::Sender<Bytes>);

impl Events {
    /// Sends one event.
    ///
    /// # Errors
    /// [`Left`] if the reader is gone or takes nothing any more; nothing further needs to be sent.
    pub async fn send<T: Serialize>(&self, name: &str, data: &T) -> Result<(), Left> {
        let Ok(json) = serde_json::to_string(data) else { return Err(Left) };
        // JSON has no line breaks of its own.
        let event = Bytes::from(format!("event: {name}\ndata: {json}\n\n"));
        self.0.send_timeout(event, PATIENCE).await.map_err(|_| Left)
    }
}

/// A response that sends what `tell` sends. It ends when `tell` does.
pub(crate) fn events<F>(tell: impl FnOnce(Events) -> F) -> Response
where
    F: Future<Output = Result<(), Left>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(EVENTS_WAITING_MAX);
    let told = tell(Events(sender));
    tokio::spawn(async move {
        if told.await.is_err() {
            tracing::debug!("a reader of events left early");
        }
    });
    let stream = futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|event| (Ok::<_, Infallible>(event), receiver))
    });
    let mut response = Body::from_stream(stream).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[derive(Serialize)]
struct Words<'a> {
    text: &'a str,
}

/// A whole answer: `answer` without words and products, `products`, each line as `words`, and `done` with what may be said next.
pub(super) async fn tell(answer: TurnAnswer, events: Events) -> Result<(), Left> {
    shown(&answer, &events).await?;
    words(&answer.reply, &events).await?;
    done(&answer, &events).await
}

/// The same of a turn whose words are still to be found. It is remembered even if its reader leaves.
pub(super) async fn tell_as_it_comes(begun: Begun, events: Events) -> Result<(), Left> {
    let mut told = shown(begun.answer(), &events).await;
    let (out, mut heard) = mpsc::channel::<String>(EVENTS_WAITING_MAX);
    let mut sent = String::new();
    let listen = async {
        while let Some(text) = heard.recv().await {
            if told.is_ok() {
                told = events.send("words", &Words { text: &text }).await;
            }
            if told.is_err() {
                // The model need not go on.
                break;
            }
            sent.push_str(&text);
        }
        drop(heard);
    };
    let (ended, ()) = tokio::join!(begun.end(Some(out)), listen);
    told?;
    let answer = match ended {
        Ok(ended) => ended.answer,
        Err(error) => return events.send("error", &error.body).await,
    };
    // What was said is true, and cannot be taken back: another reply comes whole with the end.
    if let Some(rest) = answer.reply.strip_prefix(sent.trim()) {
        words(rest, &events).await?;
    }
    done(&answer, &events).await
}

async fn shown(answer: &TurnAnswer, events: &Events) -> Result<(), Left> {
    let head =
        TurnAnswer { products: Vec::new(), reply: String::new(), followups: Vec::new(), ..answer.clone() };
    let mut head = serde_json::to_value(head).unwrap_or_default();
    if let Some(head) = head.as_object_mut() {
        ["products", "reply", "followups", "source"].into_iter().for_each(|key| drop(head.remove(key)));
    }
    events.send("answer", &head).await?;
    events.send("products", &answer.products).await
}

async fn words(text: &str, events: &Events) -> Result<(), Left> {
    for text in text.split_inclusive('\n') {
        events.send("words", &Words { text }).await?;
    }
    Ok(())
}

async fn done(answer: &TurnAnswer, events: &Events) -> Result<(), Left> {
    let TurnAnswer { reply, source, followups, .. } = answer;
    let end = serde_json::json!({"reply": reply, "source": source, "followups": followups});
    events.send("done", &end).await
}
