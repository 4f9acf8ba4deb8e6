//! Text into terms: Chinese by dictionary and hidden Markov model (jieba), English by its stems (Snowball's Porter 2), other
//! scripts by the word; lower case, full-width forms narrowed, words of grammar dropped, numbers kept with what is attached
//! to them (`64gb`, `1.5l`).

use std::collections::HashSet;
use std::sync::LazyLock;

use jieba_rs::Jieba;
use rust_stemmers::{Algorithm, Stemmer};

static WORDS: &[u8] = include_bytes!("../../data/jieba_words.txt.zst");
static STOP_WORDS: &str = include_str!("../../data/stop_words.txt");

/// Longer terms are no words but keys, links or noise, and are dropped.
pub const TERM_BYTES_MAX: usize = 64;

/// Cuts texts into terms. Loading the dictionary takes a tenth of a second and 30 MB, so there is one for all:
/// [`tokeniser`].
pub struct Tokeniser {
    jieba: Jieba,
    stemmer: Stemmer,
    stop_words: HashSet<&'static str>,
}

/// The one tokeniser; made at the first call.
pub fn tokeniser() -> &'static Tokeniser {
    static ONE: LazyLock<Tokeniser> = LazyLock::new(Tokeniser::new);
    &ONE
}

impl Tokeniser {
    fn new() -> Self {
        // The bytes are part of the program; a test proves that they load. Without them Chinese would be cut by the hidden
        // Markov model alone: worse terms, but terms.
        let words = zstd::decode_all(WORDS).unwrap_or_default();
        let jieba = Jieba::with_dict(&mut words.as_slice()).unwrap_or_else(|_| Jieba::empty());
        let stop_words = STOP_WORDS.split_whitespace().collect();
        Self { jieba, stemmer: Stemmer::create(Algorithm::English), stop_words }
    }

    /// Calls `each` with the terms of `text` in their order.
    ///
    /// ```
    /// let terms = shoptide_models::content::tokeniser().terms("小米手机 64GB, runs all the Games");
    /// assert_eq!(terms, ["小米", "手机", "64gb", "run", "all", "game"]);
    /// ```
    pub fn each_term(&self, text: &str, each: &mut dyn FnMut(&str)) {
        self.each_word(text, Cut::Once, &mut |word| each(word.term));
    }

    /// Calls `each` with the words of `text` in their order, each as it is written and as it is compared.
    ///
    /// ```
    /// use shoptide_models::content::{Cut, tokeniser};
    /// let mut words = Vec::new();
    /// tokeniser().each_word("Running 清华大学", Cut::Fine, &mut |w| words.push((w.form.to_owned(), w.term.to_owned())));
    /// assert_eq!(words[0], ("running".to_owned(), "run".to_owned()));
    /// assert!(["清华", "大学", "清华大学"].iter().all(|part| words[1..].iter().any(|(form, _)| form == part)));
    /// ```
    pub fn each_word(&self, text: &str, cut: Cut, each: &mut dyn FnMut(Word<'_>)) {
        let plain = plain(text);
        let mut rest = plain.as_str();
        while let Some(first) = rest.chars().next() {
            let kind = Kind::of(first);
            let end = run_end(rest, kind);
            let (run, after) = rest.split_at(end);
            rest = after;
            match kind {
                Kind::Han => {
                    let words = match cut {
                        Cut::Once => self.jieba.cut(run, true),
                        Cut::Fine => self.jieba.cut_for_search(run, true),
                    };
                    words.into_iter().for_each(|word| self.say(word.word, word.word, each));
                }
                Kind::Word => self.word(run, each),
                Kind::Other => {}
            }
        }
    }

    /// The terms of `text` in their order.
    pub fn terms(&self, text: &str) -> Vec<String> {
        let mut terms = Vec::new();
        self.each_term(text, &mut |term| terms.push(term.to_owned()));
        terms
    }

    fn word(&self, run: &str, each: &mut dyn FnMut(Word<'_>)) {
        let word = run.trim_matches(|c| c == '\'' || c == '.');
        if self.stop_words.contains(word) {
            return;
        }
        let word = word.strip_suffix("'s").unwrap_or(word);
        if word.bytes().all(|b| b.is_ascii_lowercase() || b == b'\'') {
            self.say(word, &self.stemmer.stem(word), each);
        } else {
            self.say(word, word, each);
        }
    }

    fn say(&self, form: &str, term: &str, each: &mut dyn FnMut(Word<'_>)) {
        if !term.is_empty() && term.len() <= TERM_BYTES_MAX && !self.stop_words.contains(term) {
            each(Word { form, term });
        }
    }
}

/// How words without spaces between them are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Each character belongs to one word.
    Once,
    /// Long words are followed by the shorter ones in them, so that a text is also found by a part of a word.
    Fine,
}

/// One word of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<'a> {
    /// As it is written, in lower case and narrowed.
    pub form: &'a str,
    /// As it is compared: its stem, if it is English.
    pub term: &'a str,
}

/// A text in lower case, full-width forms narrowed, without what is not to be seen.
pub(crate) fn plain(text: &str) -> String {
    text.chars().flat_map(narrowed).flat_map(char::to_lowercase).collect()
}

/// Whether a character is of a script that is written without spaces between words.
pub(crate) fn is_han(c: char) -> bool {
    Kind::of(c) == Kind::Han
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Written without spaces between words.
    Han,
    Word,
    Other,
}

impl Kind {
    fn of(c: char) -> Self {
        match c {
            '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' => Self::Han,
            '\u{20000}'..='\u{3ffff}' => Self::Han,
            c if c.is_alphanumeric() => Self::Word,
            _ => Self::Other,
        }
    }
}

/// Where the run of one kind ends. An apostrophe between letters and a point between digits belong to the word.
fn run_end(text: &str, kind: Kind) -> usize {
    let mut before = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|&(_, c)| c);
        let joins = match c {
            '\'' => {
                before.is_some_and(char::is_alphabetic) && next.is_some_and(|n| Kind::of(n) == Kind::Word)
            }
            '.' => {
                before.is_some_and(|b: char| b.is_ascii_digit()) && next.is_some_and(|n| n.is_ascii_digit())
            }
            _ => false,
        };
        if Kind::of(c) != kind && !(kind == Kind::Word && joins) {
            return at;
        }
        before = Some(c);
    }
    text.len()
}

/// Full-width forms as their plain ones, typographic apostrophes as plain ones.
pub(crate) fn narrowed(c: char) -> Option<char> {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0),
        '\u{2018}' | '\u{2019}' => Some('\''),
        // Joiners and byte-order marks are not to be seen, nor to part a word.
        '\u{200b}'..='\u{200d}' | '\u{feff}' | '\u{ad}' => None,
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixed_text_becomes_terms() {
        for (text, terms) in [
            ("我来到北京清华大学", &["来到", "北京", "清华大学"][..]),
            ("蓝牙耳机降噪，续航１２小时！", &["蓝牙", "耳机", "降噪", "续航", "12", "小时"]),
            ("Running shoes, men's size 42.5", &["run", "shoe", "men", "size", "42.5"]),
            ("iPhone15 Pro 1.5L 64GB v2.", &["iphone15", "pro", "1.5l", "64gb", "v2"]),
            ("don’t the THE 的了", &[]),
            ("Привет мир", &["привет", "мир"]),
            ("a\u{200b}pple \u{feff}苹果", &["appl", "苹果"]),
            ("... --- ' '' .5 5.", &["5", "5"]),
            ("", &[]),
        ] {
            assert_eq!(tokeniser().terms(text), terms, "{text}");
        }
    }

    #[test]
    fn the_dictionary_is_whole() {
        let jieba = &tokeniser().jieba;
        assert!(["小米", "清华大学", "降噪"].iter().any(|w| jieba.has_word(w)));
        assert_eq!(zstd::decode_all(WORDS).unwrap().split(|&b| b == b'\n').count(), 349_046);
    }

    #[test]
    fn noise_is_dropped_not_fatal() {
        let long = "x".repeat(TERM_BYTES_MAX + 1);
        assert_eq!(tokeniser().terms(&format!("{long} ok")), ["ok"]);
        let every: String = (0..=0x10ffffu32).step_by(97).filter_map(char::from_u32).collect();
        assert!(tokeniser().terms(&every).iter().all(|t| !t.is_empty() && t.len() <= TERM_BYTES_MAX));
    }
}
