//! From a user's state to a list: candidates of the model, rules, diversity, and reasons that name their evidence.
//! A list is a pure function of (parts, model, catalogue, parameters); its "now" is the time of the user's last event.

mod liking;
mod linked;
mod make;
mod name;
mod parts;
mod reasons;

pub use liking::liking;
pub use linked::{Linked, UNNUMBERED};
pub use make::{ListParams, ListScratch, make_list, session_list};
pub use name::{ListKind, ListName, list_name};
pub use parts::{PARTS, score_parts};
pub use reasons::{Evidence, Reason, explain};
