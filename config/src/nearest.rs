//! What a misspelt key was perhaps meant to be.

use crate::layers::{Entry, variable_of};

/// Letters that may be wrong, missing or too many: more would guess at random among short keys.
const SLIPS_MAX: usize = 2;

/// Longest name that is compared; a longer one is no slip, and the comparison's cost is quadratic.
const NAME_BYTES_MAX: usize = 64;

/// The key that `written` is a slip of, or that has its name in another table.
pub(crate) fn nearest_key(entries: &[Entry], written: &str) -> Option<String> {
    let slip = nearest(entries.iter().map(|e| e.key.clone()), written);
    let name = |key: &str| key.rsplit_once('.').map_or(key.to_owned(), |(_, name)| name.to_owned());
    slip.or_else(|| {
        let mut same = entries.iter().filter(|e| name(&e.key) == name(written));
        // Several tables have a key of that name: no telling which was meant.
        same.next().filter(|_| same.next().is_none()).map(|e| e.key.clone())
    })
}

/// The variable that `written` is a slip of; a missing underscore is the usual one.
pub(crate) fn nearest_variable(entries: &[Entry], written: &str) -> Option<String> {
    nearest(entries.iter().map(|e| variable_of(&e.key)), &written.to_ascii_uppercase())
}

/// The one of `known` that `written` is a slip of.
pub(crate) fn nearest(known: impl Iterator<Item = String>, written: &str) -> Option<String> {
    if NAME_BYTES_MAX < written.len() {
        return None;
    }
    let slips = known.map(|name| (slips(&name, written), name));
    slips.filter(|(slips, _)| *slips <= SLIPS_MAX).min_by_key(|(slips, _)| *slips).map(|(_, name)| name)
}

/// Levenshtein's distance in bytes.
fn slips(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let above = *cell;
            left = (diagonal + usize::from(x != y)).min(above + 1).min(left + 1);
            (diagonal, *cell) = (above, left);
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        for (a, b, expected) in [
            ("port", "port", 0),
            ("port", "prot", 2),
            ("port", "ports", 1),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(slips(a, b), expected, "{a} {b}");
            assert_eq!(slips(b, a), expected, "{b} {a}");
        }
    }
}
