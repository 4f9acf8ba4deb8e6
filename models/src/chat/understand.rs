//! A message and the state of the dialogue become an intent and slots.

use super::atoms::{Atom, Kind, atoms};
use super::dictionary::{Cue, Sense, dictionary};
use super::intent;
use super::lexicon::Lexicon;
use super::price;
use super::references;
use super::slots::*;
use super::spans::{Span, spans};
use super::specs::spec;
use super::state::{DialogueState, Question};
use super::wishes::{Polarity, ends_clause, polarities};

/// Products that one message may name.
const ITEMS_MAX: usize = 8;

/// Reads a message. Never fails: what cannot be read is no slot. Cost: linear in the message, of which the first
/// [`MESSAGE_CHARS_MAX`](super::MESSAGE_CHARS_MAX) characters are read.
///
/// ```
/// use shoptide_models::chat::{DialogueState, Intent, Lexicon, understand};
/// use shoptide_schemas::Micros;
/// let read = understand("三千以内拍照好的手机，不要苹果", &Lexicon::default(), &DialogueState::default());
/// assert_eq!(read.intent, Intent::Find);
/// assert_eq!(read.slots.price.and_then(|p| p.max), Some(Micros(3_000_000_000)));
/// assert_eq!(read.slots.category.as_deref(), Some("phone"));
/// assert_eq!((read.slots.features, read.slots.brands_excluded), (vec!["camera".into()], vec!["apple".into()]));
/// ```
pub fn understand(message: &str, lexicon: &Lexicon, state: &DialogueState) -> Understood {
    let atoms = atoms(message);
    let spans = spans(&atoms, lexicon);
    let read = Reading::of(&atoms, &spans, lexicon, state);
    let language = language(&atoms, &spans).or(state.language);
    intent::decide(read, language, state)
}

/// A message with its slots, before the intent is decided.
pub(crate) struct Reading<'a> {
    pub atoms: &'a [Atom],
    pub spans: &'a [Span],
    pub slots: Slots,
    /// Brands and products that were named, wanted or not: what a comparison is between.
    pub named: usize,
    /// The features asked about or wanted are named together with `吗` or `does it`: kept as slots all the same.
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
    fn of(atoms: &'a [Atom], spans: &'a [Span], lexicon: &Lexicon, state: &DialogueState) -> Self {
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

    /// Products named by words of their titles that have a figure among them: `云帆 1005`, `TECH1005`, `Mate 60`.
    fn items(&mut self, lexicon: &Lexicon, used: &mut [bool]) {
        let mut i = 0;
        while i < self.spans.len() {
            let latin = |i: usize| {
                let span = self.spans.get(i)?;
                let words = self.atoms.get(span.from..span.to)?;
                let plain = words.iter().all(|a| matches!(a.kind, Kind::Word | Kind::Number));
                let brand = span.senses.iter().any(|s| matches!(s, Sense::Brand(_)));
                (plain || brand).then_some(words)
            };
            let start = i;
            let mut run: Vec<&Atom> = Vec::new();
            while let Some(words) = latin(i).filter(|_| !used.get(i).copied().unwrap_or(true)) {
                let grammar = self.spans.get(i).is_some_and(|s| !s.senses.is_empty() && !s.is_content() && s.amount.is_none());
                if grammar {
                    break;
                }
                run.extend(words);
                i += 1;
            }
            i = i.max(start + 1);
            let spec_only = self.spans.get(start).is_some_and(|s| spec(self.atoms, s).is_some());
            let figure = run.iter().any(|a| a.kind == Kind::Number);
            if !figure || spec_only {
                continue;
            }
            let of_brand = run.len() > 1 || self.spans.get(start).is_some_and(Span::is_content);
            let counted = self.spans.get(i).is_some_and(|s| s.any(&[Cue::Classifier, Cue::Measure]));
            let words: Vec<&str> =
                run.iter().filter(|a| matches!(a.kind, Kind::Word | Kind::Number)).map(|a| &*a.text).collect();
            let brand = self.spans.iter().take(i).skip(start).flat_map(|s| &s.senses).find_map(|s| match s {
                Sense::Brand(key) => Some(&**key),
                _ => None,
            });
            let mut whole = String::new();
            super::atoms::key(run.iter().copied(), false, &mut whole);
            let mut items = lexicon.items_named(&whole, &words, brand);
            if words.len() == 1 && !of_brand && words.first().is_some_and(|w| w.len() < 4) || counted && words.len() == 1 {
                items.clear();
            }
            if !items.is_empty() {
                items.truncate(ITEMS_MAX);
                self.named += 1;
                items.into_iter().for_each(|n| push(&mut self.slots.items, n));
                used.iter_mut().take(i).skip(start).for_each(|u| *u = true);
                // The brand stays a brand.
                for j in start..i {
                    if self.spans.get(j).is_some_and(Span::is_content)
                        && let Some(u) = used.get_mut(j)
                    {
                        *u = false;
                    }
                }
            } else if run.len() > 1 && !counted {
                let first = self.spans.get(start);
                let branded = first.is_some_and(|s| s.senses.iter().any(|s| matches!(s, Sense::Brand(_))));
                self.model |= branded || first.is_some_and(|s| s.unknown());
            }
        }
    }

    /// The category looked for: in Chinese the last noun of its chain (`手机壳`, `适合手机用的耳机`), in English the one behind the
    /// verb, or the first.
    fn category(&mut self, polarity: &[Polarity], used: &[bool]) {
        let mut nouns: Vec<(usize, Box<str>, bool)> = Vec::new();
        for (i, span) in self.spans.iter().enumerate() {
            let excluded = polarity.get(i) == Some(&Polarity::Excluded);
            if used.get(i).copied().unwrap_or(false) || excluded {
                continue;
            }
            for sense in &span.senses {
                if let Sense::Category(key) = sense {
                    let quality = self.is_quality(i);
                    nouns.push((i, key.clone(), quality));
                }
            }
        }
        // `不带摄像头`: a part that is not wanted.
        for (span, _) in self.spans.iter().zip(polarity).filter(|(_, p)| **p == Polarity::Excluded) {
            let camera = |s: &Sense| matches!(s, Sense::Category(c) if matches!(&**c, "camera" | "security_camera"));
            if span.senses.iter().any(camera) {
                push(&mut self.slots.features_excluded, "camera".to_owned());
            }
        }
        self.categories = nouns.len();
        let real: Vec<&(usize, Box<str>, bool)> = nouns.iter().filter(|n| !n.2).collect();
        let chosen = self.choose(&real).or_else(|| nouns.first().filter(|_| real.is_empty()).cloned());
        if let Some((at, key, _)) = chosen {
            self.slots.category = Some(key.to_string());
            // `手机相机要好`: what a product has, said with the name of another.
            for (i, other, _) in &nouns {
                let as_feature = match &**other {
                    "camera" => Some("camera"),
                    "microphone" => Some("microphone_quality"),
                    "graphics_card" => Some("gaming_gpu"),
                    _ => None,
                };
                if *i != at
                    && let Some(feature) = as_feature.filter(|_| **other != *key)
                {
                    push(&mut self.slots.features, feature.to_owned());
                }
            }
        }
    }

    /// `with a camera`, `带键盘`: a part of what is looked for.
    fn is_quality(&self, i: usize) -> bool {
        let mut back = i;
        for _ in 0..3 {
            let Some(before) = back.checked_sub(1) else { return false };
            let Some(span) = self.spans.get(before) else { return false };
            let text = span.text(self.atoms);
            if span.has(Cue::With) && !matches!(text.as_str(), "有" | "能" | "可以" | "have") {
                return true;
            }
            if !(span.has(Cue::Filler) || span.senses.iter().any(|s| matches!(s, Sense::Feature(_)))) || text == "的" {
                return false;
            }
            back = before;
        }
        false
    }

    fn choose(&self, nouns: &[&(usize, Box<str>, bool)]) -> Option<(usize, Box<str>, bool)> {
        let (first, last) = (nouns.first()?, nouns.last()?);
        let han = |i: usize| self.spans.get(i).and_then(|s| self.atoms.get(s.from)).is_some_and(|a| a.kind == Kind::Han);
        // The chain that the first noun begins: nouns that touch, or a 的 between.
        let mut chain = *first;
        for noun in nouns.iter().skip(1) {
            let between = chain.0 + 1..noun.0;
            let touching = between.clone().all(|i| {
                self.spans.get(i).is_some_and(|s| {
                    let text = s.text(self.atoms);
                    (s.is_content() || s.amount.is_some()) && !ends_clause(self.spans, self.atoms, i) || text == "的" || text == "用"
                })
            });
            if touching || han(noun.0) && !between.clone().any(|i| ends_clause(self.spans, self.atoms, i) || self.spans.get(i).is_some_and(|s| s.any(&[Cue::And, Cue::With, Cue::CompareWeak]))) {
                chain = *noun;
            } else {
                break;
            }
        }
        // Behind the last verb of wanting, if one stands between the nouns.
        let verb = self.spans.iter().rposition(|s| s.has(Cue::Buy) && !s.has(Cue::Question));
        if let Some(verb) = verb
            && chain.0 < verb
            && let Some(noun) = nouns.iter().find(|n| verb < n.0)
            && last.0 >= noun.0
        {
            return Some((*noun).clone());
        }
        Some(chain.clone())
    }

    fn content(&mut self, polarity: &[Polarity], used: &[bool]) {
        let category = self.slots.category.clone();
        for (i, span) in self.spans.iter().enumerate() {
            if used.get(i).copied().unwrap_or(false) {
                continue;
            }
            let excluded = polarity.get(i) == Some(&Polarity::Excluded);
            let is_category = span.senses.iter().any(|s| matches!(s, Sense::Category(c) if Some(&**c) == category.as_deref()));
            for sense in &span.senses {
                match sense {
                    Sense::Brand(key) => {
                        self.named += usize::from(!excluded);
                        let to = if excluded { &mut self.slots.brands_excluded } else { &mut self.slots.brands };
                        push(to, key.to_string());
                    }
                    Sense::Feature(key) => {
                        // `女包`, `短袖` are nouns with a quality in them; a noun that is the category itself says no more.
                        // `太重了` is a complaint.
                        let text = span.text(self.atoms);
                        let excluded = excluded || text.starts_with('太') || text.starts_with("too ");
                        let to = if excluded { &mut self.slots.features_excluded } else { &mut self.slots.features };
                        if !(is_category && excluded) {
                            push(to, key.to_string());
                        }
                    }
                    Sense::Whom(key) if !excluded => push(&mut self.slots.whom, key.to_string()),
                    Sense::Occasion(key) if !excluded => push(&mut self.slots.occasions, key.to_string()),
                    Sense::Occasion(key) | Sense::Whom(key) => push(&mut self.slots.features_excluded, key.to_string()),
                    _ => {}
                }
            }
        }
        // Who is excluded is not wanted, whatever else was said.
        let excluded = self.slots.brands_excluded.clone();
        self.slots.brands.retain(|b| !excluded.contains(b));
        self.tidy();
    }

    /// What two words of one wish say twice.
    fn tidy(&mut self) {
        let slots = &mut self.slots;
        let days = ["birthday", "wedding", "anniversary", "valentine", "christmas", "new_year", "mid_autumn", "mothers_day", "fathers_day",
            "childrens_day", "teachers_day", "graduation", "housewarming", "thanksgiving", "halloween", "visiting"];
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
        let narrower = [("outdoor", &["hiking", "camping", "cycling"][..]), ("sport", &["running", "gym", "basketball", "badminton", "yoga", "cycling", "swimming"])];
        for (wide, narrow) in narrower {
            if slots.occasions.iter().any(|o| narrow.contains(&o.as_str())) {
                slots.occasions.retain(|o| o != wide);
            }
        }
        for (wide, narrow) in [("screen", "big_screen"), ("screen", "small_screen"), ("lightweight", "thin_and_light"), ("wireless", "bluetooth")] {
            if slots.features.iter().any(|f| f == narrow) && wide == "screen" {
                slots.features.retain(|f| f != wide);
            }
        }
    }

    /// Sizes and counts among the numbers that are no prices.
    fn numbers(&mut self, used: &mut [bool], polarity: &[Polarity]) {
        for i in 0..self.spans.len() {
            let Some(span) = self.spans.get(i) else { break };
            let Some(amount) = span.amount.filter(|_| !used.get(i).copied().unwrap_or(false)) else { continue };
            if let Some(spec) = spec(self.atoms, span) {
                let excluded = polarity.get(i) == Some(&Polarity::Excluded);
                push(if excluded { &mut self.slots.features_excluded } else { &mut self.slots.features }, spec);
                used.iter_mut().skip(i).take(2).for_each(|u| *u = true);
                continue;
            }
            let Some(count) = amount.count().filter(|n| (2..=QUANTITY_MAX).contains(n)) else { continue };
            let before = i.checked_sub(1).and_then(|b| self.spans.get(b));
            let text_before = before.map(|s| s.text(self.atoms)).unwrap_or_default();
            if before.is_some_and(|s| s.has(Cue::OrdinalBefore)) || matches!(text_before.as_str(), "这" | "那" | "前" | "后" | "哪") {
                continue;
            }
            let model = before.is_some_and(|s| s.unknown() && self.atoms.get(s.from).is_some_and(|a| a.kind == Kind::Word))
                || before.is_some_and(|s| s.senses.iter().any(|s| matches!(s, Sense::Brand(_))));
            let next = self.spans.get(i + 1);
            let measured = next.is_some_and(|s| s.has(Cue::Measure) && !s.has(Cue::Classifier));
            if model || measured {
                continue;
            }
            let counted = next.is_some_and(|s| s.has(Cue::Classifier));
            let of_people = self.spans.get(i + 2).is_some_and(|s| s.senses.iter().any(|s| matches!(s, Sense::Whom(_))) && !s.senses.iter().any(|s| matches!(s, Sense::Category(_))));
            let months = self.spans.get(i + 2).is_some_and(|s| matches!(s.text(self.atoms).as_str(), "月" | "星期" | "人" | "小时"));
            let english = self.atoms.get(span.from).is_some_and(|a| a.kind != Kind::Han) && count <= 99;
            let noun = english && (i + 1..i + 4).take_while(|j| self.spans.get(*j).is_some_and(|s| s.is_content() || s.unknown() && self.atoms.get(s.from).is_some_and(|a| a.kind == Kind::Word))).any(|j| {
                self.spans.get(j).is_some_and(|s| {
                    s.senses.iter().any(|s| matches!(s, Sense::Category(_))) && s.to > s.from && self.plural(s)
                })
            });
            let both = span.any(&[Cue::Those]);
            if (counted && !of_people && !months || noun) && !both {
                self.slots.quantity = Some(count);
                used.iter_mut().skip(i).take(if counted { 2 } else { 1 }).for_each(|u| *u = true);
            }
        }
        // `两个`, `两款` are phrases of their own where they do not point at what was shown.
        if self.slots.quantity.is_none() {
            for (i, span) in self.spans.iter().enumerate() {
                let text = span.text(self.atoms);
                let noun = self.spans.get(i + 1).is_some_and(|s| s.senses.iter().any(|s| matches!(s, Sense::Category(_) | Sense::Brand(_) | Sense::Feature(_))))
                    || i > 0 && self.spans.get(i - 1).is_some_and(|s| s.has(Cue::Buy));
                if matches!(text.as_str(), "两个" | "两款") && noun && !used.get(i).copied().unwrap_or(false) {
                    self.slots.quantity = Some(2);
                }
            }
        }
    }

    fn plural(&self, span: &Span) -> bool {
        self.atoms.get(span.to.wrapping_sub(1)).is_some_and(|a| a.kind == Kind::Word && a.text.ends_with('s'))
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
        if self.slots.sort == Some(Sort::PriceAsc) && !self.slots.references.is_empty() && self.says(&["比", "than", "cheaper than"]) {
            self.slots.sort = Some(Sort::Cheaper);
        }
        // `budget laptop`
        let cheap = self.spans.windows(2).any(|pair| match pair {
            [a, b] => a.text(self.atoms) == "budget" && b.senses.iter().any(|s| matches!(s, Sense::Category(_) | Sense::Feature(_) | Sense::Occasion(_))),
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

    /// What is left over, for the full-text search.
    fn leftover(&mut self, used: &[bool]) {
        let mut text = String::new();
        for (i, span) in self.spans.iter().enumerate() {
            let leftover = (span.unknown() || span.amount.is_some() && span.senses.is_empty()) && !used.get(i).copied().unwrap_or(false);
            let Some(words) = self.atoms.get(span.from..span.to).filter(|_| leftover) else { continue };
            for atom in words.iter().filter(|a| a.kind != Kind::Mark) {
                self.unknown_words += 1;
                let joined = atom.kind == Kind::Han && atom.glued && text.chars().next_back().is_some_and(|c| !c.is_ascii());
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
}

/// By the words that are no names: Chinese has two characters to a word.
fn language(atoms: &[Atom], spans: &[Span]) -> Option<Language> {
    let (mut han, mut latin, mut names) = (0usize, 0usize, 0usize);
    for span in spans {
        let name = span.senses.iter().any(|s| matches!(s, Sense::Brand(_)));
        for atom in atoms.get(span.from..span.to).unwrap_or(&[]) {
            match atom.kind {
                Kind::Han if name => names += 1,
                Kind::Han => han += 1,
                Kind::Word if !name && 1 < atom.text.len() => latin += 1,
                _ => {}
            }
        }
    }
    match (han, latin) {
        (0, 0) if 0 < names => Some(Language::Chinese),
        (0, 0) => atoms.iter().any(|a| a.kind == Kind::Word).then_some(Language::English),
        _ if latin * 2 <= han + 1 => Some(Language::Chinese),
        _ => Some(Language::English),
    }
}

/// The opposite of a feature, if it has one.
pub fn opposite(feature: &str) -> Option<&'static str> {
    dictionary().opposite.get(feature).map(|o| &**o)
}
