//! A text as concepts. Phrases of `models/data/faq/concepts.txt` that mean one thing, in whichever language, become that thing's key;
//! what is left becomes terms of the one tokeniser. Words of grammar and of asking say nothing and are dropped.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::chat::{Atom, AtomKind, atoms, phrase_key};
use crate::content::tokeniser;

/// A line each: `key: phrase, phrase`; the key `-` drops its phrases.
static LINES: &str = include_str!("../../data/faq/concepts.txt");
/// Atoms of the longest phrase: bounds what is looked up at each place.
const PHRASE_ATOMS_MAX: usize = 12;
/// The key of what says nothing.
const NOTHING: &str = "-";

#[derive(Debug, Default)]
struct Concepts {
    /// By phrase as it is written.
    phrases: HashMap<Box<str>, &'static str>,
    /// By its stems, the first of several (`packaging` and `package` have one).
    stems: HashMap<Box<str>, &'static str>,
    /// Atoms of the longest phrase.
    reach: usize,
    bad_lines: Vec<&'static str>,
}

static ALL: LazyLock<Concepts> = LazyLock::new(Concepts::read);

impl Concepts {
    fn read() -> Self {
        let mut all = Self::default();
        for line in LINES.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let Some((key, phrases)) = line.split_once(": ") else {
                all.bad_lines.push(line);
                continue;
            };
            for phrase in phrases.split(", ") {
                let atoms = atoms(phrase);
                if atoms.is_empty() || PHRASE_ATOMS_MAX < atoms.len() {
                    all.bad_lines.push(line);
                }
                all.reach = all.reach.max(atoms.len());
                all.stems.entry(key_of(&atoms, true)).or_insert(key);
                if all.phrases.insert(key_of(&atoms, false), key).is_some_and(|known| known != key) {
                    all.bad_lines.push(line);
                }
            }
        }
        all
    }

    /// The concept of the longest phrase that begins here, and its atoms.
    fn longest(&self, atoms: &[Atom]) -> Option<(&'static str, usize)> {
        (1..=atoms.len().min(self.reach)).rev().find_map(|taken| {
            let some = atoms.get(..taken)?;
            let known =
                self.phrases.get(&key_of(some, false)).or_else(|| self.stems.get(&key_of(some, true)));
            Some((*known?, taken))
        })
    }
}

fn key_of(atoms: &[Atom], stems: bool) -> Box<str> {
    let mut key = String::new();
    phrase_key(atoms.iter(), stems, &mut key);
    key.into()
}

/// What a text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// Something that shoppers ask about.
    Concept(&'static str),
    /// Any other word: a product's name, or something else altogether.
    Word(&'a str),
}

/// Calls `each` with the concepts and words of a text in their order.
pub(super) fn each_said(text: &str, each: &mut dyn FnMut(Said<'_>)) {
    let atoms = atoms(text);
    let mut rest = atoms.as_slice();
    let mut plain = String::new();
    while let Some(first) = rest.first() {
        if let Some((concept, taken)) = ALL.longest(rest) {
            said(&mut plain, each);
            if concept != NOTHING {
                each(Said::Concept(concept));
            }
            rest = rest.get(taken..).unwrap_or_default();
            continue;
        }
        match first.kind {
            AtomKind::Han => plain.push_str(&first.text),
            AtomKind::Word | AtomKind::Number => {
                if !first.glued {
                    plain.push(' ');
                }
                plain.push_str(&first.text);
            }
            AtomKind::Mark => plain.push(' '),
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    said(&mut plain, each);
}

/// What no phrase knows, cut by the tokeniser.
fn said(plain: &mut String, each: &mut dyn FnMut(Said<'_>)) {
    if !plain.is_empty() {
        tokeniser().each_term(plain, &mut |term| each(Said::Word(term)));
        plain.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concepts(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        each_said(text, &mut |said| {
            let (Said::Concept(text) | Said::Word(text)) = said;
            all.push(text.to_owned());
        });
        all
    }

    #[test]
    fn every_line_is_read() {
        assert_eq!(ALL.bad_lines, Vec::<&str>::new());
        assert!(300 < ALL.phrases.len(), "{}", ALL.phrases.len());
    }

    #[test]
    fn two_languages_say_one_thing() {
        assert_eq!(concepts("运费多少钱？"), concepts("the shipping fee, how much?"));
        assert_eq!(concepts("怎么退货"), concepts("how can I return it?"));
        assert_eq!(concepts("可以開發票嗎"), concepts("可以开发票吗"));
        assert_eq!(concepts("how do i"), Vec::<String>::new());
    }

    #[test]
    fn what_no_phrase_knows_are_terms() {
        assert_eq!(concepts("Kubernetes 量子力学"), ["kubernet", "量子力学"]);
    }
}
