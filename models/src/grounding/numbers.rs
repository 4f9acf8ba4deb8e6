//! Money and sizes of a reply.

use shoptide_schemas::{Currency, Micros};

use super::words::Cue;
use crate::chat::amount::amount;
use crate::chat::atoms::{Atom, Kind};
use crate::chat::spans::Span;
use crate::chat::specs::spec;

/// A number of a reply with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Figure {
    /// Codes that its sign can stand for; empty if it has none.
    Money {
        micros: i64,
        currencies: Vec<Currency>,
    },
    Size(String),
    Number {
        micros: i64,
    },
    /// A span of numbers (`三四千`, `3000多`), or beyond what can be read: nothing that could be checked.
    Vague,
}

/// Codes of a sign: a dollar may be anybody's.
const SIGNS: [(&str, &[&[u8; 3]]); 5] = [
    ("¥", &[b"CNY", b"JPY"]),
    ("$", &[b"USD", b"CAD", b"AUD", b"SGD", b"HKD", b"NZD"]),
    ("€", &[b"EUR"]),
    ("£", &[b"GBP"]),
    ("₩", &[b"KRW"]),
];

fn of_cue(cue: Cue) -> Option<[u8; 3]> {
    Some(match cue {
        Cue::Cny => *b"CNY",
        Cue::Usd => *b"USD",
        Cue::Eur => *b"EUR",
        Cue::Gbp => *b"GBP",
        Cue::Jpy => *b"JPY",
        Cue::Hkd => *b"HKD",
        Cue::Krw => *b"KRW",
        _ => return None,
    })
}

/// A word for money: its atoms and what it stands for.
fn word(rest: &[Atom]) -> Option<(usize, [u8; 3])> {
    let (taken, cues) = super::words::words().longest(rest)?;
    cues.iter().find_map(|cue| of_cue(*cue)).map(|code| (taken, code))
}

/// The number that begins here, with its sign, currency or unit: the atoms it takes and what it is.
pub(crate) fn figure(rest: &[Atom]) -> Option<(usize, Figure)> {
    let mut currencies: Vec<Currency> = Vec::new();
    let mut from = 0;
    let sign = rest.first().and_then(|a| SIGNS.iter().find(|(sign, _)| a.is(sign)));
    if let Some((_, codes)) = sign {
        currencies.extend(codes.iter().map(|code| Currency(**code)));
        from = 1;
    } else if rest.first().is_some_and(|a| a.kind == Kind::Word)
        && let Some((taken, code)) = word(rest)
    {
        // `CNY 2999`
        currencies.push(Currency(code));
        from = taken;
    }
    let number = rest.get(from..)?;
    let read = amount(number)?;
    let mut end = from + read.atoms;
    let span = Span { from, to: end, senses: Vec::new(), amount: Some(read) };
    if currencies.is_empty()
        && let Some(size) = spec(rest, &span)
    {
        let letters = if read.letter_w { 0 } else { unit_atoms(rest, end, &size) };
        return Some((end + letters, Figure::Size(size)));
    }
    if let Some((taken, code)) = rest.get(end..).and_then(word) {
        let code = Currency(code);
        // `¥2,999 dollars` is no price.
        if !currencies.is_empty() && !currencies.contains(&code) {
            return Some((end + taken, Figure::Vague));
        }
        currencies = vec![code];
        end += taken;
        // `块钱`, `元人民币` are one word; `USD dollars` is twice the same.
    }
    let exact = read.low.micros().filter(|_| read.low == read.high);
    let figure = match exact {
        None => Figure::Vague,
        Some(micros) if currencies.is_empty() => Figure::Number { micros },
        Some(micros) => Figure::Money { micros, currencies },
    };
    Some((end, figure))
}

/// Atoms that the unit of a size takes.
fn unit_atoms(rest: &[Atom], from: usize, size: &str) -> usize {
    [3usize, 2, 1]
        .into_iter()
        .find(|taken| {
            // The longest stretch that still reads as the same size.
            let Some(atoms) = rest.get(..from + taken) else { return false };
            let Some(number) = rest.get(..from).and_then(amount) else { return false };
            let span = Span { from: 0, to: from, senses: Vec::new(), amount: Some(number) };
            let shorter = rest.get(..from + taken - 1).and_then(|a| spec(a, &span));
            spec(atoms, &span).as_deref() == Some(size) && shorter.as_deref() != Some(size)
        })
        .unwrap_or(1)
}

/// A price as a number, to the micro-unit.
pub(crate) fn same(price: Micros, micros: i64) -> bool {
    price.0 == micros
}

#[cfg(test)]
mod tests {
    use super::super::super::chat::atoms::atoms;
    use super::*;

    fn read(text: &str) -> Option<(usize, String)> {
        let all = atoms(text);
        figure(&all).map(|(taken, figure)| {
            let said = match figure {
                Figure::Money { micros, currencies } => format!("{} {}", Micros(micros), currencies[0]),
                Figure::Size(size) => size,
                Figure::Number { micros } => Micros(micros).to_string(),
                Figure::Vague => "vague".to_owned(),
            };
            (all.len() - taken, said)
        })
    }

    #[test]
    fn money_is_read_in_many_forms() {
        for (text, said) in [
            ("¥2,999", "2999.00 CNY"),
            ("2999元", "2999.00 CNY"),
            ("￥２９９９", "2999.00 CNY"),
            ("三千块钱", "3000.00 CNY"),
            ("$1.5k", "1500.00 USD"),
            ("1,299.99 dollars", "1299.99 USD"),
            ("CNY 2999", "2999.00 CNY"),
            ("¥2999 dollars", "vague"),
            ("三四千元", "vague"),
            ("256GB", "256gb"),
            ("5000 mAh", "5000mah"),
            ("6.1英寸", "6.10inch"),
            ("65W", "65w"),
            ("99999999999元", "vague"),
            ("14", "14.00"),
        ] {
            assert_eq!(read(text), Some((0, said.to_owned())), "{text}");
        }
    }
}
