//! One turn: from (user, session, message) to an answer. Nothing here knows of HTTP, so whatever speaks another protocol begins here too. It has two
//! halves: what is shown, which the rules decide at once, and the words, for which a language model may be waited for.

use std::collections::BTreeMap;
use std::sync::Arc;

use shoptide_models::catalogue::CatalogueItem;
use shoptide_models::chat::{
    Action, DialogueState, Language, Shown as Remembered, Understood, next, understand,
};
use shoptide_models::state::UserState;
use shoptide_schemas::{ItemId, Topic};
use shoptide_store::{ChatKey, ChatRecord};
use tokio::sync::mpsc;

use super::answer::{Kept, Part, Product, TurnAnswer};
use super::ask::{Asked, RecordId};
use super::effects::Effects;
use super::events::list_id;
use super::facts::facts;
use super::kept::Turn;
use super::knowledge::Known;
use super::model::{self, Material, Pen};
use super::reply::{Draft, Facts, compares_anew, draft};
use super::scene::{Scene, Shopper, code_of, plain};
use super::session::{Session, new_name};
use crate::app::{App, Waits};
use crate::error::ApiError;

/// A message, read.
pub(super) struct Read {
    pub understood: Understood,
    pub after: DialogueState,
    pub action: Action,
    pub language: Language,
}

/// What a turn gives back, and what is kept of it.
pub(super) struct Made {
    pub answer: TurnAnswer,
    pub records: Vec<ChatRecord>,
    pub remembered: Vec<Remembered>,
    /// For a model to word it.
    pub material: Option<Material>,
}

/// A turn whose products are decided, and which nobody remembers yet.
pub(crate) struct Begun {
    app: Arc<App>,
    asked: Asked,
    session: Session,
    number: u32,
    read: Read,
    made: Made,
    effects: Effects,
    pen: Pen,
}

/// A turn that is kept.
pub(crate) struct Ended {
    pub answer: TurnAnswer,
    /// What a language model took.
    pub tokens_in: u64,
    pub tokens_out: u64,
}

/// Decides what one message is answered with, in the rules' words.
///
/// # Errors
/// 404 for a session that this user does not have, 409 if it is full or was spoken in at the same time, 429 beyond the messages of a minute, 503
/// while the catalogue's words are read for the first time or the store is silent.
pub(crate) async fn begin(app: &Arc<App>, asked: Asked) -> Result<Begun, ApiError> {
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
    let mut pen = Pen::of(app, &asked, &session.key);
    let read = pen.read_again(app, &session, &asked.message, read).await?;
    let mut effects = Effects::default();
    let facts = facts(app, &read, &session, &asked.message, &mut shopper, &mut effects).await?;
    let worded = pen.is_ready().then(|| asked.message.clone());
    let (made, read, _) = drafted(app, &session, read, facts, shopper, worded).await?;
    Ok(Begun { app: app.clone(), asked, session, number, read, made, effects, pen })
}

impl Begun {
    /// What is shown, with the rules' words.
    pub fn answer(&self) -> &TurnAnswer {
        &self.made.answer
    }

    /// Whether a model is asked for the words.
    pub fn waits(&self) -> bool {
        self.made.material.is_some()
    }

    /// Finds the words and remembers the turn. Each sentence of a model goes to `out` as soon as it stands; the answer's reply holds all that was said, or
    /// takes its place.
    ///
    /// # Errors
    /// 409 if the session was spoken in at the same time, 503 while the store is silent.
    pub async fn end(mut self, out: Option<mpsc::Sender<String>>) -> Result<Ended, ApiError> {
        let words = self.pen.write(&self.app, self.made.material.take(), out).await;
        if let Some(reply) = words.reply {
            self.made.answer.reply = reply;
            self.made.answer.source = model::BY_MODEL.to_owned();
        }
        let Begun { app, asked, session, number, read, made, effects, .. } = self;
        let answer =
            Turn { asked, session, number, read, made, effects, model: words.record }.keep(&app).await?;
        Ok(Ended { answer, tokens_in: words.tokens_in, tokens_out: words.tokens_out })
    }
}

/// What is said to a message that was read; `worded`: the message, if a model may word it.
async fn drafted(
    app: &Arc<App>,
    session: &Session,
    read: Read,
    facts: Facts,
    shopper: Shopper,
    worded: Option<String>,
) -> Result<(Made, Read, Shopper), ApiError> {
    let (asked, key, number) = (app.clone(), session.key.clone(), session.turns.saturating_add(1));
    let scan = move || {
        let made = asked.chat.with(|known| {
            let scene = Scene::new(&asked, known, read.language, &shopper);
            let draft = draft(&scene, &read.understood, &read.after, &read.action, &facts);
            let material =
                worded.as_deref().and_then(|message| model::material(&scene, &read, &facts, &draft, message));
            Made { material, ..made(&scene, &read, &key, number, draft) }
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
    if !lists(&read.action, &read.after) {
        session.memory.dialogue = read.after;
        return Ok(shopper);
    }
    // What it did then is done.
    let facts = facts(app, &read, session, message, &mut shopper, &mut Effects::default()).await?;
    let (made, read, shopper) = drafted(app, session, read, facts, shopper, None).await?;
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
    let Some(user) = &asked.user else {
        let key = app.chat_key(&name, None)?;
        let session = if asked.session.is_some() { app.session(key).await? } else { Session::begun(key) };
        return Ok((session, None));
    };
    // Mostly he is who he says, so both are asked for at once.
    let likely = app.chat_key(&name, Some(user))?;
    let begun = asked.session.is_none();
    let session = async { if begun { Ok(Session::begun(likely)) } else { app.session(likely).await } };
    let (known, session) = tokio::join!(app.known_user(user, Waits::patient(&app.context.options)), session);
    let (known, state) = known?;
    if known == *user {
        return Ok((session?, Some(state)));
    }
    // Who has several devices does not have the patience of several.
    app.chat.limit(&known, now_ms)?;
    let key = app.chat_key(&name, Some(&known))?;
    Ok((if begun { Session::begun(key) } else { app.session(key).await? }, Some(state)))
}

/// Bytes of a message that is read at once: it takes less time than to be handed over, and a lot of new words is learned in a third of a millisecond.
const READ_AT_ONCE: usize = 256;

/// Reads a message. A long one is read where no other request waits for it: whoever teaches new words waits for all who read, and new readers wait
/// for him.
async fn read(app: &Arc<App>, session: &Session, message: &str) -> Result<Read, ApiError> {
    if message.len() <= READ_AT_ONCE {
        return app.chat.with(|known| read_by(app, known, &session.memory.dialogue, message));
    }
    let (held, before, message) = (app.clone(), session.memory.dialogue.clone(), message.to_owned());
    let scan = move || held.chat.with(|known| read_by(&held, known, &before, &message));
    app.questions.scan(scan).await?
}

fn read_by(app: &App, known: &Known, before: &DialogueState, message: &str) -> Read {
    let understood = understand(message, &known.lexicon, before);
    decided(app, before, understood)
}

/// What is done about a message that was understood.
pub(super) fn decided(app: &App, before: &DialogueState, understood: Understood) -> Read {
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
pub(super) fn lists(action: &Action, state: &DialogueState) -> bool {
    match action {
        Action::Show(_) | Action::Similar { .. } | Action::GoesWith { .. } => true,
        Action::Compare { items, .. } => compares_anew(state, items),
        _ => false,
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
    Made { answer, records, remembered, material: None }
}

fn remember(scene: &Scene<'_>, number: u32, item: &CatalogueItem) -> Remembered {
    Remembered {
        number,
        brand: scene.known.lexicon.brand_of(item),
        price: item.price.map(|(price, _)| price),
        currency: item.price.map(|(_, currency)| currency),
        rating: scene.rating(number).rating().map(|rating| rating.mean),
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
