//! What an action needs beside the scene, and waits for: the user's own list, what is like a product, what is bought with it, prices of
//! before, the month's budget, what an FAQ knows.

use std::sync::Arc;
use std::time::Duration;

use shoptide_models::chat::{Action, Conditions, PriceProblem, PriceRange};
use shoptide_schemas::EventMs;
use shoptide_store::Budget;

use super::effects::Effects;
use super::reply::{Facts, Month, PRICES_MAX, undecided};
use super::scene::{Scene, Shopper};
use super::session::Session;
use super::source::{self, Question};
use super::turn::Read;
use crate::app::{App, Waits};
use crate::budgets::Certainty;
use crate::error::ApiError;
use crate::facts::links;
use crate::prices::{Past, date, past};
use crate::read::{Ask, choose, fetched};
use crate::similar::like;

/// Products of the user's own list that a turn without conditions chooses from.
const PERSONAL_MAX: usize = 50;
/// Products whose prices of before are told at a time.
const HISTORIES_MAX: usize = 3;
/// How long the log may be asked since when a product costs what it costs: a chat is answered at once.
const DATES_PATIENCE: Duration = Duration::from_millis(250);

pub(super) async fn facts(
    app: &Arc<App>,
    read: &Read,
    session: &Session,
    message: &str,
    shopper: &mut Shopper,
    effects: &mut Effects,
) -> Result<Facts, ApiError> {
    let mut facts = Facts::default();
    match &read.action {
        Action::Show(conditions) if is_free(conditions) => {
            facts.among = Some(personal(app, shopper).await);
        }
        Action::Similar { item: Some(item), .. } => facts.among = Some(like(app, *item).await),
        Action::GoesWith { items } => {
            let catalogue = app.context.live.catalogue();
            if let Some((item, _)) = items.first().and_then(|number| catalogue.row(*number)) {
                facts.links = links(app, item).await?;
            }
        }
        Action::PriceHistory { items } => {
            for item in items.iter().take(HISTORIES_MAX) {
                facts.prices.push((*item, prices(app, *item).await?));
            }
        }
        Action::Service { .. } => facts.told = told(app, read, message).await,
        Action::Describe { items, features } => {
            let open = app.chat.with(|known| {
                let scene = Scene::new(app, known, read.language, shopper);
                undecided(&scene, items, features)
            })?;
            // Without a feature the question itself may be one that somebody knows.
            if !open.is_empty() || features.is_empty() {
                facts.told = told(app, read, message).await;
            }
        }
        Action::Budget { set } => facts.month = month(app, read, *set, shopper, effects).await,
        Action::Feedback { items, opinion } => effects.opine(app, session, items, *opinion).await?,
        _ => {}
    }
    Ok(facts)
}

/// Whether nothing is said of what is looked for but what is not wanted.
fn is_free(conditions: &Conditions) -> bool {
    conditions.category.is_none()
        && conditions.brands.is_empty()
        && conditions.features.is_empty()
        && conditions.text.is_empty()
        && conditions.price.is_none()
        && conditions.below.is_none()
        && conditions.above.is_none()
        && conditions.whom.is_empty()
        && conditions.occasions.is_empty()
}

async fn personal(app: &Arc<App>, shopper: &Shopper) -> Vec<u32> {
    let user = &shopper.user;
    let held = fetched(app, app.shard_of(user), user).await;
    let ask = Ask { n: PERSONAL_MAX, ..Ask::plain(app) };
    let chosen = choose(app, user, &ask, false, held, Waits::begin(&app.context.options)).await;
    chosen.picks.iter().map(|pick| pick.item).collect()
}

/// What a product has cost, newest first, those that are named with their moments.
async fn prices(app: &App, number: u32) -> Result<Vec<Past>, ApiError> {
    let (mut past, _) = past(app, number).await?;
    past.retain(|past| past.price.is_some());
    let named = past.len().saturating_sub(PRICES_MAX + 1);
    if let Some(named) = past.get_mut(named..) {
        date(app, named, DATES_PATIENCE).await;
    }
    past.reverse();
    past.dedup_by(|older, newer| older.price == newer.price);
    Ok(past)
}

async fn told(app: &App, read: &Read, message: &str) -> Option<source::Told> {
    let question = Question { message: message.to_owned(), language: read.language };
    source::ask(&app.chat.sources, &question).await
}

/// The month's budget: the one that the message sets, if it does.
async fn month(
    app: &App,
    read: &Read,
    set: Option<PriceRange>,
    shopper: &mut Shopper,
    effects: &mut Effects,
) -> Month {
    let bad = read.understood.slots.price_problem.is_some_and(|p| p != PriceProblem::Swapped);
    let limit = set.filter(|_| !bad).and_then(|range| Some((range.max.or(range.min)?, range.currency)));
    let shard = app.shard_of(&shopper.user);
    let waits = Waits::begin(&app.context.options);
    let (known, certainty) = app.budget(shard, &shopper.user, waits).await;
    let budget = match limit {
        Some((month, currency)) => {
            let of_before = known.map(|budget| budget.currency);
            let currency = currency.or(of_before).unwrap_or(app.context.options.currency);
            let budget = Budget { month, currency, updated_ms: app.now_ms() };
            effects.budget = Some((shard, shopper.user.clone(), budget));
            budget
        }
        None => match (known, certainty) {
            (Some(budget), _) => budget,
            (None, Certainty::Sure) => return Month::None,
            (None, _) => return Month::Unknown,
        },
    };
    let spent = shopper.state.spent(EventMs(app.now_ms()).month(), budget.currency);
    shopper.left = Some((budget.month.0.saturating_sub(spent), budget.currency));
    Month::Is { limit: budget.month.0, spent, currency: budget.currency, set: limit.is_some() }
}
