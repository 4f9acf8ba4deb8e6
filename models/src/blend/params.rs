//! How much each source counts.

use crate::params::{BadParam, check};

/// Where a place of a list comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The user's factors against the item's.
    Factors,
    /// Items near to what the user did.
    ItemItem,
    /// What everyone likes.
    Popularity,
    /// What everyone likes just now.
    Trending,
    /// The running session alone.
    Session,
    /// The catalogue's order, for want of anything better.
    Catalogue,
    /// What users of the same segment like.
    Segment,
}

impl Source {
    /// The name used in answers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Factors => "factors",
            Self::ItemItem => "item_item",
            Self::Popularity => "popularity",
            Self::Trending => "trending",
            Self::Session => "session",
            Self::Catalogue => "catalogue",
            Self::Segment => "segment",
        }
    }

    /// Number at rest, stable for ever.
    pub fn code(self) -> u8 {
        match self {
            Self::Factors => 0,
            Self::ItemItem => 1,
            Self::Popularity => 2,
            Self::Trending => 3,
            Self::Session => 4,
            Self::Catalogue => 5,
            Self::Segment => 6,
        }
    }

    /// The source of a number at rest; an unknown one reads as the catalogue's order.
    pub fn from_code(code: u8) -> Self {
        [Self::Factors, Self::ItemItem, Self::Popularity, Self::Trending, Self::Session, Self::Segment]
            .into_iter()
            .find(|s| s.code() == code)
            .unwrap_or(Self::Catalogue)
    }
}

/// Sources that have a weight, in the order of [`Candidate::parts`](super::Candidate::parts).
pub(super) const WEIGHED: [Source; 4] =
    [Source::Factors, Source::ItemItem, Source::Popularity, Source::Trending];

/// Checked weights of the sources; each source's scores are brought to a common scale before they are weighed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlendParams {
    weights: [f32; 4],
    recency_places: f32,
}

impl BlendParams {
    /// Weights, unitless, 0 to 1000, not all 0.
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    ///
    /// ```
    /// use shoptide_models::blend::BlendParams;
    /// let error = BlendParams::new(0.0, 0.0, 0.0, 0.0).unwrap_err();
    /// assert_eq!(error.to_string(), "blend is all 0, expected at least one weight above 0");
    /// ```
    pub fn new(factors: f64, item_item: f64, popularity: f64, trending: f64) -> Result<Self, BadParam> {
        let weight = |key, x: f64| check(key, x, (0.0..=1000.0).contains(&x), "0 to 1000").map(|x| x as f32);
        let weights = [
            weight("blend.factors", factors)?,
            weight("blend.item_item", item_item)?,
            weight("blend.popularity", popularity)?,
            weight("blend.trending", trending)?,
        ];
        check("blend", "all 0", weights != [0.0; 4], "at least one weight above 0")?;
        Ok(Self { weights, recency_places: f32::INFINITY })
    }

    /// Lets what a user turned to last count most: each strength of a history is multiplied by `2^(-d / places)`, `d` the
    /// number of later entries. Histories must then be in the order of time, oldest first. Without this call their
    /// order does not count.
    ///
    /// # Errors
    /// [`BadParam`] if `places` is not 0.1 to 1e6.
    pub fn with_recency(self, places: f64) -> Result<Self, BadParam> {
        let places = check("blend.recency_places", places, (0.1..=1e6).contains(&places), "0.1 to 1e6")?;
        Ok(Self { recency_places: places as f32, ..self })
    }

    /// Places after which a strength counts half; infinite if order does not count.
    pub fn recency_places(&self) -> f32 {
        self.recency_places
    }

    /// Weights of factors, item-item, popularity, trending.
    pub fn weights(&self) -> [f32; 4] {
        self.weights
    }
}
