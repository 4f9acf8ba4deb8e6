//! The words that every shop's customers use, in Chinese and English: what is sold, what it can be like, for whom, when, well-known brands, and
//! the words that hold a wish together. Read once from `models/data/chat`; each line is `key: names`.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::atoms::{Atom, atoms, key};

/// Names of one line's sets multiplied out; a line that says more is a mistake in the file.
const EXPANSIONS_MAX: usize = 64;

macro_rules! cues {
    ($($cue:ident $name:literal),* $(,)?) => {
        /// What a word of grammar does.
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
    Not "not", NotAfter "not_after", WantedAgain "wanted_again", But "but", And "and",
    MaxBefore "max_before", MaxAfter "max_after", MinBefore "min_before", MinAfter "min_after", AboutBefore "about_before",
    AboutAfter "about_after", BudgetWord "budget_word", Between "between", To "to", Cny "cny", Usd "usd", Eur "eur", Gbp "gbp",
    Jpy "jpy", Hkd "hkd", Krw "krw", Classifier "classifier", Measure "measure", OrdinalBefore "ordinal_before",
    ThatOne "that_one", Those "those", LastOne "last_one", CheapestShown "cheapest_shown", DearestShown "dearest_shown",
    BestRatedShown "best_rated_shown", OtherOne "other_one", SortPriceAsc "sort_price_asc", Cheaper "cheaper", Dearer "dearer",
    SortPriceDesc "sort_price_desc", SortRating "sort_rating", SortPopular "sort_popular", SortNewest "sort_newest",
    SortValue "sort_value", SortDiscount "sort_discount", DropBudget "drop_budget", DropBrand "drop_brand",
    DropCategory "drop_category", DropFeatures "drop_features", DropWhom "drop_whom", DropOccasion "drop_occasion",
    DropSort "drop_sort", Reset "reset", Buy "buy", Only "only", More "more", Change "change", Compare "compare",
    CompareWeak "compare_weak", Similar "similar", PriceHistory "price_history", Service "service",
    ServiceQuestion "service_question", MonthlyBudget "monthly_budget", FeedbackUp "feedback_up",
    FeedbackDown "feedback_down", FeedbackBought "feedback_bought", Greeting "greeting", Thanks "thanks", Bye "bye",
    Chitchat "chitchat", OutOfScope "out_of_scope", Question "question", Because "because", For "for", With "with",
    Intensifier "intensifier", Filler "filler", Ignore "ignore", Month "month", NeverHere "never_here", HowTo "how_to", Which "which", CompareAlways "compare_always", Judge "judge",
    AskDetail "ask_detail", GoesWith "goes_with", Trouble "trouble", Mine "mine",
}

/// What a word stands for. Texts are keys of the dictionary, or names that the shop's catalogue taught.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Sense {
    Category(Box<str>),
    Feature(Box<str>),
    Brand(Box<str>),
    Whom(Box<str>),
    Occasion(Box<str>),
    Cue(Cue),
}

/// Phrases by their keys, with how far any of them reaches.
#[derive(Debug, Clone, Default)]
pub(crate) struct Phrases {
    exact: HashMap<Box<str>, Vec<Sense>>,
    stems: HashMap<Box<str>, Vec<Sense>>,
    /// Atoms of the longest phrase by its first atom, as written and by its stem: how far it is worth looking.
    reach: HashMap<Box<str>, usize>,
}

impl Phrases {
    /// Adds a name of `sense`; English names are also known by their stems unless `exact`.
    pub fn add(&mut self, name: &str, sense: &Sense, exact: bool) {
        let atoms = atoms(name);
        if atoms.is_empty() || PHRASE_ATOMS_MAX < atoms.len() {
            return;
        }
        if let Some(first) = atoms.first() {
            for text in [&first.text, &first.stem] {
                let reach = self.reach.entry(text.clone()).or_default();
                *reach = atoms.len().max(*reach);
            }
        }
        let mut text = String::new();
        key(atoms.iter(), false, &mut text);
        add_to(&mut self.exact, &text, sense);
        if !exact {
            key(atoms.iter(), true, &mut text);
            add_to(&mut self.stems, &text, sense);
        }
    }

    /// What a phrase stands for, by what was written and else by its stems.
    pub fn get(&self, written: &str, stemmed: &str) -> Option<&[Sense]> {
        self.exact.get(written).or_else(|| self.stems.get(stemmed)).map(Vec::as_slice)
    }

    /// Atoms of the longest phrase that begins with this one.
    pub fn reach(&self, first: &Atom) -> usize {
        let of = |text: &str| self.reach.get(text).copied().unwrap_or(0);
        of(&first.text).max(of(&first.stem))
    }

    pub fn len(&self) -> usize {
        self.exact.len()
    }
}

/// Atoms of the longest phrase that is compared: a title in words, and a bound on the work for each atom.
pub(crate) const PHRASE_ATOMS_MAX: usize = 12;

fn add_to(map: &mut HashMap<Box<str>, Vec<Sense>>, text: &str, sense: &Sense) {
    let senses = map.entry(text.into()).or_default();
    if !senses.contains(sense) {
        senses.push(sense.clone());
    }
}

/// All that is built in.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    pub phrases: Phrases,
    /// A category's wider one.
    pub wider: HashMap<Box<str>, Box<str>>,
    /// A feature and its opposite.
    pub opposite: HashMap<Box<str>, Box<str>>,
    /// Names of each key in the order of the file, `(kind, key)`.
    pub names: HashMap<(Part, Box<str>), Vec<Box<str>>>,
    /// Names after `=`: compared as they are written, and no compounds.
    whole: HashSet<Box<str>>,
    /// Lines that could not be read; none, says a test.
    pub bad_lines: Vec<String>,
}

/// The files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Category,
    Brand,
    Feature,
    Whom,
    Occasion,
    Grammar,
}

const FILES: [(Part, &str); 6] = [
    (Part::Category, include_str!("../../data/chat/categories.txt")),
    (Part::Brand, include_str!("../../data/chat/brands.txt")),
    (Part::Feature, include_str!("../../data/chat/features.txt")),
    (Part::Whom, include_str!("../../data/chat/people.txt")),
    (Part::Occasion, include_str!("../../data/chat/occasions.txt")),
    (Part::Grammar, include_str!("../../data/chat/grammar.txt")),
];

/// The one dictionary; read at the first call.
pub(crate) fn dictionary() -> &'static Dictionary {
    static ONE: LazyLock<Dictionary> = LazyLock::new(Dictionary::read);
    &ONE
}

impl Dictionary {
    fn read() -> Self {
        let mut all = Self::default();
        for (part, file) in FILES {
            let mut sets: HashMap<&str, Vec<&str>> = HashMap::new();
            for line in file.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
                if let Some((name, words)) = line.strip_prefix('@').and_then(|l| l.split_once(" = ")) {
                    sets.insert(name, words.split(", ").collect());
                } else if all.line(part, line, &sets).is_none() {
                    all.bad_lines.push(line.to_owned());
                }
            }
        }
        all.compounds();
        all
    }

    /// What a compound says beside its noun: 降噪耳机 is 耳机 with 降噪, `summer dress` a dress for summer. Only where the rest is a name of the same
    /// category (a 智能手表 is no 手表), for whom excepted (a 儿童手表 is for a child whatever it is).
    fn compounds(&mut self) {
        let mut found: Vec<(Box<str>, Sense)> = Vec::new();
        for ((part, category), names) in &self.names {
            if *part != Part::Category {
                continue;
            }
            for name in names.iter().filter(|n| !self.whole.contains(*n)) {
                let atoms = atoms(name);
                for cut in 1..atoms.len() {
                    let (first, rest) = atoms.split_at(cut);
                    let senses = |atoms: &[Atom]| {
                        let (mut written, mut stemmed) = (String::new(), String::new());
                        key(atoms.iter(), false, &mut written);
                        key(atoms.iter(), true, &mut stemmed);
                        self.phrases.get(&written, &stemmed).unwrap_or(&[]).to_vec()
                    };
                    let rest = senses(rest);
                    let same = rest.contains(&Sense::Category(category.clone()));
                    let noun = rest.iter().any(|s| matches!(s, Sense::Category(_)));
                    found.extend(senses(first).into_iter().filter_map(|sense| {
                        let kept = match sense {
                            Sense::Whom(_) => noun,
                            Sense::Feature(_) | Sense::Occasion(_) => same,
                            _ => false,
                        };
                        kept.then(|| (name.clone(), sense))
                    }));
                }
            }
        }
        for (name, sense) in found {
            self.phrases.add(&name, &sense, false);
        }
    }

    fn line(&mut self, part: Part, line: &str, sets: &HashMap<&str, Vec<&str>>) -> Option<()> {
        let (head, names) = line.split_once(": ")?;
        let (key, wider) = head.split_once(" < ").map_or((head, None), |(k, w)| (k, Some(w)));
        let (key, opposite) = key.split_once(" ! ").map_or((key, None), |(k, o)| (k, Some(o)));
        if let Some(wider) = wider {
            self.wider.insert(key.into(), wider.into());
        }
        if let Some(opposite) = opposite {
            self.opposite.insert(key.into(), opposite.into());
        }
        let sense = match part {
            Part::Category => Sense::Category(key.into()),
            Part::Brand => Sense::Brand(key.into()),
            Part::Feature => Sense::Feature(key.into()),
            Part::Whom => Sense::Whom(key.into()),
            Part::Occasion => Sense::Occasion(key.into()),
            Part::Grammar => Sense::Cue(Cue::of(key)?),
        };
        for name in names.split(", ") {
            // A name after `=` is not compared by its stem.
            let (name, exact) = name.strip_prefix('=').map_or((name, false), |n| (n, true));
            if exact {
                self.whole.insert(name.into());
            }
            for name in expanded(name, sets)? {
                self.phrases.add(&name, &sense, exact);
                self.names.entry((part, key.into())).or_default().push(name.into());
            }
        }
        Some(())
    }

    /// Whether a category is another or lies within it.
    pub fn within(&self, category: &str, wide: &str) -> bool {
        let mut at = category;
        // The file's chains are short; the bound keeps a circle in it from hanging.
        for _ in 0..8 {
            if at == wide {
                return true;
            }
            match self.wider.get(at) {
                Some(wider) => at = wider,
                None => return false,
            }
        }
        false
    }
}

/// A name with each word of its set in its place.
fn expanded(name: &str, sets: &HashMap<&str, Vec<&str>>) -> Option<Vec<String>> {
    let Some((before, rest)) = name.split_once('<').filter(|(_, rest)| rest.contains('>')) else {
        return Some(vec![name.to_owned()]);
    };
    let (set, after) = rest.split_once('>')?;
    let words = sets.get(set).filter(|words| words.len() <= EXPANSIONS_MAX)?;
    Some(words.iter().map(|word| format!("{before}{word}{after}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read() {
        let all = dictionary();
        assert_eq!(all.bad_lines, Vec::<String>::new());
        assert!(9_000 < all.phrases.len(), "{}", all.phrases.len());
    }

    #[test]
    fn wider_categories_and_opposites_exist() {
        let all = dictionary();
        for (key, wider) in &all.wider {
            assert!(all.names.contains_key(&(Part::Category, wider.clone())), "{key} < {wider}");
        }
        for (key, opposite) in &all.opposite {
            assert!(all.names.contains_key(&(Part::Feature, opposite.clone())), "{key} ! {opposite}");
        }
        assert!(all.within("jeans", "clothes") && !all.within("clothes", "jeans"));
    }
}
