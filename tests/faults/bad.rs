//! Bad records between good ones: each becomes the dead letter that it should, and nothing else is disturbed.

use std::time::Duration;

use serde_json::json;

use crate::foreign::{Bad, Foreign, kinds};
use crate::load::{Load, now_ms};
use crate::oracle::{self, total};
use crate::seed::Dice;
use crate::servers::Servers;
use crate::shop::Shop;

/// The largest event, and the largest record that a broker takes by default, less what its envelope needs.
const EVENT_BYTES_MAX: usize = 64 * 1024;
const RECORD_BYTES_MAX: usize = 1_000_000;

/// An event of exactly so many bytes.
fn sized(bytes: usize, id: &str) -> serde_json::Value {
    let of = |text: usize| {
        let context = json!({ "filler": "x".repeat(text) });
        json!({ "event_id": id, "type": "view_item", "user_id": "large", "item_id": "A", "occurred_at": now_ms(), "context": context })
    };
    let empty = of(0).to_string().len();
    of(bytes - empty)
}

/// An event that folding it panics at, whatever it is: buried after the second time, and its neighbours are folded.
#[cfg(feature = "faults")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "long"]
async fn an_event_that_panics_the_fold_is_buried_alone() {
    let Some(servers) = Servers::shared() else { return };
    let mut dice = Dice::of("F15 panic");
    let mut shop = Shop::open(&servers, 4).await;
    shop.set("FAILPOINTS_POISON", "poison-");
    let (serve, mut stream) = (shop.start("serve"), shop.start("stream"));
    let load = Load::start(&mut dice, 300, &serve.url);
    let foreign = Foreign::new(&shop, &load.ledger);
    let view = |id: String, user: &str| json!({ "event_id": id, "type": "view_item", "user_id": user, "item_id": "A", "occurred_at": now_ms() });
    for round in 0..30 {
        load.answered(Duration::from_secs(60)).await;
        // Several in a row, and between good events of the same user.
        for n in 0..1 + round % 3 {
            let user = format!("shaken-{}", dice.below(4));
            foreign.good("shop.browse", &user, &view(format!("before-{round}-{n}"), &user));
            foreign.bad(&Bad {
                topic: "shop.browse",
                key: Some(user.clone().into_bytes()),
                value: Some(view(format!("poison-{round}-{n}"), &user).to_string().into_bytes()),
                misplaced: false,
                reason: "panicked",
            });
            foreign.good("shop.browse", &user, &view(format!("after-{round}-{n}"), &user));
        }
    }
    foreign.flush();
    let ledger = load.finish().await;
    let proof = oracle::all(&shop, &ledger).await;
    let mut tables = shop.tables().await;
    let buried = tables.number("SELECT COUNT(*) FROM dead_letter WHERE reason = 'panicked'").await;
    let shaken = tables.number("SELECT COUNT(*) FROM user_part WHERE user_id LIKE 'shaken-%'").await;
    println!("{buried} events that panic: {proof}");
    assert_eq!((buried, shaken), (60, 4));
    assert!(stream.process.is_running());
    drop((stream, serve));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bad_records_become_exactly_their_dead_letters() {
    let Some(servers) = Servers::shared() else { return };
    let mut dice = Dice::of("F15");
    let shop = Shop::open(&servers, 4).await;
    let (serve, stream) = (shop.start("serve"), shop.start("stream"));
    let load = Load::start(&mut dice, 400, &serve.url);
    let foreign = Foreign::new(&shop, &load.ledger);
    let all = kinds();
    assert!(40 <= all.len());
    all.iter().for_each(|bad| foreign.bad(bad));
    let large = |bytes: usize, reason| Bad {
        topic: "shop.browse",
        key: Some(b"large".to_vec()),
        value: Some(sized(bytes, "large").to_string().into_bytes()),
        misplaced: false,
        reason,
    };
    // Its context alone is beyond the bound of contexts; one byte more, and the whole event is beyond that of events.
    foreign.bad(&large(EVENT_BYTES_MAX, "too_long"));
    foreign.bad(&large(EVENT_BYTES_MAX + 1, "too_long"));
    foreign.bad(&large(RECORD_BYTES_MAX, "too_long"));
    let goods = 50;
    for n in 0..goods {
        foreign.good("shop.browse", &format!("guest-{}", n % 7), &json!({
            "event_id": format!("good-{n}"), "type": "view_item", "user_id": format!("guest-{}", n % 7), "item_id": "A",
            "occurred_at": now_ms()
        }));
    }
    // One of twenty, for a while.
    for _ in 0..40 {
        load.answered(Duration::from_secs(60)).await;
        foreign.some(&mut dice, 2);
    }
    foreign.flush();
    let ledger = load.finish().await;
    let proof = oracle::all(&shop, &ledger).await;
    println!("bad records: {proof}");
    let applied = total(&proof.report, "applied");
    assert!(goods + proof.accepted as i64 / 2 < applied, "{applied} applied");
    let mut tables = shop.tables().await;
    let guests = tables.number("SELECT COUNT(*) FROM user_part WHERE user_id LIKE 'guest-%'").await;
    assert_eq!(guests, 7, "what a foreign producer sent in good order is folded");
    drop((stream, serve));
    shop.close().await;
}
