//! The fold in two steps: [`decide`] looks, [`Part::commit`] takes over. Nothing here reads a clock or a store; what the
//! shell must look up first comes in as [`Facts`].

use shoptide_schemas::event::{EventKind, OrderLine};
use shoptide_schemas::time::TimeVerdict;
use shoptide_schemas::wire::{OWN_ID_PREFIX, WireEvent, WireTime, to_hex};
use shoptide_schemas::{Code, EventMs, ItemId, Reject, ShopEvent, Topic, UserId};

use super::act::Act;
use super::part::Part;
use super::rated::RatingChange;

/// Bytes of a part that travels to a known user: as hexadecimal it must fit an event.
const TRAVEL_BYTES_MAX: usize = 28 * 1024;
/// Forwarding addresses one event may pass: two identities that name each other must not play ping-pong for ever.
const HOPS_MAX: u32 = 3;

/// Where the record of an event lies in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordAt {
    pub topic: Topic,
    pub partition: u32,
    pub offset: i64,
    pub appended: EventMs,
}

/// What the shell looked up for one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// The event's order line was seen before.
    pub line_known: bool,
    /// The user was erased in this topic.
    pub erased: bool,
}

/// How a record ends, and what changes if it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a decision does nothing until its change is committed"]
pub enum Decision {
    Apply(Change),
    Duplicate,
    Late,
    /// The user was erased before; the event is not folded.
    Erased,
    Dead(Reject),
}

/// What one event does. [`Part::commit`] carries out the part's share, the shell the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Fold the event into the part.
    Fold,
    /// Forget everything and take back the counts.
    Erase,
    /// The part becomes a forwarding address; its content goes to the known user as `record`.
    Leave { known: UserId, record: Vec<u8> },
    /// The user left earlier: send the event on to the known user as `record`.
    Forward { known: UserId, record: Vec<u8> },
    /// Take over the part of an anonymous user.
    Absorb(Box<Part>),
}

/// A change of a counter (item, day, act).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountChange {
    pub item: ItemId,
    pub day: u32,
    pub act: Act,
    pub n: i64,
}

/// What a change does across users.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counted {
    pub counts: Vec<CountChange>,
    pub ratings: Vec<RatingChange>,
}

/// Decides what a record does to the part of its user and topic. Same part, same record, same facts: same decision.
pub fn decide(part: &Part, event: &ShopEvent, at: RecordAt, facts: Facts) -> Decision {
    if facts.erased {
        return Decision::Erased;
    }
    // An erasure is never too late and never a repeat: it must happen.
    if matches!(event.kind, EventKind::Erased) {
        return Decision::Apply(Change::Erase);
    }
    match event.at.verdict(at.appended, event.historical) {
        TimeVerdict::Future { ahead_ms } => {
            let message =
                format!("occurred_at is {ahead_ms} ms ahead of the append, expected at most 300000");
            return Decision::Dead(Reject::new(Code::Future, "occurred_at", message));
        }
        TimeVerdict::Late => return Decision::Late,
        TimeVerdict::InTime => {}
    }
    if part.remembers(event.id.hash64()) || facts.line_known {
        return Decision::Duplicate;
    }
    // Whom this id belongs to is this part's own matter. Forwarded, it would tell the known user that he is himself, or,
    // on a device that two people share, that he is the other.
    if let EventKind::Identify { known } = &event.kind {
        if part.forward.as_ref() == Some(known) {
            return Decision::Duplicate;
        }
        return Decision::Apply(Change::Leave {
            known: known.clone(),
            record: departure(part, event, known, at),
        });
    }
    if let Some(known) = part.forward.as_ref().filter(|_| hops(event) < HOPS_MAX) {
        return Decision::Apply(Change::Forward {
            known: known.clone(),
            record: forwarded(event, known, at),
        });
    }
    match &event.kind {
        EventKind::Absorbed { part: bytes, .. } => match Part::decode(bytes) {
            Ok(theirs) => Decision::Apply(Change::Absorb(Box::new(theirs))),
            Err(error) => Decision::Dead(Reject::new(Code::BadValue, "part", error.to_string())),
        },
        _ => Decision::Apply(Change::Fold),
    }
}

impl Part {
    /// Carries out a change and returns what it does to the counters and to the sums of ratings.
    pub fn commit(&mut self, change: &Change, event: &ShopEvent, offset: i64) -> Counted {
        match change {
            Change::Erase => {
                let taken = Counted { counts: self.contributions(), ratings: self.ratings_taken_back() };
                *self = Part::default();
                return taken;
            }
            Change::Leave { known, .. } => {
                *self = Part {
                    forward: Some(known.clone()),
                    recent: std::mem::take(&mut self.recent),
                    ..Part::default()
                };
            }
            Change::Forward { .. } => {}
            Change::Absorb(theirs) => {
                let ratings = self.ratings_replaced_by(theirs);
                self.absorb((**theirs).clone(), offset);
                self.remember(event.id.hash64());
                return Counted { ratings, ..Counted::default() };
            }
            Change::Fold => {
                self.remember(event.id.hash64());
                return self.fold(event, offset);
            }
        }
        self.remember(event.id.hash64());
        Counted::default()
    }

    fn fold(&mut self, event: &ShopEvent, offset: i64) -> Counted {
        self.last_ms = self.last_ms.max(event.at.0);
        match &event.kind {
            EventKind::Search { query, .. } | EventKind::ChatIntent { query: Some(query), .. } => {
                self.query(event.at.0, query);
            }
            EventKind::Purchase { quantity, paid: Some((price, currency)), .. } => {
                self.spend(event.at.month(), *currency, price.0.saturating_mul(i64::from(*quantity)));
            }
            EventKind::Refund { quantity, paid: Some((price, currency)), .. } => {
                self.spend(event.at.month(), *currency, -price.0.saturating_mul(i64::from(*quantity)));
            }
            _ => {}
        }
        let Some(item) = event.item() else { return Counted::default() };
        let (act, day) = (Act::of(event), event.at.day());
        let mut ratings = Vec::new();
        if let Some(entry) = self.act(item, act, event.at.0, day, offset) {
            match &event.kind {
                EventKind::Rate { hundredths, .. } => {
                    ratings.extend(RatingChange::replacing(item, entry.rating, *hundredths));
                    entry.rating = Some(*hundredths);
                }
                EventKind::Post { thread: Some(thread), .. }
                | EventKind::Reply { thread, .. }
                | EventKind::Like { thread, .. } => entry.thread = Some(thread.clone()),
                _ => {}
            }
        }
        Counted { counts: vec![CountChange { item: item.clone(), day, act, n: 1 }], ratings }
    }

    /// What this part still holds of the counters, negated.
    fn contributions(&self) -> Vec<CountChange> {
        let of = |e: &super::part::ItemEntry| {
            let item = e.item.clone();
            e.acts.clone().into_iter().map(move |a| CountChange {
                item: item.clone(),
                day: a.day,
                act: a.act,
                n: -i64::from(a.n),
            })
        };
        self.items.iter().flat_map(of).collect()
    }
}

/// The name for ever of the record that `at` owes to another user, led by how many addresses it has passed.
fn debt_id(event: &ShopEvent, at: RecordAt) -> String {
    format!("{OWN_ID_PREFIX}{}:{}:{}:{}", hops(event) + 1, at.topic.code(), at.partition, at.offset)
}

fn hops(event: &ShopEvent) -> u32 {
    let id = std::str::from_utf8(event.id.as_bytes()).unwrap_or_default();
    id.strip_prefix(OWN_ID_PREFIX).and_then(|rest| rest.split(':').next()?.parse().ok()).unwrap_or(0)
}

fn departure(part: &Part, event: &ShopEvent, known: &UserId, at: RecordAt) -> Vec<u8> {
    let mut travels = Part { recent: Default::default(), forward: None, ..part.clone() };
    let mut bytes = travels.encode();
    while TRAVEL_BYTES_MAX < bytes.len() && !travels.items.is_empty() {
        // Items that were absorbed together have one offset: by it alone all of them would stay behind.
        travels.items.sort_by(|a, b| (b.last_off, b.last_ms, &b.item).cmp(&(a.last_off, a.last_ms, &a.item)));
        travels.items.truncate(travels.items.len() * 3 / 4);
        travels.items.sort_by(|a, b| a.item.cmp(&b.item));
        bytes = travels.encode();
    }
    let wire = WireEvent {
        event_id: Some(debt_id(event, at)),
        event_type: Some("part_absorbed".to_owned()),
        user_id: Some(known.to_string()),
        occurred_at: Some(WireTime::Ms(event.at.0)),
        historical: true,
        known_user_id: Some(event.user.to_string()),
        part: Some(to_hex(&bytes)),
        ..WireEvent::default()
    };
    serde_json::to_vec(&wire).unwrap_or_default()
}

/// The event as if the known user had done it. `historical`: it was in time when it was first read.
fn forwarded(event: &ShopEvent, known: &UserId, at: RecordAt) -> Vec<u8> {
    let mut wire = to_wire(event);
    wire.event_id = Some(debt_id(event, at));
    wire.user_id = Some(known.to_string());
    wire.historical = true;
    serde_json::to_vec(&wire).unwrap_or_default()
}

/// The wire form of an event, for records that a fold owes.
fn to_wire(event: &ShopEvent) -> WireEvent {
    let mut wire = WireEvent {
        event_type: Some(event.event_type.name().to_owned()),
        occurred_at: Some(WireTime::Ms(event.at.0)),
        item_id: event.item().map(ToString::to_string),
        list_id: event.list.clone(),
        session_id: event.session.clone(),
        ..WireEvent::default()
    };
    let set_order = |wire: &mut WireEvent, order: &Option<OrderLine>| {
        wire.order_id = order.as_ref().map(|o| o.order.clone());
        wire.order_line = order.as_ref().map(|o| o.line.clone());
    };
    match &event.kind {
        EventKind::Search { query, .. } => wire.query = Some(query.clone()),
        EventKind::CartAdd { quantity, .. } | EventKind::CartRemove { quantity, .. } => {
            wire.quantity = Some(i64::from(*quantity));
        }
        EventKind::Purchase { quantity, paid, order, .. }
        | EventKind::Refund { quantity, paid, order, .. } => {
            wire.quantity = Some(i64::from(*quantity));
            wire.price = paid.map(|(p, _)| p.to_string());
            wire.currency = paid.map(|(_, c)| c.to_string());
            set_order(&mut wire, order);
        }
        EventKind::Post { thread, text, .. } => {
            wire.thread_id = thread.clone();
            wire.text = Some(text.clone());
        }
        EventKind::Reply { thread, text, .. } => {
            wire.thread_id = Some(thread.clone());
            wire.text = Some(text.clone());
        }
        EventKind::Like { thread, .. } => wire.thread_id = Some(thread.clone()),
        EventKind::Rate { hundredths, .. } => wire.rating = Some(f64::from(*hundredths) / 100.0),
        EventKind::Feedback { feedback, .. } => wire.feedback = Some(feedback.name().to_owned()),
        EventKind::ChatIntent { query, .. } => wire.query = query.clone(),
        EventKind::Identify { known } => wire.known_user_id = Some(known.to_string()),
        EventKind::Absorbed { from, part } => {
            wire.known_user_id = Some(from.to_string());
            wire.part = Some(to_hex(part));
        }
        _ => {}
    }
    wire
}
