//! What is known of a user: one part per user topic, each folded only from its own topic, in its order. So the
//! interleaving of topics cannot be seen, and a replay gives the same bytes.

mod act;
mod fold;
mod part;
mod part_codec;
mod rated;
mod tastes;

pub use act::Act;
pub use fold::{Change, CountChange, Counted, Decision, Facts, RecordAt, decide};
pub use part::{ACTS_PER_ITEM_MAX, DEDUPE_WINDOW, ITEMS_PER_PART_MAX, QUERIES_MAX, SPEND_MONTHS_MAX};
pub use part::{ActCount, ItemEntry, Part, Query, Spend};
pub use rated::RatingChange;
pub use tastes::{ItemTaste, TasteParams, TasteParamsError, Tastes};

use shoptide_schemas::topic::PARTS;

/// All parts of one user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserState {
    pub parts: [Part; PARTS],
}

impl UserState {
    /// Time of the user's last event: "now" of everything derived from the state. `None` before the first event.
    pub fn last_ms(&self) -> Option<i64> {
        self.parts.iter().map(|p| p.last_ms).filter(|ms| *ms != 0).max()
    }

    /// The known user that an anonymous id turned out to be.
    pub fn forward(&self) -> Option<&shoptide_schemas::UserId> {
        self.parts.iter().find_map(|p| p.forward.as_ref())
    }

    /// What the user spent in a month (`YYYYMM`), in micro-units; refunds are subtracted.
    pub fn spent(&self, month: u32, currency: shoptide_schemas::Currency) -> i64 {
        let spends = self.parts.iter().flat_map(|p| &p.spend);
        spends.filter(|s| s.month == month && s.currency == currency).map(|s| s.micros).sum()
    }
}
