//! A sentence as tokens: each stretch is a name, a figure, a property, a word of the list, or unknown.

use std::collections::HashMap;

use super::facts::{Facts, PRODUCTS_MAX};
use super::numbers::{Figure, figure};
use super::words::{Cue, words};
use crate::chat::atoms::{Atom, Kind, atoms, key};
use crate::chat::dictionary::{PHRASE_ATOMS_MAX, Sense, dictionary};

/// Atoms of a title that are compared.
const NAME_ATOMS_MAX: usize = 48;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A product by a name of its own, or several that share it.
    Named(Vec<usize>),
    /// Products of a brand; empty if no product of this turn has it.
    Brand {
        key: String,
        products: Vec<usize>,
    },
    Figure(Figure),
    /// What the dictionary knows: categories and features by key; whom and occasions as wishes.
    Property {
        categories: Vec<String>,
        features: Vec<String>,
        wishes: Vec<String>,
    },
    /// A tag, brand or category as the shop writes it, with the products that have it.
    Phrase(Vec<usize>),
    Words(Vec<Cue>),
    /// `第2款`, `option 2`: the place from 1.
    Place(usize),
    Mark(char),
    /// Known to nobody; `name` if it is built like the name of a model or a brand.
    Unknown {
        name: bool,
    },
}

impl Token {
    pub fn has(&self, cue: Cue) -> bool {
        matches!(self, Self::Words(cues) if cues.contains(&cue))
    }
}

/// The names and phrases of a turn, by their keys.
#[derive(Debug, Default)]
pub(crate) struct Lexer {
    names: HashMap<String, Vec<usize>>,
    phrases: HashMap<String, Vec<usize>>,
    brands: Vec<String>,
}

fn key_of(atoms: &[Atom]) -> String {
    let mut text = String::new();
    key(atoms.iter(), false, &mut text);
    text
}

impl Lexer {
    pub fn new(facts: &Facts) -> Self {
        let mut all = Self::default();
        let add = |map: &mut HashMap<String, Vec<usize>>, text: &str, product: usize| {
            let atoms = atoms(text);
            if !atoms.is_empty() && atoms.len() <= NAME_ATOMS_MAX {
                let of = map.entry(key_of(&atoms)).or_default();
                if !of.contains(&product) {
                    of.push(product);
                }
            }
        };
        let (mut names, mut phrases) = (HashMap::new(), HashMap::new());
        for (i, product) in facts.products.iter().take(PRODUCTS_MAX).enumerate() {
            product.names.iter().chain([&product.id]).for_each(|name| add(&mut names, name, i));
            product.phrases.iter().for_each(|phrase| add(&mut phrases, phrase, i));
            all.brands.push(product.brand.clone());
        }
        (all.names, all.phrases) = (names, phrases);
        all
    }

    fn longest<'a>(
        &self,
        map: &'a HashMap<String, Vec<usize>>,
        rest: &[Atom],
    ) -> Option<(usize, &'a [usize])> {
        (1..=rest.len().min(NAME_ATOMS_MAX)).rev().find_map(|taken| {
            map.get(&key_of(rest.get(..taken)?)).map(|products| (taken, products.as_slice()))
        })
    }

    /// Cuts a sentence. Cost: for each atom as many look-ups as names may be long.
    pub fn tokens(&self, sentence: &str) -> Vec<Token> {
        let atoms = atoms(sentence);
        let mut tokens = Vec::new();
        let mut at = 0;
        while at < atoms.len() {
            let rest = atoms.get(at..).unwrap_or(&[]);
            let (taken, token) = self.token(rest, sentence, at);
            tokens.push(token);
            at += taken.max(1);
        }
        tokens
    }

    /// The longest reading wins; of equals a name, then what is checked, then what claims nothing.
    fn token(&self, rest: &[Atom], sentence: &str, at: usize) -> (usize, Token) {
        let mut best: (usize, Token) = (0, Token::Unknown { name: false });
        let mut offer = |taken: usize, token: Token| {
            if best.0 < taken {
                best = (taken, token);
            }
        };
        if let Some((taken, products)) = self.longest(&self.names, rest) {
            offer(taken, Token::Named(products.to_vec()));
        }
        if let Some((taken, place)) = place(rest) {
            offer(taken, Token::Place(place));
        }
        let known = self.known(rest);
        // `5G` is a network before it is a size.
        if let Some((taken, token)) = known.clone() {
            offer(taken, token);
        }
        // `The cheapest one` counts nothing.
        let pronoun = |taken| taken == 1 && rest.first().is_some_and(|a| a.is("one"));
        if let Some((taken, figure)) = figure(rest).filter(|(taken, _)| !pronoun(*taken)) {
            offer(taken, Token::Figure(figure));
        }
        let listed = words().longest(rest);
        // 一款, `out of stock`: a word of the list that is a phrase says more than its parts.
        if let Some((taken, cues)) = listed.filter(|(_, cues)| !cues.contains(&Cue::Plain)) {
            offer(taken, Token::Words(cues.to_vec()));
        }
        if let Some((taken, products)) = self.longest(&self.phrases, rest) {
            offer(taken, Token::Phrase(products.to_vec()));
        }
        if let Some((taken, cues)) = listed {
            offer(taken, Token::Words(cues.to_vec()));
        }
        if 0 < best.0 {
            return best;
        }
        unknown(rest, sentence, at)
    }

    /// The longest phrase of the chat's dictionary that is no grammar.
    fn known(&self, rest: &[Atom]) -> Option<(usize, Token)> {
        let (mut written, mut stemmed) = (String::new(), String::new());
        (1..=rest.len().min(PHRASE_ATOMS_MAX)).rev().find_map(|taken| {
            let window = rest.get(..taken)?;
            key(window.iter(), false, &mut written);
            key(window.iter(), true, &mut stemmed);
            let senses = dictionary().phrases.get(&written, &stemmed)?;
            let (mut categories, mut features, mut wishes) = (Vec::new(), Vec::new(), Vec::new());
            for sense in senses {
                match sense {
                    Sense::Brand(key) => {
                        let has = |(i, brand): (usize, &String)| (**brand == **key).then_some(i);
                        let products = self.brands.iter().enumerate().filter_map(has).collect();
                        return Some((taken, Token::Brand { key: key.to_string(), products }));
                    }
                    Sense::Category(key) => categories.push(key.to_string()),
                    Sense::Feature(key) => features.push(key.to_string()),
                    Sense::Whom(key) | Sense::Occasion(key) => wishes.push(key.to_string()),
                    Sense::Cue(_) => {}
                }
            }
            let any = !categories.is_empty() || !features.is_empty() || !wishes.is_empty();
            any.then_some((taken, Token::Property { categories, features, wishes }))
        })
    }
}

/// `第二款`, `option 2`, `No. 2`, `#2`: which of those shown.
fn place(rest: &[Atom]) -> Option<(usize, usize)> {
    let first = rest.first()?;
    let (before, counted) = match &*first.text {
        "第" => (1, true),
        "option" | "number" | "item" | "product" | "#" => (1, false),
        "no" if rest.get(1).is_some_and(|a| a.is(".")) => (2, false),
        _ => return None,
    };
    let number = rest.get(before..)?;
    let read = crate::chat::amount::amount(number)?;
    let place = usize::try_from(read.count()?).ok()?;
    let mut taken = before + read.atoms;
    if counted
        && let Some((noun, cues)) = rest.get(taken..).and_then(|r| words().longest(r))
        && (cues.contains(&Cue::Count) || cues.contains(&Cue::Unit))
    {
        taken += noun;
    }
    Some((taken, place))
}

/// One atom that nobody knows, or the run of letters and figures that it belongs to.
fn unknown(rest: &[Atom], sentence: &str, at: usize) -> (usize, Token) {
    let Some(first) = rest.first() else { return (1, Token::Unknown { name: false }) };
    match first.kind {
        Kind::Mark => (1, first.text.chars().next().map_or(Token::Unknown { name: false }, Token::Mark)),
        Kind::Han => (1, Token::Unknown { name: false }),
        Kind::Word | Kind::Number => {
            let run = 1 + rest
                .iter()
                .skip(1)
                .take_while(|a| a.glued && matches!(a.kind, Kind::Word | Kind::Number))
                .count();
            let mixed = 1 < run;
            let name = mixed || named_by_its_letters(&first.text, sentence, at);
            (run, Token::Unknown { name })
        }
    }
}

/// Whether a word is written as a name is: with a capital that no beginning of a sentence explains, or in Latin letters among Chinese.
fn named_by_its_letters(word: &str, sentence: &str, at: usize) -> bool {
    let chinese = sentence.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    let capital = sentence
        .split(|c: char| !c.is_alphanumeric())
        .any(|w| w.to_lowercase() == word && w.chars().next().is_some_and(char::is_uppercase));
    chinese || capital && 0 < at
}
