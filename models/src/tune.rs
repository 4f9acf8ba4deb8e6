//! What of a model can be tuned: the names and ranges of its parameters, and how a point of that space becomes
//! checked parameters.

use std::collections::BTreeMap;

use crate::params::BadParam;

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
