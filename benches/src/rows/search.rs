//! The search index over 100,000 and 1,000,000 items of the generated shop: how long a question takes, how large the index is,
//! and whether a whole title is in front.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use serde_json::{Map, Value, json};
use shoptide_models::catalogue::{Catalogue, CatalogueBuilder};
use shoptide_models::find::{Order, Wanted};
use shoptide_schemas::catalogue::decode;
use shoptide_search::{Ask, Search};
use tokio::sync::watch;

use crate::dice::Dice;
use crate::figure::{Figure, Row};
use crate::shop::{config, generated};
use crate::spread::Spread;

const SEED: u64 = 42;
/// Items, and the bar of the median in milliseconds.
const SIZES: [(u64, f64); 2] = [(100_000, 3.0), (1_000_000, 15.0)];
const BYTES_AN_ITEM_MAX: f64 = 1_024.0;
/// Of each kind.
const QUESTIONS: usize = 300;
/// Items whose titles are looked for, each in both languages.
const TITLES: usize = 2_000;
const FIRST: usize = 3;
const PLACES: usize = 20;

/// # Errors
/// If the shop cannot be generated or the index fails.
pub async fn rows(set: &[String]) -> anyhow::Result<Vec<Row>> {
    let currency = config(set)?.shop.currency;
    let mut rows = Vec::new();
    for (items, bar_ms) in SIZES {
        let catalogue = Arc::new(catalogue(items)?);
        let (_held, follow) = watch::channel(catalogue.clone());
        let (_model, follow_model) = watch::channel(None);
        let (_ratings, follow_ratings) = watch::channel(Arc::default());
        let began = Instant::now();
        let search = Search::start(follow, follow_model, follow_ratings, currency)?;
        search.caught_up(catalogue.offset()).await;
        let built_s = began.elapsed().as_secs_f64();
        rows.push(figure(&catalogue, &search, bar_ms, built_s)?);
    }
    Ok(rows)
}

fn catalogue(items: u64) -> anyhow::Result<Catalogue> {
    let shop = generated(SEED, 1, items, 1)?;
    let mut builder = CatalogueBuilder::default();
    let mut offset = 0;
    for item in shop.catalogue() {
        let event = decode(&serde_json::to_vec(&item)?).ok().context("a generated item is refused")?;
        builder.fold(&event);
        offset += 1;
    }
    Ok(builder.finish(offset))
}

fn ask(text: String) -> Ask {
    Ask {
        text,
        wanted: Wanted::default(),
        order: Order::Relevance,
        after: None,
        weights: Vec::new(),
        keep: PLACES,
        completing: false,
    }
}

/// Numbers of items that may be shown, drawn at random.
fn drawn(catalogue: &Catalogue, dice: &mut Dice, n: usize) -> Vec<u32> {
    let mut numbers = Vec::with_capacity(n);
    while numbers.len() < n {
        let number = (dice.unit() * f64::from(catalogue.len())) as u32;
        if catalogue.row(number).is_some_and(|(_, item)| item.listable() && item.in_stock()) {
            numbers.push(number);
        }
    }
    numbers
}

/// Questions of each kind, about items drawn at random.
fn questions(catalogue: &Catalogue, dice: &mut Dice) -> Vec<(&'static str, Vec<Ask>)> {
    let rows: Vec<_> =
        drawn(catalogue, dice, QUESTIONS).into_iter().filter_map(|number| catalogue.row(number)).collect();
    let english = |row: usize| rows.get(row).and_then(|(_, item)| item.titles.get("en")).map_or("", |t| t);
    let words = |row: usize, n: usize| english(row).split(' ').take(n).collect::<Vec<_>>().join(" ");
    let all = |make: &dyn Fn(usize) -> Ask| (0..rows.len()).map(make).collect::<Vec<_>>();
    let typo = |row: usize| {
        // The last letter but one of the second word is lost.
        let text = words(row, 2);
        let cut = text.char_indices().rev().nth(1).map_or(0, |(at, _)| at);
        text.char_indices().filter(|(at, _)| *at != cut).map(|(_, c)| c).collect::<String>()
    };
    let category = |row: usize| rows.get(row).map(|(_, item)| item.category.clone());
    let brand = |row: usize| rows.get(row).map(|(_, item)| item.brand.clone());
    vec![
        ("title", all(&|row| ask(rows.get(row).map(|(_, i)| i.title.clone()).unwrap_or_default()))),
        ("brand and style", all(&|row| ask(words(row, 2)))),
        ("one word", all(&|row| ask(words(row, 1)))),
        ("beginning", all(&|row| ask(words(row, 2).chars().take(words(row, 1).len() + 4).collect()))),
        ("typing error", all(&|row| ask(typo(row)))),
        (
            "filtered",
            all(&|row| Ask {
                wanted: Wanted { category: category(row), brand: brand(row), ..Wanted::default() },
                order: Order::Price,
                ..ask(words(row, 2))
            }),
        ),
        (
            "no text",
            all(&|row| Ask {
                wanted: Wanted { category: category(row), ..Wanted::default() },
                ..ask(String::new())
            }),
        ),
    ]
}

fn figure(catalogue: &Catalogue, search: &Search, bar_ms: f64, built_s: f64) -> anyhow::Result<Row> {
    let mut dice = Dice(SEED);
    let mut kinds = Map::new();
    let (mut every, mut told) = (Vec::new(), Vec::new());
    for (kind, questions) in questions(catalogue, &mut dice) {
        let mut waits = Vec::with_capacity(questions.len());
        for question in &questions {
            let began = Instant::now();
            let found = search.find(question)?;
            waits.push(began.elapsed().as_secs_f64() * 1_000.0);
            anyhow::ensure!(!found.hits.is_empty(), "{kind}: {:?} finds nothing", question.text);
        }
        every.extend(&waits);
        let waits = Spread::new(waits);
        told.push(format!("{kind} {:.2} / {:.2}", waits.median(), waits.p99()));
        kinds.insert(kind.to_owned(), json!({"p50_ms": waits.median(), "p99_ms": waits.p99()}));
    }
    let every = Spread::new(every);
    let (mut first, mut asked) = (0_usize, 0_usize);
    for number in drawn(catalogue, &mut dice, TITLES) {
        let Some((_, item)) = catalogue.row(number) else { continue };
        for title in std::iter::once(&item.title).chain(item.titles.values()) {
            let found = search.find(&Ask { keep: FIRST, ..ask(title.clone()) })?;
            asked += 1;
            first += usize::from(found.hits.iter().any(|hit| hit.key.number == number));
        }
    }
    let recall = first as f64 / asked as f64;
    let (bytes, items) = search.size();
    let an_item = bytes as f64 / items as f64;
    Ok(Row::Measured(Figure {
        what: format!("search, {} items", catalogue.len()),
        measured: format!(
            "p50 **{:.2} ms**, p99 {:.2} ms; index **{an_item:.0} bytes an item**; whole title in the first {FIRST}: **{recall:.4}**; \
             built in {built_s:.1} s",
            every.median(),
            every.p99()
        ),
        bar: format!("p50 <= {bar_ms} ms; index <= 1 KiB an item; recall 1.0"),
        met: Some(every.median() <= bar_ms && an_item <= BYTES_AN_ITEM_MAX && first == asked),
        reference: String::new(),
        how: format!(
            "generated shop, seed {SEED}; in process, one thread, {QUESTIONS} questions of each kind, {PLACES} places with facets \
             (p50 / p99 in ms: {}); {asked} titles in two languages of {TITLES} items drawn; index: bytes of all segments, beside 24 \
             bytes of facts an item",
            told.join("; ")
        ),
        values: json!({ "p50_ms": every.median(), "p99_ms": every.p99(), "bytes_an_item": an_item, "recall": recall,
            "built_s": built_s, "kinds": Value::Object(kinds) }),
    }))
}
