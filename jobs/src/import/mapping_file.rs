//! A mapping as it stands in its TOML file; nothing in it is checked yet. A misspelt key is an error, not a silent
//! default.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A mapping is a page, not a data file.
pub(crate) const MAPPING_BYTES_MAX: usize = 64 * 1024;

/// What is wrong with a mapping: change the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    #[error("mapping {file} cannot be read: {reason}")]
    Unreadable { file: String, reason: String },
    #[error("mapping {file} is not a mapping: {reason}")]
    NotToml { file: String, reason: String },
    #[error("mapping {file}: {key} {problem}")]
    Key { file: String, key: String, problem: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    Csv,
    Tsv,
    Jsonl,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawMapping {
    pub format: Format,
    pub header: Option<bool>,
    pub columns: Option<Vec<String>>,
    pub delimiter: Option<char>,
    pub quoted: Option<bool>,
    /// Texts that mean "nothing here".
    pub missing: Option<Vec<String>>,
    /// JSON lines only: the key of an array that holds one event an element.
    pub rows: Option<String>,
    pub rating_max: Option<f64>,
    pub fields: RawFields,
    pub time: RawTime,
    #[serde(default)]
    pub types: BTreeMap<String, String>,
    #[serde(default)]
    pub defaults: RawDefaults,
    #[serde(default)]
    pub prefix: RawIds,
    #[serde(default)]
    pub strip_suffix: RawIds,
    #[serde(default)]
    pub rules: RawRules,
    pub catalogue: Option<RawCatalogue>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawFields {
    pub user: String,
    pub time: String,
    pub item: Option<String>,
    #[serde(rename = "type")]
    pub event_type: Option<String>,
    pub quantity: Option<String>,
    pub price: Option<String>,
    pub currency: Option<String>,
    pub order_id: Option<String>,
    pub session: Option<String>,
    pub rating: Option<String>,
    pub query: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTime {
    pub unit: OneOrMany,
    pub utc_offset: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(crate) fn into_vec(self) -> Vec<String> {
        match self {
            OneOrMany::One(text) => vec![text],
            OneOrMany::Many(texts) => texts,
        }
    }
}

/// What a field that is missing, or has no column, is taken to be.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDefaults {
    #[serde(rename = "type")]
    pub event_type: Option<String>,
    pub quantity: Option<i64>,
    pub price: Option<String>,
    pub currency: Option<String>,
    pub rating: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawIds {
    #[serde(default)]
    pub user: String,
    #[serde(default)]
    pub item: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRules {
    pub missing_user: Option<RawMissingUser>,
    #[serde(default)]
    pub negative_quantity_is_refund: bool,
    /// A purchase or refund with a price below 0 moved no goods: a bad row, reason `adjustment`, with its amount.
    #[serde(default)]
    pub negative_price_is_adjustment: bool,
    #[serde(default)]
    pub refund_order_prefixes: Vec<String>,
    #[serde(default)]
    pub adjustment_order_prefixes: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawMissingUser {
    pub prefix: String,
    pub column: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCatalogue {
    pub title: OneOrMany,
    /// An item without any of the title's columns gets its id as title, instead of waiting for a better row.
    #[serde(default)]
    pub title_or_id: bool,
    pub brand: Option<String>,
    pub category: Option<String>,
    pub category_separator: Option<String>,
    /// Whether the price of the row is the item's.
    #[serde(default)]
    pub price: bool,
}

/// Reads the text of a mapping.
///
/// # Errors
/// [`MappingError::NotToml`] with the line, for bad TOML, unknown or missing keys and wrong types.
pub(crate) fn parse(file: &str, text: &str) -> Result<RawMapping, MappingError> {
    let refused = |reason: String| MappingError::NotToml { file: file.to_owned(), reason };
    if MAPPING_BYTES_MAX < text.len() {
        return Err(refused(format!("it has {} bytes, expected at most {MAPPING_BYTES_MAX}", text.len())));
    }
    toml::from_str(text).map_err(|e| {
        let line =
            e.span().and_then(|s| text.get(..s.start)).map_or(1, |before| 1 + before.matches('\n').count());
        refused(format!("line {line}: {}", e.message().trim().replace('\n', ", ")))
    })
}
