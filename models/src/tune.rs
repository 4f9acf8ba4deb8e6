//! What of a model can be tuned: the names and ranges of its parameters, and how a point of that space becomes
//! checked parameters.

use std::collections::BTreeMap;

use crate::params::{BadParam, check};

/// The values that one parameter may take in a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Range {
    /// Any number between the two.
    Linear(f64, f64),
    /// Any number between the two (both above 0), each order of magnitude as likely as the next.
    Log(f64, f64),
    /// A whole number, both ends included.
    Whole(i64, i64),
    /// One of these.
    Choice(&'static [f64]),
}

/// One parameter of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dimension {
    /// As in the documentation of the parameters.
    pub name: &'static str,
    pub range: Range,
}

/// A value for each [`Dimension`], by name. Whole numbers and choices are stored as they are.
pub type Point = BTreeMap<String, f64>;

/// Parameters that a search can make.
pub trait Tunable: Sized {
    /// What is searched.
    const SPACE: &'static [Dimension];

    /// The parameters at a point; what the point does not name keeps its default.
    ///
    /// # Errors
    /// [`BadParam`] as the constructor of the parameters.
    fn at(point: &Point) -> Result<Self, BadParam>;
}

/// The greatest whole number that a point holds exactly, with all below it.
const WHOLE_MAX: f64 = (1u64 << 53) as f64;

/// A whole number of a point: a cast would make 0 of NaN and of anything below.
///
/// # Errors
/// [`BadParam`] unless it is a number from 0 to 2^53.
///
/// ```
/// use shoptide_models::tune::{Point, whole};
/// let point = Point::from([("rank".to_owned(), f64::NAN)]);
/// assert_eq!(whole(&point, "epochs", 7), Ok(7));
/// assert_eq!(whole(&point, "rank", 7).unwrap_err().to_string(), "rank is NaN, expected a whole number from 0");
/// ```
pub fn whole(point: &Point, name: &'static str, default: usize) -> Result<usize, BadParam> {
    let Some(&value) = point.get(name) else { return Ok(default) };
    let inside = (0.0..=WHOLE_MAX).contains(&value);
    check(name, value, inside, "a whole number from 0").map(|value| value as usize)
}

/// A switch of a point: on from 0.5.
///
/// # Errors
/// [`BadParam`] unless it is 0 to 1.
pub fn switch(point: &Point, name: &'static str, default: bool) -> Result<bool, BadParam> {
    let value = point.get(name).copied().unwrap_or(f64::from(u8::from(default)));
    check(name, value, (0.0..=1.0).contains(&value), "0 or 1").map(|value| 0.5 <= value)
}
