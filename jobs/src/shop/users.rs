//! A user's tastes, drawn from a hash of seed and number: ten million users need no memory.

use super::dice::{Dice, mix};
use super::items::{GROUP_COUNT, Item, Language, STYLE_COUNT};

const USER_STREAM: u64 = 0x2_05e7;
const ORDER_STREAM: u64 = 0x3_0bde;
/// Larger than any user count and prime, so that multiplying by it permutes the users.
const PERMUTING_PRIME: u64 = 2_654_435_761;
const ID_BASE: u64 = 10_001;
const ID_STEP: u64 = 3;
/// Every so many sessions the next user in turn comes, so that everybody comes at least once in a long run.
const TURN_EVERY: u64 = 4;

/// The shopper groups of the generated shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    Technology,
    Fashion,
    Sports,
}

impl Group {
    pub const ALL: [Group; 3] = [Group::Technology, Group::Fashion, Group::Sports];

    pub fn name(self) -> &'static str {
        match self {
            Group::Technology => "technology",
            Group::Fashion => "fashion",
            Group::Sports => "sports",
        }
    }

    fn of(number: u64) -> Self {
        match number % GROUP_COUNT {
            0 => Group::Technology,
            1 => Group::Fashion,
            _ => Group::Sports,
        }
    }
}

/// What one user likes.
#[derive(Debug, Clone)]
pub(crate) struct Tastes {
    pub group: u64,
    pub style: u64,
    pub second_style: u64,
    /// One bit a category, one bit a brand.
    categories: u64,
    brands: u64,
    price_level: u64,
    pub language: Language,
    /// Carts become orders more often.
    pub buyer: bool,
    pub writes_in_forum: bool,
}

impl Tastes {
    /// `season` counts a few times in a run: the second style drifts with it, nothing else does.
    pub(crate) fn of(seed: u64, user: u64, season: u64) -> Self {
        let mut dice = Dice::new(mix(seed, USER_STREAM), user);
        let group = dice.below(GROUP_COUNT);
        let style = dice.below(STYLE_COUNT);
        let mut bits =
            |among: u64| (1 << dice.below(among)) | (1 << dice.below(among)) | (1 << dice.below(among));
        let (categories, brands) = (bits(6), bits(6));
        let price_level = dice.below(4);
        let language = if dice.chance(650) { Language::Chinese } else { Language::English };
        let (buyer, writes_in_forum) = (dice.chance(400), dice.chance(200));
        let drifted = (style + 1 + mix(seed ^ season, user) % (STYLE_COUNT - 1)) % STYLE_COUNT;
        let steady = (style + 1 + dice.below(STYLE_COUNT - 1)) % STYLE_COUNT;
        let second_style = if dice.chance(300) { drifted } else { steady };
        Self { group, style, second_style, categories, brands, price_level, language, buyer, writes_in_forum }
    }

    /// How well an item fits, 0 to 8.
    pub(crate) fn affinity(&self, item: &Item) -> u64 {
        if item.group != self.group {
            return u64::from(item.price_level == self.price_level);
        }
        let style = if item.style == self.style { 3 } else { u64::from(item.style == self.second_style) };
        let category = 2 * (self.categories >> item.category & 1);
        let brand = self.brands >> item.brand & 1;
        style + category + brand + u64::from(item.price_level.abs_diff(self.price_level) <= 1) + 1
    }
}

/// The truth about a user, for tests of clustering and segments.
pub(crate) fn group_of(seed: u64, user: u64) -> Group {
    Group::of(Tastes::of(seed, user, 0).group)
}

/// The id of a user by number.
pub(crate) fn user_id(user: u64) -> String {
    format!("U{}", ID_BASE + ID_STEP * user)
}

/// The number of a user by id.
pub(crate) fn user_number(id: &str, users: u64) -> Option<u64> {
    let from_base = id.strip_prefix('U')?.parse::<u64>().ok()?.checked_sub(ID_BASE)?;
    let number = from_base / ID_STEP;
    (from_base.is_multiple_of(ID_STEP) && number < users && user_id(number) == id).then_some(number)
}

/// Who comes in session number `session`: a quarter in turn, the others some far more often than others.
pub(crate) fn visitor_of(seed: u64, session: u64, users: u64) -> u64 {
    let rank = if session.is_multiple_of(TURN_EVERY) {
        session / TURN_EVERY % users
    } else {
        // The square of a uniform number: the most active of a thousand users comes thirty times the average.
        let x = mix(mix(seed, ORDER_STREAM), session) >> 32;
        ((u128::from(x * x) * u128::from(users)) >> 64) as u64
    };
    let shift = mix(seed, ORDER_STREAM + 1) % users;
    ((u128::from(rank) * u128::from(PERMUTING_PRIME) + u128::from(shift)) % u128::from(users)) as u64
}
