//! `demo`: a simulated shop against the true architecture. Everything goes in through the HTTP collector, as a producer's
//! events would; everything that is shown was read back over HTTP.

mod freshness;
pub mod progress;
mod saved;
mod summary;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use reqwest::Client;
use serde_json::Value;
use shoptide_config::Promote;
use shoptide_jobs::import::{CollectorSink, Outgoing, Sink};
use shoptide_jobs::shop::{Shop, ShopParams, Visitors};
use shoptide_jobs::train::{HeldOut, Tables, held_out};
use shoptide_models::faq::example;
use shoptide_schemas::topic::ALL_TOPICS;
use shoptide_store::{Tally, Truth};
use tokio::sync::watch;

use self::progress::Bar;
use self::saved::Saved;
use self::summary::Summary;
use crate::app::{App, Refused, Roles, Signals, listen, train_context};
use crate::args::Demo;
use crate::commands::ask::escaped;
use crate::commands::load_config;
use crate::data_dir::{DataDir, system_clock};
use crate::outln;

/// Events of one request.
const BATCH: usize = 500;
/// Between two looks at how far the stream is.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// The stream must catch up within this; longer means that something is broken, and the logs say what.
const CATCH_UP: Duration = Duration::from_secs(600);
/// After a signal, for the answer to the batch on its way; its share of the 5 s that everything has to end in.
const LAST_BATCH: Duration = Duration::from_secs(1);
/// Places of the list that is shown.
const SHOWN: usize = 10;

pub async fn run(demo: Demo) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let mut config = load_config(demo.config.as_deref())?;
    // A summary of what was trained must be of what is served; a shop of its own needs no second opinion.
    config.gate.promote = Promote::Always;
    config.serve.host = std::net::Ipv4Addr::LOCALHOST.into();
    config.serve.port = demo.port;
    // The demo talks to itself; keys are for shops that are reached by others.
    (config.serve.write_key, config.serve.read_key) = (None, None);
    let mut signals = Signals::catch()?;
    let listener = listen(config.serve.address()).await?;
    let address = listener.local_addr().context("the listener's address")?;
    let temporary = match &demo.data_dir {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("shoptide-").tempdir().context("a temporary folder")?),
    };
    let path = demo.data_dir.clone().or_else(|| temporary.as_ref().map(|t| t.path().to_owned()));
    let data = DataDir::create(&path.context("no data directory")?)?;
    // All that can be refused is, before anything is written.
    let mut saved = Saved::read(data.path(), &demo, system_clock()())?;
    let shop = Shop::new(ShopParams::new(saved.shop_options()).map_err(|e| Refused(e.to_string()))?);
    let client = client()?;
    let mut app = tokio::select! {
        app = App::start(&config, &data, Roles::ALL, Some(listener)) => app?,
        () = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    let (stop, stopped) = watch::channel(false);
    let base = format!("http://{address}");
    let act = Act { demo: &demo, config: &config, data: &data, shop: &shop, base, started, stopped, client };
    let parts = app.parts();
    let ended = {
        let show = act.show(&parts, &mut saved);
        tokio::pin!(show);
        tokio::select! {
            result = &mut show => result.map(|()| None),
            () = signals.next() => {
                // The batch on its way gets its answer first, so that what is sent is known.
                stop.send_replace(true);
                let _ = tokio::time::timeout(LAST_BATCH, show).await;
                Ok(None)
            }
            error = app.role_failed() => Ok(Some(error)),
        }
    };
    app.shutdown().await;
    match ended? {
        None => Ok(ExitCode::SUCCESS),
        Some(error) => Err(error),
    }
}

fn client() -> anyhow::Result<Client> {
    Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().context("the HTTP client")
}

/// One performance.
struct Act<'a> {
    demo: &'a Demo,
    config: &'a shoptide_config::Config,
    data: &'a DataDir,
    shop: &'a Shop,
    base: String,
    started: Instant,
    stopped: watch::Receiver<bool>,
    client: Client,
}

impl Act<'_> {
    async fn show(&self, parts: &crate::app::Parts, saved: &mut Saved) -> anyhow::Result<()> {
        let say = |text: &str| {
            if !self.demo.json {
                eprintln!("{text}");
            }
        };
        say(&format!("shoptide demo on {} (data in {})", self.base, self.data.path().display()));
        saved.begin()?;
        self.caught_up(parts, "catching up").await?;
        crate::commands::faq::put_all(&*parts.truth, &example().context("the questions")?, false).await?;
        let before = tallies(&*parts.truth).await?;
        let mut sink = CollectorSink::new(&self.base, None)?;
        let first_list = tokio::spawn(first_list(
            self.client.clone(),
            self.base.clone(),
            self.shop.user_id(0),
            self.started,
        ));
        let began = Instant::now();
        let (mut sent, mut rejected) = self.send(&mut sink, saved).await?;
        self.caught_up(parts, "folding").await?;
        let seconds = began.elapsed().as_secs_f64();
        let folded = sent;
        if *self.stopped.borrow() {
            return Ok(());
        }
        let trained = match &parts.trainer {
            Some(trainer) => trainer.train_now().await?,
            None => anyhow::bail!("the trainer does not run"),
        };
        say(&format!("trained version {} in {:.2} s", trained.model.version(), trained.seconds));
        let clock = system_clock();
        let mut visitors = Visitors::new(self.shop, &format!("r{}", saved.runs), clock())
            .map_err(|e| Refused(e.to_string()))?;
        let fresh = freshness::measure(&self.client, &self.base, &mut visitors, &*clock).await?;
        (sent, rejected) = (sent + fresh.sent, rejected + fresh.rejected);
        let held_out = self.held_out(parts).await?;
        self.caught_up(parts, "settling").await?;
        if *self.stopped.borrow() {
            return Ok(());
        }
        let user = self.shop.user_id(0);
        let path = format!("{}/v1/users/{}", self.base, escaped(&user));
        let first_list_s = tokio::time::timeout(Duration::from_secs(5), first_list).await;
        let summary = Summary {
            sent,
            rejected,
            tally: since(&before, &tallies(&*parts.truth).await?),
            events_per_s: if folded == 0 { 0.0 } else { folded as f64 / seconds },
            freshness: fresh,
            first_list_s: first_list_s.ok().and_then(Result::ok).unwrap_or(f64::NAN),
            train_s: trained.seconds,
            total_s: self.started.elapsed().as_secs_f64(),
            model_version: trained.model.version(),
            held_out,
            live: live_quality(&*parts.truth).await?,
            profile: self.get(&format!("{path}/profile")).await?,
            list: self.get(&format!("{path}/recommendations?explain=true&n={SHOWN}")).await?,
            user,
            base: self.base.clone(),
            data_dir: self.data.path().display().to_string(),
            kept: self.demo.data_dir.is_some(),
        };
        if self.demo.json {
            outln!("{}", summary.json())?
        } else {
            summary.print()?
        }
        if !summary.adds_up() {
            anyhow::bail!("the counts do not add up: sent {sent}, refused {rejected}, {:?}", summary.tally);
        }
        if self.demo.once {
            return Ok(());
        }
        say("\nvisitors go on shopping; Ctrl-C ends it");
        self.visit(&mut sink, &mut visitors, &*clock).await
    }

    /// Sends what of the shop was not sent before.
    async fn send(&self, sink: &mut CollectorSink, saved: &mut Saved) -> anyhow::Result<(u64, u64)> {
        let total = self.shop.catalogue().count() as u64 + saved.events;
        let bar = Bar::new("sending", total, self.demo.json);
        let all = self.shop.catalogue().map(Outgoing::Item).chain(self.shop.events().map(Outgoing::Event));
        let mut rest = all.skip(usize::try_from(saved.sent).unwrap_or(usize::MAX)).peekable();
        let (mut sent, mut rejected) = (0, 0);
        while rest.peek().is_some() && !*self.stopped.borrow() {
            let batch: Vec<Outgoing> = rest.by_ref().take(BATCH).collect();
            let n = batch.len() as u64;
            let answer = sink.send(batch).await?;
            (sent, rejected) = (sent + n, rejected + answer.rejected);
            saved.sent += n;
            saved.write()?;
            bar.set(saved.sent);
        }
        bar.finish();
        Ok((sent, rejected))
    }

    /// Waits until the truth stands at the log's end, or a signal came.
    async fn caught_up(&self, parts: &crate::app::Parts, what: &'static str) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut bar = None;
        loop {
            let mut behind = 0;
            let rows = parts.truth.offsets().await?;
            for topic in ALL_TOPICS {
                for partition in 0..parts.log.partitions(topic) {
                    let end = parts.log.watermarks(topic, partition).await?.next;
                    let at = rows
                        .iter()
                        .find(|r| r.shard == partition && r.topic == topic)
                        .map_or(0, |r| r.next_off);
                    behind += end - at;
                }
            }
            if behind == 0 || *self.stopped.borrow() {
                break;
            }
            if CATCH_UP < began.elapsed() {
                anyhow::bail!("the stream is still {behind} records behind after {} s", CATCH_UP.as_secs());
            }
            bar.get_or_insert_with(|| Bar::spinner(what, self.demo.json)).set(behind.unsigned_abs());
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        if let Some(bar) = bar {
            bar.finish();
        }
        Ok(())
    }

    async fn held_out(&self, parts: &crate::app::Parts) -> anyhow::Result<HeldOut> {
        let mut tables = Tables::default();
        tables.advance(&*parts.truth).await?;
        let context = train_context(self.config, self.data, &parts.log, &parts.truth, &parts.live)?;
        Ok(tokio::task::spawn_blocking(move || held_out(&tables, &context.params)).await??)
    }

    async fn get(&self, url: &str) -> anyhow::Result<Value> {
        let answer = self.client.get(url).send().await?.error_for_status()?;
        Ok(answer.json().await?)
    }

    /// Visitors until the signal.
    async fn visit(
        &self,
        sink: &mut CollectorSink,
        visitors: &mut Visitors<'_>,
        clock: &dyn Fn() -> i64,
    ) -> anyhow::Result<()> {
        let mut tick = tokio::time::interval(Duration::from_millis(1_000 / self.demo.visitors_per_s.max(1)));
        while !*self.stopped.borrow() {
            tick.tick().await;
            sink.send(vec![Outgoing::Event(visitors.next_event(clock()))]).await?;
        }
        Ok(())
    }
}

/// Seconds from the start until a user has a list of his own that a model made: the catalogue's order does not count.
async fn first_list(client: Client, base: String, user: String, started: Instant) -> f64 {
    let url = format!("{base}/v1/users/{}/recommendations?n=1", escaped(&user));
    loop {
        if let Ok(answer) = client.get(&url).send().await
            && let Ok(list) = answer.json::<Value>().await
            && list.get("made_from").and_then(Value::as_str) == Some("personal")
            && list.pointer("/items/0/source").and_then(Value::as_str).is_some_and(|s| s != "catalogue")
        {
            return started.elapsed().as_secs_f64();
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn tallies(truth: &dyn Truth) -> anyhow::Result<Tally> {
    let mut sum = Tally::default();
    truth.offsets().await?.iter().for_each(|row| sum.add(&row.tally));
    Ok(sum)
}

fn since(before: &Tally, after: &Tally) -> Tally {
    Tally {
        logged: after.logged - before.logged,
        applied: after.applied - before.applied,
        duplicate: after.duplicate - before.duplicate,
        late: after.late - before.late,
        erased: after.erased - before.erased,
        dead: after.dead - before.dead,
    }
}

async fn live_quality(truth: &dyn Truth) -> anyhow::Result<[i64; 3]> {
    let mut sums = [0; 3];
    for (_, metric, n) in truth.quality(0).await? {
        if let Some(sum) = sums.get_mut(metric as usize) {
            *sum += n;
        }
    }
    Ok(sums)
}
