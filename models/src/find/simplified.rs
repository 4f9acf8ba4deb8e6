//! Traditional Chinese characters as simplified ones, so that who writes either finds both. Character by character: a few stand
//! for several simplified ones, of which the most usual is taken, on both sides alike.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

/// A line for each: the traditional character, then the simplified one.
static PAIRS: &str = include_str!("../../data/traditional.txt");
static KNOWN: LazyLock<HashMap<char, char>> = LazyLock::new(|| {
    let pair = |line: &'static str| line.chars().next().zip(line.chars().nth(1));
    PAIRS.lines().filter_map(pair).collect()
});

/// The text with its traditional characters simplified.
///
/// ```
/// assert_eq!(shoptide_models::find::simplified("藍牙耳機 Aurora"), "蓝牙耳机 Aurora");
/// ```
pub fn simplified(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || !text.chars().any(|c| KNOWN.contains_key(&c)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(simple).collect())
}

/// A character, simplified if it is a traditional one.
pub(crate) fn simple(c: char) -> char {
    KNOWN.get(&c).copied().unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_pair() {
        assert!(PAIRS.lines().all(|line| line.chars().count() == 2));
        assert_eq!(PAIRS.lines().count(), 4_105);
        assert_eq!(simplified("降噪耳机"), "降噪耳机");
        assert_eq!(simplified("無線降噪耳機，續航１２小時"), "无线降噪耳机，续航１２小时");
    }
}
