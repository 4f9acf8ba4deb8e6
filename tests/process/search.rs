//! How soon the shop's window shows what has changed: a new, a changed and a sold-out item within two seconds of the event, with
//! the defaults as they are shipped; and every title of the shop, in both languages, among the first three.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{client, get, get_text, line, now_ms, post, shop, until, up_as_shipped};
use shoptide_jobs::import::Outgoing;

const SHOWN_WITHIN: Duration = Duration::from_secs(2);

fn ids(answer: &Value) -> Vec<&str> {
    answer["items"].as_array().unwrap().iter().map(|place| place["item_id"].as_str().unwrap()).collect()
}

/// A query's value, every byte encoded.
fn encoded(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

/// Sends a change and waits until a search shows it.
async fn shown(url: &str, change: Value, query: &str, seen: impl Fn(&Value) -> bool) {
    let search = format!("{url}/v1/search?q={}", encoded(query));
    assert!(!seen(&get(&search).await), "{change}: not yet");
    let answer = post(url, change.to_string()).await.unwrap();
    assert_eq!(answer.status(), 200);
    let began = Instant::now();
    until(&format!("{change} shows"), || async { seen(&get(&search).await).then_some(()) }).await;
    let took = began.elapsed();
    println!("{}: shown after {took:.1?}", change["type"]);
    assert!(took <= SHOWN_WITHIN, "{change}: {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_show_within_two_seconds_and_whole_titles_come_first() {
    let dir = tempfile::tempdir().unwrap();
    let (running, url) = up_as_shipped(dir.path());
    let generated = shop(7, 1);
    let items: Vec<_> = generated.catalogue().collect();
    let lines: Vec<String> = items.iter().map(|item| line(&Outgoing::Item(item.clone()))).collect();
    assert_eq!(post(&url, lines.join("\n")).await.unwrap().status(), 200);
    let can_be_had = |item: &&shoptide_schemas::catalogue::WireCatalogue| {
        item.stock != Some(0) && item.hidden != Some(true)
    };
    let listed = items.iter().filter(can_be_had).count();
    until("the whole catalogue can be found", || async {
        let all = get(&format!("{url}/v1/search?n=1")).await;
        (all["total"] == listed).then_some(())
    })
    .await;

    for item in items.iter().filter(can_be_had) {
        let id = item.item_id.as_deref().unwrap();
        let titles = item.titles.iter().flat_map(|titles| titles.values());
        for title in item.title.iter().chain(titles) {
            let url = format!("{url}/v1/search?q={}&n=3", encoded(title));
            let found = until("the index has everything", || async {
                let found = get(&url).await;
                (found["as_of"]["shop.catalogue"] == items.len()).then_some(found)
            })
            .await;
            assert!(ids(&found).contains(&id), "{title}: {found}");
        }
    }

    let event = |kind: &str, fields: Value| {
        let mut event = json!({"event_id": format!("e-{kind}"), "type": kind, "item_id": "NEW-1", "occurred_at": now_ms()});
        event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        event
    };
    let has = |answer: &Value| ids(answer).contains(&"NEW-1");
    let new = json!({"title": "月光台灯", "titles": {"en": "Moonlight lamp"}, "price": "10.00", "currency": "CNY", "stock": 3});
    shown(&url, event("item_upsert", new), "moonlight", has).await;
    let changed = json!({"title": "星空台灯", "titles": {"en": "Starlight lamp"}, "price": "10.00", "currency": "CNY", "stock": 3});
    let mut changed = event("item_upsert", changed);
    changed["event_id"] = json!("e-again");
    shown(&url, changed, "星空", has).await;
    let dearer = |answer: &Value| answer["items"][0]["price"] == "12.00";
    shown(&url, event("price", json!({"price": "12.00", "currency": "CNY"})), "starlight", dearer).await;
    shown(&url, event("stock", json!({"stock": 0})), "starlight", |answer| !has(answer)).await;

    // Suggestions know it too, and nothing of this was a failure.
    for name in ["moonl", "starl"] {
        let suggested = get(&format!("{url}/v1/suggest?q={name}")).await;
        assert!(!has(&suggested), "sold out: {suggested}");
    }
    let bad = client().get(format!("{url}/v1/search?q=%ff")).send().await.unwrap();
    assert_eq!(bad.status(), 400);
    let metrics = get_text(&format!("{url}/metrics")).await;
    assert!(!metrics.contains("route=\"GET /v1/search\",status=\"5"), "{metrics}");
    running.stop();
}
