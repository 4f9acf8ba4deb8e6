//! One value of a query, checked: a number, a flag, a price, an id, a text.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use axum::http::request::Parts;
use shoptide_schemas::limits::{BRAND_BYTES_MAX, CATEGORY_BYTES_MAX, TITLE_BYTES_MAX};
use shoptide_schemas::{Code, ItemId, Micros, Reject, UserId};

use crate::error::ApiError;
use crate::search::SearchSort;

/// Items that one request may exclude: a page of what is on the screen already.
pub(crate) const EXCLUDE_MAX: usize = 200;

/// Splits a query into the parameters of these names, still encoded. A name that is not known is an error, as a
/// misspelt one would silently do nothing.
pub(super) fn query<'a, const N: usize>(
    parts: &'a Parts,
    names: [&'static str; N],
) -> Result<[Option<&'a str>; N], ApiError> {
    let mut found = [None; N];
    for pair in parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some((slot, name)) = found.iter_mut().zip(names).find(|(_, known)| *known == name) else {
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let message = format!("the query has a parameter that is not known, expected {known}");
            return Err(ApiError::bad(Reject::new(Code::UnknownField, "query", message)));
        };
        if slot.replace(value).is_some() {
            return Err(ApiError::bad(Reject::new(
                Code::DuplicateField,
                name,
                format!("{name} is given twice"),
            )));
        }
    }
    Ok(found)
}

/// Digits of a number that a message repeats: one more than any number of ours has.
const DIGITS_SHOWN_MAX: usize = 20;

pub(super) fn number(
    raw: &str,
    field: &'static str,
    range: RangeInclusive<usize>,
) -> Result<usize, ApiError> {
    let text = decoded(raw, field)?;
    let digits = text.strip_prefix('-').unwrap_or(&text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        let message = format!("{field} is not a whole number of {} to {}", range.start(), range.end());
        return Err(ApiError::bad(Reject::new(Code::BadValue, field, message)));
    }
    // What does not fit an i64 is out of range as well, and told as it was sent.
    let Ok(n) = text.parse() else {
        let shown = if text.len() <= DIGITS_SHOWN_MAX { &text } else { "a longer number" };
        let message = format!("{field} is {shown}, expected {} to {}", range.start(), range.end());
        return Err(ApiError::bad(Reject::new(Code::OutOfRange, field, message)));
    };
    in_range(n, field, range).map_err(ApiError::bad)
}

/// Checks a number of a query or a body.
pub(crate) fn in_range(n: i64, field: &'static str, range: RangeInclusive<usize>) -> Result<usize, Reject> {
    usize::try_from(n).ok().filter(|n| range.contains(n)).ok_or_else(|| {
        let message = format!("{field} is {n}, expected {} to {}", range.start(), range.end());
        Reject::new(Code::OutOfRange, field, message)
    })
}

pub(super) fn flag(raw: &str, field: &'static str) -> Result<bool, ApiError> {
    match raw {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(ApiError::bad(Reject::new(
            Code::BadValue,
            field,
            format!("{field} is neither true nor false"),
        ))),
    }
}

pub(super) fn category_of(raw: &str) -> Result<String, ApiError> {
    checked_category(&decoded(raw, "category")?).map_err(ApiError::bad)
}

/// A category of a query or a body: a whole name, or the beginning of one up to a `/`.
pub(crate) fn checked_category(text: &str) -> Result<String, Reject> {
    let name = text.strip_suffix('/').unwrap_or(text);
    if name.trim().is_empty() {
        return Err(Reject::new(Code::Blank, "category", "category is blank"));
    }
    if CATEGORY_BYTES_MAX < name.len() {
        let message = format!("category has {} bytes, expected at most {CATEGORY_BYTES_MAX}", name.len());
        return Err(Reject::new(Code::TooLong, "category", message));
    }
    Ok(name.to_owned())
}

pub(super) fn brand_of(raw: &str) -> Result<String, ApiError> {
    let brand = decoded(raw, "brand")?;
    let refused = |code, message: String| Err(ApiError::bad(Reject::new(code, "brand", message)));
    if brand.trim().is_empty() {
        return refused(Code::Blank, "brand is blank".to_owned());
    }
    if BRAND_BYTES_MAX < brand.len() {
        let message = format!("brand has {} bytes, expected at most {BRAND_BYTES_MAX}", brand.len());
        return refused(Code::TooLong, message);
    }
    Ok(brand.into_owned())
}

pub(super) fn price(raw: &str, field: &'static str) -> Result<i64, ApiError> {
    Micros::parse(&decoded(raw, field)?, field).map(|micros| micros.0).map_err(ApiError::bad)
}

/// What is searched for: any text. Whole titles are searched for too, so it may be as long as one.
pub(super) fn searched(raw: &str) -> Result<String, ApiError> {
    let text = decoded(raw, "q")?;
    if TITLE_BYTES_MAX < text.len() {
        let message = format!("q has {} bytes, expected at most {TITLE_BYTES_MAX}", text.len());
        return Err(ApiError::bad(Reject::new(Code::TooLong, "q", message)));
    }
    Ok(text.into_owned())
}

pub(super) fn sort_of(raw: &str) -> Result<SearchSort, ApiError> {
    let known = SearchSort::ALL.into_iter().find(|(name, _)| *name == raw);
    known.map(|(_, sort)| sort).ok_or_else(|| {
        let names = SearchSort::ALL.map(|(name, _)| name).join(", ");
        ApiError::bad(Reject::new(
            Code::BadValue,
            "sort",
            format!("sort is not known, expected one of {names}"),
        ))
    })
}

pub(super) fn user_of(raw: &str) -> Result<UserId, ApiError> {
    UserId::parse(&decoded(raw, "user_id")?).map_err(ApiError::bad)
}

/// Split before it is decoded, so that an id may hold an encoded comma.
pub(super) fn excluded(raw: &str) -> Result<Vec<ItemId>, ApiError> {
    let ids = || raw.split(',').filter(|id| !id.is_empty());
    if EXCLUDE_MAX < ids().count() {
        let message = format!("exclude names {} items, expected at most {EXCLUDE_MAX}", ids().count());
        return Err(ApiError::bad(Reject::new(Code::TooLong, "exclude", message)));
    }
    ids()
        .map(|id| {
            ItemId::parse(&decoded(id, "exclude")?)
                .map_err(|r| ApiError::bad(Reject { field: "exclude".into(), ..r }))
        })
        .collect()
}

/// Percent-decoded once.
pub(crate) fn decoded<'a>(raw: &'a str, field: &'static str) -> Result<Cow<'a, str>, ApiError> {
    if !raw.bytes().any(|b| b == b'%' || b == b'+') {
        return Ok(Cow::Borrowed(raw));
    }
    let bad =
        || ApiError::bad(Reject::new(Code::BadValue, field, format!("{field} is not percent-encoded UTF-8")));
    let hex = |digit: Option<u8>| digit.and_then(|d| char::from(d).to_digit(16));
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (Some(high), Some(low)) = (hex(rest.next()), hex(rest.next())) else { return Err(bad()) };
                u8::try_from(high << 4 | low).map_err(|_| bad())?
            }
            plain => plain,
        });
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_once_and_ids_may_hold_commas() {
        assert_eq!(decoded("a%2Cb+c%2525", "x").unwrap(), "a,b c%25");
        let ids = excluded("a%2Cb,user1%20,%C3%BCser1,").unwrap();
        let shown: Vec<String> = ids.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a,b", "user1 ", "üser1"]);
        for bad in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(decoded(bad, "x").unwrap_err().body.code, "bad_value", "{bad}");
        }
        assert_eq!(excluded("%20").unwrap_err().body.code, "blank");
        assert_eq!(excluded(&"a,".repeat(201)).unwrap_err().body.code, "too_long");
    }
}
