//! A message as atoms: one Han character, one word of another script, one number, one mark. Full-width forms are narrowed,
//! letters lowered, traditional characters simplified, what cannot be seen (joiners, marks of direction) is dropped. One pass, at most
//! [`MESSAGE_CHARS_MAX`] characters: a longer text is a paste, and its beginning says what it is about.

use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};

use crate::content::narrowed;
use crate::find::simple;

/// Characters of a message that are read.
pub const MESSAGE_CHARS_MAX: usize = 2_000;
/// Digits of a number that are kept; what is longer is no price and no size.
const DIGITS_MAX: usize = 16;

static STEMMER: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::create(Algorithm::English));

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Han,
    Word,
    Number,
    Mark,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Atom {
    pub kind: Kind,
    /// Folded; a number without its thousands separators.
    pub text: Box<str>,
    /// Of an English word; the text itself for anything else.
    pub stem: Box<str>,
    /// Nothing stood between it and the atom before.
    pub glued: bool,
}

impl Atom {
    pub fn is(&self, text: &str) -> bool {
        &*self.text == text
    }
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' | '〇')
}

/// One character as it is compared; nothing for what cannot be seen.
fn folded(c: char) -> Option<char> {
    match c {
        '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
        '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' => None,
        // Kept apart from the comma of numbers: `300，500` are two.
        '，' => Some('，'),
        '￥' => Some('¥'),
        '–' | '—' | '−' | '―' => Some('-'),
        '～' | '〜' => Some('~'),
        '\u{3000}' => Some(' '),
        c => narrowed(c).map(simple),
    }
}

/// Cuts a text into its atoms.
pub(crate) fn atoms(text: &str) -> Vec<Atom> {
    let chars: Vec<char> = text
        .chars()
        .take(MESSAGE_CHARS_MAX)
        .filter_map(folded)
        .flat_map(char::to_lowercase)
        .take(2 * MESSAGE_CHARS_MAX)
        .collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or(' ');
    let is_word = |c: char| c.is_alphabetic() && !is_han(c);
    let mut atoms: Vec<Atom> = Vec::new();
    let (mut i, mut glued) = (0, false);
    while i < chars.len() {
        let (c, from) = (at(i), i);
        let mut text = String::new();
        let kind = if c.is_whitespace() || c.is_control() {
            i += 1;
            glued = false;
            continue;
        } else if is_han(c) {
            text.push(c);
            i += 1;
            Kind::Han
        } else if c.is_ascii_digit() {
            i = number(&at, i, &mut text);
            Kind::Number
        } else if is_word(c) {
            while is_word(at(i)) || at(i) == '\'' && i > from && is_word(at(i + 1)) {
                if at(i) == '\'' && at(i + 1) == 's' && !is_word(at(i + 2)) {
                    i += 2;
                    break;
                }
                if at(i) != '\'' {
                    text.push(at(i));
                }
                i += 1;
            }
            Kind::Word
        } else {
            i += 1;
            // A hyphen only joins words.
            if c == '-' && from > 0 && is_word(at(from - 1)) && is_word(at(i)) {
                glued = false;
                continue;
            }
            text.push(c);
            Kind::Mark
        };
        let stem = match kind {
            Kind::Word if text.bytes().all(|b| b.is_ascii_lowercase()) => STEMMER.stem(&text).as_ref().into(),
            _ => text.as_str().into(),
        };
        atoms.push(Atom { kind, text: text.into(), stem, glued });
        glued = true;
    }
    atoms
}

/// Reads digits, thousands separators between groups of three, and one point; returns where it ended.
fn number(at: &impl Fn(usize) -> char, from: usize, text: &mut String) -> usize {
    let digits = |from: usize| (from..).take_while(|&i| at(i).is_ascii_digit()).count();
    let first = digits(from);
    let mut end = from + first;
    if first <= 3 {
        while at(end) == ',' && digits(end + 1) == 3 {
            end += 4;
        }
    }
    if at(end) == '.' && 0 < digits(end + 1) {
        end += 1 + digits(end + 1);
    }
    let kept = (from..end).map(at).filter(|&c| c != ',');
    text.extend(kept.take(DIGITS_MAX + 1));
    end
}

/// The key of a phrase: words and numbers parted by a space, Han characters by nothing.
pub(crate) fn key<'a>(atoms: impl Iterator<Item = &'a Atom>, stems: bool, key: &mut String) {
    key.clear();
    let mut before = Kind::Mark;
    for atom in atoms {
        let apart = |kind| matches!(kind, Kind::Word | Kind::Number);
        if apart(before) && apart(atom.kind) {
            key.push(' ');
        }
        key.push_str(if stems { &atom.stem } else { &atom.text });
        before = atom.kind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        atoms(text).iter().map(|a| a.text.to_string()).collect()
    }

    #[test]
    fn messages_become_atoms() {
        for (text, expected) in [
            ("３，０００元", &["3", "，", "000", "元"][..]),
            ("1,299.50 / 1,29", &["1299.50", "/", "1", ",", "29"]),
            ("iPhone15Pro", &["iphone", "15", "pro"]),
            ("noise-cancelling 50-80", &["noise", "cancelling", "50", "-", "80"]),
            ("don’t it's women's", &["dont", "it", "women"]),
            ("預算\u{200f}三千", &["预", "算", "三", "千"]),
            ("\u{202e}abc\u{202c} ￥5", &["abc", "¥", "5"]),
            ("😀👍🏽", &["😀", "👍"]),
            ("", &[]),
        ] {
            assert_eq!(texts(text), expected, "{text}");
        }
    }

    #[test]
    fn length_is_bounded() {
        assert_eq!(atoms(&"手".repeat(100_000)).len(), MESSAGE_CHARS_MAX);
        assert_eq!(texts(&"9".repeat(100_000)), ["9".repeat(DIGITS_MAX + 1)]);
    }

    #[test]
    fn traditional_characters_are_read_as_simplified_ones() {
        assert_eq!(texts("藍牙鍵盤，續航"), texts("蓝牙键盘，续航"));
        assert_eq!(texts("顯示器"), texts("显示器"));
    }
}
