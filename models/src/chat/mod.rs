//! The core of the chat: what a message asks for ([`understand()`]), and what is done about it ([`next()`]).
//!
//! Rules and dictionaries, nothing learned from examples: every reading can be explained, a new brand is known as soon as the catalogue has
//! it, and numbers are exact. A message is cut into atoms, those into spans of known phrases, those into slots by their grammar
//! (what is negated, what belongs to a price), and the intent follows from slots, cues and the state.

pub(crate) mod amount;
mod asks;
pub(crate) mod atoms;
mod category;
mod conditions;
mod counts;
pub(crate) mod dictionary;
mod intent;
mod keep;
mod lexicon;
mod next;
mod phrases;
mod price;
mod reading;
mod references;
mod resolve;
mod shelf;
mod slots;
pub(crate) mod spans;
pub(crate) mod specs;
mod state;
#[cfg(test)]
mod tests;
mod understand;
mod wishes;

pub use atoms::MESSAGE_CHARS_MAX;
pub(crate) use atoms::{Atom, Kind as AtomKind, atoms, key as phrase_key};
pub use conditions::{ABOUT_PERCENT, Candidate, Condition, Conditions, Filter, RELAXATIONS_MAX, Relaxation};
pub(crate) use lexicon::title_words;
pub use lexicon::{LEARNED_MAX, Lexicon, Trait, folded};
pub use next::{Action, ActionKind, next};
pub use phrases::{Phrase, fill};
pub use resolve::resolve;
pub use shelf::Shelf;
pub use slots::{
    Intent, Language, Opinion, PriceProblem, PriceRange, QUANTITY_MAX, Reference, SlotKind, Slots, Sort,
    Understood, VALUE_CHARS_MAX, VALUES_MAX,
};
pub use state::{DialogueState, Question, SEEN_MAX, SHOWN_MAX, STATE_BYTES_MAX, Shown};
pub use understand::{opposite, understand};
