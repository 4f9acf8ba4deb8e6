//! From a planned step to the event on the wire: ids, prices, queries and forum texts in the user's language.

use shoptide_schemas::event::{EventType, Feedback};
use shoptide_schemas::wire::{WireEvent, WireTime};

use super::dice::{at, mix};
use super::items::{CURRENCY, Item, Items, Language};
use super::session::{Act, Step};
use super::users::{Tastes, user_id};
use super::words::{POSTS, REPLIES};

/// Threads that somebody may still answer, newest kept: what a forum shows on its first pages.
const THREADS_MAX: usize = 64;

/// Makes wire events of steps; remembers the last threads, so that replies meet a real one.
#[derive(Debug)]
pub(crate) struct Speaker {
    seed: u64,
    run: String,
    threads: Vec<Thread>,
    opened: u64,
}

#[derive(Debug, Clone, Copy)]
struct Thread {
    number: u64,
    item: u64,
}

impl Speaker {
    pub(crate) fn new(seed: u64, run: String) -> Self {
        Self { seed, run, threads: Vec::with_capacity(THREADS_MAX), opened: 0 }
    }

    /// `number` is unique in the run and becomes the event's id.
    pub(crate) fn say(&mut self, step: &Step, number: u64, items: &Items) -> WireEvent {
        let run = &self.run;
        let item = items.item(step.item);
        let mut event = WireEvent {
            event_id: Some(format!("{run}-{number:x}")),
            user_id: Some(user_id(step.user)),
            occurred_at: Some(WireTime::Ms(step.at_ms)),
            session_id: (!step.follows).then(|| format!("S{run}-{:x}", step.session)),
            ..WireEvent::default()
        };
        let event_type = match step.act {
            Act::List => EventType::ViewItemList,
            Act::View => EventType::ViewItem,
            Act::Wish => EventType::AddToWishlist,
            Act::Checkout => EventType::BeginCheckout,
            Act::Search { opens } => {
                event.query = Some(self.query(step, &item));
                event.item_id = opens.then(|| item.id());
                event.event_type = Some(EventType::Search.name().to_owned());
                return event;
            }
            Act::CartAdd { quantity } | Act::CartRemove { quantity } => {
                event.quantity = Some(quantity);
                let added = matches!(step.act, Act::CartAdd { .. });
                (event.price, event.currency) = priced(&item);
                if added { EventType::AddToCart } else { EventType::RemoveFromCart }
            }
            Act::Buy { quantity, line } | Act::Refund { quantity, line } => {
                event.quantity = Some(quantity);
                event.order_id = Some(format!("O{run}-{:x}", step.session));
                event.order_line = Some(line.to_string());
                (event.price, event.currency) = priced(&item);
                if matches!(step.act, Act::Buy { .. }) { EventType::Purchase } else { EventType::Refund }
            }
            Act::Rate { halves } => {
                event.rating = Some(halves as f64 / 2.0);
                EventType::RateItem
            }
            Act::Feedback { kind } => {
                event.feedback = Some(at(&Feedback::ALL, kind).name().to_owned());
                EventType::RecommendationFeedback
            }
            Act::Post | Act::Reply | Act::Like => return self.forum(step, item, items, event),
        };
        if event_type != EventType::BeginCheckout {
            event.item_id = Some(item.id());
        }
        event.event_type = Some(event_type.name().to_owned());
        event
    }

    fn language(&self, step: &Step) -> Language {
        Tastes::of(self.seed, step.user, 0).language
    }

    fn query(&self, step: &Step, item: &Item) -> String {
        let (language, category) = (self.language(step), item.category_words());
        match step.dice % 8 {
            0..5 => language.of(at(&category.queries, step.dice >> 8)).to_owned(),
            5 => language.of(&category.noun).to_owned(),
            6 => format!("{} {}", language.of(item.brand_word()), language.of(&category.noun)),
            _ => item.title(language),
        }
    }

    /// Posts open a thread; replies and likes go to one of the last threads, or open one when there is none.
    fn forum(&mut self, step: &Step, item: Item, items: &Items, mut event: WireEvent) -> WireEvent {
        let language = self.language(step);
        let known = (step.act != Act::Post).then(|| self.pick_thread(step, item.group)).flatten();
        let (event_type, thread, item) = match known {
            Some(thread) if step.act == Act::Like => (EventType::ForumLike, thread, items.item(thread.item)),
            Some(thread) => (EventType::ForumReply, thread, items.item(thread.item)),
            None => (EventType::ForumPost, self.open_thread(item.number), item),
        };
        if event_type != EventType::ForumLike {
            let words = if event_type == EventType::ForumPost { &POSTS } else { &REPLIES };
            let text = language.of(at(words, step.dice >> 16)).replace("{}", &item.title(language));
            event.text = Some(text);
        }
        event.thread_id = Some(format!("T{}-{:x}", self.run, thread.number));
        event.item_id = Some(item.id());
        event.event_type = Some(event_type.name().to_owned());
        event
    }

    /// People answer where their group talks; four looks at the list of threads, then none.
    fn pick_thread(&self, step: &Step, group: u64) -> Option<Thread> {
        let count = (self.threads.len() as u64).max(1);
        (0..4_u64).find_map(|look| {
            let thread = self.threads.get((mix(step.dice, look) % count) as usize)?;
            (thread.item % super::items::GROUP_COUNT == group).then_some(*thread)
        })
    }

    fn open_thread(&mut self, item: u64) -> Thread {
        let thread = Thread { number: self.opened, item };
        match self.threads.get_mut(self.opened as usize % THREADS_MAX) {
            Some(oldest) => *oldest = thread,
            None => self.threads.push(thread),
        }
        self.opened += 1;
        thread
    }
}

fn priced(item: &Item) -> (Option<String>, Option<String>) {
    (Some(item.price()), Some(CURRENCY.to_owned()))
}
