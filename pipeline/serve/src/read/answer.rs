//! The answer itself: places with what a storefront needs to draw them, and the names of what they were made from.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Serialize, Serializer};
use shoptide_models::blend::Source;
use shoptide_models::catalogue::Catalogue;
use shoptide_models::list::{list_name, session_list};
use shoptide_models::state::UserState;
use shoptide_schemas::{ItemId, Micros, StoredList, USER_TOPICS, UserId};
use utoipa::ToSchema;
use xxhash_rust::xxh3::xxh3_64;

use super::ask::Ask;
use super::choose::{Chosen, choose};
use super::find::fetched;
use super::reasons::{ReasonBody, reason, recent};
use super::rules::{Pick, Rules};
use super::shared::fill;
use super::written::Written;
use crate::app::{App, Waits, with_scratch};
use crate::budgets::Certainty;
use crate::legacy::{Rated, ratings};

/// What an answer takes before its places, and a usual place without its reason.
const HEAD_BYTES: usize = 512;
const PLACE_BYTES: usize = 256;

/// A list as it is shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"user_id": "U10001", "list_id": "p-3-0f1e2d3c4b5a6978-2-17.1.12.A.fTe", "as_of": {"shop.browse": 412,
    "shop.cart": 88, "shop.order": 30, "shop.forum": 9, "shop.feedback": 61}, "partition": 3, "model_version": 12,
    "made_from": "personal", "items": [{"rank": 1, "item_id": "TECH1005", "title": "Headphones", "brand": "Aurora",
    "category": "technology/audio", "price": "1299.00", "currency": "CNY", "score": 1.73, "source": "factors"}]}))]
pub(crate) struct ListAnswer<'a> {
    /// As asked for; absent for a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub user_id: Option<Cow<'a, str>>,
    /// Send it back, as it is, as `list_id` of the events that the list leads to. It says which model made the list and which
    /// source put an item there.
    pub list_id: String,
    /// By topic, the next offset of the user's partition: events before it are in the list. Empty if it is not personal.
    pub as_of: BTreeMap<&'static str, i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// 0 before the first model.
    pub model_version: u64,
    /// `personal`, `session`, `segment` for what is popular among users of a like taste, or `fallback` when nothing is known of the
    /// user.
    pub made_from: &'static str,
    /// Absent if the places are within what is left of the user's month. When the store is silent: `last_known` if they
    /// are within what was left of it when last asked, `unknown` if the budget or what was spent of it was never asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub budget: Option<&'static str>,
    pub items: Vec<Place<'a>>,
}

/// One place of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Place<'a> {
    /// From 1.
    pub rank: usize,
    #[schema(value_type = String)]
    pub item_id: Cow<'a, str>,
    pub title: &'a str,
    pub brand: &'a str,
    pub category: &'a str,
    /// A decimal string.
    #[schema(value_type = Option<String>)]
    pub price: Option<Amount>,
    pub currency: Option<&'a str>,
    /// Unitless; comparable within one list only.
    pub score: f32,
    /// `factors`, `item_item`, `popularity`, `trending`, `session`, `category` or `catalogue`.
    pub source: &'static str,
    /// On `explain=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonBody>,
}

/// Money as a decimal string.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount(pub Micros);

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'a> Place<'a> {
    /// `None` if the catalogue does not know the number.
    pub fn new(rank: usize, pick: &Pick, catalogue: &'a Catalogue) -> Option<Self> {
        let (id, item) = catalogue.row(pick.item)?;
        Some(Self {
            rank,
            item_id: text_of(id.as_bytes()),
            title: &item.title,
            brand: &item.brand,
            category: &item.category,
            price: item.price.map(|(price, _)| Amount(price)),
            currency: item.price.as_ref().map(|(_, currency)| currency.as_str()),
            score: pick.score,
            source: pick.source.as_str(),
            reason: None,
        })
    }
}

/// Ids of the wire are UTF-8; foreign bytes show as replacement characters.
pub(crate) fn text_of(id: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(id)
}

/// One user's answer, as bytes.
pub(crate) async fn answer(app: &Arc<App>, asked: &UserId, ask: &Ask) -> Result<Bytes, serde_json::Error> {
    let waits = Waits::begin(&app.context.options);
    let own = app.shard_of(asked);
    let held = fetched(app, own, asked).await;
    let kept = held.as_deref().filter(|_| ask.is_plain(app));
    if let Some(list) = kept
        && let Some(written) = app.answers.of(own, asked, list, app.context.live.catalogue().offset())
        && matches!(app.budget(own, asked, waits).await, (None, Certainty::Sure))
    {
        app.context.live.metrics().cache_reads.with_label_values(&["hit"]).inc();
        note_age(app, written.as_of_ms);
        return Ok(written.answer);
    }
    let chosen = choose(app, asked, ask, false, held.clone(), waits).await;
    let Chosen { user, shard, list, state, catalogue, picks, personal, model_version, budget, waits, plain } =
        &chosen;
    let counts = if ask.explain {
        let ids = picks.iter().filter_map(|p| catalogue.row(p.item)).map(|(id, _)| id.clone()).collect();
        recent(app, ids, *waits).await
    } else {
        HashMap::new()
    };
    let nobody = UserState::default();
    let known = state.as_deref().unwrap_or(&nobody);
    let segments = app.context.live.model().map(|model| model.segments().clone()).unwrap_or_default();
    let places = picks.iter().enumerate().filter_map(|(place, pick)| {
        let mut shown = Place::new(place + 1, pick, catalogue)?;
        if ask.explain {
            let times = catalogue.row(pick.item).and_then(|(id, _)| counts.get(id)).copied();
            shown.reason = Some(reason(pick, known, catalogue, &segments, times));
        }
        Some(shown)
    });
    let base = match list.as_ref().filter(|_| *personal) {
        Some(list) => personal_id(*shard, user, list),
        None => format!("f-{shard}-{:016x}-{model_version}-{}", xxh3_64(user.as_bytes()), catalogue.offset()),
    };
    let list_id = named(&base, *model_version, picks, catalogue);
    let answer = ListAnswer {
        user_id: Some(text_of(asked.as_bytes())),
        list_id,
        as_of: list.as_ref().map(|list| as_of(list)).unwrap_or_default(),
        partition: Some(*shard),
        model_version: *model_version,
        made_from: made_from(*personal, picks),
        budget: match budget {
            Certainty::Sure => None,
            Certainty::LastKnown => Some("last_known"),
            Certainty::Unknown => Some("unknown"),
        },
        items: places.collect(),
    };
    let bytes = Bytes::from(written(&answer)?);
    if let Some(list) = list {
        note_age(app, list.now_ms);
        if let Some(held) = held.filter(|_| *plain && ask.is_plain(app)) {
            let (catalogue_offset, as_of_ms) = (catalogue.offset(), list.now_ms);
            let written = Written { list: held, catalogue_offset, as_of_ms, answer: bytes.clone() };
            app.answers.note(*shard, asked, written);
        }
    }
    Ok(bytes)
}

/// Which step of the way from his own list to everybody's gave the first place.
fn made_from(personal: bool, picks: &[Pick]) -> &'static str {
    match picks.first() {
        Some(first) if first.source == Source::Segment => "segment",
        _ if personal => "personal",
        _ => "fallback",
    }
}

fn note_age(app: &App, as_of_ms: i64) {
    let age_ms = app.now_ms().saturating_sub(as_of_ms).max(0);
    app.context.live.metrics().list_age.observe(age_ms as f64 / 1000.0);
}

/// One user's answer in the words of older systems. With `exclude_known`, nothing that the user has dealt with.
pub(crate) async fn rated_answer(app: &Arc<App>, user: &UserId, ask: Ask, exclude_known: bool) -> Vec<Rated> {
    let held = fetched(app, app.shard_of(user), user).await;
    let waits = Waits::begin(&app.context.options);
    let chosen = choose(app, user, &ask, exclude_known, held, waits).await;
    let scores: Vec<f32> = chosen.picks.iter().map(|p| p.score).collect();
    let rated = |((place, pick), rating): ((usize, &Pick), f32)| {
        let (id, row) = chosen.catalogue.row(pick.item)?;
        Some(Rated {
            rank: place + 1,
            item_id: id.to_string(),
            predicted_rating: rating,
            title: row.title.clone(),
        })
    };
    chosen.picks.iter().enumerate().zip(ratings(&scores)).filter_map(rated).collect()
}

/// In one allocation, mostly.
fn written(answer: &ListAnswer<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + PLACE_BYTES * answer.items.len());
    serde_json::to_writer(&mut bytes, answer)?;
    Ok(bytes)
}

/// The name with what it says of model and sources: the same places of the same list have the same one.
fn named(base: &str, model_version: u64, picks: &[Pick], catalogue: &Catalogue) -> String {
    let places = picks.iter().filter_map(|pick| Some((catalogue.row(pick.item)?.0, pick.source)));
    list_name(base, model_version, places)
}

/// The list's own name: the same list has the same one, wherever and whenever it is read.
fn personal_id(shard: u32, user: &UserId, list: &StoredList) -> String {
    format!("p-{shard}-{:016x}-{}-{}", xxh3_64(user.as_bytes()), list.epoch, list.revision)
}

fn as_of(list: &StoredList) -> BTreeMap<&'static str, i64> {
    USER_TOPICS.iter().map(|topic| topic.name()).zip(list.as_of).collect()
}

/// An answer for a session nobody is known by.
pub(crate) fn session_answer(app: &App, session: &[ItemId], ask: &Ask) -> Result<Vec<u8>, serde_json::Error> {
    let linked = app.context.live.linked();
    let entries = with_scratch(|scratch| session_list(session, &linked, &app.context.lists, scratch));
    let catalogue = app.context.live.catalogue();
    let rules = Rules::new(&catalogue, ask, None);
    let mut picks = rules.pick(&entries, ask.n);
    if picks.len() < ask.n {
        let seen: HashSet<&ItemId> = session.iter().collect();
        let shared = app.shared_lists();
        fill(&mut picks, ask.n, &rules, &shared, &[], &|id| seen.contains(id));
        if picks.is_empty() {
            fill(&mut picks, ask.n, &rules, &shared, &[], &|_| false);
        }
    }
    let mut name = Vec::new();
    for item in session {
        name.extend((item.as_bytes().len() as u64).to_le_bytes());
        name.extend(item.as_bytes());
    }
    let known = session.iter().any(|id| linked.model().is_some_and(|m| m.index_of(id.as_bytes()).is_some()));
    let id = format!("s-{:016x}-{}-{}", xxh3_64(&name), linked.model_version(), catalogue.offset());
    shared_answer(id, if known { "session" } else { "fallback" }, linked.model_version(), &picks, &catalogue)
}

/// What is trending, then popular, then new.
pub(crate) fn trending_answer(app: &App, ask: &Ask) -> Result<Vec<u8>, serde_json::Error> {
    let catalogue = app.context.live.catalogue();
    let rules = Rules::new(&catalogue, ask, None);
    let shared = app.shared_lists();
    let mut picks: Vec<Pick> =
        shared.trending.iter().filter(|p| rules.allowed(p.item).is_some()).take(ask.n).copied().collect();
    fill(&mut picks, ask.n, &rules, &shared, &[], &|_| false);
    let id = format!("t-{}-{}", shared.model_version(), catalogue.offset());
    shared_answer(id, "fallback", shared.model_version(), &picks, &catalogue)
}

fn shared_answer(
    base: String,
    made_from: &'static str,
    model_version: u64,
    picks: &[Pick],
    catalogue: &Catalogue,
) -> Result<Vec<u8>, serde_json::Error> {
    let items =
        picks.iter().enumerate().filter_map(|(place, pick)| Place::new(place + 1, pick, catalogue)).collect();
    let as_of = BTreeMap::new();
    written(&ListAnswer {
        user_id: None,
        list_id: named(&base, model_version, picks, catalogue),
        as_of,
        partition: None,
        model_version,
        made_from,
        budget: None,
        items,
    })
}
