//! The words that a reply may be made of beside facts, read once from `models/data/grounding/words.txt`.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::chat::atoms::{Atom, atoms, key};

macro_rules! cues {
    ($($cue:ident $name:literal),* $(,)?) => {
        /// What a word does in a reply.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Cue { $($cue),* }

        impl Cue {
            fn of(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$cue),)* _ => None }
            }
        }
    };
}

cues! {
    Plain "plain", Courtesy "courtesy", It "it", These "these", AllOf "all_of", Ordinal1 "ordinal1", Ordinal2 "ordinal2",
    Ordinal3 "ordinal3", Ordinal4 "ordinal4", Ordinal5 "ordinal5", Last "last", And "and", But "but", Wish "wish", Budget "budget",
    Max "max", Min "min", About "about", To "to", InBudget "in_budget", OverBudget "over_budget", InStock "in_stock",
    OutOfStock "out_of_stock", Left "left", Unit "unit", Cheapest "cheapest", Dearest "dearest", BestRated "best_rated",
    Cheaper "cheaper", Dearer "dearer", Than "than", Rating "rating", Price "price", Respectively "respectively", Count "count",
    Part "part", Also "also", Same "same", Not "not", Affirm "affirm", NoneFound "none_found", AllMet "all_met", Question "question", Cny "cny", Usd "usd",
    SizeOf "size_of", OneLeft "one_left", Besides "besides",
    OfTwo "of_two", OfThree "of_three", OfFour "of_four", OfFive "of_five",
    Eur "eur", Gbp "gbp", Jpy "jpy", Hkd "hkd", Krw "krw", Leak "leak",
}

/// Atoms of the longest phrase of the file.
const PHRASE_ATOMS_MAX: usize = 10;

#[derive(Debug, Default)]
pub(crate) struct Words {
    phrases: HashMap<Box<str>, Vec<Cue>>,
    /// Lines that could not be read; none, says a test.
    bad_lines: Vec<String>,
}

/// The one list; read at the first call.
pub(crate) fn words() -> &'static Words {
    static ONE: LazyLock<Words> = LazyLock::new(Words::read);
    &ONE
}

impl Words {
    fn read() -> Self {
        let mut all = Self::default();
        let file = include_str!("../../data/grounding/words.txt");
        for line in file.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let Some((cue, names)) = line.split_once(": ").and_then(|(c, n)| Some((Cue::of(c)?, n))) else {
                all.bad_lines.push(line.to_owned());
                continue;
            };
            for name in names.split(", ") {
                let atoms = atoms(name);
                if atoms.is_empty() || PHRASE_ATOMS_MAX < atoms.len() {
                    all.bad_lines.push(name.to_owned());
                    continue;
                }
                let mut text = String::new();
                key(atoms.iter(), false, &mut text);
                let cues = all.phrases.entry(text.into()).or_default();
                if !cues.contains(&cue) {
                    cues.push(cue);
                }
            }
        }
        all
    }

    /// The longest phrase that begins here: its atoms and what it does.
    pub fn longest(&self, rest: &[Atom]) -> Option<(usize, &[Cue])> {
        let mut text = String::new();
        (1..=rest.len().min(PHRASE_ATOMS_MAX)).rev().find_map(|taken| {
            key(rest.get(..taken)?.iter(), false, &mut text);
            self.phrases.get(text.as_str()).map(|cues| (taken, cues.as_slice()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read() {
        assert_eq!(words().bad_lines, Vec::<String>::new());
        assert!(900 < words().phrases.len(), "{}", words().phrases.len());
    }

    #[test]
    fn what_promises_is_no_plain_word() {
        let promises = [
            "free",
            "discount",
            "sale",
            "gift",
            "warranty",
            "guarantee",
            "best",
            "refund",
            "deadline",
            "must",
            "official",
            "免费",
            "打折",
            "优惠",
            "赠品",
            "保修",
            "最好",
            "必须",
            "退款",
            "正品",
            "官方",
            "限时",
            "秒杀",
            "包邮",
        ];
        for promise in promises {
            let covered =
                words().longest(&atoms(promise)).is_some_and(|(taken, _)| taken == atoms(promise).len());
            assert!(!covered, "{promise}");
        }
    }
}
