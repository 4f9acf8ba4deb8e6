//! One turn: from (user, session, message) to an answer. Nothing here knows of HTTP, so whatever speaks another protocol, or lets a model
//! find the words, begins here too.

use std::collections::BTreeMap;
use std::sync::Arc;

use shoptide_models::chat::{
    Action, DialogueState, Language, Shown as Remembered, Understood, next, understand,
};
use shoptide_models::state::UserState;
use shoptide_schemas::{ItemId, Topic};
use shoptide_store::{ChatKey, ChatMessage, ChatRecord, ChatTurn, ERASED_USER};

use super::answer::{Kept, Part, Product, TurnAnswer};
use super::ask::{Asked, RecordId};
use super::effects::Effects;
use super::events::{Said, list_id};
use super::facts::facts;
use super::knowledge::Known;
use super::reply::{Draft, Facts, draft};
use super::scene::{Scene, Shopper, code_of, plain};
use super::session::{Session, conflict, new_name};
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
    let (mut session, state) = open(app, &asked).await?;
    let visitor = asked.session.is_none() && asked.user.is_none();
    let mut shopper = match visitor {
        // His first message: there is nothing to be known of him.
        true => Shopper::nobody(session.key.user.clone()),
        false => app.shopper(&session.key.user, state).await,
    };
    match app.chat.talks.after(asked.user.as_ref(), &asked.earlier).filter(|_| !asked.earlier.is_empty()) {
        Some(dialogue) => session.memory.dialogue = dialogue,
        None => {
            for message in &asked.earlier {
                shopper = again(app, &mut session, shopper, message).await?;
            }
        }
    }
    let number = session.turns.saturating_add(1);
    let read = read(app, &session, &asked.message).await?;
    let mut effects = Effects::default();
    let facts = facts(app, &read, &session, &asked.message, &mut shopper, &mut effects).await?;
    let (made, read, _) = drafted(app, &session, read, facts, shopper).await?;
    session.memory.dialogue = read.after;
    if lists(&read.action) && !made.remembered.is_empty() {
        session.memory.dialogue.show(made.remembered.clone());
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
    let turn = written(app, &mut session, &asked, &made, &effects)?;
    keep(app, turn).await?;
    if asked.talk {
        let said: Vec<String> = asked.earlier.iter().chain([&asked.message]).cloned().collect();
        app.chat.talks.note(asked.user.as_ref(), &said, session.memory.dialogue.clone());
    }
    effects.tell(app, &session).await?;
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

/// Reads a message of before for what it leaves behind: its conditions, and what "the first one" counts on.
async fn again(
    app: &Arc<App>,
    session: &mut Session,
    mut shopper: Shopper,
    message: &str,
) -> Result<Shopper, ApiError> {
    let read = read(app, session, message).await?;
    if !lists(&read.action) {
        session.memory.dialogue = read.after;
        return Ok(shopper);
    }
    // What it did then is done.
    let facts = facts(app, &read, session, message, &mut shopper, &mut Effects::default()).await?;
    let (made, read, shopper) = drafted(app, session, read, facts, shopper).await?;
    session.memory.dialogue = read.after;
    if !made.remembered.is_empty() {
        session.memory.dialogue.show(made.remembered);
    }
    Ok(shopper)
}

/// The session that is spoken in, within what its user may say in a minute, and what is known of him.
async fn open(app: &Arc<App>, asked: &Asked) -> Result<(Session, Option<UserState>), ApiError> {
    let now_ms = app.now_ms();
    match (&asked.user, &asked.session) {
        (Some(user), _) => app.chat.limit(user, now_ms)?,
        (None, Some(name)) => app.chat.limit(&app.chat_key(name, None)?.user, now_ms)?,
        (None, None) => app.chat.limit_visitors(now_ms)?,
    }
    let name = match &asked.session {
        Some(name) => name.clone(),
        None => new_name()?,
    };
    let (key, state) = app.chat_key_of(&name, asked.user.as_ref()).await?;
    if asked.user.as_ref().is_some_and(|user| *user != key.user) {
        // Who has several devices does not have the patience of several.
        app.chat.limit(&key.user, now_ms)?;
    }
    let session = match &asked.session {
        Some(_) => app.session(key).await?,
        None => Session::begun(key),
    };
    Ok((session, state))
}

/// Reads a message where no other request waits for it: whoever teaches new words waits for all who read, and new readers wait for him.
async fn read(app: &Arc<App>, session: &Session, message: &str) -> Result<Read, ApiError> {
    let (held, before, message) = (app.clone(), session.memory.dialogue.clone(), message.to_owned());
    let scan = move || held.chat.with(|known| read_by(&held, known, &before, &message));
    app.questions.scan(scan).await?
}

fn read_by(app: &App, known: &Known, before: &DialogueState, message: &str) -> Read {
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
fn lists(action: &Action) -> bool {
    match action {
        Action::Show(_) | Action::Similar { .. } => true,
        Action::Compare { items, .. } => items.len() < 2,
        _ => false,
    }
}

/// The one product that a message is about.
fn spoken_of(action: &Action) -> Option<u32> {
    match action {
        Action::Similar { item, .. } => *item,
        Action::Describe { items, .. } | Action::PriceHistory { items } | Action::Service { items } => {
            items.first().copied()
        }
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
        remembered.push(Remembered {
            number: shown.number,
            brand: scene.known.lexicon.brand_of(item),
            price: item.price.map(|(price, _)| price),
            currency: item.price.map(|(_, currency)| currency),
            rating: None,
        });
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
    made: &Made,
    effects: &Effects,
) -> Result<ChatTurn, ApiError> {
    let at_ms = app.now_ms();
    let message = ChatMessage {
        turn: session.turns.saturating_add(1),
        at_ms,
        question: asked.message.clone(),
        answer: serde_json::to_vec(&made.answer).map_err(crate::recommend::unwritable)?,
    };
    Ok(ChatTurn {
        key: session.key.clone(),
        before: session.turns,
        state: session.memory.written().map_err(crate::recommend::unwritable)?,
        message,
        records: made.records.clone(),
        budget: effects.budget.clone(),
        feedback: effects.feedback(at_ms),
    })
}

/// Writes a turn with what it does; of two at the same time one is told so.
async fn keep(app: &App, turn: ChatTurn) -> Result<(), ApiError> {
    let truth = app.context.truth.clone();
    let budget = turn.budget.clone();
    let kept = async {
        let changed = |what| match what {
            ERASED_USER => conflict("user_id", "the user was erased; without user_id a visitor speaks"),
            _ => conflict("session_id", "the session was spoken in or ended meanwhile, send it again"),
        };
        app.changing(async move { truth.chat_turn(turn).await }).await?.map_err(changed)
    };
    match budget {
        Some((shard, user, budget)) => app.setting_budget(shard, &user, Some(budget), kept).await,
        None => kept.await,
    }
}
