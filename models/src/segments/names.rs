//! What a segment is called: by its category, as people would say it; where several share one, by what else tells them apart.

use super::habits::HABITS;
use crate::content::{TermKind, readable};

/// Terms that a name may come from, the most telling: what a segment has a little more of is not what it is called.
const NAMING_TERMS: usize = 12;
/// A habit is named when the segment's mean lies so many spreads from that of all.
const HABIT_SPREADS: f32 = 0.25;
/// What one spread of a habit counts beside a term's lift when two centres are compared.
const SPREAD_AS_LIFT: f64 = 0.02;

/// A segment as text and numbers, comparable between runs whose terms have other numbers.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Centre {
    /// Term and by how much more it weighs in the mean taste here than among all, above 0, the most telling first.
    pub terms: Vec<(String, f32)>,
    /// Mean of each habit, in spreads from the mean of all.
    pub habits: [f32; HABITS],
}

/// Of each habit, what much and little of it is called; nothing where that says nothing of a person.
const CALLED: [(Option<&str>, Option<&str>); HABITS] = [
    (Some("long gone"), Some("here lately")),
    (Some("frequent"), Some("occasional")),
    (Some("regulars"), None),
    (Some("big spenders"), Some("small spenders")),
    (Some("lookers"), None),
    (Some("cart fillers"), None),
    (Some("buyers"), None),
    (Some("raters"), None),
    (Some("forum writers"), None),
    (Some("premium"), Some("bargain hunters")),
];

impl Centre {
    /// How alike two centres are, -1 to 1: the cosine between what sets them apart.
    pub fn likeness(&self, other: &Centre) -> f64 {
        let terms = |of: &Centre| of.terms.iter().map(|(_, lift)| f64::from(*lift).powi(2)).sum::<f64>();
        let habits =
            |of: &Centre| of.habits.iter().map(|x| (f64::from(*x) * SPREAD_AS_LIFT).powi(2)).sum::<f64>();
        let length = |of: &Centre| (terms(of) + habits(of)).sqrt();
        let mut dot = 0.0;
        for (term, lift) in &self.terms {
            let there = other.terms.iter().find(|(known, _)| known == term);
            dot += there.map_or(0.0, |(_, there)| f64::from(*lift) * f64::from(*there));
        }
        for (a, b) in self.habits.iter().zip(other.habits) {
            dot += f64::from(*a) * f64::from(b) * SPREAD_AS_LIFT.powi(2);
        }
        let lengths = length(self) * length(other);
        if 0.0 < lengths { (dot / lengths).clamp(-1.0, 1.0) } else { 0.0 }
    }

    /// What it could be called, the best first: categories, then brands and words, then habits.
    fn callings(&self) -> Vec<String> {
        let telling = || self.terms.iter().take(NAMING_TERMS).map(|(term, _)| readable(term));
        let categories = telling().filter(|(kind, _)| *kind == TermKind::Category);
        let others = telling().filter(|(kind, _)| matches!(kind, TermKind::Brand | TermKind::Word));
        let mut called: Vec<String> = Vec::new();
        let mut take = |name: &str| {
            if !name.is_empty() && called.iter().all(|known| known != name) {
                called.push(name.to_owned());
            }
        };
        categories.for_each(|(_, name)| take(name.rsplit('/').next().unwrap_or(name)));
        others.for_each(|(_, name)| take(name));
        let mut habits: Vec<(usize, f32)> = self.habits.iter().copied().enumerate().collect();
        habits.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
        for (habit, spreads) in habits.into_iter().filter(|(_, spreads)| HABIT_SPREADS <= spreads.abs()) {
            let (much, little) = CALLED.get(habit).copied().unwrap_or_default();
            if let Some(name) = if 0.0 < spreads { much } else { little } {
                take(name);
            }
        }
        called
    }
}

/// A name for each centre, all of them different. `before`: what each was called in the run before; a name stays for as long as it
/// still says what the segment is.
pub fn named(centres: &[Centre], before: &[Option<&str>]) -> Vec<String> {
    let callings: Vec<Vec<String>> = centres.iter().map(Centre::callings).collect();
    let first = |called: &[String]| called.first().cloned().unwrap_or_else(|| "everybody".to_owned());
    // A category that several share needs a second word in each of their names.
    let shared = |place: usize, base: &str| {
        callings.iter().enumerate().any(|(other, called)| other != place && first(called) == base)
    };
    let mut names: Vec<Option<String>> = vec![None; centres.len()];
    for (place, (slot, called)) in names.iter_mut().zip(&callings).enumerate() {
        let Some(name) = before.get(place).copied().flatten() else { continue };
        let fits = name.split(", ").all(|word| called.iter().any(|c| c == word));
        // A second word that nothing needs any more goes.
        let needed = !name.contains(", ") || shared(place, &first(called));
        *slot = Some(name.to_owned()).filter(|_| fits && needed);
    }
    for place in 0..centres.len() {
        if names.get(place).is_some_and(Option::is_some) {
            continue;
        }
        let called = callings.get(place).map_or(&[][..], |c| c);
        let base = first(called);
        let taken = |name: &String| names.iter().flatten().any(|known| known == name);
        let words = called.iter().skip(1).map(|word| format!("{base}, {word}"));
        let plain = (!shared(place, &base)).then(|| base.clone());
        let numbered = (2..=centres.len() + 1).map(|n| format!("{base}, {n}"));
        let name = plain.into_iter().chain(words).chain(numbered).find(|name| !taken(name));
        if let Some(slot) = names.get_mut(place) {
            *slot = name;
        }
    }
    names.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn centre(terms: &[(&str, f32)]) -> Centre {
        Centre { terms: terms.iter().map(|(t, w)| ((*t).to_owned(), *w)).collect(), ..Centre::default() }
    }

    #[test]
    fn categories_name_and_second_words_tell_apart() {
        let centres = [
            centre(&[("w快", 0.9), ("ctechnology", 0.6), ("ctechnology/phone", 0.2)]),
            centre(&[("cfashion", 0.6), ("wretro", 0.2)]),
            centre(&[("cfashion", 0.5), ("bnike", 0.3)]),
            centre(&[]),
            centre(&[]),
        ];
        let names = named(&centres, &[None; 5]);
        assert_eq!(names, ["technology", "fashion, retro", "fashion, nike", "everybody, 2", "everybody, 3"]);
    }

    #[test]
    fn a_name_stays_while_it_fits() {
        let centres =
            [centre(&[("ctechnology/phone", 0.6), ("ctechnology", 0.5)]), centre(&[("cfashion", 0.6)])];
        assert_eq!(named(&centres, &[Some("technology"), Some("sports")]), ["technology", "fashion"]);
        assert_eq!(named(&centres, &[None, None]), ["phone", "fashion"]);
        // Nobody else is called phone any more.
        assert_eq!(named(&centres, &[Some("phone, technology"), None]), ["phone", "fashion"]);
    }

    #[test]
    fn likeness_is_of_what_sets_apart() {
        let a = centre(&[("ctechnology", 0.6), ("wfast", 0.1)]);
        let b = centre(&[("wfast", 0.05), ("ctechnology", 0.4)]);
        let c = centre(&[("cfashion", 0.6)]);
        assert!(0.99 < a.likeness(&b) && a.likeness(&c) == 0.0 && (a.likeness(&a) - 1.0).abs() < 1e-9);
        assert_eq!(centre(&[]).likeness(&a), 0.0);
    }
}
