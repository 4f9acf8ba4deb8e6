//! What lists earn: which click and which purchase belong to which list, and what that comes to by source, segment,
//! category and model; what users say of it; how evenly items are shown; and who the members are.
//!
//! Pure: a user's events in, one after another user by user; memory grows with items and groups, not with events.

mod act;
mod attribute;
mod exposure;
mod members;
mod rate;
mod tally;

pub use act::{Act, Deed, NO_NUMBER, Seen, Shelf, Tag};
pub use attribute::{
    Credit, Journey, Opinion, Period, Refunded, Rules, RulesError, Shown, Sold, Touch, WINDOW_MS_MAX,
    WINDOW_MS_MIN, attribute,
};
pub use exposure::{CategoryExposure, ExposureShares, ItemCounts, ItemShown};
pub use members::{MemberGroup, Members, MembersReport};
pub use rate::{Rate, wilson};
pub use tally::{Counts, Day, Dimension, GROUPS_MAX, Group, Money, OTHER_GROUPS, Tallies, decimal};
