use std::collections::BTreeMap;

use proptest::prelude::*;
use shoptide_schemas::{CatalogueChange, CatalogueEvent, EventId, EventMs, ItemId, catalogue::ItemFields};

use super::*;
use crate::catalogue::CatalogueBuilder;
use crate::state::{ItemTaste, Tastes};

const CNY: Currency = Currency(*b"CNY");

fn yuan(units: i64) -> Micros {
    Micros(units.saturating_mul(Micros::PER_UNIT))
}

fn phone(price: i64) -> CatalogueItem {
    CatalogueItem {
        title: "小米手机 快充 大屏".to_owned(),
        brand: "小米".to_owned(),
        category: "technology/phone".to_owned(),
        tags: vec!["5G".to_owned()],
        description: "拍照 long battery life".to_owned(),
        price: Some((yuan(price), CNY)),
        ..CatalogueItem::default()
    }
}

fn asked(item: &CatalogueItem, wishes: &Wishes) -> ProductScore {
    score(item, Known::default(), &wishes.into(), Shopper::default(), &ScoreParams::default())
}

fn between(min: Option<i64>, max: Option<i64>) -> Wishes {
    let price = PriceWish::Between { min: min.map(yuan), max: max.map(yuan), currency: CNY };
    Wishes { price: Some(price), ..Wishes::default() }
}

#[test]
fn the_price_counts_by_its_distance() {
    let of = |wishes: &Wishes, price| asked(&phone(price), wishes).score;
    let range = between(Some(1000), Some(2000));
    assert_eq!((of(&range, 1000), of(&range, 2000)), (1.0, 1.0));
    assert!((of(&range, 2200) - (-(1.1f64.ln() / 0.1).powi(2)).exp() as f32).abs() < 1e-6);
    assert!(of(&range, 4000) < 1e-6 && of(&range, 2100) > of(&range, 2200));
    assert!(of(&range, 900) > of(&range, 500) && of(&range, 900) > of(&range, 2200));
    assert_eq!(of(&between(Some(2000), Some(1000)), 1500), 1.0); // the wrong way round
    let about =
        Wishes { price: Some(PriceWish::About { price: yuan(1500), currency: CNY }), ..Wishes::default() };
    assert!(of(&about, 1500) == 1.0 && of(&about, 1400) > of(&about, 1200));
    let above = asked(&phone(2200), &range).parts.remove(0);
    assert_eq!(above.reason, Reason::PriceAbove { price: yuan(2200), max: yuan(2000) });
    let mut other = phone(1500);
    other.price = Some((yuan(1500), Currency(*b"EUR")));
    assert_eq!(asked(&other, &range).score, 0.0);
    other.price = None;
    assert_eq!(asked(&other, &range).parts[0].reason, Reason::NoPrice);
}

#[test]
fn brands_features_and_categories_are_wanted_or_excluded() {
    let texts = |of: &[&str]| of.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    let item = phone(1999);
    let wanted = Wishes { brands_wanted: texts(&["华为", " 小米"]), ..Wishes::default() };
    assert_eq!(asked(&item, &wanted).parts[0].reason, Reason::BrandWanted { brand: "小米".to_owned() });
    let other = Wishes { brands_wanted: texts(&["华为"]), ..Wishes::default() };
    assert_eq!(asked(&item, &other).score, 0.0);

    let features =
        Wishes { features_wanted: texts(&["快充", "拍照", "waterproof", "5g"]), ..Wishes::default() };
    let found = asked(&item, &features);
    assert!((found.score - (1.0 + 0.8 + 0.0 + 1.0) / 4.0).abs() < 1e-6);
    let at = |text: &str, place| (text.to_owned(), place);
    assert_eq!(
        found.parts[0].reason,
        Reason::Features {
            found: vec![at("快充", FoundIn::Name), at("拍照", FoundIn::Description), at("5g", FoundIn::Name)],
            missing: texts(&["waterproof"]),
        }
    );

    for (wishes, excluded) in [
        (
            Wishes { brands_excluded: texts(&["小米"]), ..Wishes::default() },
            Some(Exclusion::Brand { brand: "小米".to_owned() }),
        ),
        (
            Wishes { features_excluded: texts(&["battery life"]), ..Wishes::default() },
            Some(Exclusion::Feature { feature: "battery life".to_owned() }),
        ),
        (Wishes { features_excluded: texts(&["battery swap", "的"]), ..Wishes::default() }, None),
        (
            Wishes { category: Some("sports".to_owned()), ..Wishes::default() },
            Some(Exclusion::Category { category: "technology/phone".to_owned() }),
        ),
        (Wishes { category: Some("Technology/".to_owned()), ..Wishes::default() }, None),
        (
            Wishes { category: Some("tech".to_owned()), ..Wishes::default() },
            Some(Exclusion::Category { category: "technology/phone".to_owned() }),
        ),
    ] {
        let found = asked(&item, &wishes);
        assert_eq!((found.excluded, found.score), (excluded, 0.0), "{wishes:?}");
    }
}

#[test]
fn features_are_looked_up_where_traits_are_known() {
    let texts = |of: &[&str]| of.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    let traits = texts(&["noise_cancelling", "nfc"]).into_iter().collect();
    let of = |wishes: &Wishes| {
        let known = Known { traits: Some(&traits), liking: Some(0.5), ..Known::default() };
        score(&phone(1000), known, &wishes.into(), Shopper::default(), &ScoreParams::default())
    };
    let found = of(&Wishes { features_wanted: texts(&["nfc", "快充"]), ..Wishes::default() });
    let parts: Vec<_> = found.parts.iter().map(|p| (p.kind.name(), p.score)).collect();
    assert_eq!(parts, [("features", 0.5), ("liking", 0.5)]);
    let excluded = of(&Wishes { features_excluded: texts(&["nfc"]), ..Wishes::default() }).excluded;
    assert_eq!(excluded, Some(Exclusion::Feature { feature: "nfc".to_owned() }));
}

#[test]
fn ratings_are_damped_and_budgets_kept() {
    let of = |rating, budget| {
        let shopper = Shopper { profile: None, budget };
        score(
            &phone(1000),
            Known { rating, ..Known::default() },
            &PreparedWishes::default(),
            shopper,
            &ScoreParams::default(),
        )
    };
    let rated = |mean, count| of(Some(Rating { mean, count }), None).score;
    assert!((rated(5.0, 10) - (50.0 + 35.0) / 20.0 / 5.0).abs() < 1e-6);
    assert!(rated(4.5, 1000) > rated(5.0, 1));
    assert_eq!(of(Some(Rating { mean: f32::NAN, count: 3 }), None).parts, []);
    assert_eq!(of(Some(Rating { mean: 5.0, count: 0 }), None).parts, []);

    let left = |units| of(None, Some(Budget { left: yuan(units), currency: CNY }));
    assert_eq!((left(2000).score, left(1000).score, left(999).score), (1.0, 0.5, 0.0));
    assert!((left(1500).score - 0.8333).abs() < 1e-3);
    assert_eq!(left(400).parts[0].reason, Reason::OverBudget { by: yuan(600) });
    assert_eq!(left(-5).parts[0].reason, Reason::OverBudget { by: yuan(1000) });
    assert_eq!(of(None, Some(Budget { left: yuan(1), currency: Currency(*b"EUR") })).parts, []);
}

#[test]
fn a_profile_is_read_from_tastes() {
    let mut catalogue = CatalogueBuilder::default();
    let event = |id: &str, brand: &str, category: &str, price: i64| CatalogueEvent {
        id: EventId::from_trusted(id.as_bytes()),
        item: ItemId::from_trusted(id.as_bytes()),
        at: EventMs(0),
        change: CatalogueChange::Upsert(ItemFields {
            title: Some(id.to_owned()),
            brand: Some(brand.to_owned()),
            category: Some(category.to_owned()),
            price: Some((yuan(price), CNY)),
            ..ItemFields::default()
        }),
    };
    catalogue.fold(&event("a", "小米", "technology/phone", 1000));
    catalogue.fold(&event("b", "Reef", "sports/shoes", 400));
    let catalogue = catalogue.finish(2);
    let (a, b, gone) =
        (ItemId::from_trusted(b"a"), ItemId::from_trusted(b"b"), ItemId::from_trusted(b"gone"));
    let taste = |item, strength| ItemTaste { item, strength, last_ms: 0, hidden: false };
    let tastes = Tastes { items: vec![taste(&a, 4.0), taste(&b, -2.0), taste(&gone, 9.0)], now_ms: 0 };
    let profile = TasteProfile::of(&tastes, &catalogue);
    assert_eq!(profile.brands, BTreeMap::from([("小米".to_owned(), 1.0), ("reef".to_owned(), -0.5)]));
    assert_eq!(profile.categories.get("technology"), Some(&1.0));
    assert_eq!(profile.prices.len(), 1);
    let of = |item: &CatalogueItem| {
        let shopper = Shopper { profile: Some(&profile), budget: None };
        score(item, Known::default(), &PreparedWishes::default(), shopper, &ScoreParams::default())
    };
    assert!((of(&phone(1000)).score - 1.0).abs() < 1e-3);
    assert!(of(&phone(5000)).score < 0.75);
    let shoe = CatalogueItem { brand: "REEF".to_owned(), category: "sports".to_owned(), ..phone(1) };
    assert!((of(&shoe).score - 0.25).abs() < 1e-6);
    assert_eq!(of(&CatalogueItem::default()).parts, []);
    assert_eq!(TasteProfile::of(&Tastes::default(), &catalogue), TasteProfile::default());
}

#[test]
fn parameters_are_checked() {
    let message = |r: Result<ScoreParams, crate::params::BadParam>| r.unwrap_err().to_string();
    let d = PartWeights::default();
    let none = PartWeights {
        price: 0.0,
        brand: 0.0,
        features: 0.0,
        text: 0.0,
        rating: 0.0,
        popularity: 0.0,
        profile: 0.0,
        liking: 0.0,
        budget: 0.0,
    };
    for (made, text) in [
        (
            ScoreParams::new(PartWeights { price: -1.0, ..d }, 3.0, 1.0, 0.5),
            "score.price is -1, expected 0 to 100",
        ),
        (ScoreParams::new(none, 3.0, 1.0, 0.5), "score.weights is 0, expected one above 0"),
        (ScoreParams::new(d, 6.0, 1.0, 0.5), "score.rating_prior is 6, expected 0 to 5"),
        (
            ScoreParams::new(d, 3.0, 0.0, 0.5),
            "score.rating_prior_count is 0, expected above 0, 0.001 to 1000000",
        ),
        (ScoreParams::new(d, 3.0, 1.0, f64::NAN), "score.comfortable_share is NaN, expected 0 to 1"),
    ] {
        assert_eq!(message(made), text);
    }
    use crate::tune::{Point, Tunable};
    assert_eq!(ScoreParams::at(&Point::new()).unwrap(), ScoreParams::default());
}

fn any_money() -> impl Strategy<Value = Micros> {
    prop_oneof![Just(0), Just(i64::MAX), Just(i64::MIN), -5i64..5_000_000_000].prop_map(Micros)
}

proptest! {
    #[test]
    fn every_score_is_the_weighed_sum_of_its_parts(
        price in prop::option::of(any_money()),
        min in prop::option::of(any_money()),
        max in prop::option::of(any_money()),
        left in prop::option::of(any_money()),
        rating in prop::option::of((prop::num::f32::ANY, any::<u32>())),
        taste in prop::num::f32::ANY,
        share in 0.0f64..=1.0,
        features in prop::collection::vec("[快充拍照 a-c]{0,6}", 0..40),
    ) {
        let mut item = phone(0);
        item.price = price.map(|p| (p, CNY));
        let wishes = Wishes {
            price: Some(PriceWish::Between { min, max, currency: CNY }),
            features_wanted: features,
            ..Wishes::default()
        };
        let profile = TasteProfile {
            brands: BTreeMap::from([("小米".to_owned(), taste)]),
            prices: BTreeMap::from([(("technology".to_owned(), CNY), Micros(1))]),
            ..TasteProfile::default()
        };
        let budget = left.map(|left| Budget { left, currency: CNY });
        let shopper = Shopper { profile: Some(&profile), budget };
        let params = ScoreParams::new(PartWeights::default(), 3.5, 10.0, share).unwrap();
        let rating = rating.map(|(mean, count)| Rating { mean, count });
        let known = Known { rating, popularity: Some(taste), text: Some(share as f32), ..Known::default() };
        let found = score(&item, known, &(&wishes).into(), shopper, &params);
        prop_assert!((0.0..=1.0).contains(&found.score));
        prop_assert!(found.parts.iter().all(|p| (0.0..=1.0).contains(&p.score)));
        let shares: f32 = found.parts.iter().map(|p| p.share).sum();
        prop_assert!((shares - 1.0).abs() < 1e-5);
        let sum: f32 = found.parts.iter().map(|p| p.share * p.score).sum();
        prop_assert!((sum - found.score).abs() < 1e-5);
    }
}
