//! The tools that a model may call: the shop's own questions, asked for the user of this turn.

use async_trait::async_trait;
use serde_json::Value;
use shoptide_models::grounding::Product;

/// What a model is told of a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    pub name: String,
    pub description: String,
    /// JSON Schema of an object. Arguments that are none of its `properties` never reach the tool.
    pub parameters: Value,
}

/// What a tool found: the JSON that the model reads, and the facts in it that a reply may rest on.
#[derive(Debug, Clone, Default)]
pub struct ToolAnswer {
    pub json: Value,
    pub products: Vec<Product>,
    /// Whole sentences of the shop: FAQ answers, price history, what is left of a budget.
    pub quotes: Vec<String>,
}

/// Why a tool has no answer; the model is told, and may go on without.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    #[error("there is no tool of this name")]
    Unknown,
    #[error("{0}")]
    Arguments(String),
    #[error("it cannot be answered now")]
    Unavailable,
}

/// Tools bound to one user. Whoever makes them decides for whom they act; no argument and no text can change that.
#[async_trait]
pub trait Tools: Send + Sync {
    fn list(&self) -> Vec<ToolSpec>;

    /// Calls a tool of the list; `arguments` is an object with known keys.
    async fn call(&self, name: &str, arguments: Value) -> Result<ToolAnswer, ToolError>;
}

/// None.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTools;

#[async_trait]
impl Tools for NoTools {
    fn list(&self) -> Vec<ToolSpec> {
        Vec::new()
    }

    async fn call(&self, _: &str, _: Value) -> Result<ToolAnswer, ToolError> {
        Err(ToolError::Unknown)
    }
}

/// The arguments that a model wrote, if they are an object with keys that the tool knows.
pub(crate) fn arguments(specs: &[ToolSpec], name: &str, written: &str) -> Result<Value, ToolError> {
    let spec = specs.iter().find(|s| s.name == name).ok_or(ToolError::Unknown)?;
    let bad = |what: &str| ToolError::Arguments(format!("the arguments {what}"));
    let written = if written.trim().is_empty() { "{}" } else { written };
    let value: Value = serde_json::from_str(written).map_err(|_| bad("are no JSON"))?;
    let Value::Object(given) = &value else { return Err(bad("are no object")) };
    let known = spec.parameters.get("properties").and_then(Value::as_object);
    if let Some(key) = given.keys().find(|key| known.is_none_or(|known| !known.contains_key(*key))) {
        let key: String = key.chars().take(40).collect();
        return Err(bad(&format!("have the unknown key {key:?}")));
    }
    let required = spec.parameters.get("required").and_then(Value::as_array).into_iter().flatten();
    if let Some(key) = required.filter_map(Value::as_str).find(|key| !given.contains_key(*key)) {
        return Err(bad(&format!("lack the key {key:?}")));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_known_arguments_reach_a_tool() {
        let specs = [ToolSpec {
            name: "budget".into(),
            description: String::new(),
            parameters: json!({"type": "object", "properties": {"month": {"type": "string"}}, "required": ["month"]}),
        }];
        let read = |name, written| arguments(&specs, name, written);
        assert_eq!(read("budget", r#"{"month": "2026-05"}"#), Ok(json!({"month": "2026-05"})));
        for (name, written) in [
            ("budget", r#"{"month": "2026-05", "user_id": "somebody else"}"#),
            ("budget", "{}"),
            ("budget", ""),
            ("budget", "[1]"),
            ("budget", "{\"month\""),
            ("erase", "{}"),
        ] {
            assert!(read(name, written).is_err(), "{name} {written}");
        }
    }
}
