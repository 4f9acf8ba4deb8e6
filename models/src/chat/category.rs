//! The category that a message looks for, among all the nouns that it has.

use super::atoms::Kind;
use super::dictionary::{Cue, Sense};
use super::reading::Reading;
use super::slots::push;
use super::wishes::{Polarity, ends_clause};

impl Reading<'_> {
    /// The category looked for: in Chinese the last noun of its chain (`手机壳`, `适合手机用的耳机`), in English the one behind the
    /// verb, or the first.
    pub(super) fn category(&mut self, polarity: &[Polarity], used: &[bool]) {
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
            let camera =
                |s: &Sense| matches!(s, Sense::Category(c) if matches!(&**c, "camera" | "security_camera"));
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
            if !(span.has(Cue::Filler) || span.senses.iter().any(|s| matches!(s, Sense::Feature(_))))
                || text == "的"
            {
                return false;
            }
            back = before;
        }
        false
    }

    fn choose(&self, nouns: &[&(usize, Box<str>, bool)]) -> Option<(usize, Box<str>, bool)> {
        let (first, last) = (nouns.first()?, nouns.last()?);
        let han = |i: usize| {
            self.spans.get(i).and_then(|s| self.atoms.get(s.from)).is_some_and(|a| a.kind == Kind::Han)
        };
        // The chain that the first noun begins: nouns that touch, or a 的 between.
        let mut chain = *first;
        for noun in nouns.iter().skip(1) {
            let between = chain.0 + 1..noun.0;
            let touching = between.clone().all(|i| {
                self.spans.get(i).is_some_and(|s| {
                    let text = s.text(self.atoms);
                    (s.is_content() || s.amount.is_some()) && !ends_clause(self.spans, self.atoms, i)
                        || text == "的"
                        || text == "用"
                })
            });
            if touching
                || han(noun.0)
                    && !between.clone().any(|i| {
                        ends_clause(self.spans, self.atoms, i)
                            || self
                                .spans
                                .get(i)
                                .is_some_and(|s| s.any(&[Cue::And, Cue::With, Cue::CompareWeak]))
                    })
            {
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
}
