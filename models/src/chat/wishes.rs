//! Wanted or not: brands, features, people and occasions, each with the reach of a `不要`, a `no`, an `except` before or behind it.

use super::atoms::{Atom, Kind};
use super::dictionary::{Cue, Sense};
use super::spans::Span;

/// What one span is in its clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Polarity {
    Wanted,
    Excluded,
}

/// Spans behind a thing that a `除外` is looked for in: `苹果的手机就不要了`.
const LOOK_AHEAD: usize = 5;

fn mark<'a>(spans: &[Span], atoms: &'a [Atom], i: usize) -> Option<&'a str> {
    let span = spans.get(i)?;
    let atom = atoms.get(span.from)?;
    (atom.kind == Kind::Mark).then_some(&*atom.text)
}

/// Whether a clause ends here.
pub(crate) fn ends_clause(spans: &[Span], atoms: &[Atom], i: usize) -> bool {
    matches!(
        mark(spans, atoms, i),
        Some("," | "." | ";" | "!" | "?" | "，" | "。" | "…" | "\n" | "(" | ")" | "：" | ":" | "~")
    )
}

fn is_thing(span: &Span) -> bool {
    span.senses.iter().any(|s| matches!(s, Sense::Brand(_) | Sense::Feature(_) | Sense::Category(_)))
}

/// What a span names, as far as a list of several goes on: brands after brands.
fn kind(span: &Span) -> u8 {
    match span.senses.iter().find(|s| !matches!(s, Sense::Cue(_))) {
        Some(Sense::Brand(_)) => 1,
        Some(Sense::Feature(_)) => 2,
        Some(Sense::Category(_)) => 3,
        Some(_) => 4,
        None => 0,
    }
}

/// The polarity of each span.
pub(crate) fn polarities(spans: &[Span], atoms: &[Atom]) -> Vec<Polarity> {
    let mut all = vec![Polarity::Wanted; spans.len()];
    let mut negated = false;
    // Whether the negated clause has named something, and of which kind.
    let mut named = 0u8;
    // Whether it named a thing that is in no dictionary: it ends with its 的, as a known one would.
    let mut unknown = false;
    for i in 0..spans.len() {
        let Some(span) = spans.get(i) else { break };
        if ends_clause(spans, atoms, i) {
            // `no Apple, Samsung or Huawei`, `不要苹果，三星，华为`: a list goes on; anything else begins anew.
            negated = negated && list_goes_on(spans, atoms, i, named);
            continue;
        }
        if span.has(Cue::Not) && !is_question(spans, atoms, i) && !is_content_only(span) {
            if negated && named == 0 && !span.has(Cue::NotAfter) {
                // 不要没有NFC的
                negated = false;
            } else if !(span.has(Cue::NotAfter) && closes(spans, atoms, i)) {
                (negated, named, unknown) = (!besides(spans, atoms, i), 0, false);
            }
            continue;
        }
        if negated && named == 0 {
            unknown |= span.unknown() && mark(spans, atoms, i).is_none();
            negated = !(unknown && span.text(atoms) == "的");
        }
        if negated
            && named != 0
            && span.any(&[Cue::WantedAgain, Cue::But, Cue::Buy, Cue::Change])
            && !is_thing(span)
            && !span.has(Cue::And)
        {
            negated = false;
        }
        if span.has(Cue::But) && !is_thing(span) {
            negated = false;
        }
        if negated && span.is_content() {
            // A noun behind an excluded brand or quality is what is looked for: `不要苹果的手机`, `no leather shoes`.
            let category = span.senses.iter().any(|s| matches!(s, Sense::Category(_))) && kind(span) == 3;
            if !category || named == 0 {
                set(&mut all, i);
            }
            if named == 0 || kind(span) == named {
                named = kind(span).max(named);
            } else if category {
                negated = false;
            }
        }
        if negated
            && named != 0
            && span.any(&[Cue::MaxBefore, Cue::MaxAfter, Cue::BudgetWord, Cue::With, Cue::For])
            && !is_thing(span)
        {
            negated = false;
        }
    }
    behind(spans, atoms, &mut all);
    all
}

fn set(all: &mut [Polarity], i: usize) {
    if let Some(slot) = all.get_mut(i) {
        *slot = Polarity::Excluded;
    }
}

/// `无线`, `不锈钢` are things that begin with a negation; the phrase says so by having both senses.
fn is_content_only(span: &Span) -> bool {
    is_thing(span)
}

/// `有没有`, `no` of an answer ("no, ..."), `is not it`.
fn is_question(spans: &[Span], atoms: &[Atom], i: usize) -> bool {
    let text = spans.get(i).map(|s| s.text(atoms)).unwrap_or_default();
    let next_ends = ends_clause(spans, atoms, i + 1);
    (matches!(text.as_str(), "no" | "not" | "non") && next_ends)
        || text == "没有" && spans.get(i + 1).is_none() && i > 0
}

/// `除了降噪还要防水` wants both.
fn besides(spans: &[Span], atoms: &[Atom], i: usize) -> bool {
    let text = spans.get(i).map(|s| s.text(atoms)).unwrap_or_default();
    if !matches!(text.as_str(), "除了" | "除" | "除去" | "besides" | "apart from" | "aside from") {
        return false;
    }
    let mut clauses = 0;
    for j in i + 1..spans.len() {
        if ends_clause(spans, atoms, j) {
            clauses += 1;
            if 1 < clauses {
                return false;
            }
        }
        let also = spans.get(j).map(|s| s.text(atoms)).unwrap_or_default();
        if matches!(also.as_str(), "还" | "还要" | "也要" | "还得" | "also" | "还想要" | "最好还")
        {
            return true;
        }
    }
    false
}

/// Whether a word that may stand before or behind what it negates stands behind it here: at its clause's end.
fn closes(spans: &[Span], atoms: &[Atom], i: usize) -> bool {
    let mut j = i + 1;
    while spans.get(j).is_some_and(|s| s.any(&[Cue::Filler]) && !s.is_content()) {
        j += 1;
    }
    let end = j >= spans.len() || ends_clause(spans, atoms, j);
    let thing_before = (i.saturating_sub(LOOK_AHEAD)..i)
        .rev()
        .take_while(|b| !ends_clause(spans, atoms, *b))
        .any(|b| spans.get(b).is_some_and(is_thing));
    end && thing_before
}

/// `苹果除外`, `苹果和三星的不要`: what stands before.
fn behind(spans: &[Span], atoms: &[Atom], all: &mut [Polarity]) {
    for i in 0..spans.len() {
        let Some(span) = spans.get(i) else { break };
        if !span.has(Cue::NotAfter) || is_thing(span) || span.has(Cue::Not) && !closes(spans, atoms, i) {
            continue;
        }
        let mut named = 0;
        for back in (0..i).rev() {
            let Some(before) = spans.get(back) else { break };
            if ends_clause(spans, atoms, back) || before.any(&[Cue::But, Cue::Only]) && !is_thing(before) {
                break;
            }
            if before.has(Cue::NotAfter) {
                break;
            }
            if before.is_content() {
                let category = kind(before) == 3;
                if !category && (named == 0 || named == kind(before)) {
                    set(all, back);
                    named = kind(before);
                } else if named != 0 {
                    break;
                }
            }
        }
    }
}

/// Whether what follows a comma is one more of the kind that was negated, and nothing else.
fn list_goes_on(spans: &[Span], atoms: &[Atom], comma: usize, named: u8) -> bool {
    if named == 0 || !matches!(mark(spans, atoms, comma), Some("," | "，")) {
        return false;
    }
    let mut seen = false;
    for i in comma + 1..spans.len() {
        let Some(span) = spans.get(i) else { break };
        if ends_clause(spans, atoms, i) {
            // `不要苹果，三星，` could go on; a clause of that kind only belongs to the list if the list ends in an `or`.
            if !seen {
                return false;
            }
            continue;
        }
        if span.has(Cue::And) && seen {
            return spans.get(i + 1).is_some_and(|s| kind(s) == named);
        }
        if kind(span) != named {
            return false;
        }
        seen = true;
    }
    false
}
