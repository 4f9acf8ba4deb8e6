//! From a user to what he is shown: his stored list (cache, else truth), the rules of this moment, and what fills the
//! places that are left, so that nobody gets nothing.

mod answer;
mod ask;
mod choose;
mod find;
mod reasons;
mod rules;
mod shared;
mod written;

pub(crate) use answer::{
    Amount, ListAnswer, Place, answer, rated_answer, session_answer, text_of, trending_answer,
};
pub(crate) use ask::{Ask, AskBody, item_ids};
pub(crate) use choose::choose;
pub(crate) use find::{Flights, cached, fetched, fill};
pub(crate) use rules::{Pick, Rules, within};
pub(crate) use shared::SharedLists;
pub(crate) use written::Answers;
