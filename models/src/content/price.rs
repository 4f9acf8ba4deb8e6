//! Prices as bands: a price says what its distance from the usual price of its category says, in steps that grow with it.

use std::collections::BTreeMap;

use shoptide_schemas::{Currency, Micros};

use super::item::{ItemText, levels};

/// Ratio between neighbouring bands: prices 1.6 times apart are felt as different.
const STEP: f64 = 1.6;
/// Bands either side of the middle one; dearer and cheaper prices are of the last.
const BANDS_MAX: f64 = 8.0;

/// The middle price of each widest category and currency.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct PriceBands(BTreeMap<(String, Currency), f64>);

impl PriceBands {
    /// Takes the median logarithm of the prices of each widest category; free items have no price to compare.
    pub fn of_items<'a>(items: impl Iterator<Item = ItemText<'a>>) -> Self {
        let mut logs: BTreeMap<(String, Currency), Vec<f64>> = BTreeMap::new();
        for item in items {
            if let Some((price, currency)) = item.price.filter(|(price, _)| 0 < price.0) {
                let key = (widest(item.category).to_owned(), currency);
                logs.entry(key).or_default().push((price.0 as f64).ln());
            }
        }
        let median = |mut logs: Vec<f64>| {
            logs.sort_unstable_by(f64::total_cmp);
            logs[logs.len() / 2]
        };
        Self(logs.into_iter().map(|(key, logs)| (key, median(logs))).collect())
    }

    /// The two bands nearest to a price with their shares, which sum to 1; nothing for a free item, or where no price of the
    /// category was known.
    pub fn of(&self, category: &str, price: Micros, currency: Currency) -> Vec<(String, f32)> {
        let key = (widest(category).to_owned(), currency);
        let (Some(middle), true) = (self.0.get(&key), 0 < price.0) else { return Vec::new() };
        let steps = (((price.0 as f64).ln() - middle) / STEP.ln()).clamp(-BANDS_MAX, BANDS_MAX);
        let (low, above) = (steps.floor(), (steps - steps.floor()) as f32);
        let name = |band: f64| format!("{} {} {band:+}", key.0, currency);
        let shares = [(low, 1.0 - above), (low + 1.0, above)];
        shares
            .into_iter()
            .filter(|&(_, share)| 0.0 < share)
            .map(|(band, share)| (name(band), share))
            .collect()
    }
}

fn widest(category: &str) -> &str {
    levels(category).next().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CNY: Currency = Currency(*b"CNY");

    fn item(category: &str, price: i64) -> ItemText<'_> {
        ItemText { category, price: Some((Micros(price), CNY)), ..ItemText::default() }
    }

    #[test]
    fn a_price_lies_between_two_bands_of_its_category() {
        let bands = PriceBands::of_items([item("a/x", 100), item("a/y", 100), item("b", 9)].into_iter());
        assert_eq!(bands.of("a/z", Micros(100), CNY), [("a CNY +0".to_owned(), 1.0)]);
        let dearer = bands.of("a", Micros(130), CNY);
        assert_eq!((dearer.len(), dearer[0].0.as_str(), dearer[1].0.as_str()), (2, "a CNY +0", "a CNY +1"));
        assert!((dearer[0].1 + dearer[1].1 - 1.0).abs() < 1e-6 && dearer[0].1 < dearer[1].1);
        assert_eq!(bands.of("a", Micros(i64::MAX), CNY)[0].0, "a CNY +8");
    }

    #[test]
    fn what_has_no_price_has_no_band() {
        let bands = PriceBands::of_items([item("a", 0), item("", 5)].into_iter());
        assert!(bands.of("a", Micros(7), CNY).is_empty());
        assert!(bands.of("", Micros(0), CNY).is_empty() && bands.of("", Micros(-3), CNY).is_empty());
        assert!(bands.of("", Micros(5), Currency(*b"EUR")).is_empty());
        assert_eq!(bands.of("", Micros(5), CNY).len(), 1);
    }
}
