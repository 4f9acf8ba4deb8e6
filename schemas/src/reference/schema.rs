//! JSON Schemas (draft 2020-12): names and descriptions from the wire types, bounds and needs from the tables.
//! A schema counts characters where the wire counts bytes; `docs/events.md` lists what no schema can say.

use serde_json::{Map, Value, json};

use crate::catalogue::WireCatalogue;
use crate::event::{EventType, Feedback};
use crate::fields::{
    CATALOGUE_FIELDS, CATALOGUE_REQUIRED, CATALOGUE_TYPES, Field, Holds, ItemUse, LINE_FIELDS, USER_FIELDS,
    USER_REQUIRED, needs,
};
use crate::limits::*;
use crate::time::{EVENT_MS_MAX, EVENT_MS_MIN};
use crate::wire::{WireEvent, WireLine};

/// One character that is not white space as Unicode and the decoder understand it.
const NOT_BLANK: &str =
    "[^\\u0009-\\u000d \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const DECIMAL: &str = "^0*[0-9]{1,9}(\\.[0-9]{1,6}0*)?$";
/// RFC 3339 of 1990 to 2099 with the calendar's leap years.
const TIME: &str = concat!(
    "^((199[0-9]|20[0-9]{2})-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)",
    "|02-(0[1-9]|1[0-9]|2[0-8]))|(199[26]|20[02468][048]|20[13579][26])-02-29)",
    "[Tt ]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
);

/// The schema of an event of a user, as producers send it.
pub fn user_schema() -> Value {
    let wire = described(schemars::schema_for!(WireEvent).to_value());
    let line = described(schemars::schema_for!(WireLine).to_value());
    let types: Vec<EventType> = EventType::ALL.iter().copied().filter(|t| !t.is_internal()).collect();
    let mut properties = properties(&wire, USER_FIELDS, USER_REQUIRED);
    properties.remove("part");
    let names: Vec<&str> = types.iter().map(|t| t.name()).collect();
    set(&mut properties, "type", json!({ "enum": names }));
    let said: Vec<Value> = Feedback::ALL.iter().map(|f| json!(f.name())).chain([Value::Null]).collect();
    set(&mut properties, "feedback", json!({ "enum": said }));
    let mut rules: Vec<Value> = types.iter().map(|t| user_rule(*t)).collect();
    rules.extend(money_rules());
    rules.push(json!({ "not": both(&present("item_id", "string"), &present("items", "array")) }));
    rules.push(json!({
        "if": present("items", "array"),
        "then": { "properties": { "event_id": { "maxLength": EVENT_ID_BYTES_MAX } } }
    }));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Shoptide user event, version 1",
        "description": wire.about,
        "type": "object",
        "properties": properties,
        "required": USER_REQUIRED,
        "additionalProperties": false,
        "allOf": rules,
        "$defs": {
            "line": {
                "description": line.about,
                "type": "object",
                "properties": self::properties(&line, LINE_FIELDS, &["item_id"]),
                "required": ["item_id"],
                "additionalProperties": false
            }
        }
    })
}

/// The schema of an event of the catalogue, as producers send it.
pub fn catalogue_schema() -> Value {
    let wire = described(schemars::schema_for!(WireCatalogue).to_value());
    let mut properties = properties(&wire, CATALOGUE_FIELDS, CATALOGUE_REQUIRED);
    let names: Vec<&str> = CATALOGUE_TYPES.iter().map(|(name, ..)| *name).collect();
    set(&mut properties, "type", json!({ "enum": names }));
    let mut rules: Vec<Value> = CATALOGUE_TYPES
        .iter()
        .filter(|(_, _, required)| !required.is_empty())
        .map(|(name, _, required)| rule(name, required.iter().map(|f| present_any(f)).collect()))
        .collect();
    for (one, other) in [("price", "currency"), ("currency", "price")] {
        rules.push(json!({ "if": present(one, "string"), "then": present(other, "string") }));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Shoptide catalogue event, version 1",
        "description": wire.about,
        "type": "object",
        "properties": properties,
        "required": CATALOGUE_REQUIRED,
        "additionalProperties": false,
        "allOf": rules
    })
}

/// What schemars knows of a wire type.
pub(super) struct Described {
    pub about: Value,
    pub fields: Map<String, Value>,
}

impl Described {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.get("description")?.as_str()
    }
}

pub(super) fn described(schema: Value) -> Described {
    let take = |key: &str| schema.get(key).cloned();
    let fields = match take("properties") {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    Described { about: take("description").unwrap_or_default(), fields }
}

fn properties(wire: &Described, fields: &[Field], required: &[&str]) -> Map<String, Value> {
    let mut properties = Map::new();
    for field in fields {
        let mut schema = holds(field.holds, required.contains(&field.name));
        if let (Some(text), Some(schema)) = (wire.field(field.name), schema.as_object_mut()) {
            schema.insert("description".to_owned(), json!(text));
        }
        properties.insert(field.name.to_owned(), schema);
    }
    properties
}

/// Replaces a property's schema and keeps its description.
fn set(properties: &mut Map<String, Value>, name: &str, mut schema: Value) {
    let about = properties.get(name).and_then(|p| p.get("description")).cloned();
    if let (Some(about), Some(schema)) = (about, schema.as_object_mut()) {
        schema.insert("description".to_owned(), about);
    }
    properties.insert(name.to_owned(), schema);
}

/// A field that is not required may be null, which means absent.
fn holds(holds: Holds, required: bool) -> Value {
    let of = |name: &str| if required { json!(name) } else { json!([name, "null"]) };
    match holds {
        Holds::Text { bytes_max } => {
            json!({ "type": of("string"), "minLength": 1, "maxLength": bytes_max, "pattern": NOT_BLANK })
        }
        Holds::AnyText { bytes_max } => json!({ "type": of("string"), "maxLength": bytes_max }),
        Holds::EventId => json!({
            "type": "string", "minLength": 1, "pattern": NOT_BLANK,
            "anyOf": [
                { "maxLength": EVENT_ID_BYTES_MAX },
                { "pattern": format!("^[\\s\\S]{{0,{EVENT_ID_BYTES_MAX}}}#[0-9]{{1,3}}$") }
            ]
        }),
        Holds::Name => json!({ "type": of("string") }),
        Holds::Whole { min, max } => json!({ "type": of("integer"), "minimum": min, "maximum": max }),
        Holds::Number { min, max } => json!({ "type": of("number"), "minimum": min, "maximum": max }),
        Holds::Flag => json!({ "type": of("boolean") }),
        Holds::Time => json!({ "oneOf": [
            { "type": "integer", "minimum": EVENT_MS_MIN, "maximum": EVENT_MS_MAX - 1 },
            { "type": "string", "maxLength": TIME_BYTES_MAX, "pattern": TIME }
        ] }),
        Holds::Decimal => json!({ "type": of("string"), "maxLength": DECIMAL_BYTES_MAX, "pattern": DECIMAL }),
        Holds::Currency => json!({ "type": of("string"), "pattern": "^[A-Z]{3}$" }),
        Holds::Carried { .. } | Holds::Ignored => json!({}),
        Holds::Lines => {
            json!({ "type": of("array"), "minItems": 1, "maxItems": LINES_MAX, "items": { "$ref": "#/$defs/line" } })
        }
        Holds::Tags => json!({
            "type": of("array"), "maxItems": TAGS_MAX, "items": { "type": "string", "maxLength": TAG_BYTES_MAX }
        }),
        Holds::Titles => json!({
            "type": of("object"), "maxProperties": TITLES_MAX,
            "propertyNames": { "maxLength": TAG_BYTES_MAX },
            "additionalProperties": { "type": "string", "maxLength": TITLE_BYTES_MAX }
        }),
    }
}

fn user_rule(event_type: EventType) -> Value {
    let needs = needs(event_type);
    let mut then: Vec<Value> = needs.required.iter().map(|f| present_any(f)).collect();
    match needs.item {
        ItemUse::Required => {
            then.push(json!({ "anyOf": [present("item_id", "string"), present("items", "array")] }))
        }
        ItemUse::Optional => {}
        ItemUse::Refused => then.push(json!({ "properties": { "items": { "type": "null" } } })),
    }
    rule(event_type.name(), then)
}

fn rule(name: &str, then: Vec<Value>) -> Value {
    json!({
        "if": { "properties": { "type": { "const": name } } },
        "then": if then.is_empty() { json!(true) } else { json!({ "allOf": then }) }
    })
}

/// A price needs its currency; a currency needs a price, except beside `items`, where each line may have its own.
fn money_rules() -> [Value; 3] {
    let priced = json!({ "contains": { "type": "object", "required": ["price"], "properties": { "price": { "type": "string" } } } });
    let mut priced_lines = present("items", "array");
    if let Some(items) = priced_lines.pointer_mut("/properties/items").and_then(Value::as_object_mut) {
        items.extend(priced.as_object().cloned().unwrap_or_default());
    }
    [
        json!({ "if": present("price", "string"), "then": present("currency", "string") }),
        json!({ "if": priced_lines, "then": present("currency", "string") }),
        json!({
            "if": present("currency", "string"),
            "then": { "anyOf": [present("price", "string"), present("items", "array")] }
        }),
    ]
}

fn present(name: &str, kind: &str) -> Value {
    json!({ "required": [name], "properties": { name: { "type": kind } } })
}

fn present_any(name: &str) -> Value {
    json!({ "required": [name], "properties": { name: { "not": { "type": "null" } } } })
}

fn both(one: &Value, other: &Value) -> Value {
    json!({ "allOf": [one, other] })
}
