//! One event of one user, without log and store: decide, commit, and the list made anew.

use std::hint::black_box;
use std::time::Instant;

use serde_json::json;
use shoptide_jobs::train::train_once;
use shoptide_models::list::{Linked, ListScratch, make_list};
use shoptide_models::state::{Decision, Facts, RecordAt, UserState, decide};
use shoptide_schemas::wire::{WireEvent, WireTime, check};
use shoptide_schemas::{EventMs, ShopEvent, Topic};

use crate::dice::Dice;
use crate::figure::{Figure, Row};
use crate::shop::{Folded, clock, config, everything, generated};
use crate::spread::Spread;

const SEED: u64 = 7;
const ROUNDS: usize = 10_000;
/// Items that a measured user has dealt with before the event.
const ITEMS: usize = 30;
const BAR_US: f64 = 60.0;

/// # Errors
/// If training fails.
pub async fn row(set: &[String]) -> anyhow::Result<Row> {
    let config = config(set)?;
    let shop = generated(SEED, 1_000, 600, 50_000)?;
    let folded = Folded::of(everything(&shop), 4).await?;
    let opened = folded.open(&config).await?;
    let trained = train_once(&opened.context).await?;
    let linked = Linked::new(Some(trained.model), opened.context.live.catalogue(), None);
    let ids: Vec<String> = shop.catalogue().filter_map(|c| c.item_id).collect();
    let users: Vec<UserState> = opened
        .users()
        .await?
        .into_iter()
        .map(|(_, state)| state)
        .filter(|state| (ITEMS - 5..ITEMS + 5).contains(&distinct_items(state)))
        .collect();
    anyhow::ensure!(!users.is_empty(), "no user with about {ITEMS} items");
    let (lists, now_ms) = (config.list_params(), clock()());
    let (mut dice, mut scratch, mut micros) =
        (Dice(SEED), ListScratch::default(), Vec::with_capacity(ROUNDS));
    let mut fold_only = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let Some(user) = users.get(dice.below(users.len())) else { continue };
        let Some(item) = ids.get(dice.below(ids.len())) else { continue };
        let mut user = user.clone();
        let event = view(round, item, now_ms)?;
        let at = RecordAt { topic: Topic::Browse, partition: 0, offset: 1 << 40, appended: EventMs(now_ms) };
        let began = Instant::now();
        let Some(part) = user.parts.first_mut() else { continue };
        if let Decision::Apply(change) = decide(part, &event, at, Facts::default()) {
            black_box(part.commit(&change, &event, at.offset));
        }
        fold_only.push(began.elapsed().as_secs_f64() * 1e6);
        let list = black_box(make_list(&user, &linked, &lists, &mut scratch));
        micros.push(began.elapsed().as_secs_f64() * 1e6);
        anyhow::ensure!(
            list.len() == lists.length,
            "a list of {} places, expected {}",
            list.len(),
            lists.length
        );
    }
    opened.close().await;
    let (micros, fold_only) = (Spread::new(micros), Spread::new(fold_only));
    Ok(Row::Measured(Figure {
        what: "fold, rank 100 of 600 items for one user".to_owned(),
        measured: format!(
            "**{:.0} µs** (p99 {:.0} µs; the fold {:.1} µs of it)",
            micros.median(),
            micros.p99(),
            fold_only.median()
        ),
        bar: "<= 60 µs".to_owned(),
        met: Some(micros.median() <= BAR_US),
        reference: String::new(),
        how: format!(
            "one thread, dim {}, users with {} to {} items, fold-in, blend, rules, diversity and evidence; median of {ROUNDS}, seed {SEED}",
            config.als.rank(),
            ITEMS - 5,
            ITEMS + 4
        ),
        values: json!({ "median_us": micros.median(), "p99_us": micros.p99(), "fold_us": fold_only.median() }),
    }))
}

fn distinct_items(state: &UserState) -> usize {
    let mut items: Vec<_> = state.parts.iter().flat_map(|p| &p.items).map(|e| &e.item).collect();
    items.sort_unstable();
    items.dedup();
    items.len()
}

fn view(round: usize, item: &str, now_ms: i64) -> anyhow::Result<ShopEvent> {
    let wire = WireEvent {
        event_id: Some(format!("bench:{round}")),
        event_type: Some("view_item".to_owned()),
        user_id: Some("U1".to_owned()),
        item_id: Some(item.to_owned()),
        occurred_at: Some(WireTime::Ms(now_ms)),
        ..WireEvent::default()
    };
    check(wire).map_err(|reject| anyhow::anyhow!("{}", reject.message))
}
