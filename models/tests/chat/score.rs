//! Slots as pairs, and how many of those expected were found.

use shoptide_models::chat::{PriceRange, Slots, Understood};
use shoptide_schemas::Micros;

/// One line of a labelled set. `README.md` beside says what each label means.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Label {
    pub text: String,
    /// A query of the public set, by its id, where the text is not ours to ship.
    pub query: Option<u32>,
    pub after: Option<String>,
    pub intent: String,
    pub min: Option<String>,
    pub max: Option<String>,
    pub about: Option<String>,
    pub currency: Option<String>,
    pub category: Option<String>,
    pub brands: Vec<String>,
    pub brands_excluded: Vec<String>,
    pub features: Vec<String>,
    pub features_excluded: Vec<String>,
    pub quantity: Option<u32>,
    pub whom: Vec<String>,
    pub occasions: Vec<String>,
    pub sort: Option<String>,
    pub references: Vec<String>,
    pub dropped: Vec<String>,
    pub more: bool,
}

/// As the labels are written: `snake_case` of serde.
pub fn name<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value).unwrap() {
        serde_json::Value::String(name) => name,
        serde_json::Value::Object(map) => {
            let (key, n) = map.into_iter().next().unwrap();
            if key == "nth" { n.to_string() } else { format!("{}{n}", key.trim_end_matches("_n")) }
        }
        other => other.to_string(),
    }
}

fn add(pairs: &mut Vec<String>, slot: &str, values: impl IntoIterator<Item = String>) {
    pairs.extend(values.into_iter().map(|value| format!("{slot}={value}")));
}

fn money(text: &Option<String>) -> Option<Micros> {
    text.as_deref().map(|t| Micros::parse(t, "label").unwrap())
}

impl Label {
    pub fn price(&self) -> [Option<Micros>; 3] {
        [money(&self.min), money(&self.max), money(&self.about)]
    }

    pub fn pairs(&self) -> Vec<String> {
        let mut pairs = Vec::new();
        let [min, max, about] = self.price();
        add(&mut pairs, "min", min.map(|m| m.to_string()));
        add(&mut pairs, "max", max.map(|m| m.to_string()));
        add(&mut pairs, "about", about.map(|m| m.to_string()));
        add(&mut pairs, "currency", self.currency.clone());
        add(&mut pairs, "category", self.category.clone());
        add(&mut pairs, "brand", self.brands.clone());
        add(&mut pairs, "no brand", self.brands_excluded.clone());
        add(&mut pairs, "feature", self.features.clone());
        add(&mut pairs, "no feature", self.features_excluded.clone());
        add(&mut pairs, "quantity", self.quantity.map(|q| q.to_string()));
        add(&mut pairs, "whom", self.whom.clone());
        add(&mut pairs, "occasion", self.occasions.clone());
        add(&mut pairs, "sort", self.sort.clone());
        add(&mut pairs, "reference", self.references.clone());
        add(&mut pairs, "dropped", self.dropped.clone());
        add(&mut pairs, "more", self.more.then(String::new));
        pairs.sort();
        pairs
    }
}

pub fn pairs_of(slots: &Slots) -> Vec<String> {
    let mut pairs = Vec::new();
    let PriceRange { min, max, about, currency } = slots.price.unwrap_or_default();
    add(&mut pairs, "min", min.map(|m| m.to_string()));
    add(&mut pairs, "max", max.map(|m| m.to_string()));
    add(&mut pairs, "about", about.map(|m| m.to_string()));
    add(&mut pairs, "currency", currency.map(|c| c.to_string()));
    add(&mut pairs, "category", slots.category.clone());
    add(&mut pairs, "brand", slots.brands.clone());
    add(&mut pairs, "no brand", slots.brands_excluded.clone());
    add(&mut pairs, "feature", slots.features.clone());
    add(&mut pairs, "no feature", slots.features_excluded.clone());
    add(&mut pairs, "quantity", slots.quantity.map(|q| q.to_string()));
    add(&mut pairs, "whom", slots.whom.clone());
    add(&mut pairs, "occasion", slots.occasions.clone());
    add(&mut pairs, "sort", slots.sort.map(|s| name(&s)));
    add(&mut pairs, "reference", slots.references.iter().map(name));
    add(&mut pairs, "dropped", slots.dropped.iter().map(name));
    add(&mut pairs, "more", slots.more.then(String::new));
    pairs.sort();
    pairs
}

/// Counts over a set.
#[derive(Debug, Default)]
pub struct Score {
    pub messages: usize,
    pub intents_right: usize,
    pub found: usize,
    pub missed: usize,
    pub wrong: usize,
    pub with_price: usize,
    pub prices_exact: usize,
}

impl Score {
    /// Counts one message; what differs, if anything does.
    pub fn add(&mut self, label: &Label, read: &Understood) -> Option<String> {
        self.messages += 1;
        let intent = name(&read.intent);
        let right = intent == label.intent;
        self.intents_right += usize::from(right);
        let (expected, got) = (label.pairs(), pairs_of(&read.slots));
        let missed: Vec<_> = expected.iter().filter(|p| !got.contains(p)).collect();
        let wrong: Vec<_> = got.iter().filter(|p| !expected.contains(p)).collect();
        self.found += expected.len() - missed.len();
        self.missed += missed.len();
        self.wrong += wrong.len();
        let price = read.slots.price.unwrap_or_default();
        let got_price = [price.min, price.max, price.about];
        if label.price() != [None; 3] || got_price != [None; 3] {
            self.with_price += 1;
            self.prices_exact += usize::from(label.price() == got_price);
        }
        let differs = !right || !missed.is_empty() || !wrong.is_empty();
        differs.then(|| {
            let intent = if right { String::new() } else { format!(" {intent} for {};", label.intent) };
            format!("{intent} missed {missed:?}, wrong {wrong:?}")
        })
    }

    pub fn intent_accuracy(&self) -> f64 {
        self.intents_right as f64 / self.messages.max(1) as f64
    }

    pub fn slot_f1(&self) -> f64 {
        2.0 * self.found as f64 / (2 * self.found + self.missed + self.wrong).max(1) as f64
    }

    pub fn price_accuracy(&self) -> f64 {
        self.prices_exact as f64 / self.with_price.max(1) as f64
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} messages: intent {:.4}, slot F1 {:.4} ({} found, {} missed, {} wrong), prices {:.4} of {}",
            self.messages,
            self.intent_accuracy(),
            self.slot_f1(),
            self.found,
            self.missed,
            self.wrong,
            self.price_accuracy(),
            self.with_price
        )
    }
}
