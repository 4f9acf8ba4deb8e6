//! Messages that mean harm or nothing, each with its defined reading; and what must hold for any message at all.

use proptest::prelude::*;
use shoptide_schemas::{Currency, Micros};

use super::*;

fn read(message: &str) -> Understood {
    understand(message, &Lexicon::default(), &DialogueState::default())
}

fn action(message: &str) -> Action {
    let state = DialogueState::default();
    next(&state, &read(message)).1
}

fn max(units: i64) -> Option<PriceRange> {
    Some(PriceRange { max: Some(Micros(units * Micros::PER_UNIT)), ..PriceRange::default() })
}

#[test]
fn nothing_said_is_small_talk_without_wishes() {
    for message in [
        "",
        "   ",
        "\n\t",
        "😀😀🎉",
        "!!!???",
        "\u{200f}\u{202e}\u{202c}",
        "、。",
        "\u{feff}\u{200d}",
        "----",
    ] {
        let read = read(message);
        assert_eq!((read.intent, read.slots), (Intent::SmallTalk, Slots::default()), "{message:?}");
        assert_eq!(action(message), Action::SmallTalk);
    }
    assert_eq!(read("👍").intent, Intent::Feedback);
}

#[test]
fn a_long_text_is_read_to_its_bound_in_linear_time() {
    let long = "三千以内的手机，不要苹果，第二个有NFC吗 iphone 15 3,000 ".repeat(2_500);
    assert!(100_000 < long.len());
    let read = read(&long);
    assert!(read.slots.brands_excluded.len() <= VALUES_MAX && read.slots.references.len() <= VALUES_MAX);
    assert!(read.slots.text.chars().count() <= VALUE_CHARS_MAX + 1);
    // What lies beyond the bound is not read.
    let beyond = format!("{}不要苹果", "手机".repeat(MESSAGE_CHARS_MAX / 2));
    assert!(
        understand(&beyond, &Lexicon::default(), &DialogueState::default()).slots.brands_excluded.is_empty()
    );
    for one in ["九", "1", "-", "第", "不要", "a", "$", "到", "和", "，", "k", "百"] {
        let _ = self::read(&one.repeat(100_000 / one.len()));
    }
}

#[test]
fn marks_of_direction_and_full_width_forms_change_nothing() {
    let plain = read("3000元以内的手机");
    for message in [
        "\u{202e}3000元以内的手机\u{202c}",
        "3\u{200b}000元\u{200f}以内的手机",
        "３０００元以内的手机",
        "3,000元以内的手机",
    ] {
        assert_eq!(read(message), plain, "{message:?}");
    }
    assert_eq!(read("預算三千的手機"), read("预算三千的手机"));
}

#[test]
fn prices_that_cannot_be_meant_are_told_and_asked_for_once() {
    for (message, problem) in [
        ("0元", PriceProblem::Zero),
        ("0元的手机", PriceProblem::Zero),
        ("under $0", PriceProblem::Zero),
        ("预算-5", PriceProblem::Negative),
        ("-20元以内", PriceProblem::Negative),
        ("99999999999元", PriceProblem::TooLarge),
        ("预算999999999999999999999999999999", PriceProblem::TooLarge),
        ("十亿亿亿亿元", PriceProblem::TooLarge),
    ] {
        let read = read(message);
        assert_eq!((read.slots.price_problem, read.slots.price), (Some(problem), None), "{message}");
        let state = DialogueState::default();
        let (state, first) = next(&state, &read);
        assert_eq!(first, Action::Ask(Question::Budget), "{message}");
        let (_, second) = next(&state, &read);
        assert!(matches!(second, Action::Show(_)), "{message}: {second:?}");
    }
}

#[test]
fn a_range_the_wrong_way_round_is_swapped_and_said_to_be() {
    for message in ["最低5000最高3000的手机", "5000到3000的手机", "between 5000 and 3000", "5000-3000元"]
    {
        let slots = read(message).slots;
        let price = slots.price.unwrap_or_default();
        let both = (price.min.map(|m| m.0), price.max.map(|m| m.0));
        assert_eq!(both, (Some(3_000_000_000), Some(5_000_000_000)), "{message}");
        assert_eq!(slots.price_problem, Some(PriceProblem::Swapped), "{message}");
    }
}

#[test]
fn a_models_number_is_no_price() {
    for message in [
        "iPhone 999",
        "iphone 15",
        "小米 14",
        "mate 60 pro",
        "RTX 4060 的游戏本",
        "14寸的笔记本",
        "2024新款",
        "5g手机",
        "4k电视",
        "65w快充",
        "256G的手机",
        "三元催化器",
        "第3个",
        "买3个",
        "5到6人的帐篷",
        "size 42 shoes",
        "10000mAh power bank",
    ] {
        assert_eq!(read(message).slots.price, None, "{message}");
    }
}

#[test]
fn money_is_exact_and_has_its_currency() {
    let with = |code: &[u8; 3], range: Option<PriceRange>| {
        range.map(|r| PriceRange { currency: Some(Currency(*code)), ..r })
    };
    for (message, expected) in [
        ("3000元以内", with(b"CNY", max(3_000))),
        ("三千块以内", with(b"CNY", max(3_000))),
        ("一万二以内", max(12_000)),
        ("预算1.5k", max(1_500)),
        ("预算1.5w", max(15_000)),
        ("不超过￥２，０００", None),
        ("不超过￥2,000", with(b"CNY", max(2_000))),
        ("under $50", with(b"USD", max(50))),
        ("at most 3k", max(3_000)),
        ("no more than three hundred", max(300)),
        ("up to €40", with(b"EUR", max(40))),
    ] {
        if expected.is_some() {
            assert_eq!(read(message).slots.price, expected, "{message}");
        }
    }
    let cents = read("under $49.99").slots.price.and_then(|p| p.max);
    assert_eq!(cents, Some(Micros(49_990_000)));
}

#[test]
fn a_new_brand_is_understood_once_it_is_learned() {
    let item = crate::catalogue::CatalogueItem {
        title: "霜刃 电竞手机 7".into(),
        titles: [("en".to_owned(), "Frostedge gaming phone 7".to_owned())].into(),
        brand: "Frostedge".into(),
        category: "technology/phone".into(),
        tags: vec!["手机".into(), "霜刃".into(), "液冷".into()],
        ..Default::default()
    };
    let mut lexicon = Lexicon::default();
    let state = DialogueState::default();
    assert!(understand("霜刃手机", &lexicon, &state).slots.brands.is_empty());
    lexicon.learn(0, "FR-7", &item);
    for message in ["霜刃手机", "frostedge phones", "Frostedge的手机"] {
        assert_eq!(understand(message, &lexicon, &state).slots.brands, ["frostedge"], "{message}");
    }
    assert_eq!(understand("要液冷的手机，不要霜刃", &lexicon, &state).slots.features, ["液冷"]);
    assert_eq!(understand("FR-7 有货吗", &lexicon, &state).slots.items, [0]);
    let before = format!("{:?}", lexicon.category_paths("phone"));
    lexicon.learn(0, "FR-7", &item);
    assert_eq!(format!("{:?}", lexicon.category_paths("phone")), before);
}

#[test]
fn a_state_from_outside_is_cut_to_its_bounds() {
    let mut state = DialogueState::default();
    state.wanted.brands = (0..1_000).map(|n| format!("{n}{}", "长".repeat(1_000))).collect();
    state.wanted.text = "x".repeat(1 << 20);
    state.shown = (0..10_000)
        .map(|number| Shown { number, brand: "b".repeat(5_000), price: None, currency: None, rating: None })
        .collect();
    state.seen = (0..10_000).collect();
    state.bound();
    assert!(serde_json::to_vec(&state).unwrap().len() <= STATE_BYTES_MAX);
    assert_eq!(state.shown.len(), SHOWN_MAX);
    assert_eq!(state.seen.first(), Some(&9_500));
}

const CNY: Currency = Currency(*b"CNY");
const USD: Currency = Currency(*b"USD");

fn units(n: i64) -> Micros {
    Micros(n * Micros::PER_UNIT)
}

/// Whether conditions admit a product of this price, whatever it is, in a shop of yuan.
fn admits(conditions: &Conditions, price: Option<(Micros, Currency)>) -> bool {
    let conditions = Conditions { category: None, ..conditions.clone() };
    let (item, lexicon) =
        (crate::catalogue::CatalogueItem { price, ..Default::default() }, Lexicon::default());
    let traits = lexicon.traits_of(&item);
    conditions.filter(&lexicon, CNY).admits(Candidate { number: 0, item: &item, traits: &traits })
}

#[test]
fn prices_are_compared_in_one_currency_or_not_at_all() {
    let conditions = |message: &str| match action(message) {
        Action::Show(conditions) => conditions,
        other => panic!("{message}: {other:?}"),
    };
    for (message, own, other) in
        [("手机，50元以内", CNY, USD), ("phone under $50", USD, CNY), ("手机，50以内", CNY, USD)]
    {
        let conditions = conditions(message);
        assert_eq!(conditions.bound_in(CNY), Some(own), "{message}");
        assert!(admits(&conditions, Some((units(40), own))), "{message}");
        assert!(!admits(&conditions, Some((units(60), own))), "{message}");
        assert!(!admits(&conditions, Some((units(40), other))), "{message}");
        assert!(!admits(&conditions, None), "{message}");
        assert!(admits(&conditions.at_any_price(), Some((units(40), other))), "{message}");
    }
    assert_eq!(conditions("手机").bound_in(CNY), None);
}

#[test]
fn cheaper_is_cheaper_in_the_currency_of_what_was_shown() {
    let shown = |number, price, currency| Shown {
        number,
        brand: String::new(),
        price: Some(units(price)),
        currency: Some(currency),
        rating: None,
    };
    let mut state = DialogueState::default();
    state.wanted.category = Some("phone".into());
    state.show(vec![shown(1, 500, USD), shown(2, 300, CNY), shown(3, 400, USD)]);
    let said = |message: &str| {
        let (after, action) = next(&state, &understand(message, &Lexicon::default(), &state));
        let Action::Show(conditions) = action else { panic!("{message}: {action:?}") };
        assert_eq!((after.below, after.relative_currency), (conditions.below, conditions.relative_currency));
        conditions
    };
    let cheaper = said("便宜点的");
    assert_eq!(
        (cheaper.below, cheaper.bound_in(CNY)),
        (Some(units(400)), Some(USD)),
        "as the first is priced"
    );
    assert!(admits(&cheaper, Some((units(399), USD))) && !admits(&cheaper, Some((units(1), CNY))));
    let than_second = said("比第二个便宜的");
    assert_eq!((than_second.below, than_second.bound_in(CNY)), (Some(units(300)), Some(CNY)));
}

#[test]
fn what_is_given_up_is_what_any_price_and_any_brand_give_up() {
    let conditions = Conditions {
        price: max(3_000),
        below: Some(units(2_000)),
        brands: vec!["xiaomi".into()],
        brands_excluded: vec!["apple".into()],
        unwanted: [7].into(),
        seen: [8].into(),
        ..Conditions::default()
    };
    let all = conditions.relaxations(|_| 1);
    let without = |condition: Condition| &all.iter().find(|r| r.without == condition).unwrap().conditions;
    assert_eq!((without(Condition::Price).price, without(Condition::Price).below), (None, None));
    let brands = without(Condition::Brands);
    assert!(brands.brands.is_empty() && brands.brands_excluded.is_empty());
    for relaxation in &all {
        assert!(relaxation.conditions.seen.is_empty(), "{:?}", relaxation.without);
        assert_eq!(relaxation.conditions.unwanted, [7].into(), "what is disliked stays away");
    }
}

proptest! {
    #[test]
    fn any_message_is_read_within_bounds(messages in prop::collection::vec(".{0,80}|[三千以内不要苹果手机第二个到和，k0-9$.-]{0,40}|[a-z0-9 ,$-]{0,60}", 1..6)) {
        let lexicon = Lexicon::default();
        let mut state = DialogueState::default();
        let mut asked = false;
        for message in &messages {
            let read = understand(message, &lexicon, &state);
            prop_assert_eq!(&read, &understand(message, &lexicon, &state));
            if let Some(PriceRange { min, max, about, .. }) = read.slots.price {
                for bound in [min, max, about].into_iter().flatten() {
                    prop_assert!(0 < bound.0 && bound.0 < 1_000_000_000_000_000);
                }
                prop_assert!(min.zip(max).is_none_or(|(min, max)| min <= max));
            }
            for brand in &read.slots.brands_excluded {
                prop_assert!(!read.slots.brands.contains(brand));
            }
            let (after, action) = next(&state, &read);
            let asks = matches!(action, Action::Ask(_));
            prop_assert!(!(asks && asked), "two questions in a row: {:?}", messages);
            asked = asks;
            let stored = serde_json::to_vec(&after).unwrap();
            prop_assert!(stored.len() <= STATE_BYTES_MAX);
            state = serde_json::from_slice(&stored).unwrap();
            prop_assert_eq!(&state, &after);
        }
    }
}
