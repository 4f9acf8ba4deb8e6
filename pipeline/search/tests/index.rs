//! The index as those see it who search: what is found, in which order, and how soon a change shows.

// Clippy's exception for tests does not see the helpers they share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use shoptide_models::catalogue::{Catalogue, CatalogueBuilder, CatalogueItem};
use shoptide_models::find::{Order, Wanted};
use shoptide_models::rated::{RatingSum, Ratings};
use shoptide_models::snapshot::Snapshot;
use shoptide_schemas::{Currency, ItemId, Micros};
use shoptide_search::{Ask, Found, Matched, Search};
use tokio::sync::watch;

const CNY: Currency = Currency(*b"CNY");

/// Patience with a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);

struct Shop {
    catalogue: watch::Sender<Arc<Catalogue>>,
    /// Held, as a process holds its model.
    _model: watch::Sender<Option<Arc<Snapshot>>>,
    ratings: watch::Sender<Arc<Ratings>>,
    search: Search,
}

impl Shop {
    fn new() -> Self {
        let (catalogue, follow) = watch::channel(Arc::default());
        let (model, follow_model) = watch::channel(None);
        let (ratings, follow_ratings) = watch::channel(Arc::default());
        let search = Search::start(follow, follow_model, follow_ratings, CNY).unwrap();
        Self { catalogue, _model: model, ratings, search }
    }

    /// Puts rows by number, and waits until they can be found.
    async fn put(&self, rows: impl IntoIterator<Item = (u32, CatalogueItem)>) {
        let mut builder = CatalogueBuilder::from(&self.catalogue.borrow());
        for (number, item) in rows {
            builder.put(ItemId::from_trusted(format!("I{number}").as_bytes()), item, number);
        }
        let offset = self.catalogue.borrow().offset() + 1;
        self.catalogue.send_replace(Arc::new(builder.finish(offset)));
        tokio::time::timeout(PATIENCE, self.search.caught_up(offset)).await.expect("the index follows");
    }

    fn find(&self, text: &str) -> Found {
        self.search.find(&ask(text)).unwrap()
    }

    fn numbers(&self, text: &str) -> Vec<u32> {
        numbers(&self.find(text))
    }
}

fn ask(text: &str) -> Ask {
    Ask {
        text: text.to_owned(),
        wanted: Wanted::default(),
        order: Order::Relevance,
        after: None,
        weights: Vec::new(),
        keep: 10,
        completing: false,
    }
}

fn numbers(found: &Found) -> Vec<u32> {
    found.hits.iter().map(|hit| hit.key.number).collect()
}

fn item(title: &str) -> CatalogueItem {
    CatalogueItem { title: title.to_owned(), ..CatalogueItem::default() }
}

fn priced(title: &str, price: i64) -> CatalogueItem {
    CatalogueItem { price: Some((Micros(price * Micros::PER_UNIT), CNY)), ..item(title) }
}

#[tokio::test]
async fn words_of_every_field_are_found_and_the_loudest_comes_first() {
    let shop = Shop::new();
    let body = CatalogueItem { description: "fits most headphones".to_owned(), ..item("Spare cushions") };
    let about = CatalogueItem {
        category: "technology/headphones".to_owned(),
        brand: "Aurora".to_owned(),
        tags: vec!["bluetooth".to_owned()],
        ..item("Silence 20")
    };
    let both = CatalogueItem {
        titles: BTreeMap::from([("en".to_owned(), "Wireless headphones X20".to_owned())]),
        ..item("无线降噪耳机 X20")
    };
    shop.put([(0, body), (1, about), (2, both)]).await;
    assert_eq!(shop.numbers("headphones"), [2, 1, 0]);
    assert_eq!(shop.numbers("HEADPHONE"), [2, 1, 0], "the stem decides");
    for (text, found) in [
        ("aurora", &[1][..]),
        ("bluetooth", &[1]),
        ("technology", &[1]),
        ("耳机", &[2]),
        ("降噪 耳机", &[2]),
        ("无线耳机", &[2]),
        ("ｘ２０", &[2]),
        ("x 20", &[2]),
        ("耳机 headphones", &[2]),
        ("I1", &[1]),
        ("nothing like it", &[]),
    ] {
        assert_eq!(shop.numbers(text), found, "{text}");
    }
}

#[tokio::test]
async fn beginnings_and_typing_errors_are_understood() {
    let shop = Shop::new();
    let titles =
        ["Wireless headphones", "Running shoes", "蓝牙耳机", "智能手表", "iPhone15 case", "奥罗拉音箱"];
    shop.put(titles.iter().zip(0..).map(|(title, n)| (n, item(title)))).await;
    for (text, found) in [
        ("head", &[0][..]),
        ("wireless headph", &[0]),
        ("headphnoes", &[0]),
        ("hedphones", &[0]),
        ("wirless headfones", &[0]),
        ("runing sheos", &[1]),
        ("蓝", &[2]),
        ("蓝牙耳", &[2]),
        ("藍牙耳機", &[2]),
        ("智能手俵", &[3]),
        ("iphone 15", &[4]),
        ("iphone15", &[4]),
        ("奥罗拉", &[5]),
        ("xx", &[]),
    ] {
        assert_eq!(shop.numbers(text), found, "{text}");
    }
    // Nobody has all the words: those with some come, and the answer says so.
    let some = shop.find("wireless parachute");
    assert_eq!((numbers(&some), some.matched), (vec![0], Matched::Some));
}

#[tokio::test]
async fn a_whole_title_is_in_front_of_all_that_say_it_louder() {
    let shop = Shop::new();
    let mut rows: Vec<(u32, CatalogueItem)> =
        (0..50).map(|n| (n, item(&format!("Red shoes red shoes size {n}")))).collect();
    rows.push((50, item("Red shoes")));
    rows.push((51, item("🎁🎁")));
    rows.push((52, item("of the")));
    shop.put(rows).await;
    assert_eq!(shop.numbers("red  SHOES!")[0], 50);
    assert!(shop.find("red shoes").hits[0].exact);
    assert_eq!(shop.numbers("🎁🎁"), [51]);
    assert_eq!(shop.numbers("Of The"), [52], "grammar alone is still a title");
    assert_eq!(shop.numbers("🎉"), [0_u32; 0]);
    assert_eq!(shop.numbers("red shoes size 7")[0], 7, "the number decides");
}

/// Of any set of items one pass over the index finds what a pass for the set alone would.
#[tokio::test]
async fn one_pass_answers_for_every_set_of_items() {
    let shop = Shop::new();
    let titles = [
        "red shoes",
        "red hat",
        "blue shoes size 40",
        "蓝牙耳机 red",
        "shoes",
        "green lamp",
        "red shoes sale",
    ];
    shop.put(titles.iter().zip(0..).map(|(title, n)| (n, item(title)))).await;
    for text in
        ["red shoes", "red shoes lamp sale", "shoes", "zzz", "red zzz", "", "🎁", "I3", "green lamp", "蓝牙"]
    {
        let saying = shop.search.saying(text).unwrap();
        for set in 0_u32..1 << titles.len() {
            let among: Vec<u32> = (0..titles.len() as u32).filter(|n| set >> n & 1 == 1).collect();
            let alone: Vec<u32> =
                shop.search.among(text, &among).unwrap().into_iter().map(|(number, _)| number).collect();
            assert_eq!(saying.among(&among), alone, "{text} among {among:?}");
        }
    }
}

#[tokio::test]
async fn ratings_order_without_any_word_having_changed() {
    let shop = Shop::new();
    shop.put((0..4).map(|n| (n, item("shoe")))).await;
    let order = || numbers(&shop.search.find(&Ask { order: Order::Rating, ..ask("shoe") }).unwrap());
    assert_eq!(order(), [3, 2, 1, 0], "nobody has rated anything");
    let mut ratings = Ratings::default();
    for (number, count, hundredths) in [(0, 30, 30 * 480), (1, 30, 30 * 110), (2, 1, 500), (99, 1, 500)] {
        ratings.set(number, RatingSum::new(count, hundredths));
    }
    shop.ratings.send_replace(Arc::new(ratings));
    let until = tokio::time::Instant::now() + PATIENCE;
    while order() != [0, 2, 1, 3] {
        assert!(tokio::time::Instant::now() < until, "{:?}", order());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn filters_facets_and_orders() {
    let shop = Shop::new();
    let of = |brand: &str, category: &str, price| CatalogueItem {
        brand: brand.to_owned(),
        category: category.to_owned(),
        ..priced("shoe", price)
    };
    shop.put([
        (0, of("Aurora", "fashion/shoes", 300)),
        (1, of("AURORA", "fashion/shoes", 100)),
        (2, of("Borealis", "fashion", 200)),
        (3, of("Borealis", "sports", 200)),
        (4, CatalogueItem { stock: Some(0), ..of("Aurora", "sports", 50) }),
        (5, CatalogueItem { hidden: true, ..of("Aurora", "sports", 50) }),
        (6, CatalogueItem { price: Some((Micros(1), Currency(*b"USD"))), ..of("Cirrus", "sports", 1) }),
    ])
    .await;
    let with = |wanted: Wanted, order| {
        let found = shop.search.find(&Ask { wanted, order, ..ask("shoe") }).unwrap();
        (numbers(&found), found.counts)
    };
    let (all, counts) = with(Wanted::default(), Order::Price);
    assert_eq!((all, counts.total), (vec![1, 3, 2, 0, 6], 5));
    let named = |counts: &[shoptide_models::find::Count]| {
        counts.iter().map(|c| (c.name.clone(), c.count)).collect::<Vec<_>>()
    };
    let pairs = |pairs: &[(&str, u64)]| pairs.iter().map(|(n, c)| ((*n).to_owned(), *c)).collect::<Vec<_>>();
    assert_eq!(named(&counts.brands), pairs(&[("Aurora", 2), ("Borealis", 2), ("Cirrus", 1)]));
    assert_eq!(named(&counts.categories), pairs(&[("fashion/shoes", 2), ("sports", 2), ("fashion", 1)]));
    assert_eq!(counts.prices.iter().map(|r| r.count).collect::<Vec<_>>(), [1, 3]);

    let (fashion, counts) =
        with(Wanted { category: Some("fashion".to_owned()), ..Wanted::default() }, Order::Price);
    assert_eq!(fashion, [1, 2, 0]);
    assert_eq!(named(&counts.categories).len(), 3, "the other categories can still be chosen");
    assert_eq!(named(&counts.brands), pairs(&[("Aurora", 2), ("Borealis", 1)]));
    let (aurora, _) = with(Wanted { brand: Some("aurora".to_owned()), ..Wanted::default() }, Order::Price);
    assert_eq!(aurora, [1, 0]);
    let price = |min, max| Wanted { price_min: min, price_max: max, ..Wanted::default() };
    assert_eq!(with(price(Some(200_000_000), None), Order::Price).0, [3, 2, 0]);
    assert_eq!(with(price(Some(100_000_000), Some(200_000_000)), Order::Price).0, [1, 3, 2]);
    assert_eq!(with(price(None, Some(1)), Order::Price).0, [0_u32; 0], "another currency is never compared");
    let too = Wanted { sold_out_too: true, ..Wanted::default() };
    assert_eq!(with(too, Order::Price).0, [4, 1, 3, 2, 0, 6]);
    assert_eq!(
        with(Wanted { brand: Some("nobody".to_owned()), ..Wanted::default() }, Order::Price).0,
        [0_u32; 0]
    );
    // Without a text everything is gone through.
    let found = shop.search.find(&Ask { order: Order::Price, ..ask(" ") }).unwrap();
    assert_eq!(numbers(&found), [1, 3, 2, 0, 6]);
}

#[tokio::test]
async fn of_some_items_all_that_say_the_words_are_named_however_many_others_do() {
    let shop = Shop::new();
    let sold_out = CatalogueItem { stock: Some(0), ..item("zorblax lamp") };
    let rows = (0..1_500).map(|n| match n {
        0 => CatalogueItem { description: "with a zorblax".to_owned(), ..item("chair") },
        1 => item("blue chair"),
        2 => sold_out.clone(),
        _ => item("zorblax zorblax"),
    });
    shop.put(rows.enumerate().map(|(n, row)| (n as u32, row))).await;
    let among = |text: &str, among: &[u32]| shop.search.among(text, among).unwrap();
    let named = |text: &str, of: &[u32]| among(text, of).iter().map(|hit| hit.0).collect::<Vec<_>>();
    assert_eq!(named("zorblax", &[1, 0]), [0]);
    assert_eq!(named("zorblax", &[7, 2, 0]), [0, 2, 7], "what may be shown is asked elsewhere");
    let all: Vec<u32> = (0..1_500).collect();
    assert_eq!(among("zorblax", &all).len(), 1_499);
    assert!(among("zorblax", &all).is_sorted() && among("zorblax", &all).iter().all(|hit| 0 < hit.1));
    // None of these has both words, so one will do, whatever others have.
    assert_eq!(named("blue zorblax", &[0, 1]), [0, 1]);
    assert_eq!(named("nothing that is there", &all), Vec::<u32>::new());
    assert_eq!((named("zorblax", &[]), named(" ", &all)), (Vec::new(), Vec::new()));
    assert_eq!(named("zorblax", &[u32::MAX / 64, 0]), [0]);
}

#[tokio::test]
async fn changes_replace_what_was_known() {
    let shop = Shop::new();
    shop.put([(0, item("Red shoes")), (1, item("Blue shoes"))]).await;
    shop.put([(0, item("Green boots")), (2, item("Red socks"))]).await;
    assert_eq!(shop.numbers("red"), [2]);
    assert_eq!(shop.numbers("green boots"), [0]);
    shop.put([(0, CatalogueItem { removed: true, ..item("Green boots") })]).await;
    assert_eq!(shop.numbers("green"), [0_u32; 0]);
    shop.put([(0, item("Green boots"))]).await;
    assert_eq!(shop.numbers("green"), [0]);
    shop.put([(1, CatalogueItem { stock: Some(0), ..item("Blue shoes") })]).await;
    assert_eq!(shop.numbers("blue"), [0_u32; 0]);
    assert_eq!(shop.search.size().1, 3);
    shop.put([(3, CatalogueItem { unlisted: true, ..item("") })]).await;
    assert_eq!(shop.numbers("I3"), [0_u32; 0], "only events have named it");
    assert_eq!(shop.find("").counts.total, 2);
}

#[tokio::test]
async fn pages_hold_each_item_once_even_while_the_shop_changes() {
    let shop = Shop::new();
    let title = |n: u32| format!("Shoe {} {}", if n.is_multiple_of(3) { "red" } else { "blue" }, n);
    let all = 1_000_u32;
    shop.put((0..all).map(|n| (n, priced(&title(n), i64::from(n % 7))))).await;
    for (order, text) in [
        (Order::Relevance, "shoe"),
        (Order::Price, "shoe"),
        (Order::Price, ""),
        (Order::Relevance, ""),
        // No item has both: the weights of the first page stay in force.
        (Order::Relevance, "shoe parachute"),
    ] {
        let mut next = Ask { order, keep: 37, ..ask(text) };
        let (mut seen, mut added) = (Vec::new(), all);
        loop {
            let found = shop.search.find(&next).unwrap();
            let Some(last) = found.hits.last() else { break };
            seen.extend(found.hits.iter().map(|hit| hit.key.number));
            (next.after, next.weights) = (Some(last.key), found.weights);
            // New items, and some that make the word rarer or more common.
            shop.put((added..added + 40).map(|n| (n, item("Parachute, sold out in every colour")))).await;
            added += 40;
        }
        seen.retain(|number| *number < all);
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!((count, seen.len()), (all as usize, all as usize), "{order:?} {text}");
        shop.put((all..added).map(|n| (n, CatalogueItem { removed: true, ..item("") }))).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Whatever is typed is text: it finds nothing or something, and never an error.
    #[test]
    fn any_text_is_text(texts in prop::collection::vec(any_query(), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        static SHOP: std::sync::OnceLock<Shop> = std::sync::OnceLock::new();
        let shop = SHOP.get_or_init(|| {
            let shop = Shop::new();
            let titles = ["Red shoes", "蓝牙耳机", "title:red", "a AND b", "x^2~1"];
            runtime.block_on(shop.put(titles.iter().zip(0..).map(|(title, n)| (n, item(title)))));
            shop
        });
        for text in texts {
            for completing in [false, true] {
                let found = shop.search.find(&Ask { completing, ..ask(&text) }).unwrap();
                prop_assert!(found.hits.len() <= 5, "{text}: {found:?}");
            }
        }
        prop_assert_eq!(shop.numbers("title:red")[0], 2);
        prop_assert_eq!(shop.numbers("-red"), shop.numbers("red"));
        prop_assert_eq!(shop.numbers("number:[0 TO 5]"), Vec::<u32>::new());
    }
}

/// Text of any kind, and text that looks like the syntax of a query.
fn any_query() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z+\\-&|!(){}\\[\\]^\"~*?:\\\\/ ]{0,40}",
        "(title|body|number|key):[\\[{(]?[a-z0-9* ]{0,8}( TO | AND | OR | NOT |\\^|~)[0-9a-z*]{0,4}[\\]})]?",
        "[\u{200e}\u{200f}\u{202a}-\u{202e}\u{2066}-\u{2069}a-c红鞋 ]{0,20}",
    ]
}
