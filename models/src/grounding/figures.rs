//! Numbers in a sentence: prices, bounds, pieces, ratings, how many products there are.

use shoptide_schemas::Micros;

use super::facts::Product;
use super::judge::{Fault, Judge, NEAR};
use super::lexer::Token;
use super::numbers::{Figure, same};
use super::words::Cue;

/// Micro-units by which a rating may be rounded: to one decimal.
const RATING_ROUNDED: i64 = 50_000;
/// Tokens before a number in which the rating comes that it is.
const RATING_WITHIN: usize = 4;
/// Tokens behind a number in which the noun comes that it counts.
const DESCRIBED_MAX: usize = 4;

impl Judge<'_> {
    pub(super) fn in_range(&self, product: &Product) -> bool {
        let (Some(range), Some((price, currency))) = (self.facts.wanted.price, product.price) else {
            return false;
        };
        range.currency.is_none_or(|c| c == currency)
            && range.min.is_none_or(|min| min <= price)
            && range.max.is_none_or(|max| price <= max)
            && range.about.is_none_or(|about| {
                let off = i128::from(price.0.abs_diff(about.0));
                off * 100 <= i128::from(about.0) * i128::from(crate::chat::ABOUT_PERCENT)
            })
    }

    pub(super) fn is_price(&self, at: usize, product: &Product) -> bool {
        let Some((price, currency)) = product.price else { return false };
        match self.tokens.get(at) {
            Some(Token::Figure(Figure::Money { micros, currencies })) => {
                same(price, *micros) && currencies.contains(&currency)
            }
            Some(Token::Figure(Figure::Number { micros })) => same(price, *micros),
            _ => false,
        }
    }

    pub(super) fn figure(&self, at: usize, figure: &Figure) -> Result<bool, Fault> {
        let check = |holds: bool, fault| if holds { Ok(true) } else { Err(fault) };
        match figure {
            Figure::Vague => Err(Fault::Price),
            Figure::Size(size) => {
                let echo = self.echoes(at) && self.facts.wanted.features.contains(size);
                if echo { Ok(false) } else { check(self.all(at, |p| p.keys.contains(size)), Fault::Property) }
            }
            Figure::Money { micros, .. } => {
                if self.is_bound(at, *micros) {
                    return self.within_bound(at);
                }
                check(self.all(at, |p| self.is_price(at, p)), Fault::Price)
            }
            Figure::Number { micros } => self.number(at, *micros),
        }
    }

    fn number(&self, at: usize, micros: i64) -> Result<bool, Fault> {
        let check = |holds: bool, fault| if holds { Ok(true) } else { Err(fault) };
        let whole = (micros % 1_000_000 == 0).then_some(micros / 1_000_000);
        if self.is_bound(at, micros) {
            return self.within_bound(at);
        }
        if self.near(at, Cue::Left)
            || self.tokens.get(at + 1).is_some_and(|t| t.has(Cue::Unit) && !t.has(Cue::Count))
        {
            return check(self.all(at, |p| whole.is_some() && p.stock == whole), Fault::Stock);
        }
        let next = |n: usize| self.tokens.get(at + n);
        let noun = |t: Option<&Token>| {
            t.is_some_and(|t| {
                t.has(Cue::Count) || matches!(t, Token::Property { categories, .. } if !categories.is_empty())
            })
        };
        let describes =
            |t: &Token| t.has(Cue::Plain) || matches!(t, Token::Property { .. } | Token::Brand { .. });
        let described = next(1).is_some_and(describes);
        // `Three pairs of noise cancelling headphones`; of what is left it would be a number of pieces.
        let further = !self.any(Cue::Left)
            && (3..=DESCRIBED_MAX).any(|n| noun(next(n)) && (1..n).all(|n| next(n).is_some_and(describes)));
        if noun(next(1)) || described && noun(next(2)) || further {
            let shown = i64::try_from(self.facts.products.len()).unwrap_or(i64::MAX);
            let part =
                self.tokens.get(at.saturating_sub(NEAR)..at).unwrap_or(&[]).iter().any(|t| t.has(Cue::Part));
            let holds =
                whole.is_some_and(|n| n == shown || n == 1 && 0 < shown || part && 0 < n && n <= shown);
            return check(holds, Fault::Count);
        }
        if self.near(at, Cue::Rating) || self.rates(at) {
            let is = |p: &Product| {
                p.rating
                    .is_some_and(|r| ((f64::from(r) * 1e6) as i64).abs_diff(micros) <= RATING_ROUNDED as u64)
            };
            return check(self.all(at, is), Fault::Rating);
        }
        check(self.all(at, |p| self.is_price(at, p)), Fault::Price)
    }

    /// Whether a number follows a rating with nothing said in between: `has the best rating of the three, 4.8`. Where a price is spoken of, it is one.
    fn rates(&self, at: usize) -> bool {
        let idle = |t: &&Token| {
            let of = [Cue::OfTwo, Cue::OfThree, Cue::OfFour, Cue::OfFive];
            t.has(Cue::Plain) && !t.has(Cue::And)
                || of.into_iter().any(|cue| t.has(cue))
                || matches!(t, Token::Mark(',' | '，'))
        };
        let before = self.tokens.get(..at).unwrap_or(&[]).iter().rev();
        let last = before.take(RATING_WITHIN).find(|t| !idle(t));
        !self.any(Cue::Price) && last.is_some_and(|t| t.has(Cue::Rating) || t.has(Cue::BestRated))
    }

    /// Whether a figure is a bound that the shopper set, and is said as one.
    fn is_bound(&self, at: usize, micros: i64) -> bool {
        let Some(range) = self.facts.wanted.price else { return false };
        let figure = |i: usize| matches!(self.tokens.get(i), Some(Token::Figure(_)));
        let to = |i: usize| self.tokens.get(i).is_some_and(|t| t.has(Cue::To));
        let ranged = to(at + 1) && figure(at + 2) || to(at.wrapping_sub(1)) && figure(at.wrapping_sub(2));
        let is = |bound: Option<Micros>| bound.is_some_and(|b| same(b, micros));
        let said = is(range.max) && self.near(at, Cue::Max)
            || is(range.min) && self.near(at, Cue::Min)
            || is(range.about) && self.near(at, Cue::About)
            || (ranged || self.near(at, Cue::Budget) || self.near(at, Cue::InBudget))
                && (is(range.min) || is(range.max) || is(range.about));
        let currency = match self.tokens.get(at) {
            Some(Token::Figure(Figure::Money { currencies, .. })) => match range.currency {
                Some(code) => currencies.contains(&code),
                None => {
                    self.facts.products.iter().filter_map(|p| p.price).all(|(_, c)| currencies.contains(&c))
                }
            },
            _ => true,
        };
        said && currency
    }

    /// A bound said beside a product says that the product keeps to it.
    fn within_bound(&self, at: usize) -> Result<bool, Fault> {
        let spoken_of = self.subjects.group_before(at).is_some()
            || self.subjects.mentions().iter().any(|m| at < m.at && !self.subjects.parted(at, m.at));
        if spoken_of && !self.all(at, |p| self.in_range(p)) {
            Err(Fault::Budget)
        } else {
            Ok(!self.echoes(at))
        }
    }
}
