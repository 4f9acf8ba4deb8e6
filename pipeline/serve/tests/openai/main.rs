//! OpenAI's protocol as clients speak it: async-openai, and the `openai` package of Python where there is one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::types::chat::{
    ChatCompletionRequestMessage, ChatCompletionRequestUserMessage, ChatCompletionStreamOptions,
    CreateChatCompletionRequest, FinishReason,
};
use async_trait::async_trait;
use futures::StreamExt;
use serde_json::{Value, json};
use shoptide_serve::openai::{TurnAsk, TurnDone, TurnError, Turns, openai_router};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Says back what it was asked, two words at a time; some words make it fail.
#[derive(Default)]
struct Echo {
    asked: Mutex<Vec<TurnAsk>>,
    /// Told when a turn that never ends was dropped.
    dropped: Mutex<Option<oneshot::Sender<()>>>,
}

struct Told(Option<oneshot::Sender<()>>);

impl Drop for Told {
    fn drop(&mut self) {
        if let Some(told) = self.0.take() {
            let _ = told.send(());
        }
    }
}

#[async_trait]
impl Turns for Echo {
    fn models(&self) -> Vec<String> {
        vec!["shoptide".to_owned()]
    }

    async fn turn(&self, ask: TurnAsk, out: mpsc::Sender<String>) -> Result<TurnDone, TurnError> {
        self.asked.lock().unwrap().push(ask.clone());
        match ask.message.as_str() {
            "too fast" => return Err(TurnError::TooMany { retry_after_s: 7 }),
            "no session" => return Err(TurnError::NoSession),
            "away" => return Err(TurnError::Unavailable),
            "bad" => return Err(TurnError::Bad { field: "messages", message: "it is bad".into() }),
            "replaced" => {
                let _ = out.send("half a ".into()).await;
                return Ok(TurnDone { reply: "whole".into(), ..TurnDone::default() });
            }
            "breaks" => {
                let _ = out.send("half".into()).await;
                return Err(TurnError::Unavailable);
            }
            "panics" => panic!("as the test wants"),
            "for ever" => {
                let _told = Told(self.dropped.lock().unwrap().take());
                let _ = out.send("first".into()).await;
                return std::future::pending().await;
            }
            _ => {}
        }
        let reply = format!("you said {}", ask.message);
        for piece in reply.split_inclusive(' ') {
            // Whoever listens only for the end has closed the channel's other side, or takes them all.
            let _ = out.send(piece.to_owned()).await;
        }
        let more = Some(json!({"source": "rules", "products": []}));
        Ok(TurnDone { reply, message_id: "m1".into(), tokens_in: 12, tokens_out: 3, more })
    }
}

struct Server {
    address: SocketAddr,
    echo: Arc<Echo>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn server() -> Server {
    let echo = Arc::new(Echo::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = openai_router(echo.clone(), Arc::new(|| 1_777_896_000));
    let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Server { address, echo, task }
}

impl Server {
    fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    fn client(&self) -> Client<OpenAIConfig> {
        let config = OpenAIConfig::new().with_api_base(self.url()).with_api_key("k");
        Client::with_config(config).with_http_client(reqwest::Client::new())
    }
}

fn request(message: &str) -> CreateChatCompletionRequest {
    CreateChatCompletionRequest {
        model: "shoptide".into(),
        messages: vec![ChatCompletionRequestMessage::User(ChatCompletionRequestUserMessage::from(message))],
        ..CreateChatCompletionRequest::default()
    }
}

#[tokio::test]
async fn models_are_listed() {
    let server = server().await;
    let list: Value = server.client().models().list_byot().await.unwrap();
    assert_eq!(list["data"][0]["id"], "shoptide");
    assert_eq!(list["data"][0]["object"], "model");
}

#[tokio::test]
async fn an_answer_is_whole() {
    let server = server().await;
    let answer = server.client().chat().create(request("hello there")).await.unwrap();
    assert_eq!(answer.id, "chatcmpl-m1");
    assert_eq!((answer.created, answer.model.as_str()), (1_777_896_000, "shoptide"));
    let choice = &answer.choices[0];
    assert_eq!(choice.message.content.as_deref(), Some("you said hello there"));
    assert_eq!(choice.finish_reason, Some(FinishReason::Stop));
    assert_eq!(
        answer.usage.map(|u| (u.prompt_tokens, u.completion_tokens, u.total_tokens)),
        Some((12, 3, 15))
    );
    assert_eq!(server.echo.asked.lock().unwrap()[0].message, "hello there");
}

async fn streamed(
    server: &Server,
    message: &str,
) -> (Vec<String>, Option<FinishReason>, Option<u32>, Option<OpenAIError>) {
    let mut asked = request(message);
    asked.stream = Some(true);
    asked.stream_options =
        Some(ChatCompletionStreamOptions { include_usage: Some(true), include_obfuscation: None });
    let mut stream = server.client().chat().create_stream(asked).await.unwrap();
    let (mut pieces, mut finish, mut tokens) = (Vec::new(), None, None);
    while let Some(event) = stream.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => return (pieces, finish, tokens, Some(error)),
        };
        tokens = event.usage.map(|u| u.total_tokens).or(tokens);
        for choice in event.choices {
            pieces.extend(choice.delta.content.filter(|c| !c.is_empty()));
            finish = choice.finish_reason.or(finish);
        }
    }
    (pieces, finish, tokens, None)
}

#[tokio::test]
async fn an_answer_is_streamed() {
    let server = server().await;
    let (pieces, finish, tokens, error) = streamed(&server, "hello there").await;
    assert_eq!(pieces, ["you ", "said ", "hello ", "there"]);
    assert_eq!((finish, tokens), (Some(FinishReason::Stop), Some(15)));
    assert!(error.is_none());
}

#[tokio::test]
async fn a_reply_that_replaces_what_was_sent_comes_after_it() {
    let server = server().await;
    let (pieces, finish, ..) = streamed(&server, "replaced").await;
    assert_eq!((pieces.concat().as_str(), finish), ("half a \n\nwhole", Some(FinishReason::Stop)));
}

#[tokio::test]
async fn a_turn_that_fails_says_so_even_within_a_stream() {
    let server = server().await;
    let (pieces, finish, _, error) = streamed(&server, "breaks").await;
    assert_eq!((pieces.concat().as_str(), finish), ("half", None));
    assert!(error.is_some());
}

#[tokio::test]
async fn refusals_have_the_protocols_shape() {
    let server = server().await;
    let cases = [
        ("too fast", 429, "rate_limit_exceeded"),
        ("no session", 404, "not_found"),
        ("away", 503, "unavailable"),
        ("bad", 400, "invalid_value"),
        ("", 400, "invalid_value"),
    ];
    // A stream that fails before its first words is no stream.
    let streams = [("panics", 503, "unavailable", true)];
    let cases = cases.into_iter().flat_map(|(m, s, c)| [(m, s, c, false), (m, s, c, true)]).chain(streams);
    for (message, status, code, stream) in cases {
        let body = json!({"model": "shoptide", "stream": stream,
            "messages": [{"role": "user", "content": message}]});
        let url = format!("{}/chat/completions", server.url());
        let response = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{message}");
        let retry = response.headers().get("retry-after").and_then(|v| v.to_str().ok()).map(str::to_owned);
        assert_eq!(
            retry.as_deref(),
            match status {
                429 => Some("7"),
                503 => Some("1"),
                _ => None,
            }
        );
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"]["code"], code);
        assert!(body["error"]["message"].is_string() && body["error"]["type"].is_string());
    }
    let large =
        reqwest::Client::new().post(format!("{}/chat/completions", server.url())).body(" ".repeat(3 << 20));
    assert_eq!(large.send().await.unwrap().status().as_u16(), 413);
}

#[tokio::test]
async fn a_reader_who_leaves_ends_the_turn() {
    let server = server().await;
    let (told, dropped) = oneshot::channel();
    *server.echo.dropped.lock().unwrap() = Some(told);
    let asked = CreateChatCompletionRequest { stream: Some(true), ..request("for ever") };
    let mut stream = server.client().chat().create_stream(asked).await.unwrap();
    while let Some(event) = stream.next().await {
        if event.unwrap().choices.iter().any(|c| c.delta.content.as_deref() == Some("first")) {
            break;
        }
    }
    drop(stream);
    tokio::time::timeout(Duration::from_secs(10), dropped).await.expect("the turn goes on").unwrap();
}

/// `SHOPTIDE_TEST_OPENAI_PYTHON` names a Python that has the `openai` package.
#[tokio::test]
async fn the_python_package_talks_to_it() {
    let Ok(python) = std::env::var("SHOPTIDE_TEST_OPENAI_PYTHON") else {
        println!("skipped: SHOPTIDE_TEST_OPENAI_PYTHON names no Python with the openai package");
        return;
    };
    let server = server().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openai/client.py");
    let url = server.url();
    let ran =
        tokio::task::spawn_blocking(move || std::process::Command::new(python).args([script, &url]).output());
    let output = ran.await.unwrap().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("done"), "{said}");
}
