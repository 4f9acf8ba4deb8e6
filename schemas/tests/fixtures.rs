//! Old messages next to what they must become, for ever: `fixtures/v1/NAME.json` and `NAME.expected.json`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::path::PathBuf;

use serde_json::Value;
use shoptide_schemas::fields::CATALOGUE_TYPES;
use shoptide_schemas::{EventType, catalogue, reference};

fn fixtures() -> Vec<(String, PathBuf)> {
    let folder = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("fixtures/v1");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut named: Vec<_> = files
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_suffix(".json")?.to_owned();
            (!name.ends_with(".expected")).then_some((name, path))
        })
        .collect();
    named.sort();
    named
}

#[test]
fn every_fixture_becomes_what_it_became() {
    for (name, path) in fixtures() {
        let bytes = std::fs::read(&path).unwrap();
        let became = if name.starts_with("catalogue_") {
            Value::Array(vec![support::described_catalogue(&catalogue::decode(&bytes).unwrap())])
        } else {
            let events = support::accept(&bytes).unwrap_or_else(|reject| panic!("{name}: {reject}"));
            events.iter().map(support::described).collect()
        };
        let expected = std::fs::read(path.with_file_name(format!("{name}.expected.json")))
            .unwrap_or_else(|_| panic!("{name} has no {name}.expected.json; it is:\n{became:#}"));
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        assert_eq!(became, expected, "{name}\n{became:#}");
    }
}

#[test]
fn every_type_has_a_fixture() {
    let names: Vec<String> = fixtures().into_iter().map(|(name, _)| name).collect();
    for event_type in EventType::ALL {
        assert!(names.iter().any(|n| n == event_type.name()), "{}", event_type.name());
        let example = support::accept(reference::user_example(*event_type).as_bytes()).unwrap();
        assert_eq!(example[0].event_type, *event_type);
    }
    for (name, ..) in CATALOGUE_TYPES {
        assert!(names.contains(&format!("catalogue_{name}")), "{name}");
    }
}
