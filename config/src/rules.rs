//! One number for everything in the configuration that changes what a list contains, so that a stored list can name the
//! rules it was made by.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::Xxh3Default;

use crate::layers::Effective;
use crate::value::Value;

/// Tables whose every key shapes lists.
const RULE_TABLES: [&str; 8] =
    ["weights", "half_lives_days", "als", "item_item", "popularity", "blend", "mmr", "list"];

/// Outside of those tables, but the unit of budgets.
const RULE_KEY: &str = "shop.currency";

/// In those tables, but only the reader's: the stored list is the same.
const READER_KEY: &str = "list.shown_default";

/// First byte of what is hashed; rises when the encoding changes.
const FORMAT: u8 = 1;

/// Hash of the rules over a canonical encoding: keys in order of name, values by type. Equal rules give equal numbers,
/// whatever layer they come from and however they are written.
pub(crate) fn rules_version(effective: &Effective) -> u64 {
    let mut rules: Vec<(&str, &Value)> = effective
        .entries
        .iter()
        .map(|entry| (entry.key.as_str(), &entry.value))
        .filter(|(key, _)| shapes_lists(key))
        .collect();
    rules.sort_by_key(|(key, _)| *key);
    let mut hash = Xxh3Default::new();
    hash.update(&[FORMAT]);
    for (key, value) in rules {
        put_bytes(&mut hash, key.as_bytes());
        put_value(&mut hash, value);
    }
    hash.digest()
}

/// Tables whose keys shape a model.
const MODEL_TABLES: [&str; 5] = ["weights", "half_lives_days", "als", "item_item", "popularity"];

/// What shapes a model, as text.
pub(crate) fn shaping(effective: &Effective) -> BTreeMap<String, String> {
    let of_model = |key: &str| key.split_once('.').is_some_and(|(table, _)| MODEL_TABLES.contains(&table));
    let entries = effective.entries.iter().filter(|entry| of_model(&entry.key));
    entries.filter_map(|entry| Some((entry.key.clone(), text(&entry.value)?))).collect()
}

/// As the environment would have it.
fn text(value: &Value) -> Option<String> {
    Some(match value {
        Value::Whole(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::Text(text) => text.clone(),
        Value::Texts(_) | Value::Hidden(_) => return None,
    })
}

fn shapes_lists(key: &str) -> bool {
    let table = key.split_once('.').map_or(key, |(table, _)| table);
    key == RULE_KEY || (RULE_TABLES.contains(&table) && key != READER_KEY)
}

fn put_value(hash: &mut Xxh3Default, value: &Value) {
    match value {
        Value::Whole(number) => {
            hash.update(b"i");
            hash.update(&number.to_le_bytes());
        }
        Value::Real(number) => {
            hash.update(b"f");
            // -0.0 + 0.0 is 0.0: two ways to write nothing are one rule.
            hash.update(&(number + 0.0).to_bits().to_le_bytes());
        }
        Value::Flag(flag) => {
            hash.update(b"b");
            hash.update(&[u8::from(*flag)]);
        }
        Value::Text(text) => {
            hash.update(b"s");
            put_bytes(hash, text.as_bytes());
        }
        Value::Texts(texts) => {
            hash.update(b"a");
            hash.update(&(texts.len() as u64).to_le_bytes());
            texts.iter().for_each(|text| put_bytes(hash, text.as_bytes()));
        }
        // No rule is a secret; and a hash of one would be a way to guess it.
        Value::Hidden(_) => hash.update(b"h"),
    }
}

fn put_bytes(hash: &mut Xxh3Default, bytes: &[u8]) {
    hash.update(&(bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}
