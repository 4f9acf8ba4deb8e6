//! The generated files are those of this code, and say what the decoder does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::path::Path;

use jsonschema::Validator;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Map, Value, json};
use shoptide_schemas::catalogue::{self, WireCatalogue};
use shoptide_schemas::fields::{
    CATALOGUE_FIELDS, CATALOGUE_REQUIRED, CATALOGUE_TYPES, ItemUse, LINE_FIELDS, USER_FIELDS, USER_REQUIRED,
    needs,
};
use shoptide_schemas::limits::CONTEXT_BYTES_MAX;
use shoptide_schemas::wire::{WireEvent, WireLine};
use shoptide_schemas::{Code, EventType, reference};

/// The same cases each time; another number looks elsewhere.
const SEED: u64 = 3;

#[test]
fn the_committed_files_are_those_that_the_code_generates() {
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("..");
    for (path, content) in reference::files() {
        let committed = std::fs::read_to_string(root.join(path)).unwrap_or_default();
        assert!(committed == content, "{path} is not what the code generates; run `{}`", reference::COMMAND);
    }
}

fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::meta::validate(schema).expect("a schema of draft 2020-12");
    jsonschema::draft202012::new(schema).expect("a schema that can be used")
}

fn user_example(event_type: EventType) -> Map<String, Value> {
    serde_json::from_str(reference::user_example(event_type)).unwrap()
}

fn public() -> impl Iterator<Item = EventType> {
    EventType::ALL.iter().copied().filter(|t| !t.is_internal())
}

#[test]
fn the_tables_name_the_fields_of_the_wire_types() {
    for (schema, fields) in [
        (schemars::schema_for!(WireLine), LINE_FIELDS),
        (schemars::schema_for!(WireCatalogue), CATALOGUE_FIELDS),
        (schemars::schema_for!(WireEvent), USER_FIELDS),
    ] {
        let mut of_type: Vec<&str> =
            schema.get("properties").unwrap().as_object().unwrap().keys().map(String::as_str).collect();
        let mut of_table: Vec<&str> = fields.iter().map(|f| f.name).filter(|n| *n != "part").collect();
        of_type.sort_unstable();
        of_table.sort_unstable();
        assert_eq!(of_type, of_table);
    }
}

#[test]
fn a_type_needs_what_its_table_says() {
    for event_type in public() {
        let needs = needs(event_type);
        let required: Vec<&str> = USER_REQUIRED.iter().chain(needs.required).copied().collect();
        let item = (needs.item == ItemUse::Required).then_some("item_id");
        let mut least = user_example(event_type);
        least.retain(|key, _| required.contains(&key.as_str()) || Some(key.as_str()) == item);
        let text = Value::Object(least.clone()).to_string();
        assert!(support::accept(text.as_bytes()).is_ok(), "{text}");
        for key in required.iter().copied().chain(item) {
            let mut less = least.clone();
            assert!(less.remove(key).is_some(), "{} {key}", event_type.name());
            let reject = support::accept(Value::Object(less).to_string().as_bytes()).unwrap_err();
            assert_eq!((reject.code, reject.field.as_ref()), (Code::Missing, key), "{}", event_type.name());
        }
        let mut lines = least.clone();
        lines.remove("item_id");
        lines.insert("items".to_owned(), json!([{"item_id": "i"}]));
        let split = support::accept(Value::Object(lines).to_string().as_bytes());
        assert_eq!(split.is_ok(), needs.item != ItemUse::Refused, "{}", event_type.name());
    }
    for (name, _, required) in CATALOGUE_TYPES {
        let example = reference::catalogue_example(name).unwrap();
        let mut least: Map<String, Value> = serde_json::from_str(example).unwrap();
        least.retain(|key, _| CATALOGUE_REQUIRED.contains(&key.as_str()) || required.contains(&key.as_str()));
        assert!(catalogue::decode(Value::Object(least.clone()).to_string().as_bytes()).is_ok(), "{name}");
        for key in CATALOGUE_REQUIRED.iter().chain(*required) {
            let mut less = least.clone();
            less.remove(*key);
            let reject = catalogue::decode(Value::Object(less).to_string().as_bytes()).unwrap_err();
            assert_eq!((reject.code, reject.field.as_ref()), (Code::Missing, *key), "{name}");
        }
    }
}

#[test]
fn examples_are_valid_and_the_programs_own_records_are_not() {
    let user = validator(&reference::user_schema());
    for event_type in EventType::ALL {
        let event = Value::Object(user_example(*event_type));
        assert_eq!(user.is_valid(&event), !event_type.is_internal(), "{}", event_type.name());
    }
    let items = validator(&reference::catalogue_schema());
    for (name, ..) in CATALOGUE_TYPES {
        let example = serde_json::from_str(reference::catalogue_example(name).unwrap()).unwrap();
        assert!(items.is_valid(&example), "{name}");
    }
    let seen = include_str!("../fixtures/v1/catalogue_item_seen.json");
    assert!(!items.is_valid(&serde_json::from_str(seen).unwrap()));
}

/// Values near every bound, right and wrong, in ASCII: schemas count characters, the wire counts bytes.
fn value() -> impl Strategy<Value = Value> {
    let texts = prop::sample::select(vec![
        "",
        " ",
        "\t\u{3000}",
        "a",
        "i",
        "\u{85}",
        "\u{feff}",
        "like",
        "bought",
        "CNY",
        "cny",
        "1299.00",
        "0",
        "-1",
        "1e3",
        "1.",
        "view_item",
        "00000000000000000000000000000000",
        "1.0000001",
        "1.000000000",
        "1000000000",
        "2026-05-04T12:00:00Z",
        "2026-02-29T00:00:00Z",
        "2024-02-29 00:00:00.123456789-23:59",
        "2026-05-04T12:00:00",
        "1989-01-01T00:00:00Z",
        "2100-06-01T00:00:00Z",
        "2026-05-04T23:59:60z",
        "2026-05-04T12:00:00.1234567890Z",
        "2026-04-31T12:00:00Z",
        "a#12",
        "2000-02-29T12:00:00+08:00",
        "2026-05-04T24:00:00Z",
    ]);
    let long = (
        prop::sample::select(vec![
            32, 33, 64, 65, 67, 68, 69, 128, 129, 133, 134, 256, 257, 512, 513, 1024, 1025, 16_384, 16_385,
        ]),
        prop::bool::ANY,
    );
    let long = long.prop_map(
        |(n, line): (usize, bool)| if line { format!("{}#12", "x".repeat(n - 3)) } else { "x".repeat(n) },
    );
    let numbers = prop::sample::select(vec![
        json!(0),
        json!(1),
        json!(-1),
        json!(-0.0),
        json!(1.0),
        json!(1.5),
        json!(5),
        json!(5.01),
        json!(100_000),
        json!(100_001),
        json!(1_000_000_000),
        json!(1_000_000_001),
        json!(631_151_999_999_i64),
        json!(631_152_000_000_i64),
        json!(4_102_444_799_999_i64),
        json!(4_102_444_800_000_i64),
        json!(u64::MAX),
        json!(1e300),
        json!(-0.1),
        json!(1_777_896_000_000.0),
        json!(2),
    ]);
    let shapes = prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(false),
        json!([]),
        json!({}),
        json!([[]]),
        json!(["t"]),
        json!({"zh": "t"}),
        json!({"zh": null}),
        json!(["x".repeat(65)]),
        json!(vec!["t"; 32]),
        json!(vec!["t"; 33]),
        json!({"x".repeat(65): "t"}),
        json!([null]),
        json!([{"item_id": "a"}]),
        json!([{"item_id": "a", "price": "1", "quantity": 2}, {"item_id": "b", "index": 7}]),
        json!([{}]),
        json!([{"item_id": "a", "price": 1}]),
        json!([{"item_id": "a", "colour": 1}]),
        json!([{"item_id": " "}]),
        json!([{"item_id": null}]),
        json!([{"item_id": "a", "price": null, "quantity": null}]),
        json!([{"item_id": "a", "quantity": 0}]),
        json!([["a"]]),
        json!(vec![json!({"item_id": "a"}); 200]),
        json!(vec![json!({"item_id": "a"}); 201]),
    ]);
    prop_oneof![3 => texts.prop_map(Value::from), 2 => long.prop_map(Value::from), 2 => numbers, 2 => shapes]
}

fn changes(names: Vec<String>) -> impl Strategy<Value = Vec<(String, Option<Value>)>> {
    prop::collection::vec((prop::sample::select(names), prop::option::weighted(0.8, value())), 0..4)
}

fn names(fields: &[shoptide_schemas::fields::Field]) -> Vec<String> {
    let known = fields.iter().map(|f| f.name).filter(|n| *n != "part");
    known.chain(["colour", "__proto__"]).map(str::to_owned).collect()
}

fn changed(mut event: Map<String, Value>, changes: Vec<(String, Option<Value>)>) -> Value {
    for (key, value) in changes {
        match value {
            Some(value) => event.insert(key, value),
            None => event.remove(&key),
        };
    }
    Value::Object(event)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, rng_seed: RngSeed::Fixed(SEED), ..ProptestConfig::default() })]

    #[test]
    fn the_user_schema_agrees_with_the_decoder(event_type in prop::sample::select(public().collect::<Vec<_>>()), changes in changes(names(USER_FIELDS))) {
        thread_local!(static SCHEMA: Validator = validator(&reference::user_schema()));
        let event = changed(user_example(event_type), changes);
        prop_assume!(event.get("known_user_id").is_none() || event.get("known_user_id") != event.get("user_id"));
        // The size of `context` is one of the things that no schema can say.
        prop_assume!(event.get("context").is_none_or(|c| c.to_string().len() <= CONTEXT_BYTES_MAX));
        let accepted = support::accept(event.to_string().as_bytes());
        prop_assert_eq!(SCHEMA.with(|s| s.is_valid(&event)), accepted.is_ok(), "{:?} {:.2000}", accepted.err(), event.to_string());
    }

    #[test]
    fn the_catalogue_schema_agrees_with_the_decoder(which in 0..CATALOGUE_TYPES.len(), changes in changes(names(CATALOGUE_FIELDS))) {
        thread_local!(static SCHEMA: Validator = validator(&reference::catalogue_schema()));
        let example = reference::catalogue_example(CATALOGUE_TYPES[which].0).unwrap();
        let event = changed(serde_json::from_str(example).unwrap(), changes);
        let accepted = catalogue::decode(event.to_string().as_bytes());
        prop_assert_eq!(SCHEMA.with(|s| s.is_valid(&event)), accepted.is_ok(), "{:?} {:.2000}", accepted.err(), event.to_string());
    }
}
