//! A whole reply: sentences as they come, what stands of them, and whether that is still an answer.

use std::collections::HashSet;

use super::facts::{Facts, QUOTES_MAX};
use super::judge::{Fault, Stands, judge};
use super::lexer::{Lexer, Token};
use super::sentences::{SENTENCE_CHARS_MAX, Splitter, plain};
use super::words::Cue;
use crate::chat::folded;

/// Sentences of a reply that are read; what comes after them is gone.
pub const REPLY_SENTENCES_MAX: usize = 24;
/// Characters of a reply that are read.
pub const REPLY_CHARS_MAX: usize = 4_000;

/// What becomes of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// It may leave, as plain text.
    Stands(String),
    /// It goes; the others may stay.
    Gone(Fault),
    /// Nothing of this reply after it may leave, and what left is not an answer.
    Stop(Fault),
}

/// Holds the sentences of one reply against the facts of its turn, in their order.
#[derive(Debug)]
pub struct Checker<'f> {
    facts: &'f Facts,
    lexer: Lexer,
    quotes: HashSet<String>,
    /// Of whom the last sentence spoke.
    focus: Vec<usize>,
    sentences: usize,
    chars: usize,
    kept: usize,
    useful: bool,
    stopped: Option<Fault>,
}

impl<'f> Checker<'f> {
    pub fn new(facts: &'f Facts) -> Self {
        let mut quotes = HashSet::new();
        for text in facts.quotes.iter().take(QUOTES_MAX) {
            let mut splitter = Splitter::default();
            let mut sentences = splitter.push(text);
            sentences.extend(splitter.finish());
            quotes.extend(sentences.iter().map(|s| bare(s)).filter(|s| !s.is_empty()));
        }
        let focus = if facts.products.len() == 1 { vec![0] } else { Vec::new() };
        Self {
            facts,
            lexer: Lexer::new(facts),
            quotes,
            focus,
            sentences: 0,
            chars: 0,
            kept: 0,
            useful: false,
            stopped: None,
        }
    }

    /// Rules on the next sentence, as [`Splitter`] cut it.
    pub fn sentence(&mut self, written: &str) -> Ruling {
        if let Some(fault) = self.stopped {
            return Ruling::Stop(fault);
        }
        self.sentences += 1;
        self.chars += written.chars().count();
        let ruled = match self.rule(written) {
            Ok(ruled) => ruled,
            Err(fault) => {
                // What follows must not lean on what was not said.
                self.focus = if self.facts.products.len() == 1 { vec![0] } else { Vec::new() };
                if fault.is_fatal() {
                    self.stopped = Some(fault);
                    return Ruling::Stop(fault);
                }
                return Ruling::Gone(fault);
            }
        };
        let (text, stands) = ruled;
        self.kept += 1;
        self.useful |= stands.useful;
        if !stands.spoke_of.is_empty() {
            self.focus = stands.spoke_of;
        }
        let before = if written.starts_with([' ', '\t']) { " " } else { "" };
        let after = if written.ends_with('\n') { "\n" } else { "" };
        Ruling::Stands(format!("{before}{text}{after}"))
    }

    fn rule(&self, written: &str) -> Result<(String, Stands), Fault> {
        let long = SENTENCE_CHARS_MAX < written.chars().count()
            || REPLY_SENTENCES_MAX < self.sentences
            || REPLY_CHARS_MAX < self.chars;
        if long {
            return Err(Fault::TooLong);
        }
        let text = plain(written).ok_or(Fault::Markup)?;
        if self.is_quoted(&text) {
            return Ok((text, Stands { useful: true, spoke_of: Vec::new() }));
        }
        if has_negative(&text) {
            return Err(Fault::Price);
        }
        let tokens = self.lexer.tokens(&text);
        let stands = judge(&tokens, self.facts, &self.focus)?;
        Ok((text, stands))
    }

    /// A sentence of the facts, whole; words that claim nothing may lead to it.
    fn is_quoted(&self, text: &str) -> bool {
        if self.quotes.contains(&bare(text)) {
            return true;
        }
        let leads = |head: &str| {
            self.lexer.tokens(head).iter().all(|token| match token {
                Token::Words(cues) => {
                    cues.iter().all(|cue| matches!(cue, Cue::Plain | Cue::Courtesy | Cue::Wish | Cue::To))
                }
                _ => false,
            })
        };
        text.char_indices().filter(|(_, c)| matches!(c, ':' | '：' | ',' | '，')).take(4).any(|(at, c)| {
            let (head, tail) = text.split_at(at);
            tail.get(c.len_utf8()..).is_some_and(|tail| self.quotes.contains(&bare(tail))) && leads(head)
        })
    }

    /// Whether something of use has stood so far.
    pub fn is_useful(&self) -> bool {
        self.useful
    }

    /// Whether what has stood is an answer: with facts it must say one of them, and most of the reply must be left.
    pub fn is_answer(&self) -> bool {
        let needed = !self.facts.products.is_empty() || !self.quotes.is_empty();
        self.stopped.is_none() && 0 < self.kept && (self.useful || !needed) && self.sentences <= 2 * self.kept
    }
}

/// A whole reply, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What may leave; nothing if the rules must answer instead.
    pub text: Option<String>,
    /// The sentences that went, in order, and why.
    pub faults: Vec<Fault>,
}

/// Checks a reply that is there as a whole.
pub fn check(reply: &str, facts: &Facts) -> Checked {
    let mut checker = Checker::new(facts);
    let mut splitter = Splitter::default();
    let mut sentences = splitter.push(reply);
    sentences.extend(splitter.finish());
    let (mut text, mut faults) = (String::new(), Vec::new());
    for sentence in &sentences {
        match checker.sentence(sentence) {
            Ruling::Stands(sentence) => text.push_str(&sentence),
            Ruling::Gone(fault) => faults.push(fault),
            Ruling::Stop(fault) => {
                faults.push(fault);
                break;
            }
        }
    }
    let text = text.trim().to_owned();
    Checked { text: checker.is_answer().then_some(text), faults }
}

/// `-3999`: nothing of a shop is below zero. A dash between words, figures or with spaces around it is none.
fn has_negative(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    chars.iter().enumerate().any(|(i, c)| {
        let before = i.checked_sub(1).and_then(|i| chars.get(i));
        matches!(c, '-' | '−' | '－' | '负')
            && chars
                .get(i + 1)
                .is_some_and(|next| next.is_ascii_digit() || matches!(next, '¥' | '￥' | '$' | '€' | '£'))
            && before.is_none_or(|b| !b.is_ascii_alphanumeric())
    })
}

/// A sentence as quotations are compared: folded, without the marks at its ends.
fn bare(sentence: &str) -> String {
    let marks = |c: char| c.is_whitespace() || ".。!！?？,，:：;；\"“”…-*·•".contains(c);
    folded(sentence.trim_matches(marks))
}
