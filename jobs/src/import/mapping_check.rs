//! From a mapping as written to a mapping as checked; every refusal names the key and what was expected.

use std::collections::BTreeMap;

use shoptide_schemas::limits::QUANTITY_MAX;
use shoptide_schemas::{Currency, EventType, Micros};

use super::fields::Dialect;
use super::mapping::{CatalogueRule, ColumnName, ColumnNames, IMPORTABLE_TYPES, Ids, Mapping, Rules, Shape};
use super::mapping_file::{Format, MappingError, RawCatalogue, RawIds, RawMapping, RawTime};
use super::moment::{PATTERNS_MAX, TimeUnit, parse_offset};

/// Rows of this event are counted and dropped.
const IGNORE: &str = "ignore";
/// Lists of a mapping: people write them by hand.
const LIST_MAX: usize = 256;
/// Leaves most of an id's 128 bytes to the file.
const PREFIX_BYTES_MAX: usize = 32;

/// The file's name for errors, and the first problem found.
struct Checker<'a> {
    file: &'a str,
}

impl Checker<'_> {
    fn wrong(&self, key: &str, problem: impl Into<String>) -> MappingError {
        MappingError::Key { file: self.file.to_owned(), key: key.to_owned(), problem: problem.into() }
    }

    fn column(&self, key: &'static str, given: String) -> Result<ColumnName, MappingError> {
        let (name, optional) = match given.strip_suffix('?') {
            Some(name) => (name.to_owned(), true),
            None => (given, false),
        };
        if name.is_empty() {
            return Err(self.wrong(key, "is empty, expected the name of a column"));
        }
        Ok(ColumnName { key, name, optional })
    }

    fn maybe(&self, key: &'static str, given: Option<String>) -> Result<Option<ColumnName>, MappingError> {
        given.map(|name| self.column(key, name)).transpose()
    }

    fn list(&self, key: &str, len: usize, max: usize) -> Result<(), MappingError> {
        if len <= max {
            Ok(())
        } else {
            Err(self.wrong(key, format!("has {len} entries, expected at most {max}")))
        }
    }

    fn ids(&self, key: &str, given: RawIds) -> Result<Ids, MappingError> {
        for (field, text) in [("user", &given.user), ("item", &given.item)] {
            if PREFIX_BYTES_MAX < text.len() {
                let problem = format!("has {} bytes, expected at most {PREFIX_BYTES_MAX}", text.len());
                return Err(self.wrong(&format!("{key}.{field}"), problem));
            }
        }
        Ok(Ids { user: given.user, item: given.item })
    }

    fn event_type(&self, key: &str, name: &str) -> Result<EventType, MappingError> {
        EventType::from_name(name).filter(|t| IMPORTABLE_TYPES.contains(t)).ok_or_else(|| {
            let names = IMPORTABLE_TYPES.map(EventType::name).join(", ");
            self.wrong(key, format!("is {name:?}, expected {IGNORE} or one of {names}"))
        })
    }

    fn shape(&self, raw: &RawMapping) -> Result<Shape, MappingError> {
        let json = raw.format == Format::Jsonl;
        let table_keys = [
            ("header", raw.header.is_some()),
            ("columns", raw.columns.is_some()),
            ("delimiter", raw.delimiter.is_some()),
            ("quoted", raw.quoted.is_some()),
        ];
        if json {
            if let Some((key, _)) = table_keys.into_iter().find(|(_, given)| *given) {
                return Err(self.wrong(key, "is for csv and tsv, and format is jsonl"));
            }
            return Ok(Shape::JsonLines { rows: raw.rows.clone() });
        }
        if raw.rows.is_some() {
            return Err(self.wrong("rows", "is for jsonl only"));
        }
        let columns = raw.columns.clone();
        if let Some(columns) = &columns {
            self.list("columns", columns.len(), LIST_MAX)?;
            if columns.is_empty() {
                return Err(self.wrong("columns", "is empty, expected the names of the columns in order"));
            }
        }
        match (raw.header, &columns) {
            (Some(true), Some(_)) => {
                return Err(self.wrong("columns", "and header = true exclude each other"));
            }
            (Some(false), None) => return Err(self.wrong("columns", "is missing, and header is false")),
            _ => {}
        }
        let tsv = raw.format == Format::Tsv;
        let delimiter = raw.delimiter.unwrap_or(if tsv { '\t' } else { ',' });
        if !delimiter.is_ascii() || matches!(delimiter, '"' | '\n' | '\r') {
            return Err(
                self.wrong("delimiter", "is no single ASCII character other than a quote or line end")
            );
        }
        let dialect = Dialect { delimiter: delimiter as u8, quoted: raw.quoted.unwrap_or(!tsv) };
        Ok(Shape::Table { dialect, columns })
    }

    fn time(&self, raw: RawTime) -> Result<TimeUnit, MappingError> {
        let units = raw.unit.into_vec();
        self.list("time.unit", units.len(), PATTERNS_MAX)?;
        let patterns = units.iter().all(|u| u.contains('%')) && !units.is_empty();
        if patterns {
            let text = raw.utc_offset.as_deref().unwrap_or("+00:00");
            let offset = parse_offset(text).ok_or_else(|| {
                self.wrong("time.utc_offset", format!("is {text:?}, expected such as +08:00"))
            })?;
            return Ok(TimeUnit::Patterns(units, offset));
        }
        if raw.utc_offset.is_some() {
            return Err(self.wrong("time.utc_offset", "is for patterns only"));
        }
        match units.as_slice() {
            [unit] => Ok(match unit.as_str() {
                "s" => TimeUnit::Seconds,
                "ms" => TimeUnit::Millis,
                "epoch" => TimeUnit::Epoch,
                "float_s" => TimeUnit::FloatSeconds,
                "rfc3339" => TimeUnit::Rfc3339,
                other => {
                    let expected =
                        "expected s, ms, epoch, float_s, rfc3339 or a pattern such as %Y-%m-%d %H:%M:%S";
                    return Err(self.wrong("time.unit", format!("is {other:?}, {expected}")));
                }
            }),
            _ => Err(self.wrong("time.unit", "is a list, expected patterns with % in it")),
        }
    }
}

/// Checks a mapping: each value by itself, then that rows can become what the mapping says.
///
/// # Errors
/// [`MappingError::Key`] names the first key that is wrong.
pub(crate) fn check(file: &str, raw: RawMapping) -> Result<Mapping, MappingError> {
    let c = Checker { file };
    let shape = c.shape(&raw)?;
    let missing = raw.missing.unwrap_or_else(|| vec![String::new()]);
    c.list("missing", missing.len(), LIST_MAX)?;
    c.list("types", raw.types.len(), LIST_MAX)?;
    let mut types = BTreeMap::new();
    for (name, meaning) in raw.types {
        let key = format!("types.{name}");
        let meaning = if meaning == IGNORE { None } else { Some(c.event_type(&key, &meaning)?) };
        types.insert(name, meaning);
    }
    let default_type = raw.defaults.event_type.map(|t| c.event_type("defaults.type", &t)).transpose()?;
    let (fields, rules) = (raw.fields, raw.rules);
    let (missing_user_prefix, missing_user) = match rules.missing_user {
        Some(rule) => (rule.prefix, Some(rule.column)),
        None => (String::new(), None),
    };
    let (title, brand, category, catalogue) = split_catalogue(&c, raw.catalogue)?;
    let columns = ColumnNames {
        user: c.column("fields.user", fields.user)?,
        time: c.column("fields.time", fields.time)?,
        item: c.maybe("fields.item", fields.item)?,
        event_type: c.maybe("fields.type", fields.event_type)?,
        quantity: c.maybe("fields.quantity", fields.quantity)?,
        price: c.maybe("fields.price", fields.price)?,
        currency: c.maybe("fields.currency", fields.currency)?,
        order_id: c.maybe("fields.order_id", fields.order_id)?,
        session: c.maybe("fields.session", fields.session)?,
        rating: c.maybe("fields.rating", fields.rating)?,
        query: c.maybe("fields.query", fields.query)?,
        missing_user: c.maybe("rules.missing_user.column", missing_user)?,
        title,
        brand,
        category,
    };
    for (key, list) in [
        ("rules.refund_order_prefixes", &rules.refund_order_prefixes),
        ("rules.adjustment_order_prefixes", &rules.adjustment_order_prefixes),
    ] {
        c.list(key, list.len(), LIST_MAX)?;
        if list.iter().any(String::is_empty) {
            return Err(c.wrong(key, "has an empty prefix, which every order has"));
        }
        if !list.is_empty() && columns.order_id.is_none() {
            return Err(c.wrong("fields.order_id", format!("is missing, and {key} needs it")));
        }
    }
    if PREFIX_BYTES_MAX < missing_user_prefix.len() {
        let problem = format!("has {} bytes, expected at most {PREFIX_BYTES_MAX}", missing_user_prefix.len());
        return Err(c.wrong("rules.missing_user.prefix", problem));
    }
    let mapping = Mapping {
        file: file.to_owned(),
        shape,
        missing,
        columns,
        time: c.time(raw.time)?,
        types,
        default_type,
        default_quantity: raw.defaults.quantity,
        default_price: raw.defaults.price,
        default_currency: raw.defaults.currency,
        default_rating: raw.defaults.rating,
        rating_max: raw.rating_max.unwrap_or(5.0),
        prefix: c.ids("prefix", raw.prefix)?,
        strip_suffix: c.ids("strip_suffix", raw.strip_suffix)?,
        rules: Rules {
            missing_user_prefix,
            negative_quantity_is_refund: rules.negative_quantity_is_refund,
            negative_price_is_adjustment: rules.negative_price_is_adjustment,
            refund_order_prefixes: rules.refund_order_prefixes,
            adjustment_order_prefixes: rules.adjustment_order_prefixes,
        },
        catalogue,
    };
    check_types(&c, &mapping)?;
    check_numbers(&c, &mapping)?;
    Ok(mapping)
}

type CatalogueParts = (Vec<ColumnName>, Option<ColumnName>, Option<ColumnName>, Option<CatalogueRule>);

fn split_catalogue(c: &Checker<'_>, raw: Option<RawCatalogue>) -> Result<CatalogueParts, MappingError> {
    let Some(raw) = raw else { return Ok((Vec::new(), None, None, None)) };
    let titles = raw.title.into_vec();
    c.list("catalogue.title", titles.len(), LIST_MAX)?;
    let title: Result<Vec<_>, _> = titles.into_iter().map(|name| c.column("catalogue.title", name)).collect();
    let rule = CatalogueRule {
        title_or_id: raw.title_or_id,
        category_separator: raw.category_separator.filter(|s| !s.is_empty()),
        price: raw.price,
    };
    Ok((
        title?,
        c.maybe("catalogue.brand", raw.brand)?,
        c.maybe("catalogue.category", raw.category)?,
        Some(rule),
    ))
}

/// Every type that rows can become must find its fields.
fn check_types(c: &Checker<'_>, mapping: &Mapping) -> Result<(), MappingError> {
    let columns = &mapping.columns;
    match (&columns.event_type, mapping.default_type) {
        (None, None) => return Err(c.wrong("fields.type", "is missing, and so is defaults.type")),
        (None, Some(_)) if !mapping.types.is_empty() => {
            return Err(c.wrong("fields.type", "is missing, and [types] needs it"));
        }
        (Some(_), _) if mapping.types.is_empty() => {
            return Err(c.wrong("types", "is missing, expected what each value of fields.type means"));
        }
        _ => {}
    }
    for event_type in mapping.types.values().flatten().copied().chain(mapping.default_type) {
        let needs = |key: &str, there: bool| {
            if there {
                Ok(())
            } else {
                Err(c.wrong(key, format!("is missing, and {} needs it", event_type.name())))
            }
        };
        match event_type {
            EventType::BeginCheckout | EventType::ViewItemList => {}
            EventType::Search => needs("fields.query", columns.query.is_some())?,
            EventType::RateItem => {
                needs("fields.item", columns.item.is_some())?;
                needs("fields.rating", columns.rating.is_some() || mapping.default_rating.is_some())?;
            }
            _ => needs("fields.item", columns.item.is_some())?,
        }
    }
    Ok(())
}

fn check_numbers(c: &Checker<'_>, mapping: &Mapping) -> Result<(), MappingError> {
    if let Some(quantity) = mapping.default_quantity.filter(|q| !(1..=QUANTITY_MAX).contains(q)) {
        return Err(c.wrong("defaults.quantity", format!("is {quantity}, expected 1 to {QUANTITY_MAX}")));
    }
    if let Some(price) = &mapping.default_price {
        Micros::parse(price, "defaults.price")
            .map_err(|e| c.wrong("defaults.price", format!("is wrong: {}", e.message)))?;
    }
    if let Some(currency) = &mapping.default_currency {
        Currency::parse(currency)
            .map_err(|_| c.wrong("defaults.currency", "is not three capital letters, such as CNY"))?;
    }
    let priced = mapping.columns.price.is_some() || mapping.default_price.is_some();
    if priced && mapping.columns.currency.is_none() && mapping.default_currency.is_none() {
        return Err(c.wrong("defaults.currency", "is missing, and prices need it"));
    }
    if !(0.1..=1e6).contains(&mapping.rating_max) {
        return Err(c.wrong("rating_max", format!("is {}, expected 0.1 to 1000000", mapping.rating_max)));
    }
    if let Some(rating) = mapping.default_rating.filter(|r| !(0.0..=mapping.rating_max).contains(r)) {
        return Err(c.wrong("defaults.rating", format!("is {rating}, expected 0 to {}", mapping.rating_max)));
    }
    Ok(())
}
