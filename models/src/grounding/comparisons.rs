//! Products held against each other: the cheapest, cheaper than, by how much, and prices in their order.

use shoptide_schemas::{Currency, Micros};

use super::facts::Facts;
use super::judge::{Fault, Judge};
use super::lexer::Token;
use super::numbers::Figure;
use super::words::Cue;

/// Whether a product is the cheapest, the dearest or the best rated of those shown, as the token says.
pub(super) fn is_superlative(facts: &Facts, token: &Token, product: usize) -> bool {
    let Some(own) = facts.products.get(product) else { return false };
    let mut others = facts.products.iter();
    if token.has(Cue::BestRated) {
        return own.rating.is_some_and(|r| others.all(|o| o.rating.is_none_or(|other| other <= r)));
    }
    let Some((price, currency)) = own.price else { return false };
    others.all(|o| {
        o.price.is_some_and(|(other, code)| {
            code == currency && if token.has(Cue::Cheapest) { price <= other } else { other <= price }
        })
    })
}

impl Judge<'_> {
    /// One product against another: the one behind "than" is what the other is measured by.
    pub(super) fn compared(&self, at: usize, cheaper: bool) -> Result<bool, Fault> {
        let figures = self.tokens.iter().any(|t| matches!(t, Token::Figure(_)));
        if self.subjects.mentions().is_empty() && !figures && self.any(Cue::Courtesy) {
            return Ok(false);
        }
        if self.echoes(at) {
            // `If you want something cheaper, …`: what follows must be cheaper than something shown.
            let than_one = |own: &usize| {
                let price = |i: usize| self.facts.products.get(i).and_then(|p| p.price);
                (0..self.facts.products.len()).any(|other| match (price(*own), price(other)) {
                    (Some((own, code)), Some((other, other_code))) => {
                        code == other_code && if cheaper { own < other } else { other < own }
                    }
                    _ => false,
                })
            };
            let follow = self.subjects.mentions().iter().filter(|m| at < m.at);
            let holds = follow.flat_map(|m| &m.products).all(than_one);
            return if holds { Ok(false) } else { Err(Fault::Comparison) };
        }
        match self.pair() {
            Some((own, other, _)) if if cheaper { own < other } else { other < own } => Ok(true),
            _ => Err(Fault::Comparison),
        }
    }

    /// The prices of the two products that are compared: of what is spoken of, and of what stands behind "than".
    fn pair(&self) -> Option<(Micros, Micros, Currency)> {
        // Said twice it must be the same: `cheaper, cheaper by ¥200`.
        let once = self.any(Cue::Cheaper) != self.any(Cue::Dearer);
        let than = self.tokens.iter().position(|t| t.has(Cue::Than))?;
        let [first, second] = self.subjects.mentions() else { return None };
        let ([x], [y], true) = (first.products.as_slice(), second.products.as_slice(), once) else {
            return None;
        };
        let (subject, measure) = if than < first.at { (y, x) } else { (x, y) };
        let price = |i: &usize| self.facts.products.get(*i).and_then(|p| p.price);
        let ((own, code), (other, other_code)) = (price(subject)?, price(measure)?);
        (code == other_code).then_some((own, other, code))
    }

    /// Money beside "cheaper" is by how much.
    pub(super) fn differences(&mut self) {
        let Some((own, other, code)) = self.pair() else { return };
        let by = own.0.abs_diff(other.0);
        let compares = |t: &Token| t.has(Cue::Cheaper) || t.has(Cue::Dearer);
        let said: Vec<usize> =
            (0..self.tokens.len()).filter(|at| self.tokens.get(*at).is_some_and(compares)).collect();
        for beside in said.iter().flat_map(|at| [at.wrapping_sub(1), at + 1]) {
            if let Some(Token::Figure(Figure::Money { micros, currencies })) = self.tokens.get(beside)
                && currencies.contains(&code)
                && u64::try_from(*micros).ok() == Some(by)
            {
                self.settle(beside);
            }
        }
    }

    /// `A and B cost 100 and 200 respectively`: in their order.
    pub(super) fn respectively(&mut self) {
        let Some(at) = self.tokens.iter().position(|t| t.has(Cue::Respectively)) else { return };
        let first_figure = self.tokens.iter().position(|t| matches!(t, Token::Figure(_))).unwrap_or(at);
        let said: Vec<usize> = self
            .subjects
            .mentions()
            .iter()
            .filter(|m| m.at < at.min(first_figure))
            .flat_map(|m| m.products.clone())
            .collect();
        let money: Vec<(usize, i64)> = self
            .tokens
            .iter()
            .enumerate()
            .filter_map(|(i, t)| match t {
                Token::Figure(Figure::Money { micros, .. }) => Some((i, *micros)),
                _ => None,
            })
            .collect();
        if said.len() < 2 || said.len() != money.len() {
            return;
        }
        let holds = said
            .iter()
            .zip(&money)
            .all(|(product, (i, _))| self.facts.products.get(*product).is_some_and(|p| self.is_price(*i, p)));
        if holds {
            money.into_iter().for_each(|(i, _)| self.settle(i));
        }
    }
}
