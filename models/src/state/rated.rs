//! What ratings of one user do to the sums of items: one for each item, the last that he gave.

use shoptide_schemas::ItemId;

use super::part::Part;

/// A change of the sum of an item's ratings. What was forgotten with its item (beyond the part's bound) stays in the sum: rated again, it
/// counts again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatingChange {
    pub item: ItemId,
    /// Ratings: 1 for a first one, 0 for one that replaces another, -1 for one that is taken back.
    pub n: i64,
    /// Hundredths, 0 to 500 each.
    pub hundredths: i64,
}

impl RatingChange {
    /// `None` if the user says what he said before.
    pub(super) fn replacing(item: &ItemId, before: Option<u16>, now: u16) -> Option<Self> {
        if before == Some(now) {
            return None;
        }
        let hundredths = i64::from(now) - before.map_or(0, i64::from);
        Some(Self { item: item.clone(), n: i64::from(before.is_none()), hundredths })
    }

    fn taken_back(item: &ItemId, rating: u16) -> Self {
        Self { item: item.clone(), n: -1, hundredths: -i64::from(rating) }
    }
}

impl Part {
    /// The ratings that it holds, in hundredths, in order of item.
    pub fn ratings(&self) -> impl Iterator<Item = (&ItemId, u16)> {
        self.items.iter().filter_map(|entry| Some((&entry.item, entry.rating?)))
    }

    /// All of them taken back.
    pub(super) fn ratings_taken_back(&self) -> Vec<RatingChange> {
        self.ratings().map(|(item, rating)| RatingChange::taken_back(item, rating)).collect()
    }

    /// What an anonymous user rated was counted when he did; of what both rated, his stays and the known user's goes.
    pub(super) fn ratings_replaced_by(&self, theirs: &Part) -> Vec<RatingChange> {
        let both = theirs.ratings().filter_map(|(item, _)| Some((item, self.entry(item)?.rating?)));
        both.map(|(item, own)| RatingChange::taken_back(item, own)).collect()
    }
}
