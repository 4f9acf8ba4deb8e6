//! Two versions at once: every process is replaced while the others run, and put back, and producers already send what neither
//! version knows.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::foreign::{Bad, Foreign};
use crate::load::{Load, now_ms};
use crate::log_reader::Reader;
use crate::oracle::{self, Sampler};
use crate::seed::Dice;
use crate::servers::Servers;
use crate::shop::{LOOK_AGAIN, Role, Shop, Way};

/// Names a binary of before; without it both versions are the same build, and only their records differ.
const OLD: &str = "SHOPTIDE_OLD_BINARY";
const SOON: Duration = Duration::from_secs(30);
/// Places of the collectors among the roles.
const SERVES: (usize, usize) = (3, 4);
const LATER_USERS: usize = 5;

/// What a producer of some later version sends: one event of a moment that all versions can read, and three that they must refuse by
/// rule, for what they do not understand may change what the event means.
fn later(foreign: &Foreign, number: usize) {
    let user = format!("later-{}", number % LATER_USERS);
    let event = |id: &str, more: Value| {
        let id = format!("later-{number}-{id}");
        let mut event = json!({ "event_id": id, "type": "view_item", "user_id": user, "item_id": "L", "occurred_at": now_ms() });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let unknown = json!({ "context": { "gaze_ms": 12, "screen": { "dark": true } } });
    foreign.good("shop.browse", &user, &event("context", unknown));
    let bad = |value: Value, reason| Bad {
        topic: "shop.browse",
        key: Some(user.clone().into_bytes()),
        value: Some(value.to_string().into_bytes()),
        misplaced: false,
        reason,
    };
    foreign.bad(&bad(event("field", json!({ "gaze_ms": 12 })), "unknown_field"));
    foreign.bad(&bad(event("type", json!({ "type": "stare" })), "unknown_type"));
    foreign.bad(&bad(event("version", json!({ "v": 2 })), "unknown_version"));
}

/// Everything that runs, in the order in which it is replaced.
struct Fleet {
    roles: Vec<(&'static str, Option<Role>)>,
}

impl Fleet {
    fn start(shop: &Shop, way: &Way) -> Self {
        let role = |name| (name, Some(shop.start_by(way, name)));
        Self { roles: ["stream", "stream", "jobs", "serve", "serve"].map(role).into() }
    }

    /// Where the collector at this place answers.
    fn url(&self, place: usize) -> &str {
        &self.roles[place].1.as_ref().unwrap().url
    }

    /// One after the other by another version, as docs/operations.md says; after each the truth is looked at.
    async fn replaced(&mut self, shop: &Shop, way: &Way, load: &Load, mut later: impl FnMut()) {
        for place in 0..self.roles.len() {
            let name = self.roles[place].0;
            if name == "serve" {
                // What a load balancer does: first nobody is sent there any more.
                load.aim(self.url(if place == SERVES.0 { SERVES.1 } else { SERVES.0 }));
                load.answered(SOON).await;
                load.answered(SOON).await;
            }
            later();
            let old = self.roles[place].1.take().unwrap();
            let took = tokio::task::block_in_place(|| old.process.stop());
            self.roles[place].1 = Some(shop.start_by(way, name));
            later();
            if name == "serve" {
                load.aim(self.url(place));
            }
            load.answered(SOON).await;
            let (reader, mut tables) = (Reader::new(shop), shop.tables().await);
            let began = Instant::now();
            while 100 < shop.lag(&reader, &mut tables).await {
                assert!(began.elapsed() < SOON, "{name} was replaced, and the lag does not return");
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            println!(
                "{name} {place}: gone in {took:.1?}, lag small {:.1?} after the other was up",
                began.elapsed()
            );
            oracle::folded(shop);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "long; SHOPTIDE_OLD_BINARY names a binary of before"]
async fn two_versions_at_once_make_one_truth() {
    let Some(servers) = Servers::shared() else { return };
    let mut dice = Dice::of("F18");
    let old = Way { binary: std::env::var_os(OLD), ..Way::default() };
    if old.binary.is_none() {
        println!("{OLD} names none: both versions are this build");
    }
    let shop = Shop::open(&servers, 8).await;
    let mut fleet = Fleet::start(&shop, &old);
    let load = Load::start(&mut dice, 200, fleet.url(SERVES.0));
    let foreign = Foreign::new(&shop, &load.ledger);
    let sampler = Sampler::start(&shop, &load.ledger).await;
    let mut number = 0;
    let mut send = || {
        for _ in 0..10 {
            later(&foreign, number);
            number += 1;
        }
    };
    // There, back, and there again.
    for way in [&Way::default(), &old, &Way::default()] {
        fleet.replaced(&shop, way, &load, &mut send).await;
    }
    foreign.flush();
    let looks = sampler.finish().await;
    let ledger = load.finish().await;
    let refused = ledger.known().refused;
    let proof = oracle::all(&shop, &ledger).await;
    let mut tables = shop.tables().await;
    let users = tables.number("SELECT COUNT(*) FROM user_part WHERE user_id LIKE 'later-%'").await;
    assert_eq!(users, LATER_USERS as i64, "what every version can read is folded");
    println!("{number} times what neither knows; {refused} requests refused; {proof}; {looks} looks");
    drop((fleet, tables));
    shop.close().await;
}
