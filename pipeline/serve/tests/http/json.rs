//! Bad JSON and bad fields: rejected with a reason, or logged bit for bit, and never a changed neighbour.

use serde_json::{Value, json};
use shoptide_schemas::Topic;

use crate::common::{NOW_MS, Shop, view};

const EVENTS: &str = "/v1/events";

/// An event with one raw value in place of `@`.
fn with(template: &str, value: &str) -> String {
    template.replace('@', value)
}

/// In place of a code: one of those that a value of another kind may get.
const ODD: &str = "odd";

const BASE: &str =
    r#"{"event_id":"e","type":"view_item","user_id":"u","item_id":"i","occurred_at":1777896000000,@}"#;

#[tokio::test]
async fn what_is_no_json_is_refused_whole() {
    let shop = Shop::new().await;
    let good = view("e", "u", "i").to_string();
    for (name, body) in [
        ("a trailing comma in an object", with(BASE, "")),
        ("a trailing comma in an array", format!("[{good},]")),
        ("two values", format!("{good}{good}")),
        ("cut short", good[..good.len() - 1].to_owned()),
        ("NaN", with(BASE, "\"rating\":NaN")),
        ("Infinity", with(BASE, "\"rating\":Infinity")),
        ("a leading zero", with(BASE, "\"rating\":01")),
        ("a control character", with(BASE, "\"query\":\"a\u{1}b\"")),
        ("a comment", with(BASE, "/* */\"query\":\"a\"")),
        ("single quotes", "{'event_id':'e'}".to_owned()),
        ("an empty array", "[]".to_owned()),
    ] {
        assert_eq!(shop.post(EVENTS, body).await.error(), (400, "malformed".to_owned()), "{name}");
    }
    assert_eq!(shop.logged().await, 0);
}

#[tokio::test]
async fn what_is_json_but_no_event_is_rejected_with_its_reason() {
    let shop = Shop::new().await;
    let deep = format!("\"session_id\":{}{}", "[".repeat(129), "]".repeat(129));
    let many_keys = (0..100_000).map(|i| format!("\"k{i}\":0")).collect::<Vec<_>>().join(",");
    let cases = [
        ("a number", "5".to_owned(), ODD, ""),
        (
            "fields by position",
            r#"[[null,"e","view_item","u",1777896000000,false,"i"]]"#.to_owned(),
            "malformed",
            "body",
        ),
        ("null", "null".to_owned(), ODD, ""),
        ("nothing in it", "{}".to_owned(), "missing", "type"),
        ("a list of lists", "[[]]".to_owned(), "malformed", "body"),
        ("a key twice", with(BASE, "\"user_id\":\"v\""), "duplicate_field", "user_id"),
        ("an unknown key", with(BASE, "\"colour\":\"red\""), "unknown_field", "colour"),
        ("a prototype", with(BASE, "\"__proto__\":{}"), "unknown_field", "__proto__"),
        ("depth 129", with(BASE, &deep), ODD, ""),
        ("100,000 keys", with(BASE, &many_keys), "too_long", "body"),
        (
            "a string of 1 MiB",
            with(BASE, &format!("\"query\":\"{}\"", "x".repeat(1 << 20))),
            "too_long",
            "body",
        ),
        (
            "64 KiB and 1",
            with(BASE, &format!("\"query\":\"{}\"", "x".repeat(65_537 - BASE.len() - 9))),
            "too_long",
            "body",
        ),
        ("1e400", with(BASE, "\"rating\":1e400"), ODD, ""),
        ("minus zero pieces", with(BASE, "\"quantity\":-0"), ODD, ""),
        ("pieces beyond u64", with(BASE, "\"quantity\":99999999999999999999"), ODD, ""),
        ("half a piece", with(BASE, "\"quantity\":1.5"), ODD, ""),
        ("a lone surrogate", with(BASE, "\"session_id\":\"\\ud800\""), ODD, ""),
        ("an integer for an id", BASE.replace("\"u\"", "1").replace(",@", ""), ODD, ""),
        (
            "an internal type",
            BASE.replace("view_item", "part_absorbed").replace(",@", ""),
            "internal",
            "type",
        ),
        ("the trainer's type", BASE.replace("view_item", "item_seen").replace(",@", ""), "internal", "type"),
        ("another version", with(BASE, "\"v\":2"), "unknown_version", "v"),
        (
            "a context of 4 KiB and 1",
            with(BASE, &format!("\"context\":\"{}\"", "x".repeat(4095))),
            "too_long",
            "context",
        ),
    ];
    for (name, body, code, field) in cases {
        let answer = shop.post(EVENTS, body).await;
        let (status, said) = answer.error();
        assert_eq!(status, 422, "{name}");
        if code == ODD {
            // A value of another kind: which code and field it gets is for the schemas to say and to test.
            assert!(
                ["malformed", "bad_value", "out_of_range"].contains(&&*said),
                "{name}: {}",
                answer.json()
            );
        } else {
            assert_eq!(
                (said.as_str(), &answer.json()["field"]),
                (code, &json!(field)),
                "{name}: {}",
                answer.json()
            );
        }
        assert_eq!(answer.json()["verdicts"][0]["code"], said, "{name}");
    }
    assert_eq!(shop.logged().await, 0);
}

#[tokio::test]
async fn fields_and_times_out_of_bounds_are_rejected_by_name() {
    let shop = Shop::new().await;
    let long = "x".repeat(129);
    let id65 = "e".repeat(65);
    let cases: Vec<(Value, &str, &str)> = vec![
        (json!({"user_id": null}), "missing", "user_id"),
        (json!({"user_id": ""}), "blank", "user_id"),
        (json!({"user_id": " \t\u{3000}"}), "blank", "user_id"),
        (json!({"user_id": long}), "too_long", "user_id"),
        (json!({"event_id": id65}), "too_long", "event_id"),
        (json!({"event_id": ""}), "blank", "event_id"),
        (json!({"item_id": ""}), "blank", "item_id"),
        (json!({"item_id": null}), "missing", "item_id"),
        (json!({"type": "view"}), "unknown_type", "type"),
        (json!({"type": "View_Item"}), "unknown_type", "type"),
        (json!({"type": "add_to_cart", "quantity": 0}), "out_of_range", "quantity"),
        (json!({"type": "add_to_cart", "quantity": -1}), "out_of_range", "quantity"),
        (json!({"type": "add_to_cart", "quantity": 1_000_000_000}), "out_of_range", "quantity"),
        (json!({"type": "purchase", "price": "-1", "currency": "CNY"}), "bad_value", "price"),
        (json!({"type": "purchase", "price": "NaN", "currency": "CNY"}), "bad_value", "price"),
        (json!({"type": "purchase", "price": "1", "currency": "cny"}), "bad_value", "currency"),
        (json!({"type": "purchase", "price": "1"}), "missing", "currency"),
        (json!({"type": "rate_item", "rating": 5.01}), "out_of_range", "rating"),
        (json!({"type": "identify", "known_user_id": "u"}), "bad_value", "known_user_id"),
        (json!({"occurred_at": null}), "missing", "occurred_at"),
        (json!({"occurred_at": "0000-01-01T00:00:00Z"}), "out_of_range", "occurred_at"),
        (json!({"occurred_at": "1601-01-01T00:00:00Z"}), "out_of_range", "occurred_at"),
        (json!({"occurred_at": "2100-01-01T00:00:00Z"}), "out_of_range", "occurred_at"),
        (json!({"occurred_at": NOW_MS / 1000}), "out_of_range", "occurred_at"),
        (json!({"occurred_at": "2026-05-04 12:00"}), "bad_value", "occurred_at"),
        (json!({"occurred_at": "yesterday"}), "bad_value", "occurred_at"),
        (json!({"items": []}), "bad_value", "items"),
        (json!({"items": [{"item_id": "x"}]}), "bad_value", "items"),
        (json!({"item_id": null, "items": [{"item_id": "x"}, {"item_id": ""}]}), "blank", "item_id"),
    ];
    let event = |change: &Value| {
        let mut event = view("e", "u", "i");
        for (key, value) in change.as_object().unwrap() {
            if value.is_null() {
                event.as_object_mut().unwrap().remove(key);
            } else {
                event[key] = value.clone();
            }
        }
        event
    };
    for (change, code, field) in &cases {
        let answer = shop.post(EVENTS, event(change).to_string()).await;
        assert_eq!(answer.error(), (422, (*code).to_owned()), "{change}: {}", answer.json());
        assert_eq!(answer.json()["field"], *field, "{change}");
    }
    assert_eq!(shop.logged().await, 0);

    // All of them in one batch, a good one before and after: only those two are logged, and the verdicts say which.
    let mut batch = vec![view("first", "u", "i")];
    batch.extend(cases.iter().map(|(change, ..)| event(change)));
    batch.push(view("last", "u", "i"));
    let answer = shop.post(EVENTS, json!(batch).to_string()).await;
    assert_eq!(answer.status, 200);
    let verdicts = answer.json()["verdicts"].as_array().unwrap().clone();
    assert_eq!(verdicts.len(), cases.len() + 2);
    for (place, verdict) in verdicts.iter().enumerate() {
        let good = place == 0 || place == cases.len() + 1;
        assert_eq!(verdict["index"], place);
        assert_eq!(verdict["status"], if good { "accepted" } else { "rejected" });
        if !good {
            assert_eq!(
                (&verdict["code"], &verdict["field"]),
                (&json!(cases[place - 1].1), &json!(cases[place - 1].2))
            );
        }
    }
    let records = shop.records(Topic::Browse).await;
    assert_eq!((records.len(), shop.logged().await), (2, 2));
}

#[tokio::test]
async fn what_is_strange_but_good_is_logged_as_it_is() {
    let shop = Shop::new().await;
    let contexts = [
        format!("{}{}", "[".repeat(129), "]".repeat(129)),
        r#"{"a":1e400,"a":-0,"b":18446744073709551616,"c":"\ud800","d":"\u0000"}"#.to_owned(),
        "\"<script>alert(1)</script>'; DROP TABLE item;--\\r\\nSet-Cookie: x\"".to_owned(),
        format!("\"{}\"", "x".repeat(4094)),
    ];
    for (place, context) in contexts.iter().enumerate() {
        let body = with(BASE, &format!("\"context\":{context}")).replace("\"e\"", &format!("\"e{place}\""));
        let answer = shop.post(EVENTS, body).await;
        assert_eq!(answer.status, 200, "{context}: {}", answer.json());
    }
    let records = shop.records(Topic::Browse).await;
    assert_eq!(records.len(), contexts.len());
    for (record, context) in records.iter().zip(&contexts) {
        let value = std::str::from_utf8(record.value.as_ref().unwrap()).unwrap();
        assert!(value.contains(&format!("\"context\":{context}")), "{context}");
    }
    // Texts of all kinds stay what they are.
    for text in ["a\u{0}b", "🛍️", "\u{202e}txet", "e\u{301}", "é", "'; DROP TABLE item;--", "<b>\r\n\t</b>"]
    {
        let event = json!({"event_id": text, "type": "search", "user_id": text, "query": text, "occurred_at": NOW_MS});
        let answer = shop.post(EVENTS, event.to_string()).await;
        assert_eq!(answer.json()["verdicts"][0]["event_id"], text);
        let last =
            shop.records(Topic::Browse).await.into_iter().find(|r| r.key.as_deref() == Some(text.as_bytes()));
        let stored: Value = serde_json::from_slice(&last.unwrap().value.unwrap()).unwrap();
        assert_eq!((&stored["user_id"], &stored["query"]), (&json!(text), &json!(text)));
    }
    // A leap second is the second before it; an import may be old; late and future are the log's verdict, not ours.
    for (place, at) in
        ["2016-12-31T23:59:60Z", "1999-01-01T00:00:00+08:00", "2026-05-05T00:00:00Z"].iter().enumerate()
    {
        let mut event = view(&format!("t{place}"), "u", "i");
        event["occurred_at"] = json!(at);
        event["historical"] = json!(true);
        assert_eq!(shop.post(EVENTS, event.to_string()).await.status, 200, "{at}");
    }
}
