//! Sizes as features: `14寸`, `256GB`, `5000mAh` become `14inch`, `256gb`, `5000mah`.

use shoptide_schemas::Micros;

use super::atoms::Atom;
use super::dictionary::Cue;
use super::spans::Span;

/// Units that a product is chosen by, with their names.
const UNITS: [(&str, &[&str]); 10] = [
    ("inch", &["寸", "英寸", "吋", "inch", "inches", "\"", "in"]),
    ("gb", &["gb", "g"]),
    ("tb", &["tb", "t"]),
    ("mah", &["mah", "毫安", "毫安时"]),
    ("ml", &["ml", "毫升"]),
    ("l", &["l", "升", "liter", "litre", "liters", "litres"]),
    ("kg", &["kg", "公斤", "千克"]),
    ("w", &["w", "瓦", "watt", "watts"]),
    ("cm", &["cm", "厘米", "公分"]),
    ("hz", &["hz"]),
];

/// The size that a number with its unit says, `number` being the span of the number and the unit the atoms behind it.
pub(crate) fn spec(atoms: &[Atom], number: &Span) -> Option<String> {
    let amount = number.amount?;
    // `65w` was read as 65 times ten thousand.
    let (micros, from) = if amount.letter_w {
        (amount.low.micros().map(|m| m / 10_000), number.to - 1)
    } else {
        (amount.low.micros(), number.to)
    };
    let micros = micros.filter(|m| 0 < *m && amount.low == amount.high)?;
    let unit = [2usize, 3, 1].iter().find_map(|taken| {
        let text: String = atoms.get(from..from + taken)?.iter().map(|a| &*a.text).collect();
        UNITS.iter().find(|(_, names)| names.contains(&text.as_str())).map(|(unit, _)| *unit)
    })?;
    // A letter that stands apart is a word of its own.
    let apart = unit.len() == 1 || unit == "gb" || unit == "tb";
    let letter = atoms.get(from).filter(|a| a.text.len() == 1);
    if apart && letter.is_some_and(|a| !a.glued) {
        return None;
    }
    let digits = Micros(micros).to_string();
    Some(format!("{}{unit}", digits.strip_suffix(".00").unwrap_or(&digits)))
}

/// Whether something is counted or measured by the number before this span.
pub(crate) fn is_measure(span: Option<&Span>) -> bool {
    span.is_some_and(|s| s.has(Cue::Measure))
}
