//! What points at products shown before: `第二个`, `the last one`, `前两个`, `the cheaper one`, `it`.

use super::atoms::{Atom, Kind};
use super::dictionary::{Cue, Sense};
use super::slots::{Reference, push};
use super::spans::Span;

/// Places of a list that people count to.
const NTH_MAX: u32 = 50;

const ENGLISH: [(&str, u8); 10] = [
    ("first", 1),
    ("second", 2),
    ("third", 3),
    ("fourth", 4),
    ("fifth", 5),
    ("sixth", 6),
    ("seventh", 7),
    ("eighth", 8),
    ("ninth", 9),
    ("tenth", 10),
];

/// The references of a message in their order, and the spans that they are.
pub(crate) fn read(spans: &[Span], atoms: &[Atom]) -> (Vec<Reference>, Vec<bool>) {
    let (mut found, mut used) = (Vec::new(), vec![false; spans.len()]);
    let compared = spans.iter().any(|s| s.any(&[Cue::Compare, Cue::CompareWeak]));
    let mut i = 0;
    while i < spans.len() {
        // `一和三哪个好`
        let pair = [i, i + 2].map(|i| {
            spans.get(i).and_then(|s| s.amount).and_then(|a| a.count()).filter(|n| (1..=9).contains(n))
        });
        if let [Some(a), Some(b)] = pair
            && compared
            && spans.get(i + 1).is_some_and(|s| s.any(&[Cue::And, Cue::CompareWeak]))
            && !spans.get(i + 3).is_some_and(|s| s.any(&[Cue::Classifier, Cue::Measure]))
        {
            for n in [a, b] {
                push(&mut found, Reference::Nth(n as u8));
            }
            used.iter_mut().skip(i).take(3).for_each(|u| *u = true);
            i += 3;
            continue;
        }
        match at(spans, atoms, i) {
            Some((reference, to)) => {
                push(&mut found, reference);
                for slot in used.iter_mut().take(to).skip(i) {
                    *slot = true;
                }
                i = to;
            }
            None => i += 1,
        }
    }
    (found, used)
}

fn text<'a>(spans: &[Span], atoms: &'a [Atom], i: usize) -> Option<&'a str> {
    let span = spans.get(i)?;
    (span.to == span.from + 1).then(|| atoms.get(span.from).map(|a| &*a.text))?
}

/// A reference that begins at a span, and the span behind it.
fn at(spans: &[Span], atoms: &[Atom], i: usize) -> Option<(Reference, usize)> {
    let span = spans.get(i)?;
    let named = [
        (Cue::LastOne, Reference::Last),
        (Cue::CheapestShown, Reference::Cheapest),
        (Cue::DearestShown, Reference::Dearest),
        (Cue::BestRatedShown, Reference::BestRated),
        (Cue::OtherOne, Reference::Other),
        (Cue::Those, Reference::These),
    ];
    for (cue, reference) in named {
        if span.has(cue) && !pronoun_only(spans, atoms, i) {
            return Some((reference, i + 1));
        }
    }
    let count = |i: usize| {
        spans.get(i).and_then(|s| s.amount).and_then(|a| a.count()).filter(|n| (1..=NTH_MAX).contains(n))
    };
    let counted = |i: usize| spans.get(i).is_some_and(|s| s.has(Cue::Classifier));
    // `一个`, `两个` are phrases of their own.
    let spoken = |i: usize| {
        let text = spans.get(i).map(|s| s.text(atoms))?;
        let mut chars = text.chars();
        let n = match (chars.next(), chars.count()) {
            (Some('一'), 1) => 1,
            (Some('两'), 1) => 2,
            _ => return None,
        };
        spans.get(i)?.amount.is_none().then_some(n)
    };
    if span.has(Cue::OrdinalBefore)
        && let Some(n) = spoken(i + 1)
    {
        return Some((Reference::Nth(n), i + 2));
    }
    if text(spans, atoms, i) == Some("前")
        && let Some(n) = spoken(i + 1)
    {
        return Some((if n == 1 { Reference::Nth(1) } else { Reference::FirstN(n) }, i + 2));
    }
    // `does it`, `love this`, `like that one` are phrases with the pronoun in them.
    let several = 1 < span.to - span.from;
    let cued = [
        Cue::Question,
        Cue::FeedbackUp,
        Cue::FeedbackDown,
        Cue::FeedbackBought,
        Cue::PriceHistory,
        Cue::Similar,
        Cue::Service,
    ];
    if several && span.any(&cued) && !span.is_content() {
        let words = atoms.get(span.from..span.to)?;
        let says = |of: &[&str]| words.iter().any(|a| of.contains(&&*a.text));
        if says(&["it", "its", "this", "that"]) {
            return Some((Reference::It, i + 1));
        }
        if says(&["these", "those", "them"]) {
            return Some((Reference::These, i + 1));
        }
    }
    if span.has(Cue::OrdinalBefore) {
        let n = count(i + 1)?;
        let to = if counted(i + 2) { i + 3 } else { i + 2 };
        let word = text(spans, atoms, i);
        // `#2`, `no 2`, `number 2`, `第2`; not `no 2 pencils`.
        if word == Some("no") && to < spans.len() {
            return None;
        }
        return Some((Reference::Nth(n as u8), to));
    }
    match text(spans, atoms, i) {
        Some("前") => {
            let n = count(i + 1)?;
            return counted(i + 2).then_some((Reference::FirstN(n as u8), i + 3));
        }
        // A list is counted from above; the last two are rare, and all of those shown serve.
        Some("这" | "那" | "后") if count(i + 1).is_some() && counted(i + 2) => {
            let one = count(i + 1) == Some(1);
            return Some((if one { Reference::It } else { Reference::These }, i + 3));
        }
        Some("first" | "top") if count(i + 1).is_some_and(|n| 1 < n) => {
            return Some((Reference::FirstN(count(i + 1)? as u8), i + 2));
        }
        Some("last") if i > 0 && is_one(spans, atoms, i + 1) => return Some((Reference::Last, i + 2)),
        _ => {}
    }
    if let Some((_, n)) = text(spans, atoms, i).and_then(|t| ENGLISH.iter().find(|(word, _)| *word == t)) {
        let the = i > 0 && spans.get(i - 1).is_some_and(|s| span_says(s, atoms, "the"));
        let one = is_one(spans, atoms, i + 1);
        if the || one {
            return Some((Reference::Nth(*n), if one { i + 2 } else { i + 1 }));
        }
        // `compare first and third`
        let joins = |s: &Span| s.any(&[Cue::And, Cue::Compare, Cue::CompareWeak]);
        let listed = spans.get(i + 1).is_none_or(joins) || i > 0 && spans.get(i - 1).is_some_and(joins);
        return listed.then_some((Reference::Nth(*n), i + 1));
    }
    // `三个都不错`
    if count(i).is_some_and(|n| 1 < n) && counted(i + 1) && text(spans, atoms, i + 2) == Some("都") {
        return Some((Reference::These, i + 2));
    }
    // 2nd, 3rd
    if let Some(n) = count(i)
        && matches!(text(spans, atoms, i + 1), Some("nd" | "st" | "rd" | "th"))
        && atoms.get(spans.get(i + 1)?.from).is_some_and(|a| a.glued)
    {
        let one = is_one(spans, atoms, i + 2);
        let the = i > 0 && spans.get(i - 1).is_some_and(|s| span_says(s, atoms, "the"));
        return (one || the).then_some((Reference::Nth(n as u8), if one { i + 3 } else { i + 2 }));
    }
    if span.has(Cue::ThatOne) && !pronoun_only(spans, atoms, i) {
        return Some((Reference::It, i + 1));
    }
    None
}

fn span_says(span: &Span, atoms: &[Atom], word: &str) -> bool {
    atoms.get(span.to.wrapping_sub(1)).is_some_and(|a| a.is(word))
}

fn is_one(spans: &[Span], atoms: &[Atom], i: usize) -> bool {
    matches!(
        text(spans, atoms, i),
        Some(
            "one"
                | "product"
                | "item"
                | "option"
                | "choice"
                | "phone"
                | "laptop"
                | "model"
                | "pair"
                | "result"
        )
    )
}

/// `it` of "is it possible", `this` of "this month", `them` of nothing: words that point at no product.
fn pronoun_only(spans: &[Span], atoms: &[Atom], i: usize) -> bool {
    let Some(word) = spans.get(i).map(|s| s.text(atoms)) else { return true };
    let next = spans.get(i + 1);
    let next_text = next.map(|s| s.text(atoms)).unwrap_or_default();
    match word.as_str() {
        "it" => {
            let to_be_told = ["to", "possible", "that", "raining", "true", "under", "below", "up", "cheaper"];
            to_be_told.contains(&next_text.as_str())
                || next.is_some_and(|s| s.any(&[Cue::MaxBefore, Cue::Cheaper]) || s.amount.is_some())
        }
        "this" | "that" => {
            // Of something that is not shown, or a conjunction: `a phone that has`, `this month`.
            let noun = next.is_some_and(|s| s.senses.iter().any(|s| matches!(s, Sense::Category(_))));
            let conjunction = word == "that" && !noun && next.is_some();
            conjunction
                || matches!(
                    next_text.as_str(),
                    "month" | "year" | "week" | "weekend" | "time" | "summer" | "winter" | "budget"
                )
        }
        "这个" | "那个" => {
            matches!(
                next_text.as_str(),
                "条件"
                    | "要求"
                    | "功能"
                    | "颜色"
                    | "牌子"
                    | "品牌"
                    | "月"
                    | "周"
                    | "星期"
                    | "价位"
                    | "价格"
                    | "价"
                    | "预算"
                    | "季节"
                    | "夏天"
                    | "冬天"
            ) || next.is_some_and(|s| s.any(&[Cue::BudgetWord, Cue::AboutAfter]))
        }
        "两个" | "两款" | "全部" | "both" | "the two" | "the three" | "all three" => {
            // `要两个`, `两个手机`: a count.
            let noun = next.is_some_and(|s| s.is_content());
            let counted = i > 0 && spans.get(i - 1).is_some_and(|s| s.has(Cue::Buy));
            matches!(word.as_str(), "两个" | "两款") && (noun || counted)
        }
        "they" | "them" | "their" => false,
        "its" => false,
        _ => next.is_some_and(|s| {
            atoms.get(s.from).is_some_and(|a| a.kind == Kind::Han)
                && s.has(Cue::Month)
                && word.starts_with('这')
        }),
    }
}
