//! Load: shoppers who send without end and repeat what was not answered, logins, erasures, orders sent twice, budgets, and
//! records that no producer of ours writes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use shoptide_jobs::import::Outgoing;
use shoptide_jobs::shop::{Shop as Generated, ShopOptions, ShopParams};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::ledger::Ledger;
use crate::seed::Dice;

/// Events of one request, without the special ones.
const BATCH: usize = 20;
/// Times the usual rate: more than the streams fold.
const HASTE: u64 = 100;
/// Pause before an unanswered request is sent again.
const AGAIN: Duration = Duration::from_millis(50);
/// How long a request may take: longer than the collector's own patience.
const ANSWER: Duration = Duration::from_secs(10);
/// More than any event of ours is ahead, but for those spoiled on purpose.
const FUTURE_MS: i64 = 5 * 60_000;
/// Of each client's shop: few, so that each acts often.
const USERS: u64 = 150;
/// Users who set budgets, each at his own client only, so that the last answer is the truth.
const PAYERS: u64 = 20;

pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(ANSWER).build().unwrap()
}

/// Clients that run until they are told to stop.
pub struct Load {
    pub ledger: Ledger,
    aim: watch::Sender<String>,
    stop: Arc<AtomicBool>,
    haste: Arc<AtomicU64>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// `events_per_s`: of all clients together, while they are answered.
    pub fn start(dice: &mut Dice, events_per_s: u64, url: &str) -> Self {
        let (aim, target) = watch::channel(url.to_owned());
        let (ledger, stop) = (Ledger::default(), Arc::new(AtomicBool::new(false)));
        let mut load = Self { ledger, aim, stop, haste: Arc::new(AtomicU64::new(1)), clients: Vec::new() };
        for number in 0..2 {
            let mut client = Client::new(dice.next(), number, &load.ledger, &load.stop, target.clone());
            let shop = client.generated();
            load.ledger.known().users.extend((0..USERS).map(|user| shop.user_id(user)));
            load.clients.push(tokio::spawn(client.shop(shop, events_per_s / 2, load.haste.clone())));
        }
        let client = Client::new(dice.next(), 9, &load.ledger, &load.stop, target);
        load.clients.push(tokio::spawn(client.budgets()));
        load
    }

    /// Lets the clients send elsewhere.
    pub fn aim(&self, url: &str) {
        self.aim.send_replace(url.to_owned());
    }

    /// Sends as fast as it is answered for so many batches: who folds them is busy when this returns.
    pub async fn rush(&self, batches: u32, within: Duration) {
        self.haste.store(HASTE, Ordering::SeqCst);
        for _ in 0..batches {
            self.answered(within).await;
        }
        self.haste.store(1, Ordering::SeqCst);
    }

    /// Waits for the answer to another batch.
    pub async fn answered(&self, within: Duration) {
        let before = self.ledger.batches();
        let until = Instant::now() + within;
        while self.ledger.batches() == before {
            self.fail_early();
            assert!(Instant::now() < until, "no batch is answered within {within:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn fail_early(&self) {
        assert!(!self.clients.iter().any(JoinHandle::is_finished), "a client did not like an answer");
    }

    /// Lets every client finish what it has begun, and no more.
    pub async fn finish(self) -> Ledger {
        self.stop.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.await.unwrap();
        }
        let wrong = self.ledger.known().wrong.clone();
        assert!(wrong.is_empty(), "answers that no fault explains: {wrong:?}");
        self.ledger
    }
}

struct Client {
    dice: Dice,
    name: String,
    ledger: Ledger,
    stop: Arc<AtomicBool>,
    target: watch::Receiver<String>,
    http: reqwest::Client,
}

impl Client {
    fn new(
        seed: u64,
        number: u64,
        ledger: &Ledger,
        stop: &Arc<AtomicBool>,
        target: watch::Receiver<String>,
    ) -> Self {
        let mut dice = Dice::from(seed);
        let name = format!("c{number}-{:x}", dice.below(1 << 24));
        Self { dice, name, ledger: ledger.clone(), stop: stop.clone(), target, http: client() }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn generated(&mut self) -> Generated {
        let mut options = ShopOptions::demo(self.dice.next(), now_ms());
        (options.users, options.items, options.events) = (USERS, 80, 10_000_000);
        (options.duplicate_per_mille, options.late_per_mille, options.bad_per_mille) = (40, 5, 10);
        options.run.clone_from(&self.name);
        Generated::new(ShopParams::new(options).unwrap())
    }

    /// Sends a shop, each batch again until it is answered.
    async fn shop(mut self, shop: Generated, events_per_s: u64, haste: Arc<AtomicU64>) {
        let items = shop.catalogue().map(Outgoing::Item);
        let mut all = items.chain(shop.events().map(Outgoing::Event)).map(|one| line(&one));
        let mut due = Instant::now();
        for number in 0_u64.. {
            let mut batch: Vec<String> = all.by_ref().take(BATCH).collect();
            batch.extend(self.special(number));
            let per_s = events_per_s.max(1) * haste.load(Ordering::SeqCst);
            let pause = Duration::from_micros(1_000_000 * batch.len() as u64 / per_s);
            self.deliver(&batch).await;
            if self.stopped() {
                return;
            }
            // What was missed during an outage is not made up for.
            due = (due + pause).max(Instant::now());
            tokio::time::sleep_until(due).await;
        }
    }

    async fn deliver(&mut self, batch: &[String]) {
        let body = batch.join("\n");
        self.ledger.known().doomed.extend(doomed(batch));
        loop {
            let url = self.target.borrow_and_update().clone();
            let request = self.http.post(format!("{url}/v1/events")).body(body.clone());
            match request.header("content-type", "application/x-ndjson").send().await {
                Ok(answer) if answer.status() == 200 => {
                    if let Ok(answer) = answer.json::<Value>().await {
                        return self.ledger.answered(&answer);
                    }
                    self.ledger.known().silent += 1;
                }
                Ok(answer) => self.refused(answer).await,
                Err(_) => self.ledger.known().silent += 1,
            }
            let _ = tokio::time::timeout(AGAIN, self.target.changed()).await;
        }
    }

    /// Only "come back later" is an answer to good events.
    async fn refused(&self, answer: reqwest::Response) {
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap_or_default();
        let mut known = self.ledger.known();
        known.refused += 1;
        if status != 503 && status != 429 {
            known.wrong.insert(status, text);
        }
    }

    async fn budgets(mut self) {
        while !self.stopped() {
            let user = format!("payer-{}", self.dice.below(PAYERS));
            let month = 1 + self.dice.below(100_000);
            let body = json!({ "month": format!("{month}.00"), "currency": "CNY" });
            loop {
                let url = self.target.borrow_and_update().clone();
                let request = self.http.put(format!("{url}/v1/users/{user}/budget")).json(&body);
                match request.send().await {
                    Ok(answer) if answer.status() == 200 => {
                        let micros = i64::try_from(month).unwrap() * 1_000_000;
                        self.ledger.known().budgets.insert(user, micros);
                        break;
                    }
                    Ok(answer) => self.refused(answer).await,
                    Err(_) => self.ledger.known().silent += 1,
                }
                let _ = tokio::time::timeout(AGAIN, self.target.changed()).await;
            }
            tokio::time::sleep(4 * AGAIN).await;
        }
    }

    /// Somebody logs in, somebody is erased and goes on, somebody buys the same line twice.
    fn special(&self, number: u64) -> Vec<String> {
        let me = &self.name;
        let event = |id: &str, kind: &str, user: &str, more: Value| {
            let id = format!("{me}-{number}-{id}");
            let mut event = json!({ "event_id": id, "type": kind, "user_id": user, "occurred_at": now_ms() });
            event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            event.to_string()
        };
        let (anonymous, known) = (format!("anon-{me}-{number}"), format!("known-{me}-{}", number % 40));
        let gone = format!("gone-{me}-{}", number % 7);
        let view = |item: u64| json!({ "item_id": format!("SP{item}") });
        let order = json!({ "item_id": "SP1", "order_id": format!("o-{me}-{}", number / 2), "price": "12.50", "currency": "CNY" });
        let mut events = vec![event("buy", "purchase", &known, order)];
        if number.is_multiple_of(3) {
            events.push(event("view", "view_item", &anonymous, view(number % 5)));
            events.push(event("cart", "add_to_cart", &anonymous, view(number % 3)));
            events.push(event("gone", "view_item", &gone, view(number % 5)));
            events.push(event("login", "identify", &anonymous, json!({ "known_user_id": known })));
        }
        if number.is_multiple_of(11) {
            events.push(event("erase", "user_erased", &gone, json!({})));
        }
        events
    }
}

/// What the collector takes and the stream refuses: only the log's time tells that an event has not happened yet.
fn doomed(batch: &[String]) -> BTreeMap<String, &'static str> {
    let future = |line: &String| {
        let event: Value = serde_json::from_str(line).unwrap_or_default();
        let future = event["occurred_at"].as_i64().is_some_and(|at| now_ms() + FUTURE_MS < at);
        event["event_id"].as_str().filter(|_| future).map(|id| (id.to_owned(), "future"))
    };
    batch.iter().filter_map(future).collect()
}

pub fn line(one: &Outgoing) -> String {
    match one {
        Outgoing::Event(event) => serde_json::to_string(event).unwrap(),
        Outgoing::Item(item) => serde_json::to_string(item).unwrap(),
    }
}
