//! Segments of users: what the tastes and habits of many have in common, found by K-Means, named by what sets a segment apart, and
//! followed from run to run.
//!
//! A user is described by what he touches ([`ItemSpace`]: category, brand and words of the items as TF-IDF) and by how he shops
//! ([`Habits`]: when, how often, for how much, doing what). [`fit`] finds the segments on a sample; everybody is then assigned by
//! [`Fitted::assign`]. [`ServedSegments`] is what a model version carries of them, for lists of users it knows little of.

mod assignment;
mod compare;
mod fit;
mod habits;
mod names;
mod params;
mod served;
mod space;

pub use assignment::matching;
pub use compare::{Drift, Pairs, adjusted_rand};
pub use fit::{Fitted, Found, Sample, SegmentError, fit};
pub use habits::{HABIT_NAMES, HABITS, Habits, Shop};
pub use names::{Centre, named};
pub use params::{SAMPLE_USERS_MAX, SegmentParams};
pub use served::{POPULAR_MAX, ServedSegment, ServedSegments, TERMS_SERVED_MAX};
pub use space::ItemSpace;
