//! Bad input, case by case: a refusal with code, field and a bounded message that repeats nothing, or an exact round trip.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::HashSet;

use serde_json::{Value, json};
use shoptide_schemas::Code::{self, *};
use shoptide_schemas::limits::{BATCH_BYTES_MAX, EVENT_BYTES_MAX};
use shoptide_schemas::{EventKind, Reject, catalogue, wire};
use support::{accept, assert_bounded, round_trip};

/// Planted in bad values; no refusal may repeat it.
const CANARY: &str = "c4n4ry";
const BASE: &str =
    r#"{"event_id":"e","type":"view_item","user_id":"u","item_id":"i","occurred_at":1777896000000,@}"#;

/// A good event with raw JSON put in.
fn with(raw: &str) -> Vec<u8> {
    BASE.replace('@', raw).into_bytes()
}

/// A good event with fields changed; null takes away.
fn changed(changes: &Value) -> Vec<u8> {
    let mut event = json!({"event_id": "e", "type": "view_item", "user_id": "u", "item_id": "i", "occurred_at": 1_777_896_000_000_i64});
    for (key, value) in changes.as_object().unwrap() {
        event[key] = value.clone();
    }
    event.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    event.to_string().into_bytes()
}

fn refused(name: &str, bytes: &[u8], code: Code, field: &str) -> Reject {
    let reject = accept(bytes).expect_err(name);
    assert_eq!((reject.code, reject.field.as_ref()), (code, field), "{name}: {}", reject.message);
    assert_bounded(&reject, CANARY);
    reject
}

#[test]
fn what_is_no_json_object_is_malformed() {
    let deep = format!("{}{}", "[".repeat(129), "]".repeat(129));
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("white space", b" \n".to_vec()),
        ("null", b"null".to_vec()),
        ("a number", b"5".to_vec()),
        ("a text", b"\"c4n4ry\"".to_vec()),
        ("a list", b"[]".to_vec()),
        ("fields by position", br#"[1,"e","view_item","u",1777896000000,false,"i"]"#.to_vec()),
        ("depth 129", deep.into_bytes()),
        ("depth 30,000", "[".repeat(30_000).into_bytes()),
        ("depth 10,000 of objects", "{\"a\":".repeat(10_000).into_bytes()),
        ("a trailing comma", with("")),
        ("two commas", with(",")),
        ("two values", [with("\"v\":1"), with("\"v\":1")].concat()),
        ("cut short", with("\"query\":\"c4n4ry").split_last().unwrap().1.to_vec()),
        ("a byte order mark", [b"\xef\xbb\xbf".to_vec(), with("\"v\":1")].concat()),
        ("UTF-16", BASE.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("NaN", with("\"rating\":NaN")),
        ("Infinity", with("\"rating\":-Infinity")),
        ("a leading zero", with("\"rating\":01")),
        ("a plus", with("\"rating\":+1")),
        ("a hexadecimal number", with("\"quantity\":0x10")),
        ("a raw NUL", with("\"query\":\"c4n4ry\0\"")),
        ("a raw line break", with("\"query\":\"c4n4ry\n\"")),
        ("a bad escape", with("\"query\":\"c4n4ry\\x\"")),
        ("a bare key", with("c4n4ry:1")),
        ("single quotes", b"{'c4n4ry':'e'}".to_vec()),
        ("a comment", with("/* c4n4ry */\"v\":1")),
        ("random bytes", vec![0x80, 0xff, 0x00, 0x7b]),
    ];
    for (name, bytes) in cases {
        refused(name, &bytes, Malformed, "body");
    }
    for bad in [&b"\xff"[..], b"\xc3\x28", b"\xe2\x82", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf8\x88\x80\x80\x80"]
    {
        let bytes = [&with("\"query\":\"@")[..BASE.len() + 8], bad, b"\"}"].concat();
        let reject = accept(&bytes).expect_err("bad UTF-8");
        assert_eq!(reject.code, Malformed, "{bad:x?}: {reject}");
        assert_bounded(&reject, CANARY);
    }
}

#[test]
fn what_is_json_of_another_shape_names_its_field() {
    let deep = format!("{}{}", "[".repeat(129), "]".repeat(129));
    let long_key = format!("\"{}\":1", "k".repeat(49));
    let cases: Vec<(&str, String, Code, &str)> = vec![
        ("a key twice", r#""user_id":"c4n4ry""#.into(), DuplicateField, "user_id"),
        ("a null twice", r#""v":null,"v":null"#.into(), DuplicateField, "v"),
        ("an unknown key", r#""colour":"c4n4ry""#.into(), UnknownField, "colour"),
        ("a prototype", r#""__proto__":{"c4n4ry":1}"#.into(), UnknownField, "__proto__"),
        ("a key of another case", r#""User_id":"c4n4ry""#.into(), UnknownField, "User_id"),
        ("a long key", long_key, UnknownField, "(a key of 49 bytes)"),
        ("an empty key", r#""":1"#.into(), UnknownField, "(a key of 0 bytes)"),
        (
            "a key of control characters",
            r#""a\u0000\u001b[31mc4n4ry":1"#.into(),
            UnknownField,
            "(a key of 13 bytes)",
        ),
        (
            "a key that looks like serde's words",
            r#""x`, expected `c4n4ry":1"#.into(),
            UnknownField,
            "(a key of 20 bytes)",
        ),
        ("depth 129 in a field", format!("\"session_id\":{deep}"), BadValue, "session_id"),
        ("an object for a text", r#""query":{"c4n4ry":1}"#.into(), BadValue, "query"),
        ("a number for a text", r#""query":1"#.into(), BadValue, "query"),
        ("a flag for a text", r#""query":true"#.into(), BadValue, "query"),
        ("a text for a number", r#""quantity":"c4n4ry""#.into(), BadValue, "quantity"),
        ("a text that is a number", r#""quantity":"1""#.into(), BadValue, "quantity"),
        ("a text for a flag", r#""historical":"c4n4ry""#.into(), BadValue, "historical"),
        ("a number for a flag", r#""historical":1"#.into(), BadValue, "historical"),
        ("half a piece", r#""quantity":1.5"#.into(), BadValue, "quantity"),
        ("pieces beyond i64", r#""quantity":9223372036854775808"#.into(), OutOfRange, "quantity"),
        ("pieces beyond u64", r#""quantity":18446744073709551616"#.into(), OutOfRange, "quantity"),
        ("pieces below i64", r#""quantity":-9223372036854775809"#.into(), OutOfRange, "quantity"),
        ("pieces of a big float", r#""quantity":1e30"#.into(), OutOfRange, "quantity"),
        ("pieces beyond floats", r#""quantity":1e400"#.into(), OutOfRange, "quantity"),
        ("minus zero pieces", r#""quantity":-0"#.into(), OutOfRange, "quantity"),
        ("a rating beyond floats", r#""rating":1e400"#.into(), OutOfRange, "rating"),
        ("a rating of text", r#""rating":"c4n4ry""#.into(), BadValue, "rating"),
        ("a lone surrogate", r#""session_id":"c4n4ry\ud800""#.into(), BadValue, "session_id"),
        ("a low surrogate", r#""session_id":"\udc00c4n4ry""#.into(), BadValue, "session_id"),
        ("two high surrogates", r#""session_id":"\ud800\ud800""#.into(), BadValue, "session_id"),
        ("a price that is a number", r#""price":12.5,"currency":"CNY""#.into(), BadValue, "price"),
        ("items that are an object", r#""items":{"c4n4ry":1}"#.into(), BadValue, "items"),
        ("a line that is a list", r#""items":[["c4n4ry"]]"#.into(), Malformed, "items[0]"),
        ("a line that is null", r#""items":[{"item_id":"a"},null]"#.into(), Malformed, "items[1]"),
        (
            "a line without item",
            r#""items":[{"item_id":"a"},{"price":"1"}]"#.into(),
            Missing,
            "items[1].item_id",
        ),
        ("a line with a null item", r#""items":[{"item_id":null}]"#.into(), Missing, "items[0].item_id"),
        (
            "a line's unknown key",
            r#""items":[{"item_id":"a","colour":"c4n4ry"}]"#.into(),
            UnknownField,
            "items[0].colour",
        ),
        (
            "a line's key twice",
            r#""items":[{"item_id":"a","item_id":"c4n4ry"}]"#.into(),
            DuplicateField,
            "items[0].item_id",
        ),
        (
            "a line's GA4 key twice",
            r#""items":[{"item_id":"a","index":1,"index":2}]"#.into(),
            DuplicateField,
            "items[0].index",
        ),
        (
            "a line's price as a number",
            r#""items":[{"item_id":"a","price":1.5}]"#.into(),
            BadValue,
            "items[0].price",
        ),
        ("a version of text", r#""v":"c4n4ry""#.into(), BadValue, "v"),
        ("version 0", r#""v":0"#.into(), UnknownVersion, "v"),
        ("version 2", r#""v":2"#.into(), UnknownVersion, "v"),
        ("version -1", r#""v":-1"#.into(), UnknownVersion, "v"),
        ("version 2^40", r#""v":1099511627776"#.into(), UnknownVersion, "v"),
        ("a part", r#""part":"00""#.into(), Internal, "part"),
    ];
    for (name, raw, code, field) in cases {
        refused(name, &with(&raw), code, field);
    }
    let id_1 = refused(
        "an integer for an id",
        BASE.replace("\"u\"", "1").replace(",@", "").as_bytes(),
        BadValue,
        "user_id",
    );
    assert_eq!(id_1.message, "user_id is a number, expected text of 1 to 128 bytes, not blank");
    let hundred_thousand: Vec<_> = (0..100_000).map(|i| format!("\"k{i}\":0")).collect();
    refused("100,000 keys", &with(&hundred_thousand.join(",")), TooLong, "body");
    refused("5,000 keys", &with(&hundred_thousand[..5_000].join(",")), UnknownField, "k0");
    refused("1 MiB of text", &with(&format!("\"query\":\"{}\"", "x".repeat(1 << 20))), TooLong, "body");
    refused("2 MiB of open brackets", "[".repeat(BATCH_BYTES_MAX).as_bytes(), TooLong, "body");
}

#[test]
fn an_event_of_64_kib_is_read_and_one_byte_more_is_not() {
    let padded = |bytes: usize| [with("\"v\":1"), vec![b' '; bytes - with("\"v\":1").len()]].concat();
    assert!(accept(&padded(EVENT_BYTES_MAX)).is_ok());
    refused("64 KiB and 1", &padded(EVENT_BYTES_MAX + 1), TooLong, "body");
}

#[test]
fn fields_out_of_bounds_are_refused_by_name() {
    let buy = |more: Value| {
        let mut event = json!({"type": "purchase"});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let x = |n: usize| format!("{CANARY}{}", "x".repeat(n - CANARY.len()));
    let cases: Vec<(Value, Code, &str)> = vec![
        (json!({"event_id": null}), Missing, "event_id"),
        (json!({"event_id": ""}), Blank, "event_id"),
        (json!({"event_id": " \t\u{85}\u{3000}\u{2029}"}), Blank, "event_id"),
        (json!({"event_id": x(65)}), TooLong, "event_id"),
        (json!({"event_id": format!("{}ü", x(63))}), TooLong, "event_id"),
        (json!({"event_id": format!("{}#", x(64))}), TooLong, "event_id"),
        (json!({"event_id": format!("{}#1000", x(64))}), TooLong, "event_id"),
        (json!({"event_id": format!("{}#12", x(65))}), TooLong, "event_id"),
        (json!({"event_id": format!("{}#1a", x(64))}), TooLong, "event_id"),
        (json!({"user_id": null}), Missing, "user_id"),
        (json!({"user_id": ""}), Blank, "user_id"),
        (json!({"user_id": "\r\n"}), Blank, "user_id"),
        (json!({"user_id": x(129)}), TooLong, "user_id"),
        (json!({"user_id": "ü".repeat(65)}), TooLong, "user_id"),
        (json!({"item_id": null}), Missing, "item_id"),
        (json!({"item_id": " "}), Blank, "item_id"),
        (json!({"item_id": x(129)}), TooLong, "item_id"),
        (json!({"type": null}), Missing, "type"),
        (json!({"type": CANARY}), UnknownType, "type"),
        (json!({"type": "View_Item"}), UnknownType, "type"),
        (json!({"type": "view_item "}), UnknownType, "type"),
        (json!({"type": "__proto__"}), UnknownType, "type"),
        (json!({"type": "item_upsert"}), UnknownType, "type"),
        (json!({"quantity": 0}), OutOfRange, "quantity"),
        (json!({"quantity": -1}), OutOfRange, "quantity"),
        (json!({"quantity": 1_000_000_000}), OutOfRange, "quantity"),
        (json!({"quantity": i64::MIN}), OutOfRange, "quantity"),
        (json!({"quantity": 100_001}), OutOfRange, "quantity"),
        (json!({"session_id": " "}), Blank, "session_id"),
        (json!({"session_id": x(129)}), TooLong, "session_id"),
        (json!({"list_id": x(129)}), TooLong, "list_id"),
        (json!({"query": x(513)}), TooLong, "query"),
        (json!({"text": x(16_385)}), TooLong, "text"),
        (json!({"order_id": x(129)}), TooLong, "order_id"),
        (json!({"order_line": x(134)}), TooLong, "order_line"),
        (json!({"context": x(4_095)}), TooLong, "context"),
        (json!({"rating": -0.1}), OutOfRange, "rating"),
        (json!({"rating": 5.01}), OutOfRange, "rating"),
        (json!({"rating": 1e300}), OutOfRange, "rating"),
        (buy(json!({"price": "-1", "currency": "CNY"})), BadValue, "price"),
        (buy(json!({"price": "NaN", "currency": "CNY"})), BadValue, "price"),
        (buy(json!({"price": "1e3", "currency": "CNY"})), BadValue, "price"),
        (buy(json!({"price": CANARY, "currency": "CNY"})), BadValue, "price"),
        (buy(json!({"price": "1000000000", "currency": "CNY"})), OutOfRange, "price"),
        (buy(json!({"price": "1"})), Missing, "currency"),
        (buy(json!({"currency": "CNY"})), Missing, "price"),
        (buy(json!({"price": "1", "currency": "cny"})), BadValue, "currency"),
        (buy(json!({"price": "1", "currency": "¥"})), BadValue, "currency"),
        (buy(json!({"price": "1", "currency": CANARY})), BadValue, "currency"),
        (buy(json!({"order_id": ""})), Blank, "order_id"),
        (json!({"type": "search"}), Missing, "query"),
        (json!({"type": "forum_reply", "text": "t"}), Missing, "thread_id"),
        (json!({"type": "rate_item"}), Missing, "rating"),
        (json!({"type": "recommendation_shown"}), Missing, "list_id"),
        (json!({"type": "recommendation_feedback"}), Missing, "feedback"),
        (json!({"type": "recommendation_feedback", "feedback": CANARY}), BadValue, "feedback"),
        (json!({"type": "identify"}), Missing, "known_user_id"),
        (json!({"type": "identify", "known_user_id": "u"}), BadValue, "known_user_id"),
        (json!({"type": "part_absorbed", "known_user_id": "v", "part": CANARY}), BadValue, "part"),
        (json!({"type": "part_absorbed", "part": "00"}), Missing, "known_user_id"),
        (json!({"occurred_at": null}), Missing, "occurred_at"),
        (json!({"occurred_at": CANARY}), BadValue, "occurred_at"),
        (json!({"occurred_at": x(41)}), TooLong, "occurred_at"),
        (json!({"occurred_at": "2026-05-04T12:00:00"}), BadValue, "occurred_at"),
        (json!({"occurred_at": "0000-01-01T00:00:00Z"}), OutOfRange, "occurred_at"),
        (json!({"occurred_at": "1601-01-01T00:00:00Z"}), OutOfRange, "occurred_at"),
        (json!({"occurred_at": "2100-01-01T00:00:00Z"}), OutOfRange, "occurred_at"),
        (json!({"occurred_at": 1_777_896_000}), OutOfRange, "occurred_at"),
        (json!({"occurred_at": 0}), OutOfRange, "occurred_at"),
        (json!({"occurred_at": -1}), OutOfRange, "occurred_at"),
        (json!({"occurred_at": u64::MAX}), OutOfRange, "occurred_at"),
        (json!({"occurred_at": 1e30}), OutOfRange, "occurred_at"),
        (json!({"occurred_at": 1_777_896_000_000.5}), BadValue, "occurred_at"),
        (json!({"occurred_at": true}), BadValue, "occurred_at"),
        (json!({"occurred_at": {"c4n4ry": 1}}), BadValue, "occurred_at"),
    ];
    for (changes, code, field) in &cases {
        refused(&changes.to_string(), &changed(changes), *code, field);
    }
    let beyond =
        refused("u64", &changed(&json!({"occurred_at": u64::MAX})), OutOfRange, "occurred_at").message;
    assert!(beyond.contains("631152000000 to 4102444799999"), "{beyond}");
}

#[test]
fn what_is_strange_but_good_goes_through_unchanged() {
    let deep = format!("{}{}", "[".repeat(129), "]".repeat(129));
    for context in [
        deep.as_str(),
        r#"{"a":1e400,"a":-0,"b":18446744073709551616,"c":"\ud800","d":"\u0000","__proto__":{}}"#,
        r#"{ "twice" : 1 ,  "twice" : 2 }"#,
        r#""'; DROP TABLE item;-- <script>alert(1)</script>\r\nSet-Cookie: x""#,
        "9007199254740993",
        "[ ]",
    ] {
        let bytes = with(&format!("\"context\":{context}"));
        round_trip(&bytes);
        assert_eq!(wire::parse(&bytes).unwrap().context.unwrap().get(), context);
    }
    for raw in [
        r#""quantity":1.0"#,
        r#""quantity":1e2"#,
        r#""rating":-0"#,
        r#""rating":-0.0"#,
        r#""rating":4.999999999999999"#,
        r#""v":null,"item_id":"i""#.split_once(',').unwrap().0,
        r#""historical":null,"session_id":null,"items":null,"context":null"#,
        r#""\u0071uery":"an escaped key""#,
        r#""price":"0000012.50","currency":"XXX""#,
    ] {
        round_trip(&with(raw));
    }
    assert_eq!(
        round_trip(&with(r#""v":1"#).iter().copied().chain(*b"\r\n ").collect::<Vec<_>>()).user.as_bytes(),
        b"u"
    );
    for text in [
        "a\u{0}b",
        "🛍️",
        "👨‍👩‍👧",
        "\u{202e}txet",
        "שלום",
        "e\u{301}",
        "é",
        "'; DROP TABLE item;--",
        "<b>\r\n\t</b>",
        "__proto__",
        "constructor",
        "\u{feff}",
        "\u{200b}",
        "../../etc/passwd",
        "{{7*7}}",
        "%00",
        "\u{10ffff}",
        " a ",
    ] {
        let event = round_trip(&changed(
            &json!({"event_id": text, "user_id": text, "item_id": text, "session_id": text}),
        ));
        assert_eq!((event.id.as_bytes(), event.user.as_bytes()), (text.as_bytes(), text.as_bytes()));
        assert_eq!(
            (event.item().unwrap().as_bytes(), event.session.as_deref()),
            (text.as_bytes(), Some(text))
        );
    }
    for (changes, ms) in [
        (json!({"occurred_at": "2016-12-31T23:59:60Z"}), 1_483_228_799_000_i64),
        (json!({"occurred_at": 1_777_896_000_000.0}), 1_777_896_000_000),
        (json!({"occurred_at": 631_152_000_000_i64}), 631_152_000_000),
        (json!({"occurred_at": "2026-05-04T20:00:00+08:00"}), 1_777_896_000_000),
    ] {
        assert_eq!(round_trip(&changed(&changes)).at.0, ms, "{changes}");
    }
}

#[test]
fn bounds_themselves_are_good() {
    let x = |n: usize| "x".repeat(n);
    for changes in [
        json!({"event_id": x(64)}),
        json!({"event_id": format!("{}#199", x(64))}),
        json!({"user_id": x(128), "item_id": x(128)}),
        json!({"user_id": "ü".repeat(64)}),
        json!({"quantity": 100_000, "session_id": x(128), "query": x(512)}),
        json!({"text": x(16_384), "context": x(4_094)}),
        json!({"rating": 5, "price": "999999999.999999", "currency": "JPY"}),
    ] {
        round_trip(&changed(&changes));
    }
    // The longest item makes the longest line; an event that is forwarded carries that line.
    let order =
        |line: Value| json!({"type": "purchase", "item_id": x(128), "order_id": "o", "order_line": line});
    let first = round_trip(&changed(&order(Value::Null)));
    let line = first.order_line().unwrap().line.clone();
    assert_eq!(round_trip(&changed(&order(json!(line)))).order_line(), first.order_line());
}

#[test]
fn ids_that_differ_stay_different() {
    let ids = [
        "User1",
        "user1",
        "üser1",
        "u\u{308}ser1",
        "user1 ",
        " user1",
        "1",
        "01",
        "1.0",
        "user1\u{0}",
        "ｕｓｅｒ１",
        "user\u{200b}1",
    ];
    let read: HashSet<_> = ids.iter().map(|id| round_trip(&changed(&json!({"user_id": id}))).user).collect();
    assert_eq!(read.len(), ids.len());
    for (id, user) in ids.iter().map(|id| (id, round_trip(&changed(&json!({"user_id": id}))).user)) {
        assert_eq!(user.as_bytes(), id.as_bytes());
    }
}

#[test]
fn items_become_one_event_a_line_or_none() {
    let lines = |n: usize| json!(vec![json!({"item_id": "x"}); n]);
    let order = |items: Value| json!({"type": "purchase", "item_id": null, "items": items, "order_id": "o", "currency": "CNY"});
    for (name, changes, code, field) in [
        ("no line", order(lines(0)), BadValue, "items"),
        ("201 lines", order(lines(201)), TooLong, "items"),
        ("beside item_id", json!({"items": lines(1)}), BadValue, "items"),
        (
            "of an erasure",
            json!({"type": "user_erased", "item_id": null, "items": lines(1)}),
            BadValue,
            "items",
        ),
        ("a blank item among good ones", order(json!([{"item_id": "a"}, {"item_id": ""}])), Blank, "item_id"),
        (
            "a bad price among good ones",
            order(json!([{"item_id": "a", "price": "1"}, {"item_id": "b", "price": CANARY}])),
            BadValue,
            "price",
        ),
        ("a bad quantity", order(json!([{"item_id": "a", "quantity": 0}])), OutOfRange, "quantity"),
        (
            "a price without currency",
            json!({"item_id": null, "items": [{"item_id": "a", "price": "1"}]}),
            Missing,
            "currency",
        ),
        (
            "an id of 65 bytes",
            json!({"event_id": "x".repeat(65), "item_id": null, "items": lines(1)}),
            TooLong,
            "event_id",
        ),
        (
            "a bad quantity that the line replaces",
            json!({"item_id": null, "quantity": 0, "items": [{"item_id": "a", "quantity": 1}]}),
            OutOfRange,
            "quantity",
        ),
        (
            "a bad currency that no line uses",
            json!({"item_id": null, "currency": CANARY, "items": lines(1)}),
            BadValue,
            "currency",
        ),
        ("no event_id", json!({"event_id": null, "item_id": null, "items": lines(1)}), Missing, "event_id"),
    ] {
        refused(name, &changed(&changes), code, field);
    }
    assert_eq!(wire::decode(&changed(&order(lines(2)))).unwrap_err().code, Unsplit);
    let all = accept(&changed(&order(lines(200)))).unwrap();
    let names: HashSet<_> = all.iter().map(|e| e.id.clone()).collect();
    let order_lines: HashSet<_> = all.iter().map(|e| e.order_line().unwrap().clone()).collect();
    assert_eq!((all.len(), names.len(), order_lines.len()), (200, 200, 200), "equal lines stay two lines");
    assert_eq!(all[199].id.as_bytes(), b"e#199");
    let long_id = json!({"event_id": "x".repeat(64), "item_id": null, "items": lines(200)});
    assert_eq!(accept(&changed(&long_id)).unwrap().len(), 200);

    let items = json!([{"item_id": "a", "price": "2.5", "quantity": 3}, {"item_id": "b", "coupon": null, "index": 1}]);
    let events = accept(&changed(&order(items))).unwrap();
    let paid: Vec<_> = events
        .iter()
        .map(|e| match &e.kind {
            EventKind::Purchase { quantity, paid, .. } => (*quantity, paid.map(|p| p.0.0)),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(paid, [(3, Some(2_500_000)), (1, None)], "a line without a price needs no currency");
}

#[test]
fn bad_catalogue_events_are_refused_by_name() {
    let base = json!({"event_id": "c", "type": "item_upsert", "item_id": "i", "occurred_at": 1_777_896_000_000_i64, "title": "t"});
    let x = |n: usize| format!("{CANARY}{}", "x".repeat(n - CANARY.len()));
    let cases = [
        (json!({"event_id": x(65)}), TooLong, "event_id"),
        (json!({"item_id": " "}), Blank, "item_id"),
        (json!({"item_id": 1}), BadValue, "item_id"),
        (json!({"type": CANARY}), UnknownType, "type"),
        (json!({"type": "view_item"}), UnknownType, "type"),
        (json!({"title": null}), Missing, "title"),
        (json!({"title": " "}), Blank, "title"),
        (json!({"title": x(1_025)}), TooLong, "title"),
        (json!({"titles": {CANARY: 1}}), BadValue, "titles"),
        (json!({"titles": [CANARY]}), BadValue, "titles"),
        (json!({"titles": {"zh": x(1_025)}}), TooLong, "titles"),
        (json!({"brand": x(257)}), TooLong, "brand"),
        (json!({"category": x(257)}), TooLong, "category"),
        (json!({"description": x(16_385)}), TooLong, "description"),
        (json!({"tags": vec!["t"; 33]}), TooLong, "tags"),
        (json!({"tags": [x(65)]}), TooLong, "tags"),
        (json!({"tags": [1, CANARY]}), BadValue, "tags"),
        (json!({"tags": CANARY}), BadValue, "tags"),
        (json!({"price": 1}), BadValue, "price"),
        (json!({"price": "1"}), Missing, "currency"),
        (json!({"currency": "CNY"}), Missing, "price"),
        (json!({"stock": -1}), OutOfRange, "stock"),
        (json!({"stock": 1_000_000_001}), OutOfRange, "stock"),
        (json!({"stock": u64::MAX}), OutOfRange, "stock"),
        (json!({"stock": 0.5}), BadValue, "stock"),
        (json!({"hidden": CANARY}), BadValue, "hidden"),
        (json!({"colour": CANARY}), UnknownField, "colour"),
        (json!({"user_id": CANARY}), UnknownField, "user_id"),
        (json!({"occurred_at": 1_777_896_000}), OutOfRange, "occurred_at"),
        (json!({"type": "stock"}), Missing, "stock"),
        (json!({"type": "price"}), Missing, "price"),
    ];
    for (changes, code, field) in cases {
        let mut event = base.clone();
        event.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        event.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let reject = catalogue::decode(event.to_string().as_bytes()).expect_err(&changes.to_string());
        assert_eq!((reject.code, reject.field.as_ref()), (code, field), "{changes}: {reject}");
        assert_bounded(&reject, CANARY);
    }
    for (bytes, code) in [
        (&b"[]"[..], Malformed),
        (b"[\"c\",\"item_removed\",\"i\",1777896000000]", Malformed),
        (b"{", Malformed),
        (b"{}", Missing),
    ] {
        assert_eq!(catalogue::decode(bytes).unwrap_err().code, code);
    }
    let twice = br#"{"event_id":"c","type":"item_patch","item_id":"i","occurred_at":1777896000000,"titles":{"zh":"a","zh":"b"}}"#;
    let catalogue::CatalogueChange::Patch(fields) = catalogue::decode(twice).unwrap().change else {
        panic!("a patch")
    };
    assert_eq!(fields.titles.unwrap()["zh"], "b", "of a language given twice the last title counts");
}
