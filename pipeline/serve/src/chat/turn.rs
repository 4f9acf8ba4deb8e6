//! One turn: from (user, session, message) to an answer. Nothing here knows of HTTP, so whatever speaks another protocol, or lets a model
//! find the words, begins here too.

use std::collections::BTreeMap;
use std::sync::Arc;

use shoptide_models::catalogue::CatalogueItem;
use shoptide_models::chat::{
    Action, DialogueState, Language, Shown as Remembered, Understood, next, understand,
};
use shoptide_schemas::{ItemId, Topic};
use shoptide_store::{ChatKey, ChatMessage, ChatRecord, ChatTurn};

use super::answer::{Kept, Part, Product, TurnAnswer};
use super::ask::{Asked, RecordId};
use super::events::{Said, list_id};
use super::facts::facts;
use super::knowledge::Known;
use super::reply::{Draft, Facts, compares_anew, draft};
use super::scene::{Scene, Shopper, code_of, plain};
use super::session::{Session, conflict};
use crate::app::App;
use crate::error::ApiError;

/// A message, read.
pub(super) struct Read {
    pub understood: Understood,
    pub after: DialogueState,
    pub action: Action,
    pub language: Language,
}

/// What a turn gives back, and what is kept of it.
struct Made {
    answer: TurnAnswer,
    records: Vec<ChatRecord>,
    remembered: Vec<Remembered>,
}

/// Answers one message and remembers it.
///
/// # Errors
/// 404 for a session that this user does not have, 409 if it is full or was spoken in at the same time, 429 beyond the messages of a minute, 503
/// while the catalogue's words are read for the first time or the store is silent.
pub(crate) async fn turn(app: &Arc<App>, asked: Asked) -> Result<TurnAnswer, ApiError> {
    let mut session = open(app, &asked).await?;
    let visitor = asked.session.is_none() && asked.user.is_none();
    let mut shopper = match visitor {
        // His first message: there is nothing to be known of him.
        true => Shopper::nobody(session.key.user.clone()),
        false => app.shopper(&session.key.user).await,
    };
    for message in &asked.earlier {
        shopper = again(app, &mut session, shopper, message).await?;
    }
    let number = session.turns.saturating_add(1);
    let read = app.chat.with(|known| read(app, known, &session, &asked.message))?;
    let facts = facts(app, &read, &session, &asked.message, &mut shopper).await?;
    let (made, read, _) = drafted(app, &session, read, facts, shopper).await?;
    session.memory.dialogue = read.after;
    if lists(&read.action, &session.memory.dialogue) && !made.remembered.is_empty() {
        session.memory.dialogue.show(made.remembered);
        session.memory.shown_turn = number;
    }
    let item = spoken_of(&read.action).and_then(|number| {
        let catalogue = app.context.live.catalogue();
        catalogue.row(number).map(|(id, _)| id.clone())
    });
    let said = Said {
        message: &asked.message,
        intent: read.understood.intent,
        action: read.action.kind(),
        slots: &read.understood.slots,
        item: item.as_ref(),
    };
    let turn = written(app, &mut session, &asked, &made.answer, made.records)?;
    keep(app, turn).await?;
    // A visitor has no preferences that would outlast his dialogue: nobody would ever ask for them, or take them away.
    if asked.user.is_some() {
        app.note_intent(&session.key, number, said).await;
    }
    Ok(made.answer)
}

/// What is said to a message that was read.
async fn drafted(
    app: &Arc<App>,
    session: &Session,
    read: Read,
    facts: Facts,
    shopper: Shopper,
) -> Result<(Made, Read, Shopper), ApiError> {
    let (asked, key, number) = (app.clone(), session.key.clone(), session.turns.saturating_add(1));
    let scan = move || {
        let made = asked.chat.with(|known| {
            let scene = Scene::new(&asked, known, read.language, &shopper);
            let draft = draft(&scene, &read.understood, &read.after, &read.action, &facts);
            made(&scene, &read, &key, number, draft)
        });
        made.map(|made| (made, read, shopper))
    };
    app.questions.scan(scan).await?
}

/// Reads a message of before for what it leaves behind: its conditions, and what "the first one" counts on. What it did then is done.
async fn again(
    app: &Arc<App>,
    session: &mut Session,
    mut shopper: Shopper,
    message: &str,
) -> Result<Shopper, ApiError> {
    let read = app.chat.with(|known| read(app, known, session, message))?;
    if !lists(&read.action, &read.after) {
        session.memory.dialogue = read.after;
        return Ok(shopper);
    }
    let facts = facts(app, &read, session, message, &mut shopper).await?;
    let (made, read, shopper) = drafted(app, session, read, facts, shopper).await?;
    session.memory.dialogue = read.after;
    if !made.remembered.is_empty() {
        session.memory.dialogue.show(made.remembered);
    }
    Ok(shopper)
}

/// The session that is spoken in, within what its user may say in a minute.
async fn open(app: &Arc<App>, asked: &Asked) -> Result<Session, ApiError> {
    let Some(name) = &asked.session else {
        let session = app.new_session(asked.user.as_ref())?;
        match &asked.user {
            Some(user) => app.chat.limit(user, app.now_ms())?,
            None => app.chat.limit_visitors(app.now_ms())?,
        }
        return Ok(session);
    };
    let key = app.chat_key(name, asked.user.as_ref())?;
    app.chat.limit(&key.user, app.now_ms())?;
    app.session(key).await
}

fn read(app: &App, known: &Known, session: &Session, message: &str) -> Read {
    let before = &session.memory.dialogue;
    let understood = understand(message, &known.lexicon, before);
    let (after, action) = next(before, &understood);
    // A message without a word of either: as the shop's customers mostly speak.
    let of_shop = match app.context.options.currency.as_str() {
        "CNY" | "TWD" | "HKD" | "MOP" => Language::Chinese,
        _ => Language::English,
    };
    let language = understood.language.or(before.language).unwrap_or(of_shop);
    Read { understood, after, action, language }
}

/// Whether what an action shows is the list that "the first one" counts on from now.
fn lists(action: &Action, state: &DialogueState) -> bool {
    match action {
        Action::Show(_) | Action::Similar { .. } | Action::GoesWith { .. } => true,
        Action::Compare { items, .. } => compares_anew(state, items),
        _ => false,
    }
}

/// The one product that a message is about.
fn spoken_of(action: &Action) -> Option<u32> {
    match action {
        Action::Similar { item, .. } => *item,
        Action::Describe { items, .. }
        | Action::GoesWith { items }
        | Action::PriceHistory { items }
        | Action::Service { items } => items.first().copied(),
        _ => None,
    }
}

fn made(scene: &Scene<'_>, read: &Read, key: &ChatKey, turn: u32, draft: Draft) -> Made {
    let shown_ms = scene.app.now_ms();
    let (mut products, mut records, mut remembered) = (Vec::new(), Vec::new(), Vec::new());
    for ((shown, reasons), place) in draft.products.into_iter().zip(1_u32..) {
        let Some((id, item)) = scene.row(shown.number) else { continue };
        let record = RecordId { session: key.session.clone(), turn, place };
        let parts: Vec<Part> = shown.score.parts.iter().map(Part::from).collect();
        records.push(record_of(place, id, shown.score.score, &parts, &reasons, shown_ms));
        remembered.push(remember(scene, shown.number, item));
        products.push(Product {
            rank: place,
            record_id: record.to_string(),
            item_id: id.to_string(),
            title: scene.title(shown.number),
            brand: plain(&item.brand),
            category: plain(&item.category),
            price: item.price.map(|(price, _)| price.to_string()),
            currency: item.price.map(|(_, currency)| currency.to_string()),
            score: shown.score.score,
            parts,
            reasons,
        });
    }
    // Kept with their places too, so that an opinion of one finds its record.
    for number in draft.beside {
        let Some((id, item)) = scene.row(number) else { continue };
        let place = u32::try_from(records.len() + 1).unwrap_or(u32::MAX);
        records.push(record_of(place, id, 0.0, &[], &[], shown_ms));
        remembered.push(remember(scene, number, item));
    }
    let answer = TurnAnswer {
        session_id: key.session.clone(),
        message_id: format!("{}.{turn}", key.session),
        list_id: list_id(key, turn),
        intent: read.understood.intent,
        action: read.action.kind(),
        language: code_of(scene.language).to_owned(),
        reply: draft.lines.join("\n"),
        products,
        followups: draft.followups,
        as_of: BTreeMap::from([(Topic::Catalogue.name().to_owned(), scene.known.offset)]),
        source: "rules".to_owned(),
    };
    Made { answer, records, remembered }
}

fn remember(scene: &Scene<'_>, number: u32, item: &CatalogueItem) -> Remembered {
    Remembered {
        number,
        brand: scene.known.lexicon.brand_of(item),
        price: item.price.map(|(price, _)| price),
        currency: item.price.map(|(_, currency)| currency),
        rating: None,
    }
}

fn record_of(
    place: u32,
    item: &ItemId,
    score: f32,
    parts: &[Part],
    reasons: &[super::answer::Why],
    shown_ms: i64,
) -> ChatRecord {
    let kept = Kept { parts: parts.to_vec(), reasons: reasons.to_vec() };
    ChatRecord {
        place,
        item: item.clone(),
        score: (f64::from(score) * 1e6).round() as i64,
        why: serde_json::to_vec(&kept).unwrap_or_default(),
        shown_ms,
        feedback: None,
    }
}

fn written(
    app: &App,
    session: &mut Session,
    asked: &Asked,
    answer: &TurnAnswer,
    records: Vec<ChatRecord>,
) -> Result<ChatTurn, ApiError> {
    let message = ChatMessage {
        turn: session.turns.saturating_add(1),
        at_ms: app.now_ms(),
        question: asked.message.clone(),
        answer: serde_json::to_vec(answer).map_err(crate::recommend::unwritable)?,
    };
    let state = session.memory.written().map_err(crate::recommend::unwritable)?;
    Ok(ChatTurn { key: session.key.clone(), before: session.turns, state, message, records })
}

/// Writes a turn; of two at the same time one is told so.
async fn keep(app: &App, turn: ChatTurn) -> Result<(), ApiError> {
    let truth = app.context.truth.clone();
    match app.changing(async move { truth.chat_turn(turn).await }).await? {
        true => Ok(()),
        false => Err(conflict("session_id", "the session was spoken in or ended meanwhile, send it again")),
    }
}
