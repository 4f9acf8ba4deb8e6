//! Numbers as people write prices: `1.5k`, `一万二`, `3千5`, `三四百`, `three hundred`. Exact integers of micro-units, never a float.

use shoptide_schemas::Micros;
use shoptide_schemas::money::WHOLE_DIGITS_MAX;

use super::atoms::{Atom, Kind};

/// A number said in a message, in millionths. Both are the same unless it was said as a span (`三四百`, `三千多`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Amount {
    pub low: Number,
    pub high: Number,
    /// What it was multiplied with, 1 if nothing was said: `3到5千` means thousands twice.
    pub unit: i64,
    /// Atoms it takes.
    pub atoms: usize,
    /// The last atom is a `w`, which stands for ten thousand beside a price and for watts elsewhere.
    pub letter_w: bool,
}

/// A number, or that it is beyond what a price can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    Exact(Micros),
    TooLarge,
}

const WHOLE_MAX: i64 = 10_i64.pow(WHOLE_DIGITS_MAX as u32) - 1;
const ONE: i64 = Micros::PER_UNIT;

impl Number {
    fn of(micros: Option<i64>) -> Self {
        match micros.filter(|m| (0..=WHOLE_MAX * ONE + (ONE - 1)).contains(m)) {
            Some(micros) => Self::Exact(Micros(micros)),
            None => Self::TooLarge,
        }
    }

    pub fn micros(self) -> Option<i64> {
        match self {
            Self::Exact(Micros(m)) => Some(m),
            Self::TooLarge => None,
        }
    }

    pub fn times(self, unit: i64) -> Self {
        Self::of(self.micros().and_then(|m| m.checked_mul(unit)))
    }
}

impl Amount {
    fn exact(micros: Option<i64>, unit: i64, atoms: usize) -> Self {
        let number = Number::of(micros);
        Self { low: number, high: number, unit, atoms, letter_w: false }
    }

    /// From the number to the next of its last place that is not zero.
    pub fn with_more(&self) -> (Number, Number) {
        let Some(low) = self.low.micros().filter(|m| 10 * ONE <= *m) else { return (self.low, self.high) };
        let mut place = ONE;
        while low % (place * 10) == 0 {
            place *= 10;
        }
        (self.low, Number::of(Some(low + place)))
    }

    /// The number in whole units, if it is whole and small enough to be counted with.
    pub fn count(&self) -> Option<u32> {
        let micros = self.low.micros()?;
        (self.low == self.high && micros % ONE == 0).then(|| u32::try_from(micros / ONE).ok())?
    }
}

fn digit(c: char) -> Option<i64> {
    Some(match c {
        '零' | '〇' => 0,
        '一' | '壹' => 1,
        '二' | '两' | '贰' | '俩' => 2,
        '三' | '叁' | '仨' => 3,
        '四' | '肆' => 4,
        '五' | '伍' => 5,
        '六' | '陆' => 6,
        '七' | '柒' => 7,
        '八' | '捌' => 8,
        '九' | '玖' => 9,
        _ => return None,
    })
}

fn unit(c: char) -> Option<i64> {
    Some(match c {
        '十' | '拾' => 10,
        '百' | '佰' => 100,
        '千' | '仟' => 1_000,
        '万' => 10_000,
        '亿' => 100_000_000,
        _ => return None,
    })
}

fn english(word: &str) -> Option<i64> {
    const ONES: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    let ones = ONES.iter().position(|w| *w == word).map(|n| n as i64);
    ones.or_else(|| TENS.iter().position(|w| *w == word).map(|n| 10 * (n as i64 + 2)))
}

fn english_unit(word: &str) -> Option<i64> {
    Some(match word {
        "hundred" => 100,
        "thousand" | "grand" | "k" => 1_000,
        "million" => 1_000_000,
        _ => return None,
    })
}

fn one_char(atom: Option<&Atom>) -> Option<char> {
    let atom = atom.filter(|a| a.kind == Kind::Han)?;
    atom.text.chars().next()
}

/// The number that begins here, if one does.
pub(crate) fn amount(atoms: &[Atom]) -> Option<Amount> {
    let first = atoms.first()?;
    match first.kind {
        Kind::Number => figures(atoms),
        Kind::Han => han(atoms),
        Kind::Word => words(atoms),
        Kind::Mark => None,
    }
}

/// The fraction of a decimal may have more digits than a price; what is beyond micro-units is cut off.
fn decimal(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction: String = fraction.chars().take(6).collect();
    let text = if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") };
    Micros::parse(&text, "amount").ok().map(|m| m.0)
}

/// `3000`, `1.5k`, `3千5`, `1万2千`, `3000多`.
fn figures(atoms: &[Atom]) -> Option<Amount> {
    let value = decimal(&atoms.first()?.text);
    let next = atoms.get(1);
    if let Some(unit) = next.filter(|a| a.kind == Kind::Word).and_then(|a| english_unit(&a.text)) {
        let glued_k = next.is_some_and(|a| !a.is("k") || a.glued);
        if glued_k {
            let mut made = Amount::exact(value.and_then(|v| v.checked_mul(unit)), unit, 2);
            // 1k5
            if let Some(tail) =
                atoms.get(2).filter(|a| a.glued && a.kind == Kind::Number && a.text.len() == 1)
                && unit == 1_000
                && let Some(tail) = decimal(&tail.text)
            {
                made = Amount::exact(made.low.micros().map(|m| m + tail * 100), unit, 3);
            }
            return Some(made);
        }
    }
    if next.is_some_and(|a| a.is("w") && a.glued) {
        let mut made = Amount::exact(value.and_then(|v| v.checked_mul(10_000)), 10_000, 2);
        made.letter_w = true;
        return Some(made);
    }
    if let Some(first_unit) = one_char(next).and_then(unit).filter(|u| 100 <= *u) {
        let (tail, taken) = after_unit(atoms.get(2..).unwrap_or(&[]), first_unit);
        let all = value.and_then(|v| v.checked_mul(first_unit)).and_then(|v| v.checked_add(tail));
        return Some(more(Amount::exact(all, first_unit, 2 + taken), atoms));
    }
    Some(more(Amount::exact(value, 1, 1), atoms))
}

/// What follows a unit: `万2` and `万二` are thousands, `千5百` is what it says. In micro-units, and the atoms it takes.
fn after_unit(atoms: &[Atom], above: i64) -> (i64, usize) {
    let Some(first) = atoms.first() else { return (0, 0) };
    let figure = match first.kind {
        Kind::Number if first.glued && first.text.len() == 1 => decimal(&first.text).map(|v| v / ONE),
        Kind::Han => one_char(Some(first)).and_then(digit),
        _ => None,
    };
    let Some(figure) = figure else { return (0, 0) };
    if let Some(u) = one_char(atoms.get(1)).and_then(unit).filter(|u| *u < above) {
        let (tail, taken) = after_unit(atoms.get(2..).unwrap_or(&[]), u);
        return (figure * u * ONE + tail, 2 + taken);
    }
    if figure == 0 {
        let (tail, taken) = after_unit(atoms.get(1..).unwrap_or(&[]), 10);
        return (tail, 1 + taken);
    }
    // `一千零五`: after a zero the figure is what it says, which `above` of 10 makes of it.
    (figure * (above / 10).max(1) * ONE, 1)
}

/// `多`: from the number to the next of its last place that is not zero. `来` and `把` only say that it is about that.
fn more(exact: Amount, atoms: &[Atom]) -> Amount {
    match one_char(atoms.get(exact.atoms)) {
        Some('来' | '把') if 1 < exact.unit => return Amount { atoms: exact.atoms + 1, ..exact },
        Some('多') => {}
        _ => return exact,
    }
    let (low, high) = exact.with_more();
    Amount { low, high, atoms: exact.atoms + 1, ..exact }
}

/// `三千五`, `一万二`, `十五`, `三四百`, `几百`, `百元`.
fn han(atoms: &[Atom]) -> Option<Amount> {
    let at = |i: usize| one_char(atoms.get(i));
    let spoken = |i: usize| at(i).and_then(digit);
    // Two neighbouring figures are a span.
    if let (Some(a), Some(b), Some(u)) = (spoken(0), spoken(1), at(2).and_then(unit))
        && 0 < a
        && a < b
        && b <= a + 2
    {
        let more_units = at(3).and_then(unit).filter(|m| u < *m).unwrap_or(1);
        let unit = u * more_units;
        let number = |n: i64| Number::of(Some(n * unit * ONE));
        let taken = if 1 < more_units { 4 } else { 3 };
        return Some(Amount { low: number(a), high: number(b), unit, atoms: taken, letter_w: false });
    }
    if matches!(at(0), Some('几' | '数'))
        && let Some(u) = at(1).and_then(unit)
    {
        let number = |n: i64| Number::of(Some(n * u * ONE));
        return Some(Amount { low: number(1), high: number(10), unit: u, atoms: 2, letter_w: false });
    }
    let starts = spoken(0).is_some() || at(0).and_then(unit).is_some_and(|u| u <= 10_000);
    if !starts {
        return None;
    }
    let (mut total, mut section, mut figure, mut i) = (0i64, 0i64, None, 0usize);
    let mut last_unit = 1i64;
    let mut after_zero = false;
    while let Some(c) = at(i) {
        if let Some(d) = digit(c) {
            if figure.is_some_and(|f| f != 0) {
                // Figures without units: `三零零零`; read one after the other.
                figure = figure.and_then(|f: i64| f.checked_mul(10)).map(|f| f + d);
            } else {
                figure = Some(d);
            }
            after_zero |= d == 0;
        } else if let Some(u) = unit(c) {
            let n = figure.take();
            if 10_000 <= u {
                let below = section.saturating_add(n.unwrap_or(0)).max(1);
                // Beyond all bounds it stays there, and is told to be too large below.
                total = total.saturating_add(below).saturating_mul(u);
                section = 0;
            } else {
                section = section.saturating_add(n.unwrap_or(1).saturating_mul(u));
            }
            last_unit = u;
            after_zero = false;
        } else {
            break;
        }
        i += 1;
        if 16 < i {
            return Some(Amount {
                low: Number::TooLarge,
                high: Number::TooLarge,
                unit: 1,
                atoms: i,
                letter_w: false,
            });
        }
    }
    let rest = match figure {
        Some(f) if 10 <= last_unit && !after_zero && f < 10 => f * (last_unit / 10),
        Some(f) => f,
        None => 0,
    };
    let all = total.checked_add(section).and_then(|n| n.checked_add(rest)).and_then(|n| n.checked_mul(ONE));
    let mut made = more(Amount::exact(all, last_unit, i), atoms);
    // 三点五万
    if at(i) == Some('点')
        && let (Some(tenth), Some(u)) = (spoken(i + 1), at(i + 2).and_then(unit))
    {
        let all = all.and_then(|n| n.checked_mul(10)).and_then(|n| n.checked_add(tenth * ONE));
        made = Amount::exact(all.and_then(|n| n.checked_mul(u / 10)), u, i + 3);
    }
    Some(made)
}

/// `three hundred`, `fifty`, `twenty five`, `a thousand`, `two grand`.
fn words(atoms: &[Atom]) -> Option<Amount> {
    let word = |i: usize| atoms.get(i).filter(|a| a.kind == Kind::Word).map(|a| &*a.text);
    let (mut total, mut section, mut i, mut said) = (0i64, 0i64, 0usize, false);
    let mut last_unit = 1;
    let article =
        matches!(word(0), Some("a")) && word(1).and_then(english_unit).is_some_and(|_| word(1) != Some("k"));
    if article {
        (section, i) = (1, 1);
    }
    while let Some(w) = word(i) {
        if let Some(n) = english(w) {
            section += n;
            said = true;
        } else if let Some(u) = english_unit(w).filter(|_| said || article) {
            if u == 100 {
                section *= 100;
            } else {
                total += section.max(1) * u;
                section = 0;
            }
            last_unit = u;
            said = true;
        } else if !(w == "and" && 100 <= last_unit && word(i + 1).and_then(english).is_some()) {
            break;
        }
        i += 1;
        if 8 < i {
            break;
        }
    }
    let all = total.checked_add(section)?.checked_mul(ONE);
    said.then(|| Amount::exact(all, last_unit, i))
}

#[cfg(test)]
mod tests {
    use super::super::atoms::atoms;
    use super::*;

    fn read(text: &str) -> Option<(i64, i64)> {
        let made = amount(&atoms(text))?;
        assert_eq!(made.atoms, atoms(text).len(), "{text}");
        Some((made.low.micros()? / (ONE / 100), made.high.micros()? / (ONE / 100)))
    }

    #[test]
    fn numbers_are_exact() {
        for (text, hundredths) in [
            ("3000", 300_000),
            ("1,299.99", 129_999),
            ("1.5k", 150_000),
            ("3k5", 350_000),
            ("3千5", 350_000),
            ("3千5百", 350_000),
            ("1万2", 1_200_000),
            ("1.2万", 1_200_000),
            ("一万二", 1_200_000),
            ("一万二千", 1_200_000),
            ("一万零五百", 1_050_000),
            ("三千五", 350_000),
            ("三千零五", 300_500),
            ("三千零五十", 305_000),
            ("两百五", 25_000),
            ("一千", 100_000),
            ("十五", 1_500),
            ("二十", 2_000),
            ("一百一十", 11_000),
            ("一百二", 12_000),
            ("十万", 10_000_000),
            ("十二万", 12_000_000),
            ("三点五万", 3_500_000),
            ("三千", 300_000),
            ("八千八", 880_000),
            ("九百九十九", 99_900),
            ("一万", 1_000_000),
            ("两万五", 2_500_000),
            ("百", 10_000),
            ("千", 100_000),
            ("3 hundred", 30_000),
            ("three hundred", 30_000),
            ("three hundred and fifty", 35_000),
            ("twenty five", 2_500),
            ("a thousand", 100_000),
            ("two grand", 200_000),
            ("fifteen hundred", 150_000),
            ("two thousand five hundred", 250_000),
        ] {
            assert_eq!(read(text), Some((hundredths, hundredths)), "{text}");
        }
    }

    #[test]
    fn spans_have_two_ends() {
        for (text, low, high) in [
            ("三四百", 300, 400),
            ("两三千", 2_000, 3_000),
            ("七八百", 700, 800),
            ("一千多", 1_000, 2_000),
            ("300多", 300, 400),
            ("1500多", 1_500, 1_600),
            ("几百", 100, 1_000),
        ] {
            assert_eq!(read(text), Some((low * 100, high * 100)), "{text}");
        }
    }

    #[test]
    fn what_is_beyond_a_price_is_said_to_be() {
        for text in ["99999999999", "十亿亿亿", "9999999k", "1000000000"] {
            let made = amount(&atoms(text)).unwrap();
            assert_eq!(made.low, Number::TooLarge, "{text}");
        }
        for text in ["手机", "phone", "", "-5", "a phone"] {
            assert_eq!(amount(&atoms(text)), None, "{text}");
        }
        let every: String = (0..2_000).map(|i| ['一', '十', '万', '亿', '零'][i * 7 % 5]).collect();
        assert!(amount(&atoms(&every)).is_some());
    }
}
