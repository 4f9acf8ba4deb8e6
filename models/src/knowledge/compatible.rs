//! What a product says that it fits: a word such as 适用于 or `compatible with`, and behind it the name of another product.

use crate::chat::{Atom, AtomKind, Lexicon, atoms, phrase_key, title_words};

/// Words that a name follows; each as its atoms, parted by spaces.
const CUES: [&str; 10] = [
    "适 用 于",
    "适 用",
    "适 配",
    "兼 容",
    "专 为",
    "compatible with",
    "works with",
    "made for",
    "fits",
    "for",
];
/// Atoms behind the word that may be a name.
const NAME_ATOMS_MAX: usize = 6;
/// Products that one name may mean: one that means more names none.
const NAMED_MAX: usize = 5;

/// The numbers of products that a text says something fits, with the words that say it.
pub(super) fn compatible(text: &str, lexicon: &Lexicon) -> Vec<(u32, String)> {
    let atoms = atoms(text);
    let mut found: Vec<(u32, String)> = Vec::new();
    for at in 0..atoms.len() {
        let Some(rest) = atoms.get(at..) else { break };
        let Some(taken) = cue(rest) else { continue };
        let name = rest.get(taken..).unwrap_or_default();
        let reach = name.iter().take(NAME_ATOMS_MAX).take_while(|a| a.kind != AtomKind::Mark).count();
        let named = (1..=reach).rev().find_map(|length| {
            let items = named(name.get(..length)?, lexicon);
            (!items.is_empty()).then_some((length, items))
        });
        let Some((length, items)) = named else { continue };
        let mut quote = String::new();
        phrase_key(rest.iter().take(taken + length), false, &mut quote);
        for item in items {
            if !found.iter().any(|(known, _)| *known == item) {
                found.push((item, quote.clone()));
            }
        }
    }
    found
}

/// Atoms of the longest cue that begins here.
fn cue(rest: &[Atom]) -> Option<usize> {
    CUES.iter().find_map(|cue| {
        let words = cue.split(' ').count();
        let same = rest.len() >= words && cue.split(' ').zip(rest).all(|(word, atom)| atom.is(word));
        same.then_some(words)
    })
}

/// The products of a name: an id, or words of a title together with a brand, or two words of a title and more.
fn named(name: &[Atom], lexicon: &Lexicon) -> Vec<u32> {
    let mut whole = String::new();
    phrase_key(name.iter(), false, &mut whole);
    let brand = lexicon.brand_in(name);
    let all = title_words(name);
    let words: Vec<&str> = all.iter().map(|word| &**word).collect();
    if words.is_empty() || (words.len() < 2 && brand.is_none()) {
        return Vec::new();
    }
    let items = lexicon.items_named(&whole, &words, brand.as_deref());
    if NAMED_MAX < items.len() { Vec::new() } else { items }
}
