//! A mapping as checked: which column is what, what its values mean, and the few rules that real files need. Whoever
//! holds a [`Mapping`] need not check it again.

use std::collections::BTreeMap;
use std::path::Path;

use shoptide_schemas::EventType;

use super::fields::Dialect;
use super::mapping_check::check;
use super::mapping_file::{MAPPING_BYTES_MAX, MappingError, parse};
use super::moment::TimeUnit;
use super::named::named;

/// Types that a row of a file can become.
pub const IMPORTABLE_TYPES: [EventType; 10] = [
    EventType::ViewItem,
    EventType::ViewItemList,
    EventType::Search,
    EventType::AddToWishlist,
    EventType::AddToCart,
    EventType::RemoveFromCart,
    EventType::BeginCheckout,
    EventType::Purchase,
    EventType::Refund,
    EventType::RateItem,
];

/// How a file's rows become events.
#[derive(Debug, Clone)]
pub struct Mapping {
    pub(crate) file: String,
    pub(crate) shape: Shape,
    pub(crate) missing: Vec<String>,
    pub(crate) columns: ColumnNames,
    pub(crate) time: TimeUnit,
    /// What each name of the file means; `None` is ignored.
    pub(crate) types: BTreeMap<String, Option<EventType>>,
    pub(crate) default_type: Option<EventType>,
    pub(crate) default_quantity: Option<i64>,
    pub(crate) default_price: Option<String>,
    pub(crate) default_currency: Option<String>,
    pub(crate) default_rating: Option<f64>,
    pub(crate) rating_max: f64,
    pub(crate) prefix: Ids,
    pub(crate) strip_suffix: Ids,
    pub(crate) rules: Rules,
    pub(crate) catalogue: Option<CatalogueRule>,
}

/// How rows lie in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `columns` is `None` where the first line names them.
    Table { dialect: Dialect, columns: Option<Vec<String>> },
    /// `rows` names the array that holds one event an element.
    JsonLines { rows: Option<String> },
}

/// A column by name; `?` behind the name says that a file may lack it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnName {
    pub key: &'static str,
    pub name: String,
    pub optional: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct ColumnNames {
    pub user: ColumnName,
    pub time: ColumnName,
    pub item: Option<ColumnName>,
    pub event_type: Option<ColumnName>,
    pub quantity: Option<ColumnName>,
    pub price: Option<ColumnName>,
    pub currency: Option<ColumnName>,
    pub order_id: Option<ColumnName>,
    pub session: Option<ColumnName>,
    pub rating: Option<ColumnName>,
    pub query: Option<ColumnName>,
    pub missing_user: Option<ColumnName>,
    pub title: Vec<ColumnName>,
    pub brand: Option<ColumnName>,
    pub category: Option<ColumnName>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Ids {
    pub user: String,
    pub item: String,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    /// What a user made of the `missing_user` column begins with.
    pub missing_user_prefix: String,
    pub negative_quantity_is_refund: bool,
    pub negative_price_is_adjustment: bool,
    pub refund_order_prefixes: Vec<String>,
    pub adjustment_order_prefixes: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct CatalogueRule {
    pub title_or_id: bool,
    pub category_separator: Option<String>,
    pub price: bool,
}

impl Mapping {
    /// A mapping that ships with the program, by its name, else a file of the user's.
    ///
    /// # Errors
    /// [`MappingError`] names the file and the key.
    pub fn find(name_or_path: &str) -> Result<Self, MappingError> {
        if let Some(text) = named(name_or_path) {
            return Self::from_toml(name_or_path, text);
        }
        let unreadable = |reason: String| MappingError::Unreadable { file: name_or_path.to_owned(), reason };
        let names = || super::named::NAMED_MAPPINGS.map(|(name, _)| name).join(", ");
        let path = Path::new(name_or_path);
        let size = std::fs::metadata(path)
            .map_err(|e| unreadable(format!("{e} (neither a file nor one of {})", names())))?
            .len();
        if MAPPING_BYTES_MAX as u64 <= size {
            return Err(unreadable(format!("it has {size} bytes, expected at most {MAPPING_BYTES_MAX}")));
        }
        let text = std::fs::read_to_string(path).map_err(|e| unreadable(e.to_string()))?;
        Self::from_toml(name_or_path, &text)
    }

    /// Reads and checks a mapping; `file` is what errors call it.
    ///
    /// # Errors
    /// [`MappingError`] names the file and the key.
    pub fn from_toml(file: &str, text: &str) -> Result<Self, MappingError> {
        check(file, parse(file, text)?)
    }

    /// Whether rows also make catalogue entries.
    pub fn makes_catalogue(&self) -> bool {
        self.catalogue.is_some()
    }
}
