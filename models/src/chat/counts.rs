//! Numbers that are no prices: sizes, how many are wanted, and the figures in a product's name.

use super::atoms::{Atom, Kind};
use super::dictionary::{Cue, Sense};
use super::lexicon::Lexicon;
use super::reading::Reading;
use super::slots::{QUANTITY_MAX, push};
use super::spans::Span;
use super::specs::spec;
use super::wishes::Polarity;

/// Products that one message may name.
const ITEMS_MAX: usize = 8;

impl Reading<'_> {
    /// Products named by words of their titles that have a figure among them: `云帆 1005`, `TECH1005`, `Mate 60`.
    pub(super) fn items(&mut self, lexicon: &Lexicon, used: &mut [bool]) {
        let mut i = 0;
        while i < self.spans.len() {
            let latin = |i: usize| {
                let span = self.spans.get(i)?;
                let words = self.atoms.get(span.from..span.to)?;
                // `FR-7`: a mark that joins.
                let joins = |a: &Atom| a.glued && matches!(&*a.text, "-" | "_" | "/");
                let plain = words.iter().all(|a| matches!(a.kind, Kind::Word | Kind::Number) || joins(a));
                let brand = span.senses.iter().any(|s| matches!(s, Sense::Brand(_)));
                (plain || brand).then_some(words)
            };
            let start = i;
            let mut run: Vec<&Atom> = Vec::new();
            while let Some(words) = latin(i).filter(|_| !used.get(i).copied().unwrap_or(true)) {
                let grammar = self
                    .spans
                    .get(i)
                    .is_some_and(|s| !s.senses.is_empty() && !s.is_content() && s.amount.is_none())
                    && !words.iter().all(|a| a.kind == Kind::Mark);
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
            let words: Vec<&str> = run
                .iter()
                .filter(|a| matches!(a.kind, Kind::Word | Kind::Number))
                .map(|a| &*a.text)
                .collect();
            let brand = self.spans.iter().take(i).skip(start).flat_map(|s| &s.senses).find_map(|s| match s {
                Sense::Brand(key) => Some(&**key),
                _ => None,
            });
            let mut whole = String::new();
            super::atoms::key(run.iter().copied(), false, &mut whole);
            let mut items = lexicon.items_named(&whole, &words, brand);
            if words.len() == 1 && !of_brand && words.first().is_some_and(|w| w.len() < 4)
                || counted && words.len() == 1
            {
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
    /// Sizes and counts among the numbers that are no prices.
    pub(super) fn numbers(&mut self, used: &mut [bool], polarity: &[Polarity]) {
        for i in 0..self.spans.len() {
            let Some(span) = self.spans.get(i) else { break };
            let Some(amount) = span.amount.filter(|_| !used.get(i).copied().unwrap_or(false)) else {
                continue;
            };
            if let Some(spec) = spec(self.atoms, span) {
                let excluded = polarity.get(i) == Some(&Polarity::Excluded);
                push(
                    if excluded { &mut self.slots.features_excluded } else { &mut self.slots.features },
                    spec,
                );
                used.iter_mut().skip(i).take(2).for_each(|u| *u = true);
                continue;
            }
            let Some(count) = amount.count().filter(|n| (2..=QUANTITY_MAX).contains(n)) else { continue };
            let before = i.checked_sub(1).and_then(|b| self.spans.get(b));
            let text_before = before.map(|s| s.text(self.atoms)).unwrap_or_default();
            if before.is_some_and(|s| s.has(Cue::OrdinalBefore))
                || matches!(text_before.as_str(), "这" | "那" | "前" | "后" | "哪")
            {
                continue;
            }
            let model = before
                .is_some_and(|s| s.unknown() && self.atoms.get(s.from).is_some_and(|a| a.kind == Kind::Word))
                || before.is_some_and(|s| s.senses.iter().any(|s| matches!(s, Sense::Brand(_))));
            let next = self.spans.get(i + 1);
            let measured = next.is_some_and(|s| s.has(Cue::Measure) && !s.has(Cue::Classifier));
            if model || measured {
                continue;
            }
            let counted = next.is_some_and(|s| s.has(Cue::Classifier));
            let of_people = self.spans.get(i + 2).is_some_and(|s| {
                s.senses.iter().any(|s| matches!(s, Sense::Whom(_)))
                    && !s.senses.iter().any(|s| matches!(s, Sense::Category(_)))
            });
            let months = self
                .spans
                .get(i + 2)
                .is_some_and(|s| matches!(s.text(self.atoms).as_str(), "月" | "星期" | "人" | "小时"));
            let english = self.atoms.get(span.from).is_some_and(|a| a.kind != Kind::Han) && count <= 99;
            let noun = english
                && (i + 1..i + 4)
                    .take_while(|j| {
                        self.spans.get(*j).is_some_and(|s| {
                            s.is_content()
                                || s.unknown() && self.atoms.get(s.from).is_some_and(|a| a.kind == Kind::Word)
                        })
                    })
                    .any(|j| {
                        self.spans.get(j).is_some_and(|s| {
                            s.senses.iter().any(|s| matches!(s, Sense::Category(_)))
                                && s.to > s.from
                                && self.plural(s)
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
                let noun = self.spans.get(i + 1).is_some_and(|s| {
                    s.senses
                        .iter()
                        .any(|s| matches!(s, Sense::Category(_) | Sense::Brand(_) | Sense::Feature(_)))
                }) || i > 0 && self.spans.get(i - 1).is_some_and(|s| s.has(Cue::Buy));
                if matches!(text.as_str(), "两个" | "两款") && noun && !used.get(i).copied().unwrap_or(false)
                {
                    self.slots.quantity = Some(2);
                }
            }
        }
    }

    fn plural(&self, span: &Span) -> bool {
        self.atoms.get(span.to.wrapping_sub(1)).is_some_and(|a| a.kind == Kind::Word && a.text.ends_with('s'))
    }
}
