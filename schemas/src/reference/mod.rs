//! What producers are told, made from the same types and tables that decode: the JSON Schemas and the event reference.

mod examples;
mod markdown;
mod schema;

pub use examples::{catalogue_example, user_example};
pub use markdown::events_md;
pub use schema::{catalogue_schema, user_schema};

/// How the generated files are made again.
pub const COMMAND: &str = "cargo run -p shoptide-schemas --example generate";

/// The generated files: path from the repository's root, and content.
pub fn files() -> [(&'static str, String); 3] {
    let json = |value: serde_json::Value| format!("{value:#}\n");
    [
        ("schemas/json/user_event.v1.json", json(user_schema())),
        ("schemas/json/catalogue_event.v1.json", json(catalogue_schema())),
        ("docs/events.md", events_md()),
    ]
}
