//! Where a mapping's columns lie in one file, and the view of one row through them.

use std::borrow::Cow;

use serde_json::Value;

use super::fields::Fields;
use super::mapping::{ColumnName, ColumnNames, Mapping, Shape};
use super::mapping_file::MappingError;

/// Integers beyond it that arrive as floats have lost digits; as ids they would merge.
const EXACT_FLOAT_MAX: f64 = 9_007_199_254_740_992.0;
/// Columns named in an error: enough to see which file it is.
const SHOWN_COLUMNS_MAX: usize = 20;

/// Where one column lies.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Index(usize),
    /// Keys from the outside in; a dot in the mapping's name separates them.
    Path(Vec<String>),
}

/// The columns of a mapping in one file.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    pub user: Option<Place>,
    pub time: Option<Place>,
    pub item: Option<Place>,
    pub event_type: Option<Place>,
    pub quantity: Option<Place>,
    pub price: Option<Place>,
    pub currency: Option<Place>,
    pub order_id: Option<Place>,
    pub session: Option<Place>,
    pub rating: Option<Place>,
    pub query: Option<Place>,
    pub missing_user: Option<Place>,
    pub title: Vec<Place>,
    pub brand: Option<Place>,
    pub category: Option<Place>,
}

/// One row, whatever the file's shape.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RowView<'a> {
    Table(&'a Fields),
    /// A column is looked for in the element, then in the line around it.
    Json {
        element: &'a Value,
        line: &'a Value,
    },
}

impl<'a> RowView<'a> {
    /// The text of a column; `None` where it is null or no scalar.
    pub(crate) fn get(&self, place: &Place) -> Option<Cow<'a, str>> {
        match (self, place) {
            (RowView::Table(fields), Place::Index(index)) => fields.get(*index).map(Cow::Borrowed),
            (RowView::Json { element, line }, Place::Path(path)) => {
                let found = walk(element, path).or_else(|| walk(line, path))?;
                match found {
                    Value::String(text) => Some(Cow::Borrowed(text)),
                    Value::Number(n)
                        if n.is_f64() && n.as_f64().is_none_or(|f| EXACT_FLOAT_MAX <= f.abs()) =>
                    {
                        None
                    }
                    Value::Number(n) => Some(Cow::Owned(n.to_string())),
                    Value::Bool(b) => Some(Cow::Borrowed(if *b { "true" } else { "false" })),
                    Value::Null | Value::Array(_) | Value::Object(_) => None,
                }
            }
            _ => None,
        }
    }
}

pub(crate) fn walk<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

/// Finds the mapping's columns among `header` (the names in order), or makes paths of them for JSON lines.
pub(crate) fn resolve(mapping: &Mapping, header: &[String]) -> Result<Columns, MappingError> {
    let finder = Finder { mapping, header };
    let ColumnNames {
        user,
        time,
        item,
        event_type,
        quantity,
        price,
        currency,
        order_id,
        session,
        rating,
        query,
        missing_user,
        title,
        brand,
        category,
    } = &mapping.columns;
    let mut titles = Vec::with_capacity(title.len());
    for name in title {
        titles.extend(finder.place(name)?);
    }
    Ok(Columns {
        user: finder.place(user)?,
        time: finder.place(time)?,
        item: finder.maybe(item)?,
        event_type: finder.maybe(event_type)?,
        quantity: finder.maybe(quantity)?,
        price: finder.maybe(price)?,
        currency: finder.maybe(currency)?,
        order_id: finder.maybe(order_id)?,
        session: finder.maybe(session)?,
        rating: finder.maybe(rating)?,
        query: finder.maybe(query)?,
        missing_user: finder.maybe(missing_user)?,
        title: titles,
        brand: finder.maybe(brand)?,
        category: finder.maybe(category)?,
    })
}

struct Finder<'a> {
    mapping: &'a Mapping,
    header: &'a [String],
}

impl Finder<'_> {
    fn maybe(&self, column: &Option<ColumnName>) -> Result<Option<Place>, MappingError> {
        column.as_ref().map_or(Ok(None), |c| self.place(c))
    }

    fn place(&self, column: &ColumnName) -> Result<Option<Place>, MappingError> {
        if matches!(self.mapping.shape, Shape::JsonLines { .. }) {
            return Ok(Some(Place::Path(column.name.split('.').map(str::to_owned).collect())));
        }
        if let Some(index) = self.header.iter().position(|name| *name == column.name) {
            return Ok(Some(Place::Index(index)));
        }
        if column.optional {
            return Ok(None);
        }
        let shown: Vec<String> =
            self.header.iter().take(SHOWN_COLUMNS_MAX).map(|n| n.chars().take(40).collect()).collect();
        let problem =
            format!("is {:?}, a column that the file lacks; it has {}", column.name, shown.join(", "));
        Err(MappingError::Key { file: self.mapping.file.clone(), key: column.key.to_owned(), problem })
    }
}
