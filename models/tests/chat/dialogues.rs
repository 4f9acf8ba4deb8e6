//! Scripted dialogues against the small shop: after each message the conditions in force, the action, and the products, which a plain filter over
//! all rows finds. What is shown is held against the script's conditions once more, by arithmetic of this file's own.

use std::collections::{BTreeMap, BTreeSet};

use shoptide_models::catalogue::Catalogue;
use shoptide_models::chat::{
    Action, Candidate, Condition, Conditions, DialogueState, Lexicon, PriceRange, Sort, next, understand,
};
use shoptide_schemas::{Currency, Micros};

use crate::catalogue::{catalogue, shown};
use crate::score::{name, pairs_of};

const CNY: Currency = Currency(*b"CNY");
/// Products of one answer, unless a number was asked for.
const LIST: usize = 5;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    name: String,
    turns: Vec<Turn>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Turn {
    say: String,
    action: String,
    /// The conditions in force afterwards, all of them, as pairs.
    wanted: Vec<String>,
    below: Option<String>,
    above: Option<String>,
    asked: Option<String>,
    /// Products that the action is about.
    items: Option<Vec<String>>,
    /// Products shown, in their order.
    products: Option<Vec<String>>,
    /// What to give up first when nothing is shown, and how many products that gives.
    relax: Option<(String, usize)>,
}

struct Shop {
    catalogue: Catalogue,
    lexicon: Lexicon,
    traits: BTreeMap<u32, BTreeSet<String>>,
}

impl Shop {
    fn new() -> Self {
        let catalogue = catalogue();
        let lexicon = Lexicon::of(&catalogue);
        let traits = catalogue.rows().map(|(n, _, item)| (n, lexicon.traits_of(item))).collect();
        Self { catalogue, lexicon, traits }
    }

    fn meeting(&self, conditions: &Conditions) -> Vec<u32> {
        let candidate = |n: u32, item| Candidate { number: n, item, traits: &self.traits[&n] };
        let filter = conditions.filter(&self.lexicon, CNY);
        let rows = self.catalogue.rows();
        let mut found: Vec<u32> =
            rows.filter(|(n, _, item)| filter.admits(candidate(*n, item))).map(|(n, _, _)| n).collect();
        let price = |n: &u32| self.catalogue.row(*n).and_then(|(_, item)| item.price).map(|(p, _)| p);
        match conditions.sort {
            Some(Sort::PriceAsc) => found.sort_by_key(price),
            Some(Sort::PriceDesc) => found.sort_by_key(|n| std::cmp::Reverse(price(n))),
            _ => found.sort_by_key(|n| std::cmp::Reverse(conditions.wishes_met(&self.traits[n]))),
        }
        found
    }

    fn ids(&self, numbers: &[u32]) -> Vec<String> {
        numbers.iter().map(|n| self.catalogue.row(*n).unwrap().0.to_string()).collect()
    }
}

fn of_condition(condition: &Condition) -> String {
    match condition {
        Condition::BrandExcluded(of) | Condition::Feature(of) | Condition::FeatureExcluded(of) => of.clone(),
        other => name(other),
    }
}

/// What a product costs and is, against the pairs of the script: nothing of the code under test.
fn breaks(shop: &Shop, number: u32, wanted: &[String]) -> Option<String> {
    let (_, item) = shop.catalogue.row(number).unwrap();
    let (price, currency) = item.price.unwrap();
    if item.stock == Some(0) {
        return Some("out of stock".to_owned());
    }
    let micros = |text: &str| Micros::parse(text, "script").unwrap();
    let aliases = [
        ("小米", "xiaomi"),
        ("红米", "redmi"),
        ("华为", "huawei"),
        ("联想", "lenovo"),
        ("华硕", "asus"),
        ("漫步者", "edifier"),
        ("李宁", "lining"),
    ];
    let brand = item.brand.to_lowercase();
    let brand = aliases.iter().find(|(of, _)| *of == brand).map_or(brand.as_str(), |(_, key)| key);
    let wanted_brands: Vec<&str> = wanted.iter().filter_map(|p| p.strip_prefix("brand=")).collect();
    for pair in wanted {
        let (slot, value) = pair.split_once('=').unwrap();
        let broken = match slot {
            "max" => micros(value) < price,
            "min" => price < micros(value),
            "currency" => currency.as_str() != value,
            "brand" => !wanted_brands.contains(&brand),
            "no brand" => brand == value,
            _ => false,
        };
        if broken {
            return Some(pair.clone());
        }
    }
    None
}

#[test]
fn every_scripted_dialogue_goes_as_written() {
    let scripts: Vec<Script> = include_str!("dialogues.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    assert!(40 <= scripts.len() && scripts.iter().all(|s| (3..=8).contains(&s.turns.len())));
    let shop = Shop::new();
    let (mut turns, mut products, mut wrong) = (0, 0, Vec::new());
    for script in &scripts {
        let mut state = DialogueState::default();
        let mut asked_before = false;
        for turn in &script.turns {
            turns += 1;
            let mut differs: Vec<String> = Vec::new();
            let read = understand(&turn.say, &shop.lexicon, &state);
            let (after, action) = next(&state, &read);
            // A state survives its storage.
            let stored = serde_json::to_string(&after).unwrap();
            state = serde_json::from_str(&stored).unwrap();
            assert_eq!(state, after);
            let mut expect = |what: &str, got: String, wanted: String| {
                if got != wanted {
                    differs.push(format!("{what} {got}, expected {wanted}"));
                }
            };
            expect("action", name(&action.kind()), turn.action.clone());
            expect("wanted", format!("{:?}", pairs_of(&state.wanted)), format!("{:?}", turn.wanted));
            let money = |m: Option<Micros>| m.map(|m| m.to_string());
            expect("below", format!("{:?}", money(state.below)), format!("{:?}", turn.below));
            expect("above", format!("{:?}", money(state.above)), format!("{:?}", turn.above));
            expect("asked", format!("{:?}", state.asked.map(|q| name(&q))), format!("{:?}", turn.asked));
            assert!(!(asked_before && state.asked.is_some()), "{}: two questions in a row", script.name);
            asked_before = state.asked.is_some();
            let about = match &action {
                Action::Compare { items, .. }
                | Action::Describe { items, .. }
                | Action::PriceHistory { items } => items.clone(),
                Action::Service { items } | Action::Feedback { items, .. } => items.clone(),
                Action::Similar { item, .. } => item.iter().copied().collect(),
                _ => Vec::new(),
            };
            expect(
                "items",
                format!("{:?}", shop.ids(&about)),
                format!("{:?}", turn.items.clone().unwrap_or_default()),
            );
            if let Action::Show(conditions) | Action::Similar { conditions, .. } = &action {
                let mut found = shop.meeting(conditions);
                found.truncate(conditions.quantity.map_or(LIST, |n| n as usize));
                products += found.len();
                for number in &found {
                    if let Some(pair) = breaks(&shop, *number, &turn.wanted) {
                        differs.push(format!("{:?} breaks {pair}", shop.ids(&[*number])));
                    }
                }
                expect_list(&mut differs, "products", shop.ids(&found), turn.products.as_deref());
                let relaxations = conditions.relaxations(|c| shop.meeting(c).len());
                let first = found.is_empty().then(|| relaxations.first()).flatten();
                let first = first.map(|r| (of_condition(&r.without), r.count));
                if first != turn.relax {
                    differs.push(format!("relax {first:?}, expected {:?}", turn.relax));
                }
                // Nothing found is not shown: what was shown before can still be pointed at.
                if !found.is_empty() {
                    state.show(found.iter().map(|n| shown(*n, &shop.catalogue, &shop.lexicon)).collect());
                }
            }
            if !differs.is_empty() {
                wrong.push(format!(
                    "{}: {} ({:?})\n    {}",
                    script.name,
                    turn.say,
                    read.intent,
                    differs.join("\n    ")
                ));
            }
        }
    }
    println!("{} dialogues, {turns} turns, {products} products shown", scripts.len());
    assert!(wrong.is_empty(), "{} turns differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn expect_list(differs: &mut Vec<String>, what: &str, got: Vec<String>, wanted: Option<&[String]>) {
    if wanted != Some(&got) {
        differs.push(format!("{what} {got:?}, expected {wanted:?}"));
    }
}

#[test]
fn conditions_can_be_taken_by_the_product_score() {
    let shop = Shop::new();
    let state = DialogueState::default();
    let read = understand("三千以内的苹果或者小米手机，不要红米", &shop.lexicon, &state);
    let (_, action) = next(&state, &read);
    let Action::Show(conditions) = action else { panic!("{action:?}") };
    let wishes = conditions.wishes(&shop.lexicon, CNY);
    assert_eq!(wishes.category.as_deref(), Some("technology/phone"));
    assert_eq!(wishes.brands_wanted, ["apple", "小米"]);
    assert_eq!(wishes.brands_excluded, ["红米"]);
    assert_eq!(
        conditions.price,
        Some(PriceRange { max: Some(Micros(3_000_000_000)), ..PriceRange::default() })
    );
}
