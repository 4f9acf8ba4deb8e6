//! The generated shop: a catalogue in three groups and the events of its users, the same bytes for the same seed on any
//! machine, in constant memory for up to ten million users. Users have a main group, a style and other tastes that
//! models can find; [`Shop::group_of`] tells the truth.

mod dice;
mod items;
mod params;
mod session;
mod speak;
mod spoil;
mod stream;
mod users;
mod visitors;
mod words;

use shoptide_schemas::catalogue::WireCatalogue;

pub use params::{
    BadShop, EVENTS_MAX, ITEMS_MAX, ITEMS_MIN, RUN_BYTES_MAX, SPAN_DAYS_MAX, ShopOptions, ShopParams,
    USERS_MAX,
};
pub use stream::Events;
pub use users::Group;
pub use visitors::Visitors;

use items::Items;

/// A shop: its items in memory, its users and events made when asked for.
#[derive(Debug)]
pub struct Shop {
    params: ShopParams,
    items: Items,
}

impl Shop {
    pub fn new(params: ShopParams) -> Self {
        let items = Items::new(params.get().seed, params.get().items);
        Self { params, items }
    }

    pub fn params(&self) -> &ShopParams {
        &self.params
    }

    /// One `item_upsert` an item, dated at the shop's first moment.
    pub fn catalogue(&self) -> impl Iterator<Item = WireCatalogue> + '_ {
        let start_ms = self.params.start_ms();
        (0..self.items.count()).map(move |n| self.items.upsert(n, &self.params.get().run, start_ms))
    }

    /// The events, in the order a producer sends them.
    pub fn events(&self) -> Events<'_> {
        Events::new(self)
    }

    /// The id of user number `user`, 0 to `users - 1`.
    pub fn user_id(&self, user: u64) -> String {
        users::user_id(user)
    }

    /// The main group of a user of this shop, by id: the truth that clustering should find.
    pub fn group_of(&self, user_id: &str) -> Option<Group> {
        let given = self.params.get();
        users::user_number(user_id, given.users).map(|user| users::group_of(given.seed, user))
    }
}
