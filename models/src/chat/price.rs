//! Which numbers of a message are money, and which bound each one is. A number is a price only if something says so: a currency, a bound
//! (`以内`, `under`), a word for the budget, an open question about it; `iPhone 999`, `14寸` and `2024款` are none.

use shoptide_schemas::{Currency, Micros};

use super::amount::{Amount, Number};
use super::atoms::{Atom, Kind};
use super::dictionary::{Cue, Sense};
use super::slots::{PriceProblem, PriceRange};
use super::spans::Span;
use super::specs::{is_measure, spec};

/// Spans before a number that are looked at for what it bounds.
const LOOK_BACK: usize = 5;
/// A bare number before a category is a price from here on: smaller ones are sizes and counts.
const BARE_MIN: i64 = 100 * Micros::PER_UNIT;

const CURRENCIES: [(Cue, [u8; 3]); 7] = [
    (Cue::Cny, *b"CNY"),
    (Cue::Usd, *b"USD"),
    (Cue::Eur, *b"EUR"),
    (Cue::Gbp, *b"GBP"),
    (Cue::Jpy, *b"JPY"),
    (Cue::Hkd, *b"HKD"),
    (Cue::Krw, *b"KRW"),
];

/// What the message says of the price.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub price: Option<PriceRange>,
    pub problem: Option<PriceProblem>,
    /// Spans that were read as money or its bounds.
    pub used: Vec<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Max,
    Min,
    About,
}

/// Money at a place: the number, and how many spans it reaches to.
#[derive(Debug, Clone, Copy)]
struct Money {
    low: Number,
    high: Number,
    unit: i64,
    currency: Option<Currency>,
    /// First and last span, inclusive.
    first: usize,
    last: usize,
    negative: bool,
    letter_w: bool,
}

/// Reads the prices of a message; `asked` if the shopper was asked for one.
pub(crate) fn read(spans: &[Span], atoms: &[Atom], asked: bool) -> Read {
    let reader = Reader { spans, atoms, asked };
    let mut out = Read { used: vec![false; spans.len()], ..Read::default() };
    let mut range = PriceRange::default();
    let mut i = 0;
    while i < spans.len() {
        let Some(money) = reader.money(i, &out.used) else {
            i += 1;
            continue;
        };
        i = money.last + 1;
        reader.bound(money, &mut range, &mut out);
        i = i.max(out.used.iter().rposition(|u| *u).map_or(0, |last| last + 1));
    }
    if let (Some(min), Some(max)) = (range.min, range.max)
        && max < min
    {
        (range.min, range.max) = (Some(max), Some(min));
        out.problem = Some(PriceProblem::Swapped);
    }
    if range.min.is_some() || range.max.is_some() || range.about.is_some() {
        out.price = Some(range);
    }
    out
}

struct Reader<'a> {
    spans: &'a [Span],
    atoms: &'a [Atom],
    asked: bool,
}

impl Reader<'_> {
    fn span(&self, i: usize) -> Option<&Span> {
        self.spans.get(i)
    }

    fn before(&self, i: usize) -> Option<&Span> {
        self.span(i.checked_sub(1)?)
    }

    fn mark(&self, i: usize) -> Option<&str> {
        let span = self.span(i)?;
        let atom = self.atoms.get(span.from)?;
        (span.to == span.from + 1).then_some(&*atom.text)
    }

    /// `$`, `¥` and their like.
    fn sign(&self, i: usize) -> Option<Currency> {
        let code = match self.mark(i)? {
            "$" | "＄" => b"USD",
            "¥" => b"CNY",
            "€" => b"EUR",
            "£" => b"GBP",
            "₩" => b"KRW",
            _ => return None,
        };
        Some(Currency(*code))
    }

    fn currency_word(&self, i: usize) -> Option<Currency> {
        let span = self.span(i)?;
        CURRENCIES.iter().find(|(cue, _)| span.has(*cue)).map(|(_, code)| Currency(*code))
    }

    /// The number at a span with the currency before or behind it, if it may be one of money at all.
    fn money(&self, i: usize, used: &[bool]) -> Option<Money> {
        let span = self.span(i)?;
        let amount: Amount = span.amount?;
        if used.get(i).copied().unwrap_or(false) {
            return None;
        }
        let mut money = Money {
            low: amount.low,
            high: amount.high,
            unit: amount.unit,
            currency: None,
            first: i,
            last: i,
            negative: false,
            letter_w: amount.letter_w,
        };
        if let Some(sign) = i.checked_sub(1).and_then(|b| self.sign(b)) {
            (money.currency, money.first) = (Some(sign), i - 1);
            if i >= 2 && self.mark(i - 2).is_some_and(|m| matches!(m, "us" | "hk")) {
                money.first = i - 2;
            }
        } else if let Some(word) = i.checked_sub(1).and_then(|b| self.currency_word(b))
            && self
                .before(i)
                .is_some_and(|s| s.has(Cue::Cny) || s.has(Cue::Usd) || s.has(Cue::Eur) || s.has(Cue::Gbp))
            && i.checked_sub(2).and_then(|b| self.span(b)).is_none_or(|s| s.amount.is_none())
        {
            (money.currency, money.first) = (Some(word), i - 1);
        }
        if let Some(word) =
            self.currency_word(i + 1).or_else(|| self.sign(i + 1).filter(|_| money.currency.is_none()))
        {
            // `5 pounds` of weight are not told from money; a price is the commoner.
            (money.currency, money.last) = (Some(word), i + 1);
            // `100块钱人民币`
            if self.currency_word(i + 2).is_some() {
                money.last = i + 2;
            }
            // `300元多`: up to the next hundred.
            if self.mark(money.last + 1) == Some("多") {
                let (low, high) = amount.with_more();
                (money.low, money.high, money.last) = (low, high, money.last + 1);
            }
        }
        let minus = money.first.checked_sub(1).filter(|m| self.mark(*m) == Some("-"));
        if let Some(minus) = minus
            && !minus.checked_sub(1).is_some_and(|b| {
                self.span(b).is_some_and(|s| s.amount.is_some()) || self.currency_word(b).is_some()
            })
        {
            (money.negative, money.first) = (true, minus);
        }
        if money.currency.is_none() && self.is_other(i) {
            return None;
        }
        Some(money)
    }

    /// A size, a count, a model, a year: whatever stands beside a number that makes it no price.
    fn is_other(&self, i: usize) -> bool {
        let Some(span) = self.span(i) else { return true };
        let next = self.span(i + 1);
        let glued = |s: &Span| self.atoms.get(s.from).is_some_and(|a| a.glued);
        if is_measure(next) || span.amount.is_some_and(|a| !a.letter_w) && spec(self.atoms, span).is_some() {
            return true;
        }
        if next.is_some_and(|s| s.has(Cue::Classifier)) {
            return true;
        }
        let word = |s: &Span| self.atoms.get(s.to.wrapping_sub(1)).is_some_and(|a| a.kind == Kind::Word);
        // `x100`, `gtx 4060`, `iPhone 999`: glued to letters, or behind a name in Latin letters.
        if let Some(before) = self.before(i) {
            let named = word(before)
                && (before.unknown() || before.senses.iter().any(|s| matches!(s, Sense::Brand(_))));
            if named || word(before) && glued(span) && !before.any(&[Cue::Cny, Cue::Usd, Cue::Eur, Cue::Gbp])
            {
                return true;
            }
            if before.has(Cue::OrdinalBefore) {
                return true;
            }
        }
        // `500d`, `3000mah`: letters glued behind it.
        next.is_some_and(|n| {
            glued(n) && self.atoms.get(n.from).is_some_and(|a| a.kind == Kind::Word && a.text.len() <= 3)
        }) && next.is_some_and(|n| !n.any(&[Cue::MaxAfter, Cue::MinAfter, Cue::AboutAfter, Cue::To]))
    }

    /// Cues close before a place, up to the clause's beginning.
    fn cues_before(&self, first: usize) -> (Vec<Cue>, Vec<usize>) {
        let (mut cues, mut at) = (Vec::new(), Vec::new());
        for back in 1..=LOOK_BACK {
            let Some(i) = first.checked_sub(back) else { break };
            let Some(span) = self.span(i) else { break };
            let found = [
                Cue::MaxBefore,
                Cue::MinBefore,
                Cue::AboutBefore,
                Cue::BudgetWord,
                Cue::Between,
                Cue::MonthlyBudget,
            ];
            let mut hit = false;
            for cue in found {
                if span.has(cue) {
                    cues.push(cue);
                    hit = true;
                }
            }
            if hit {
                at.push(i);
                continue;
            }
            let colon = self.mark(i).is_some_and(|m| matches!(m, ":" | "(" | "=" | "：" | "（"));
            let passing =
                span.any(&[Cue::Filler, Cue::Intensifier, Cue::Change, Cue::With, Cue::For, Cue::Month]);
            let light = colon || passing && !span.is_content() && !span.has(Cue::Not);
            if !light || span.amount.is_some() {
                break;
            }
        }
        (cues, at)
    }

    fn cues_after(&self, last: usize) -> Option<(Cue, usize)> {
        // `500块钱的以内`, `500 dollars or less`: at once, or behind a 的.
        for i in [last + 1, last + 2] {
            let span = self.span(i)?;
            for cue in [Cue::MaxAfter, Cue::MinAfter, Cue::AboutAfter] {
                if span.has(cue) {
                    return Some((cue, i));
                }
            }
            if self.mark(i) != Some("的") {
                return None;
            }
        }
        None
    }

    /// Sets what one price, or a range of two, says.
    fn bound(&self, money: Money, range: &mut PriceRange, out: &mut Read) {
        if let Some(second) = self.second(&money, &out.used) {
            return self.both(money, second, range, out);
        }
        let (before, before_at) = self.cues_before(money.first);
        let after = self.cues_after(money.last);
        // A bound before that belongs to a size behind: `under 2kg`. The size was refused above, so here it is money.
        let bound = match (after.map(|(cue, _)| cue), &before) {
            (Some(Cue::MaxAfter), _) => Some(Bound::Max),
            (Some(Cue::MinAfter), _) => Some(Bound::Min),
            (_, b) if b.contains(&Cue::MaxBefore) => Some(Bound::Max),
            (_, b) if b.contains(&Cue::MinBefore) => Some(Bound::Min),
            (Some(_), _) => Some(Bound::About),
            (_, b) if b.contains(&Cue::AboutBefore) => Some(Bound::About),
            (_, b) if b.contains(&Cue::BudgetWord) => Some(self.budget_word(&before_at)),
            (_, b) if b.contains(&Cue::MonthlyBudget) => Some(Bound::Max),
            _ if self
                .span(money.last + 1)
                .is_some_and(|s| matches!(s.text(self.atoms).as_str(), "预算" | "budget" | "的预算")) =>
            {
                Some(Bound::Max)
            }
            _ => self.bare(&money),
        };
        let Some(bound) = bound else { return };
        if money.letter_w
            && money.currency.is_none()
            && 20 * 10_000 * Micros::PER_UNIT <= money.low.micros().unwrap_or(0)
        {
            return;
        }
        for i in money.first..=money.last {
            set(&mut out.used, i);
        }
        before_at.iter().for_each(|i| set(&mut out.used, *i));
        after.iter().for_each(|(_, i)| set(&mut out.used, *i));
        let (low, high) = match self.checked(&money, out) {
            Some(both) => both,
            None => return,
        };
        range.currency = range.currency.or(money.currency);
        match bound {
            Bound::Max => range.max = Some(high),
            Bound::Min => range.min = Some(low),
            Bound::About if low < high => (range.min, range.max) = (Some(low), Some(high)),
            Bound::About => range.about = Some(low),
        }
    }

    fn checked(&self, money: &Money, out: &mut Read) -> Option<(Micros, Micros)> {
        let problem = match (money.low, money.high) {
            _ if money.negative => PriceProblem::Negative,
            (Number::Exact(low), Number::Exact(high)) if 0 < low.0 => return Some((low, high)),
            (Number::Exact(_), Number::Exact(_)) => PriceProblem::Zero,
            _ => PriceProblem::TooLarge,
        };
        out.problem = Some(problem);
        None
    }

    /// A budget is an upper bound; a price is about what it says.
    fn budget_word(&self, at: &[usize]) -> Bound {
        let texts: Vec<String> =
            at.iter().filter_map(|i| self.span(*i)).map(|s| s.text(self.atoms)).collect();
        let price = |t: &String| {
            ["价格", "价位", "价钱", "price", "priced", "cost", "价格在", "价位在", "花"]
                .iter()
                .any(|p| t.starts_with(p))
        };
        if texts.iter().all(price) { Bound::About } else { Bound::Max }
    }

    /// A number without a bound: a price if it has a currency, or is asked for, or stands before what is looked for.
    fn bare(&self, money: &Money) -> Option<Bound> {
        let next = self.span(money.last + 1);
        // `4k`, `4060`: a quality with a figure in its name.
        if self.span(money.first).is_some_and(Span::is_content) {
            return None;
        }
        if money.currency.is_some() {
            // `3块不是三号篮球`: one or two coins are no price of anything looked for, but a zero or a minus must be told.
            return Some(Bound::About);
        }
        if self.asked && self.spans.len() <= 4 && !self.spans.iter().any(Span::is_content) {
            return Some(Bound::Max);
        }
        let value = money.low.micros().filter(|m| BARE_MIN <= *m)?;
        let units = value / Micros::PER_UNIT;
        let year = (1990..=2039).contains(&units) && money.unit == 1;
        let of = self.mark(money.last + 1) == Some("的");
        let noun = next.is_some_and(|s| s.senses.iter().any(|s| matches!(s, Sense::Category(_))));
        let behind = self
            .before(money.first)
            .is_some_and(|s| s.senses.iter().any(|s| matches!(s, Sense::Category(_))));
        let last = self.span(money.last + 1).is_none();
        let alone = money.unit != 1 || units % 10 == 0;
        ((of || noun || behind && last && alone) && !year).then_some(Bound::About)
    }

    /// The other end of a range: `3000到5000`, `$50-$80`, `between 50 and 80`.
    fn second(&self, first: &Money, used: &[bool]) -> Option<Money> {
        let joint = self.span(first.last + 1)?;
        let mark = self.mark(first.last + 1);
        let dash = matches!(mark, Some("-" | "~" | "～"));
        if !dash && !joint.has(Cue::To) {
            return None;
        }
        let mut at = first.last + 2;
        if dash && self.mark(at) == mark {
            at += 1;
        }
        if self.sign(at).is_some() {
            at += 1;
        }
        let mut second = self.money(at, used)?;
        // The dash is no minus.
        second.negative = false;
        let (before, _) = self.cues_before(first.first);
        let between = before.contains(&Cue::Between)
            || before.contains(&Cue::BudgetWord)
            || before.contains(&Cue::AboutBefore);
        let and = joint.has(Cue::And) && !dash && !matches!(mark, Some("到" | "至" | "to"));
        if and && !between {
            return None;
        }
        let said = first.currency.is_some() || second.currency.is_some() || between;
        let bounded = self.cues_after(second.last).is_some() || before.contains(&Cue::MaxBefore);
        let large = |m: &Money| m.low.micros().is_none_or(|m| 50 * Micros::PER_UNIT <= m);
        (said || bounded || self.asked || large(first) && large(&second) || second.unit != 1)
            .then_some(second)
    }

    fn both(&self, mut first: Money, second: Money, range: &mut PriceRange, out: &mut Read) {
        // `3到5千`, `2-3k`: the first has the second's unit if it is the smaller figure.
        if first.unit == 1 && 1 < second.unit {
            let scaled = first.low.times(second.unit);
            if scaled.micros().zip(second.low.micros()).is_some_and(|(a, b)| a < b) {
                (first.low, first.high) = (scaled, scaled);
            }
        }
        let (_, before_at) = self.cues_before(first.first);
        let after = self.cues_after(second.last);
        (first.first..=second.last).for_each(|i| set(&mut out.used, i));
        before_at.iter().for_each(|i| set(&mut out.used, *i));
        after.iter().for_each(|(_, i)| set(&mut out.used, *i));
        let Some((low, _)) = self.checked(&first, out) else { return };
        let Some((_, high)) = self.checked(&second, out) else { return };
        range.currency = range.currency.or(first.currency).or(second.currency);
        (range.min, range.max) = (Some(low), Some(high));
    }
}

fn set(used: &mut [bool], i: usize) {
    if let Some(slot) = used.get_mut(i) {
        *slot = true;
    }
}
