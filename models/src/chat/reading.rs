//! A message with its slots: what each span says, put together.

use super::atoms::{Atom, Kind};
use super::dictionary::{Cue, Sense};
use super::lexicon::Lexicon;
use super::price;
use super::references;
use super::slots::*;
use super::spans::Span;
use super::state::{DialogueState, Question};
use super::wishes::{Polarity, polarities};

/// A message with its slots, before the intent is decided.
pub(crate) struct Reading<'a> {
    pub atoms: &'a [Atom],
    pub spans: &'a [Span],
    pub slots: Slots,
    /// Brands and products that were named and not excluded: what a comparison is between.
    pub named: usize,
    /// Atoms that no dictionary knows and no slot holds.
    pub unknown_words: usize,
    /// A model in words that the catalogue does not know: a brand with a figure.
    pub model: bool,
    /// Categories that were named.
    pub categories: usize,
}

impl Reading<'_> {
    pub fn has(&self, cue: Cue) -> bool {
        self.spans.iter().any(|s| s.has(cue))
    }

    pub fn any(&self, cues: &[Cue]) -> bool {
        cues.iter().any(|c| self.has(*c))
    }

    /// The whole message, folded.
    pub fn text(&self) -> String {
        let mut text = String::new();
        super::atoms::key(self.atoms.iter(), false, &mut text);
        text
    }

    /// Whether some span says one of these words.
    pub fn says(&self, words: &[&str]) -> bool {
        self.spans.iter().any(|s| words.contains(&s.text(self.atoms).as_str()))
    }
}

impl<'a> Reading<'a> {
    pub fn of(atoms: &'a [Atom], spans: &'a [Span], lexicon: &Lexicon, state: &DialogueState) -> Self {
        let price = price::read(spans, atoms, state.asked == Some(Question::Budget));
        let (references, mut used) = references::read(spans, atoms);
        for (used, priced) in used.iter_mut().zip(&price.used) {
            *used |= priced;
        }
        let polarity = polarities(spans, atoms);
        let mut read = Self {
            atoms,
            spans,
            slots: Slots { price: price.price, price_problem: price.problem, references, ..Slots::default() },
            named: 0,
            unknown_words: 0,
            model: false,
            categories: 0,
        };
        read.items(lexicon, &mut used);
        read.category(&polarity, &used);
        read.content(&polarity, &used);
        read.numbers(&mut used, &polarity);
        read.cues(&price.used);
        read.leftover(&used);
        read
    }

    fn content(&mut self, polarity: &[Polarity], used: &[bool]) {
        let category = self.slots.category.clone();
        for (i, span) in self.spans.iter().enumerate() {
            if used.get(i).copied().unwrap_or(false) {
                continue;
            }
            let excluded = polarity.get(i) == Some(&Polarity::Excluded);
            let is_category = span
                .senses
                .iter()
                .any(|s| matches!(s, Sense::Category(c) if Some(&**c) == category.as_deref()));
            for sense in &span.senses {
                match sense {
                    Sense::Brand(key) => {
                        self.named += usize::from(!excluded);
                        let to =
                            if excluded { &mut self.slots.brands_excluded } else { &mut self.slots.brands };
                        push(to, key.to_string());
                    }
                    Sense::Feature(key) => {
                        // `女包`, `短袖` are nouns with a quality in them; a noun that is the category itself says no more.
                        // `太重了` is a complaint.
                        let text = span.text(self.atoms);
                        let excluded = excluded || text.starts_with('太') || text.starts_with("too ");
                        let to = if excluded {
                            &mut self.slots.features_excluded
                        } else {
                            &mut self.slots.features
                        };
                        if !(is_category && excluded) {
                            push(to, key.to_string());
                        }
                    }
                    Sense::Whom(key) if !excluded => push(&mut self.slots.whom, key.to_string()),
                    Sense::Occasion(key) if !excluded => push(&mut self.slots.occasions, key.to_string()),
                    Sense::Occasion(key) | Sense::Whom(key) => {
                        push(&mut self.slots.features_excluded, key.to_string())
                    }
                    _ => {}
                }
            }
        }
        // Who is excluded is not wanted, whatever else was said.
        let excluded = self.slots.brands_excluded.clone();
        self.slots.brands.retain(|b| !excluded.contains(b));
        self.tidy();
    }

    /// What is left over, for the full-text search.
    fn leftover(&mut self, used: &[bool]) {
        let mut text = String::new();
        for (i, span) in self.spans.iter().enumerate() {
            let leftover = (span.unknown() || span.amount.is_some() && span.senses.is_empty())
                && !used.get(i).copied().unwrap_or(false);
            let Some(words) = self.atoms.get(span.from..span.to).filter(|_| leftover) else { continue };
            for atom in words.iter().filter(|a| a.kind != Kind::Mark) {
                self.unknown_words += 1;
                let joined = atom.kind == Kind::Han
                    && atom.glued
                    && text.chars().next_back().is_some_and(|c| !c.is_ascii());
                if !joined && !text.is_empty() {
                    text.push(' ');
                }
                if text.chars().count() + atom.text.chars().count() <= VALUE_CHARS_MAX {
                    text.push_str(&atom.text);
                }
            }
        }
        self.slots.text = text.trim().to_owned();
    }

    /// What two words of one wish say twice.
    fn tidy(&mut self) {
        let slots = &mut self.slots;
        let days = [
            "birthday",
            "wedding",
            "anniversary",
            "valentine",
            "christmas",
            "new_year",
            "mid_autumn",
            "mothers_day",
            "fathers_day",
            "childrens_day",
            "teachers_day",
            "graduation",
            "housewarming",
            "thanksgiving",
            "halloween",
            "visiting",
        ];
        if slots.occasions.iter().any(|o| days.contains(&o.as_str())) {
            slots.occasions.retain(|o| o != "gift");
        }
        if slots.whom.iter().any(|w| w != "men" && w != "women") {
            // `girlfriend` is a woman, `女大学生` a student.
            slots.whom.retain(|w| w != "men" && w != "women");
        }
        if slots.occasions.iter().any(|o| o == "commute") {
            slots.occasions.retain(|o| o != "office");
        }
        if slots.occasions.iter().any(|o| o == "anniversary") {
            slots.occasions.retain(|o| o != "wedding");
        }
        let narrower = [
            ("outdoor", &["hiking", "camping", "cycling"][..]),
            ("sport", &["running", "gym", "basketball", "badminton", "yoga", "cycling", "swimming"]),
        ];
        for (wide, narrow) in narrower {
            if slots.occasions.iter().any(|o| narrow.contains(&o.as_str())) {
                slots.occasions.retain(|o| o != wide);
            }
        }
        for (wide, narrow) in [
            ("screen", "big_screen"),
            ("screen", "small_screen"),
            ("lightweight", "thin_and_light"),
            ("wireless", "bluetooth"),
        ] {
            if slots.features.iter().any(|f| f == narrow) && wide == "screen" {
                slots.features.retain(|f| f != wide);
            }
        }
    }

    fn cues(&mut self, priced: &[bool]) {
        // `cheaper than $50` is a bound, not a wish for an order.
        let free = |cue: Cue| self.spans.iter().zip(priced).any(|(s, priced)| !priced && s.has(cue));
        let sorts = [
            (Cue::Cheaper, Sort::Cheaper),
            (Cue::Dearer, Sort::Dearer),
            (Cue::SortPriceDesc, Sort::PriceDesc),
            (Cue::SortRating, Sort::Rating),
            (Cue::SortPopular, Sort::Popularity),
            (Cue::SortNewest, Sort::Newest),
            (Cue::SortValue, Sort::Value),
            (Cue::SortDiscount, Sort::Discount),
            (Cue::SortPriceAsc, Sort::PriceAsc),
        ];
        let found = sorts.iter().find(|(cue, _)| free(*cue)).map(|(_, sort)| *sort);
        self.slots.sort = found;
        // Cheap beside something shown is cheaper than it.
        if self.slots.sort == Some(Sort::PriceAsc)
            && !self.slots.references.is_empty()
            && self.says(&["比", "than", "cheaper than"])
        {
            self.slots.sort = Some(Sort::Cheaper);
        }
        // `budget laptop`
        let cheap = self.spans.windows(2).any(|pair| match pair {
            [a, b] => {
                a.text(self.atoms) == "budget"
                    && b.senses
                        .iter()
                        .any(|s| matches!(s, Sense::Category(_) | Sense::Feature(_) | Sense::Occasion(_)))
            }
            _ => false,
        });
        if cheap && self.slots.sort.is_none() {
            self.slots.sort = Some(Sort::PriceAsc);
        }
        let drops = [
            (Cue::DropBudget, SlotKind::Budget),
            (Cue::DropBrand, SlotKind::Brands),
            (Cue::DropCategory, SlotKind::Category),
            (Cue::DropFeatures, SlotKind::Features),
            (Cue::DropWhom, SlotKind::Whom),
            (Cue::DropOccasion, SlotKind::Occasion),
            (Cue::DropSort, SlotKind::Sort),
            (Cue::Reset, SlotKind::All),
        ];
        for (cue, kind) in drops {
            if self.has(cue) {
                push(&mut self.slots.dropped, kind);
            }
        }
        self.slots.more = self.has(Cue::More);
    }
}
