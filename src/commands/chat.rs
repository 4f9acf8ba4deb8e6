//! `shoptide chat`: a shopper at a terminal. A line is a message; what begins with `/` is for this program.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, Method, StatusCode, Url};
use serde_json::{Value, json};

use crate::app::Refused;
use crate::args::Chat;
use crate::commands::ask::escaped;
use crate::commands::key_of;
use crate::outln;
use crate::render::{shown, visible};

/// A message is at most some kilobytes, and its answer takes milliseconds, or a minute where a language model may take as long; beyond this nobody is
/// there.
const PATIENCE: Duration = Duration::from_secs(90);
/// Messages that `/history` shows.
const HISTORY: usize = 100;
const HELP: &str = "/why N      the score of product N, part by part\n\
    /like N     you like it; also /dislike N, /bought N\n\
    /history    what was said\n\
    /reset      begin anew\n\
    /quit       leave";

pub async fn run(chat: Chat) -> anyhow::Result<ExitCode> {
    let refused = |why: String| Refused(format!("--to {}: {why}", chat.to));
    let base = Url::parse(&chat.to).map_err(|error| refused(error.to_string()))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(refused("expected http:// or https://".to_owned()).into());
    }
    let key = key_of(chat.key_file.as_deref())?;
    let client = Client::builder().timeout(PATIENCE).build()?;
    let mut talk = Talk { client, base, key, user: chat.user, session: chat.session, last: Value::Null };
    let terminal = std::io::stdin().is_terminal();
    // A thread of its own: a terminal is read line by line, for as long as its user thinks.
    let (lines, mut said) = tokio::sync::mpsc::channel::<std::io::Result<String>>(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if lines.blocking_send(line).is_err() {
                break;
            }
        }
    });
    loop {
        if terminal {
            print!("> ");
            // A terminal that is gone is noticed at the next line.
            let _ = std::io::stdout().flush();
        }
        let Some(line) = said.recv().await else { break };
        let line = line.context("the terminal cannot be read")?;
        match line.trim() {
            "" => {}
            "/quit" | "/exit" => break,
            line => talk.line(line).await?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

struct Talk {
    client: Client,
    base: Url,
    key: Option<String>,
    user: Option<String>,
    session: Option<String>,
    /// The last answer that showed products.
    last: Value,
}

impl Talk {
    async fn line(&mut self, line: &str) -> anyhow::Result<()> {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        match command {
            "/help" => outln!("{HELP}"),
            "/reset" => {
                (self.session, self.last) = (None, Value::Null);
                outln!("(a new session)")
            }
            "/why" => match self.product(rest) {
                Some(product) => why(product),
                None => self.no_such(),
            },
            "/like" => self.feedback(rest, "like").await,
            "/dislike" => self.feedback(rest, "dislike").await,
            "/bought" => self.feedback(rest, "bought").await,
            "/history" => self.history().await,
            _ if line.starts_with('/') => {
                outln!("there is no {}; /help says what there is", visible(command))
            }
            _ => self.say(line).await,
        }
    }

    async fn say(&mut self, message: &str) -> anyhow::Result<()> {
        let mut body = json!({ "message": message });
        for (key, value) in [("user_id", &self.user), ("session_id", &self.session)] {
            if let Some(value) = value {
                body[key] = json!(value);
            }
        }
        let (status, answer) = self.ask(Method::POST, "v1/chat", Some(body)).await?;
        if status != StatusCode::OK {
            return told(&answer);
        }
        self.session = answer.get("session_id").and_then(Value::as_str).map(str::to_owned);
        for line in shown(answer.get("reply")).lines() {
            outln!("{}", visible(line))?;
        }
        let next: Vec<String> = array(&answer, "followups").map(|text| visible(&shown(Some(text)))).collect();
        if !next.is_empty() {
            outln!("  [{}]", next.join(" | "))?;
        }
        if array(&answer, "products").next().is_some() {
            self.last = answer;
        }
        Ok(())
    }

    /// The product of the last list that a text numbers.
    fn product(&self, text: &str) -> Option<&Value> {
        let place: usize = text.trim().parse().ok()?;
        array(&self.last, "products").nth(place.checked_sub(1)?)
    }

    fn no_such(&self) -> anyhow::Result<()> {
        match array(&self.last, "products").count() {
            0 => outln!("no products were shown yet"),
            n => outln!("expected a number from 1 to {n}"),
        }
    }

    async fn feedback(&self, text: &str, feedback: &str) -> anyhow::Result<()> {
        let Some(product) = self.product(text) else { return self.no_such() };
        let path = format!("v1/recommendations/{}/feedback", escaped(&shown(product.get("record_id"))));
        let mut body = json!({ "feedback": feedback });
        if let Some(user) = &self.user {
            body["user_id"] = json!(user);
        }
        match self.ask(Method::POST, &path, Some(body)).await? {
            (StatusCode::NO_CONTENT, _) => outln!("(noted)"),
            (_, answer) => told(&answer),
        }
    }

    async fn history(&self) -> anyhow::Result<()> {
        let Some(session) = &self.session else { return outln!("nothing was said yet") };
        let user = self.user.as_ref().map(|user| format!("&user_id={}", escaped(user))).unwrap_or_default();
        let path = format!("v1/chat/sessions/{}/messages?n={HISTORY}{user}", escaped(session));
        let (status, answer) = self.ask(Method::GET, &path, None).await?;
        if status != StatusCode::OK {
            return told(&answer);
        }
        for message in array(&answer, "messages") {
            outln!("> {}", visible(&shown(message.get("message"))))?;
            let reply = message.get("answer").and_then(|answer| answer.get("reply"));
            for line in shown(reply).lines() {
                outln!("{}", visible(line))?;
            }
        }
        Ok(())
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let url = self.base.join(path).context("the address")?;
        let mut request = self.client.request(method, url);
        if let Some(body) = &body {
            request = request.json(body);
        }
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        let answer = request.send().await.with_context(|| format!("{} does not answer", self.base))?;
        let status = answer.status();
        let text = answer.text().await.context("the answer cannot be read")?;
        if text.is_empty() {
            return Ok((status, Value::Null));
        }
        let json = serde_json::from_str(&text).with_context(|| format!("{} is no shop", self.base))?;
        Ok((status, json))
    }
}

/// An error's code and message, for people.
fn told(answer: &Value) -> anyhow::Result<()> {
    outln!("({}: {})", visible(&shown(answer.get("code"))), visible(&shown(answer.get("message"))))
}

fn why(product: &Value) -> anyhow::Result<()> {
    let text = |value: &Value, key: &str| visible(&shown(value.get(key)));
    outln!("{} ({}): {}", text(product, "title"), text(product, "item_id"), text(product, "score"))?;
    for part in array(product, "parts") {
        outln!("  {:<11} {} x {}", text(part, "part"), text(part, "score"), text(part, "share"))?;
    }
    for reason in array(product, "reasons") {
        outln!("  - {}", text(reason, "text"))?;
    }
    Ok(())
}

fn array<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}
