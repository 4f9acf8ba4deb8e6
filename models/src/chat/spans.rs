//! A message as spans: the longest phrase that is known at each place, or a number, or one atom that says nothing. Dictionaries with the longest match,
//! not a segmenter: what counts here is where a brand or a wish stands, and a segmenter that has never seen a brand cuts it apart.

use super::amount::{Amount, amount};
use super::atoms::{Atom, Kind, key};
use super::dictionary::{Cue, PHRASE_ATOMS_MAX, Sense, dictionary};
use super::lexicon::Lexicon;

/// A stretch of atoms with what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub from: usize,
    /// Exclusive.
    pub to: usize,
    pub senses: Vec<Sense>,
    pub amount: Option<Amount>,
}

impl Span {
    pub fn has(&self, cue: Cue) -> bool {
        self.senses.contains(&Sense::Cue(cue))
    }

    pub fn any(&self, cues: &[Cue]) -> bool {
        cues.iter().any(|cue| self.has(*cue))
    }

    pub fn unknown(&self) -> bool {
        self.senses.is_empty() && self.amount.is_none()
    }

    /// A wish by content, not grammar.
    pub fn is_content(&self) -> bool {
        self.senses.iter().any(|s| !matches!(s, Sense::Cue(_)))
    }

    pub fn text(&self, atoms: &[Atom]) -> String {
        let mut text = String::new();
        key(atoms.get(self.from..self.to).unwrap_or(&[]).iter(), false, &mut text);
        text
    }
}

/// Cuts the atoms into spans. Cost: for each atom at most as many look-ups as the longest phrase has atoms that begins with it.
pub(crate) fn spans(atoms: &[Atom], lexicon: &Lexicon) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let (mut written, mut stemmed) = (String::new(), String::new());
    let mut at = 0;
    while at < atoms.len() {
        let rest = atoms.get(at..).unwrap_or(&[]);
        let amount = amount(rest);
        let least = amount.map_or(1, |a| a.atoms);
        let reach = rest.first().map_or(0, |a| dictionary().phrases.reach(a).max(lexicon.learned.reach(a)));
        let mut found: Option<(usize, Vec<Sense>)> = None;
        for taken in (least.min(PHRASE_ATOMS_MAX)..=reach.min(rest.len())).rev() {
            let Some(window) = rest.get(..taken) else { continue };
            key(window.iter(), false, &mut written);
            key(window.iter(), true, &mut stemmed);
            let senses = look_up(lexicon, &written, &stemmed);
            if !senses.is_empty() {
                found = Some((taken, senses));
                break;
            }
        }
        if 1 < reach
            && let Some(skipping) = degree(rest, lexicon)
            && found.as_ref().is_none_or(|(taken, _)| *taken < skipping.0)
        {
            found = Some(skipping);
        }
        let (taken, senses) = match found {
            Some((taken, senses)) if taken < least => (least, senses),
            Some(found) => found,
            None => (least, Vec::new()),
        };
        let amount = amount.filter(|a| a.atoms == taken);
        spans.push(Span { from: at, to: at + taken, senses, amount });
        at += taken;
    }
    weak(&mut spans, atoms);
    spans
}

fn look_up(lexicon: &Lexicon, written: &str, stemmed: &str) -> Vec<Sense> {
    let built_in = dictionary().phrases.get(written, stemmed).unwrap_or(&[]);
    let learned = lexicon.learned.get(written, stemmed).unwrap_or(&[]);
    let mut all = built_in.to_vec();
    all.extend(learned.iter().filter(|s| !built_in.contains(s)).cloned());
    all
}

/// `屏幕要大`, `拍照一定要好`: a quality and its degree with an adverb between them. The longest of the quality's own spans is two to four
/// characters, the adverb at most three.
fn degree(rest: &[Atom], lexicon: &Lexicon) -> Option<(usize, Vec<Sense>)> {
    if rest.first()?.kind != Kind::Han {
        return None;
    }
    let mut text = String::new();
    for noun in (1..=4usize).rev() {
        key(rest.get(..noun)?.iter(), false, &mut text);
        let is_quality = look_up(lexicon, &text, &text).iter().any(|s| matches!(s, Sense::Feature(_)));
        if !is_quality {
            continue;
        }
        for adverb in (1..=3usize).rev() {
            let Some(between) = rest.get(noun..noun + adverb) else { continue };
            key(between.iter(), false, &mut text);
            if !look_up(lexicon, &text, &text).contains(&Sense::Cue(Cue::Intensifier)) {
                continue;
            }
            for adjective in (1..=3usize).rev() {
                let Some(after) = rest.get(noun + adverb..noun + adverb + adjective) else { continue };
                key(rest.iter().take(noun).chain(after), false, &mut text);
                let senses = look_up(lexicon, &text, &text);
                if senses.iter().any(|s| matches!(s, Sense::Feature(_))) {
                    return Some((noun + adverb + adjective, senses));
                }
            }
        }
    }
    None
}

/// Characters that make nouns of whatever stands before them.
fn is_head(atom: Option<&Atom>) -> bool {
    atom.is_some_and(|a| "鞋裤裙帽袜锅灯椅桌柜床杯壶刀伞包盆碗".contains(&*a.text))
}

/// One Han character that is a thing or a quality is a word only if it is not a piece of an unknown one: 花 of 花园路, 包 of 背包客.
fn weak(spans: &mut [Span], atoms: &[Atom]) {
    let han_unknown = |span: Option<&Span>| {
        span.is_some_and(|s| s.unknown() && atoms.get(s.from).is_some_and(|a| a.kind == Kind::Han))
    };
    for i in 0..spans.len() {
        let Some(span) = spans.get(i) else { continue };
        let single = span.to == span.from + 1 && atoms.get(span.from).is_some_and(|a| a.kind == Kind::Han);
        if !single || !span.is_content() {
            continue;
        }
        // Chinese nouns have their head behind: 脏脏鞋 are shoes, 鞋带 is none. A quality has none of the two beside it.
        let (before, after) = (han_unknown(spans.get(i.wrapping_sub(1))), han_unknown(spans.get(i + 1)));
        if let Some(span) = spans.get_mut(i) {
            span.senses.retain(|s| match s {
                Sense::Category(_) => !after && (!before || is_head(atoms.get(span.from))),
                Sense::Feature(_) => !after && !before,
                _ => true,
            });
        }
    }
}
