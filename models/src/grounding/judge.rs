//! Whether one sentence says only what the facts say.

use shoptide_schemas::{Currency, Micros};

use super::facts::{Facts, Product};
use super::lexer::Token;
use super::numbers::{Figure, same};
use super::subjects::{Mention, Subjects, says_something};
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
const NEAR: usize = 2;
/// Tokens behind a "not" in which what it denies must come.
const DENIED_WITHIN: usize = 3;
/// Micro-units by which a rating may be rounded: to one decimal.
const RATING_ROUNDED: i64 = 50_000;

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

/// Where products are spoken of.
fn mentions(tokens: &[Token], facts: &Facts, focus: &[usize]) -> Result<Vec<Mention>, Fault> {
    let count = facts.products.len();
    let all: Vec<usize> = (0..count).collect();
    let one = |place: usize| if place < count { Ok(vec![place]) } else { Err(Fault::Count) };
    let mut found: Vec<(Mention, bool)> = Vec::new();
    let mut superlatives = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1);
        let names_next = matches!(next, Some(Token::Named(_) | Token::Brand { .. }));
        let noun_next = next.is_some_and(|t| {
            t.has(Cue::Count) || matches!(t, Token::Property { categories, .. } if !categories.is_empty())
        });
        let mut add = |products: Vec<usize>, named: bool, exact: bool| {
            found.push((Mention { at, products, named }, exact))
        };
        match token {
            Token::Named(products) => add(products.clone(), true, true),
            Token::Brand { products, .. } if !products.is_empty() => add(products.clone(), true, false),
            Token::Place(place) => add(one(place.wrapping_sub(1))?, false, false),
            Token::Words(cues) => {
                let has = |cue| cues.contains(&cue);
                let ordinal = [Cue::Ordinal1, Cue::Ordinal2, Cue::Ordinal3, Cue::Ordinal4, Cue::Ordinal5];
                if let Some(place) = ordinal.iter().position(|cue| has(*cue)) {
                    // `First, …` begins a sentence; `the first two` counts.
                    if !has(Cue::Part) || noun_next {
                        add(one(place)?, false, false);
                    }
                } else if has(Cue::Last) {
                    add(one(count.wrapping_sub(1))?, false, false);
                } else if has(Cue::It) && !names_next {
                    let it = if focus.is_empty() { all.clone() } else { focus.to_vec() };
                    add(it, false, false);
                } else if has(Cue::These) {
                    add(all.clone(), false, false);
                } else if [Cue::Cheapest, Cue::Dearest, Cue::BestRated].into_iter().any(has) {
                    superlatives.push(at);
                }
            }
            _ => {}
        }
    }
    if found.is_empty()
        && let Some(at) = superlatives.first().copied()
        && let Some(token) = tokens.get(at)
        && let Some(best) = (0..count).find(|i| is_superlative(facts, token, *i))
    {
        // `The cheapest one costs …`: it names a product.
        found.push((Mention { at, products: vec![best], named: false }, false));
    }
    narrowed(tokens, found)
}

/// Two mentions side by side are one product said twice: `the second one, Mate 60`, `小米的小米14`.
fn narrowed(tokens: &[Token], mut found: Vec<(Mention, bool)>) -> Result<Vec<Mention>, Fault> {
    found.sort_by_key(|(m, _)| m.at);
    for i in 1..found.len() {
        let (Some((first, first_exact)), Some((second, second_exact))) = (found.get(i - 1), found.get(i))
        else {
            continue;
        };
        let between = tokens.get(first.at + 1..second.at).unwrap_or(&[]);
        let joined = between.iter().all(|t| {
            matches!(t, Token::Mark(':' | '：' | '(' | '（' | '"' | '“' | '”' | '-'))
                || t.has(Cue::Plain) && !t.has(Cue::And)
        });
        if !joined || *first_exact && *second_exact {
            continue;
        }
        let both: Vec<usize> =
            first.products.iter().copied().filter(|p| second.products.contains(p)).collect();
        if both.is_empty() {
            return Err(Fault::Count);
        }
        for j in [i - 1, i] {
            if let Some((mention, _)) = found.get_mut(j) {
                mention.products.clone_from(&both);
            }
        }
    }
    Ok(found.into_iter().map(|(m, _)| m).collect())
}

/// Whether a product is the cheapest, the dearest or the best rated of those shown, as the token says.
fn is_superlative(facts: &Facts, token: &Token, product: usize) -> bool {
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

struct Judge<'a> {
    tokens: &'a [Token],
    facts: &'a Facts,
    subjects: Subjects<'a>,
    /// Tokens that were checked with another one.
    settled: Vec<bool>,
}

impl Judge<'_> {
    fn products(&self, at: usize) -> Vec<&Product> {
        self.subjects.of(at).iter().filter_map(|i| self.facts.products.get(*i)).collect()
    }

    /// Every product that the token is said of; false if there is none.
    fn all(&self, at: usize, holds: impl Fn(&Product) -> bool) -> bool {
        let products = self.products(at);
        !products.is_empty() && products.into_iter().all(holds)
    }

    fn any(&self, cue: Cue) -> bool {
        self.tokens.iter().any(|t| t.has(cue))
    }

    fn near(&self, at: usize, cue: Cue) -> bool {
        let from = at.saturating_sub(NEAR);
        self.tokens.iter().skip(from).take(at - from + NEAR + 1).any(|t| t.has(cue))
    }

    fn settle(&mut self, at: usize) {
        if let Some(settled) = self.settled.get_mut(at) {
            *settled = true;
        }
    }

    /// Said of what the shopper wants, not of a product.
    fn echoes(&self, at: usize) -> bool {
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
            return self.denied(at);
        }
        // `Few left`: how many must be said, and is checked with the number.
        let counted = self.tokens.iter().any(|t| matches!(t, Token::Figure(Figure::Number { .. })));
        if has(Cue::Left) && !has(Cue::Price) && !counted {
            return Err(Fault::Stock);
        }
        Ok(false)
    }

    fn in_range(&self, product: &Product) -> bool {
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

    /// One product against another: the one behind "than" is what the other is measured by.
    fn compared(&self, at: usize, cheaper: bool) -> Result<bool, Fault> {
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
        let once = self.tokens.iter().filter(|t| t.has(Cue::Cheaper) || t.has(Cue::Dearer)).count() == 1;
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
    fn differences(&mut self) {
        let Some((own, other, code)) = self.pair() else { return };
        let by = own.0.abs_diff(other.0);
        let Some(at) = self.tokens.iter().position(|t| t.has(Cue::Cheaper) || t.has(Cue::Dearer)) else {
            return;
        };
        for beside in [at.wrapping_sub(1), at + 1] {
            if let Some(Token::Figure(Figure::Money { micros, currencies })) = self.tokens.get(beside)
                && currencies.contains(&code)
                && u64::try_from(*micros).ok() == Some(by)
            {
                self.settle(beside);
            }
        }
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

    /// `A and B cost 100 and 200 respectively`: in their order.
    fn respectively(&mut self) {
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

    fn is_price(&self, at: usize, product: &Product) -> bool {
        let Some((price, currency)) = product.price else { return false };
        match self.tokens.get(at) {
            Some(Token::Figure(Figure::Money { micros, currencies })) => {
                same(price, *micros) && currencies.contains(&currency)
            }
            Some(Token::Figure(Figure::Number { micros })) => same(price, *micros),
            _ => false,
        }
    }

    fn figure(&self, at: usize, figure: &Figure) -> Result<bool, Fault> {
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
        let described = next(1)
            .is_some_and(|t| t.has(Cue::Plain) || matches!(t, Token::Property { .. } | Token::Brand { .. }));
        if noun(next(1)) || described && noun(next(2)) {
            let shown = i64::try_from(self.facts.products.len()).unwrap_or(i64::MAX);
            let part =
                self.tokens.get(at.saturating_sub(NEAR)..at).unwrap_or(&[]).iter().any(|t| t.has(Cue::Part));
            let holds =
                whole.is_some_and(|n| n == shown || n == 1 && 0 < shown || part && 0 < n && n <= shown);
            return check(holds, Fault::Count);
        }
        if self.near(at, Cue::Rating) {
            let is = |p: &Product| {
                p.rating
                    .is_some_and(|r| ((f64::from(r) * 1e6) as i64).abs_diff(micros) <= RATING_ROUNDED as u64)
            };
            return check(self.all(at, is), Fault::Rating);
        }
        check(self.all(at, |p| self.is_price(at, p)), Fault::Price)
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
            || (ranged || self.near(at, Cue::Budget)) && (is(range.min) || is(range.max) || is(range.about));
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
