//! Whether one sentence says only what the facts say.

use super::comparisons::is_superlative;
use super::facts::{Facts, Product};
use super::lexer::Token;
use super::mentions::mentions;
use super::numbers::Figure;
use super::subjects::{Subjects, says_something};
use super::words::Cue;
use crate::chat::dictionary::dictionary;

/// Why a sentence goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Markup, a link, code, or what cannot be seen.
    Markup,
    TooLong,
    /// Words of prompts, keys, accounts and other users.
    Leak,
    /// A product, brand or id that this turn did not bring.
    Invented,
    /// A word that no fact holds.
    Unknown,
    Price,
    Stock,
    Property,
    Rating,
    Count,
    Budget,
    Comparison,
    /// Something denied that is not known to be absent.
    Negation,
    /// It says nothing that is known, and is no courtesy either.
    Hollow,
}

impl Fault {
    /// Whether the whole reply goes with the sentence: whoever writes such a thing is not to be believed in the next one.
    pub fn is_fatal(self) -> bool {
        matches!(self, Self::Markup | Self::TooLong | Self::Leak | Self::Invented)
    }
}

/// A sentence that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stands {
    /// It says something of a product or of the search, beyond courtesy.
    pub useful: bool,
    /// Of whom it spoke last; empty if of nobody.
    pub spoke_of: Vec<usize>,
}

/// Tokens to each side in which a word belongs to a figure.
pub(super) const NEAR: usize = 2;
/// Tokens behind a "not" in which what it denies must come.
const DENIED_WITHIN: usize = 3;

pub(crate) fn judge(tokens: &[Token], facts: &Facts, focus: &[usize]) -> Result<Stands, Fault> {
    fatal(tokens, facts)?;
    let mentions = mentions(tokens, facts, focus)?;
    let subjects = Subjects::new(tokens, mentions, focus, facts.products.len());
    let mut judge = Judge { tokens, facts, subjects, settled: vec![false; tokens.len()] };
    judge.respectively();
    judge.differences();
    let mut fact = false;
    for at in 0..tokens.len() {
        fact |= judge.token(at)?;
    }
    let any = |cue: Cue| tokens.iter().any(|t| t.has(cue));
    let named = judge.subjects.mentions().iter().any(|m| m.named);
    // `Yes.` and `It does.` say what was asked, and nobody checks a question.
    if !fact && (any(Cue::Affirm) || !named && !any(Cue::Courtesy)) {
        return Err(Fault::Hollow);
    }
    Ok(Stands { useful: fact || named, spoke_of: judge.subjects.last().unwrap_or_default() })
}

fn fatal(tokens: &[Token], facts: &Facts) -> Result<(), Fault> {
    for token in tokens {
        match token {
            token if token.has(Cue::Leak) => return Err(Fault::Leak),
            Token::Unknown { name: true } => return Err(Fault::Invented),
            Token::Brand { key, products } if products.is_empty() => {
                let said = facts.wanted.brands.contains(key) || facts.wanted.brands_excluded.contains(key);
                if !said {
                    return Err(Fault::Invented);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// One sentence, its tokens held against the facts.
pub(super) struct Judge<'a> {
    pub tokens: &'a [Token],
    pub facts: &'a Facts,
    pub subjects: Subjects<'a>,
    /// Tokens that were checked with another one.
    settled: Vec<bool>,
}

impl Judge<'_> {
    pub(super) fn products(&self, at: usize) -> Vec<&Product> {
        self.subjects.of(at).iter().filter_map(|i| self.facts.products.get(*i)).collect()
    }

    /// Every product that the token is said of; false if there is none.
    pub(super) fn all(&self, at: usize, holds: impl Fn(&Product) -> bool) -> bool {
        let products = self.products(at);
        !products.is_empty() && products.into_iter().all(holds)
    }

    pub(super) fn any(&self, cue: Cue) -> bool {
        self.tokens.iter().any(|t| t.has(cue))
    }

    pub(super) fn near(&self, at: usize, cue: Cue) -> bool {
        let from = at.saturating_sub(NEAR);
        self.tokens.iter().skip(from).take(at - from + NEAR + 1).any(|t| t.has(cue))
    }

    pub(super) fn settle(&mut self, at: usize) {
        if let Some(settled) = self.settled.get_mut(at) {
            *settled = true;
        }
    }

    /// Said of what the shopper wants, not of a product.
    pub(super) fn echoes(&self, at: usize) -> bool {
        let wish = self.tokens.iter().take(at).any(|t| t.has(Cue::Wish));
        let next = self.subjects.mentions().iter().find(|m| at < m.at);
        wish && self.subjects.group_before(at).is_none()
            && next.is_none_or(|m| self.subjects.parted(at, m.at))
    }

    /// A question that speaks of no product: an offer.
    fn offers(&self) -> bool {
        self.subjects.mentions().is_empty() && self.any(Cue::Question) && self.any(Cue::Courtesy)
    }

    fn token(&mut self, at: usize) -> Result<bool, Fault> {
        let tokens = self.tokens;
        let Some(token) = tokens.get(at).filter(|_| !self.settled.get(at).copied().unwrap_or(false)) else {
            return Ok(true);
        };
        match token {
            Token::Unknown { .. } => Err(Fault::Unknown),
            Token::Mark(c) if ",.!?:;()'\"-~，。！？：；（）“”‘’、…—·《》「」".contains(*c) => {
                Ok(false)
            }
            Token::Mark(_) => Err(Fault::Unknown),
            Token::Named(_) | Token::Place(_) => Ok(false),
            Token::Brand { key, products } => self.brand(key, products),
            Token::Figure(figure) => self.figure(at, figure),
            Token::Property { categories, features, wishes } => {
                self.property(at, categories, features, wishes)
            }
            Token::Phrase(of) => {
                let subjects = self.subjects.of(at);
                let holds = !subjects.is_empty() && subjects.iter().all(|i| of.contains(i));
                if holds { Ok(true) } else { Err(Fault::Property) }
            }
            Token::Words(cues) => self.words(at, cues),
        }
    }

    fn brand(&self, key: &String, products: &[usize]) -> Result<bool, Fault> {
        let wanted =
            self.facts.wanted.brands.contains(key) && (self.any(Cue::Wish) || self.any(Cue::NoneFound));
        if !products.is_empty() || wanted { Ok(false) } else { Err(Fault::Property) }
    }

    fn property(
        &self,
        at: usize,
        categories: &[String],
        features: &[String],
        wishes: &[String],
    ) -> Result<bool, Fault> {
        let wanted = &self.facts.wanted;
        let nothing = self.facts.products.is_empty() && self.any(Cue::NoneFound);
        let echo = self.echoes(at) || self.offers() || nothing;
        let check = |holds: bool| if holds { Ok(true) } else { Err(Fault::Property) };
        if !features.is_empty() {
            if echo && features.iter().any(|f| wanted.features.contains(f)) || self.offers() {
                return Ok(false);
            }
            return check(self.all(at, |p| features.iter().all(|f| p.keys.contains(f))));
        }
        let is = |c: &String| {
            let own = |w: &String| dictionary().within(w, c);
            wanted.category.as_ref().is_some_and(own) || self.all(at, |p| p.is_a(c))
        };
        if !categories.is_empty() && !categories.iter().any(is) && !self.offers() {
            return Err(Fault::Property);
        }
        if wishes.is_empty() || wishes.iter().any(|w| wanted.whom.contains(w) || wanted.occasions.contains(w))
        {
            return Ok(false);
        }
        check(self.all(at, |p| wishes.iter().any(|w| p.keys.contains(w))))
    }

    fn words(&mut self, at: usize, cues: &[Cue]) -> Result<bool, Fault> {
        let tokens = self.tokens;
        let has = |cue| cues.contains(&cue);
        let check = |holds: bool, fault| if holds { Ok(true) } else { Err(fault) };
        let ranged = self.facts.wanted.price.is_some();
        if has(Cue::Same) {
            return Err(Fault::Comparison);
        }
        if has(Cue::Also) {
            let follows = tokens.iter().skip(at + 1).any(says_something);
            return if follows { Ok(false) } else { Err(Fault::Comparison) };
        }
        let of = [Cue::OfTwo, Cue::OfThree, Cue::OfFour, Cue::OfFive].into_iter().position(has);
        if let Some(place) = of {
            // `The cheapest of the three`: of those shown.
            return if self.facts.products.len() == place + 2 { Ok(false) } else { Err(Fault::Count) };
        }
        if has(Cue::SizeOf) {
            // `256GB of storage`: the size before it is checked; more or faster storage is not.
            let sized =
                tokens.get(at.wrapping_sub(1)).is_some_and(|t| matches!(t, Token::Figure(Figure::Size(_))));
            return if sized { Ok(false) } else { Err(Fault::Unknown) };
        }
        if has(Cue::Besides) {
            // `NFC, as well as 5G`: what follows is checked; another product would be said to have what stands before.
            let next = tokens.iter().skip(at + 1).find(|t| !t.has(Cue::Plain));
            let checked =
                next.is_some_and(|t| matches!(t, Token::Property { features, .. } if !features.is_empty()));
            return if checked { Ok(false) } else { Err(Fault::Comparison) };
        }
        if has(Cue::OneLeft) {
            return check(self.all(at, |p| p.stock == Some(1)), Fault::Stock);
        }
        if has(Cue::NoneFound) {
            return check(self.facts.products.is_empty(), Fault::Count);
        }
        if has(Cue::AllMet) && self.facts.products.is_empty() && self.any(Cue::NoneFound) {
            return Ok(false);
        }
        if has(Cue::AllMet) {
            return check(self.facts.all_met && !self.facts.products.is_empty(), Fault::Property);
        }
        if has(Cue::InBudget) {
            return check(ranged && self.all(at, |p| self.in_range(p)), Fault::Budget);
        }
        if has(Cue::OverBudget) {
            return check(ranged && self.all(at, |p| p.price.is_some() && !self.in_range(p)), Fault::Budget);
        }
        if has(Cue::OutOfStock) {
            return check(self.all(at, |p| !p.in_stock()), Fault::Stock);
        }
        if has(Cue::InStock) {
            return check(self.all(at, Product::in_stock), Fault::Stock);
        }
        if has(Cue::Cheapest) || has(Cue::Dearest) || has(Cue::BestRated) {
            let Some(token) = tokens.get(at) else { return Err(Fault::Comparison) };
            let named_here = self.subjects.mentions().iter().any(|m| m.at == at);
            let subjects = self.subjects.of(at);
            let holds = match subjects.as_slice() {
                [one] => is_superlative(self.facts, token, *one),
                _ => false,
            };
            return if named_here { Ok(false) } else { check(holds, Fault::Comparison) };
        }
        if has(Cue::Cheaper) || has(Cue::Dearer) {
            return self.compared(at, has(Cue::Cheaper));
        }
        if has(Cue::Not) {
            // `No, it does not have NFC`: the denial behind it is held against the facts.
            let comma = matches!(tokens.get(at + 1), Some(Token::Mark(',' | '，')));
            if at == 0 && comma && tokens.iter().skip(2).any(|t| t.has(Cue::Not)) {
                return Ok(false);
            }
            return self.denied(at);
        }
        // `Few left`: how many must be said, and is checked with the number.
        let counted = self.tokens.iter().any(|t| matches!(t, Token::Figure(Figure::Number { .. })));
        if has(Cue::Left) && !has(Cue::Price) && !counted {
            return Err(Fault::Stock);
        }
        Ok(false)
    }

    /// A denial: everything behind it, up to a "but" or another product, must be known to be absent.
    fn denied(&mut self, at: usize) -> Result<bool, Fault> {
        let wanted = &self.facts.wanted;
        let mut denied = Vec::new();
        for (i, token) in self.tokens.iter().enumerate().skip(at + 1) {
            if token.has(Cue::But) || matches!(token, Token::Named(_) | Token::Place(_)) {
                break;
            }
            let absent = match token {
                Token::Property { features, .. } if !features.is_empty() => self.absent(i, features),
                Token::Figure(Figure::Size(size)) => self.absent(i, std::slice::from_ref(size)),
                Token::Brand { key, products } => products.is_empty() && wanted.brands_excluded.contains(key),
                Token::Phrase(_) | Token::Figure(_) => false,
                _ => continue,
            };
            if !absent {
                return Err(Fault::Negation);
            }
            denied.push(i);
        }
        if denied.first().is_none_or(|first| at + DENIED_WITHIN < *first) {
            return Err(Fault::Negation);
        }
        denied.into_iter().for_each(|i| self.settle(i));
        Ok(true)
    }

    fn absent(&self, at: usize, features: &[String]) -> bool {
        let excluded = features.iter().all(|f| self.facts.wanted.features_excluded.contains(f))
            && self.facts.products.iter().all(|p| features.iter().all(|f| !p.keys.contains(f)));
        excluded || self.all(at, |p| features.iter().all(|f| p.lacks.contains(f) && !p.keys.contains(f)))
    }
}
