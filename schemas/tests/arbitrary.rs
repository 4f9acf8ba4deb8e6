//! No bytes make the decoder panic, and what it says of them is bounded and true.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::Value;
use shoptide_schemas::{Code, EventType, StoredList, catalogue, reference, wire};

/// The same cases each time; another number looks elsewhere.
const SEED: u64 = 3;
const UNSURE: &str = "the event is JSON of another shape";

fn judge(bytes: &[u8]) {
    match wire::decode(bytes) {
        Ok(_) => {
            support::round_trip(bytes);
        }
        Err(reject) => {
            support::assert_bounded(&reject, "");
            assert_ne!(reject.message, UNSURE, "the second look finds what the first one refused");
        }
    }
    match support::accept(bytes) {
        Ok(events) => assert!(!events.is_empty()),
        Err(reject) => support::assert_bounded(&reject, ""),
    }
    match catalogue::decode(bytes) {
        Ok(event) => {
            let written = serde_json::to_vec(&catalogue::parse(bytes).unwrap()).unwrap();
            assert_eq!(catalogue::decode(&written), Ok(event));
        }
        Err(reject) => {
            support::assert_bounded(&reject, "");
            assert_ne!(reject.message, UNSURE);
        }
    }
    let _ = StoredList::decode(bytes);
}

fn example() -> impl Strategy<Value = String> {
    let catalogue =
        ["item_upsert", "item_patch", "stock", "price"].into_iter().filter_map(reference::catalogue_example);
    let all: Vec<_> = EventType::ALL
        .iter()
        .map(|t| reference::user_example(*t))
        .chain(catalogue)
        .map(str::to_owned)
        .collect();
    prop::sample::select(all)
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(key(), inner, 0..8)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    let known = [
        "v",
        "event_id",
        "type",
        "user_id",
        "occurred_at",
        "item_id",
        "items",
        "context",
        "rating",
        "quantity",
        "price",
        "titles",
        "tags",
    ];
    prop_oneof![prop::sample::select(known.map(str::to_owned).to_vec()), ".{0,12}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, rng_seed: RngSeed::Fixed(SEED), ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        judge(&bytes);
    }

    #[test]
    fn random_json(value in json()) {
        judge(value.to_string().as_bytes());
    }

    #[test]
    fn good_events_with_bytes_changed(text in example(), edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..4)) {
        let mut bytes = text.into_bytes();
        for (place, byte, how) in edits {
            let place = place.index(bytes.len());
            match how {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => { bytes.remove(place); }
            }
        }
        judge(&bytes);
    }

    #[test]
    fn good_events_with_a_value_changed(text in example(), key in key(), value in json()) {
        let mut event: Value = serde_json::from_str(&text).unwrap();
        event[key] = value;
        judge(event.to_string().as_bytes());
    }

    #[test]
    fn good_events_cut_short_are_malformed(text in example(), cut in any::<prop::sample::Index>()) {
        let cut = &text.as_bytes()[..cut.index(text.len())];
        prop_assert_eq!(wire::decode(cut).unwrap_err().code, Code::Malformed);
        judge(cut);
    }
}
