//! Clients over HTTP: they post, wait, lose patience, post again with the same ids, hang up, and remember what was promised.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::Value;
use tower::ServiceExt;

use crate::dice::Dice;
use crate::process::Process;
use crate::shop;
use crate::world::World;

/// A client gives up a request after so long.
const PATIENCE_MS: i64 = 6_000;
const TRIES_MAX: u32 = 8;

#[derive(Clone)]
struct Ask {
    method: Method,
    path: String,
    body: Option<String>,
    /// The ids it brings, in order.
    ids: Vec<String>,
    tries: u32,
}

type Answer = Arc<Mutex<Option<(u16, Value)>>>;

struct Waiting {
    ask: Ask,
    process: u32,
    since_ms: i64,
    hangs_up_ms: Option<i64>,
    answer: Answer,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
pub struct Clients {
    waiting: Vec<Waiting>,
    again: Vec<(i64, Ask)>,
    made: u64,
    /// What a 2xx promised to be in the log.
    pub promised: BTreeSet<String>,
}

impl Clients {
    pub fn new_id(&mut self) -> String {
        self.made += 1;
        format!("e{}", self.made)
    }

    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.again.is_empty()
    }

    /// A new wish of somebody.
    pub fn wish(&mut self, world: &World, dice: &mut Dice) {
        let now_ms = world.now_ms();
        let ask = match dice.below(100) {
            0..14 => {
                let who = shop::user(dice.below(shop::USERS));
                self.ask(Method::GET, format!("/v1/users/{who}/recommendations"), None, Vec::new())
            }
            14..18 => {
                let who = shop::user(dice.below(shop::USERS));
                let body = serde_json::json!({"month": format!("{}.00", dice.below(900)), "currency": "CNY"});
                self.ask(Method::PUT, format!("/v1/users/{who}/budget"), Some(body.to_string()), Vec::new())
            }
            _ => {
                let n = dice.between(1, 5);
                let events: Vec<Value> = (0..n)
                    .map(|_| {
                        let id = self.new_id();
                        if dice.chance(8.0) {
                            shop::catalogue(dice.next(), id, now_ms, dice)
                        } else {
                            shop::event(id, now_ms, dice)
                        }
                    })
                    .collect();
                self.post(events)
            }
        };
        self.again.push((now_ms, ask));
    }

    /// Events to be posted as soon as somebody takes them.
    pub fn bring(&mut self, events: Vec<Value>, now_ms: i64) {
        let ask = self.post(events);
        self.again.push((now_ms, ask));
    }

    fn post(&self, events: Vec<Value>) -> Ask {
        let ids = events.iter().map(|e| e["event_id"].as_str().unwrap().to_owned()).collect();
        self.ask(Method::POST, "/v1/events".to_owned(), Some(Value::from(events).to_string()), ids)
    }

    fn ask(&self, method: Method, path: String, body: Option<String>, ids: Vec<String>) -> Ask {
        Ask { method, path, body, ids, tries: 0 }
    }

    /// Sends what is due to some process that is up, and takes what was answered.
    pub fn tick(&mut self, world: &Arc<World>, processes: &[Process], dice: &mut Dice) {
        let now_ms = world.now_ms();
        let ready: Vec<&Process> =
            processes.iter().filter(|p| p.up().is_some() && !p.has_ended() && !p.is_stopping()).collect();
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.again).into_iter().partition(|(at, _)| *at <= now_ms);
        self.again = later;
        for (at, ask) in due {
            if ready.is_empty() {
                self.again.push((at, ask));
                continue;
            }
            let process = ready[dice.below(ready.len() as u64) as usize];
            self.send(world, process, ask, dice);
        }
        let mut still = Vec::new();
        for waiting in std::mem::take(&mut self.waiting) {
            let answer = waiting.answer.lock().unwrap().take();
            match answer {
                Some((status, body)) => self.answered(world, waiting, status, &body, dice),
                None if waiting.hangs_up_ms.is_some_and(|at| at <= now_ms) => {
                    // The handler's future is dropped where it stands.
                    waiting.task.abort();
                    world.saw("client hung up");
                    self.retry(world, waiting.ask, dice);
                }
                None if waiting.since_ms + PATIENCE_MS <= now_ms
                    || !processes.iter().any(|p| p.id == waiting.process) =>
                {
                    world.saw("client lost patience");
                    self.retry(world, waiting.ask, dice);
                }
                None => still.push(waiting),
            }
        }
        self.waiting.extend(still);
    }

    fn send(&mut self, world: &World, process: &Process, ask: Ask, dice: &mut Dice) {
        let (Some(up), Some(runtime)) = (process.up(), &process.runtime) else { return };
        let mut request = Request::builder().method(ask.method.clone()).uri(&ask.path);
        if ask.body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(ask.body.clone().map_or_else(Body::empty, Body::from)).unwrap();
        let answer = Answer::default();
        let slot = answer.clone();
        let task = runtime.spawn(async move {
            let Ok(response) = up.router.oneshot(request).await;
            let status = response.status().as_u16();
            let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap_or_default();
            *slot.lock().unwrap() = Some((status, serde_json::from_slice(&body).unwrap_or_default()));
        });
        let now_ms = world.now_ms();
        world.note(process.id, || format!("is asked {} {} {:?}", ask.method, ask.path, ask.ids));
        let hangs_up_ms = (world.chaos() && dice.chance(4.0)).then(|| now_ms + dice.below(6).cast_signed());
        self.waiting.push(Waiting { ask, process: process.id, since_ms: now_ms, hangs_up_ms, answer, task });
    }

    fn answered(&mut self, world: &World, waiting: Waiting, status: u16, body: &Value, dice: &mut Dice) {
        let ask = waiting.ask;
        world.note(waiting.process, || format!("answers {status} to {} {:?}", ask.path, ask.ids));
        if !(200..300).contains(&status) {
            world.saw(match status {
                503 => "answered 503",
                500..600 => "answered another 5xx",
                _ => "answered 4xx",
            });
            if ask.method == Method::GET && status < 500 {
                world.violated(format!("a reader was answered {status}"));
            }
            self.retry(world, ask, dice);
            return;
        }
        if let Some(verdicts) = body["verdicts"].as_array() {
            for (id, verdict) in ask.ids.iter().zip(verdicts) {
                if verdict["status"] == "accepted" {
                    self.promised.insert(id.clone());
                }
            }
        }
        // A client that does not trust its own memory.
        if !ask.ids.is_empty() && world.chaos() && dice.chance(6.0) {
            world.saw("sent again after 2xx");
            self.again.push((world.now_ms() + dice.below(3_000).cast_signed(), ask));
        }
    }

    fn retry(&mut self, world: &World, mut ask: Ask, dice: &mut Dice) {
        ask.tries += 1;
        if ask.tries < TRIES_MAX && !dice.chance(8.0) {
            self.again.push((world.now_ms() + dice.between(20, 800).cast_signed(), ask));
        }
    }
}
