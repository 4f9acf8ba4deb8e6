//! Who is shown: how evenly lists spread attention over the catalogue, and over its categories beside what is bought.

use serde::Serialize;

use super::act::Shelf;
use super::tally::Tallies;
use crate::evaluate::gini;

/// Of one item in the period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ItemCounts {
    pub shown: u64,
    pub clicked: u32,
    /// Lines of orders, credited or not.
    pub bought: u32,
}

/// Of one category.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    items: u64,
    shown: u64,
    clicked: u64,
    bought: u64,
}

/// How displays spread over what may be shown.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ExposureShares {
    /// Items that are neither hidden nor removed, and others that were shown all the same.
    pub items: u64,
    pub shown: u64,
    /// Items shown at least once, over `items`.
    pub coverage: f64,
    /// 0 all items alike, near 1 a few have everything.
    pub gini: f64,
    /// Share of the displays that the most shown hundredth and tenth of the items have.
    pub top_1_percent: f64,
    pub top_10_percent: f64,
    /// Displays of items that the catalogue does not have.
    pub unlisted: u64,
}

/// One category's share of what there is, of what is shown and of what is bought.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CategoryExposure {
    pub category: String,
    pub items: u64,
    pub shown: u64,
    pub clicked: u64,
    pub bought: u64,
    pub items_share: f64,
    pub shown_share: f64,
    pub bought_share: f64,
    /// `shown_share` over `bought_share`: above 1 it is shown more than it is bought; none if nothing is bought.
    pub lift: Option<f64>,
}

/// An item that was shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ItemShown {
    pub item_id: String,
    pub title: String,
    pub shown: u64,
    pub clicked: u64,
    pub bought: u64,
}

impl Tallies {
    /// How even it is over items.
    pub fn exposure(&self, shelf: &Shelf) -> ExposureShares {
        let rows = self.items.iter().zip(shelf.catalogue().rows());
        let counted = rows.filter(|(counts, (_, _, item))| item.listable() || 0 < counts.shown);
        let mut times: Vec<u64> = counted.map(|(counts, _)| counts.shown).collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        let shown: u64 = times.iter().sum();
        let share = |n: u64, of: u64| if of == 0 { 0.0 } else { n as f64 / of as f64 };
        let top = |every: usize| times.iter().take(times.len().div_ceil(every)).sum::<u64>();
        ExposureShares {
            items: times.len() as u64,
            shown,
            coverage: share(times.iter().filter(|n| 0 < **n).count() as u64, times.len() as u64),
            top_1_percent: share(top(100), shown),
            top_10_percent: share(top(10), shown),
            gini: if shown == 0 { 0.0 } else { gini(times) },
            unlisted: self.shown_unlisted,
        }
    }

    /// Categories, the most shown first.
    pub fn exposure_by_category(&self, shelf: &Shelf) -> Vec<CategoryExposure> {
        let mut sums = vec![Sum::default(); shelf.categories().len()];
        for ((number, _, item), counts) in shelf.catalogue().rows().zip(&self.items) {
            if let Some(sum) = sums.get_mut(usize::from(shelf.category(number))) {
                sum.items += u64::from(item.listable() || 0 < counts.shown);
                sum.shown += counts.shown;
                sum.clicked += u64::from(counts.clicked);
                sum.bought += u64::from(counts.bought);
            }
        }
        let all = sums.iter().fold(Sum::default(), |all, sum| Sum {
            items: all.items + sum.items,
            shown: all.shown + sum.shown,
            clicked: all.clicked + sum.clicked,
            bought: all.bought + sum.bought,
        });
        let share = |n: u64, of: u64| n as f64 / of.max(1) as f64;
        let named = shelf.categories().iter().zip(sums).filter(|(_, s)| 0 < s.items + s.shown + s.bought);
        let one = |(category, Sum { items, shown, clicked, bought }): (&String, Sum)| {
            let (shown_share, bought_share) = (share(shown, all.shown), share(bought, all.bought));
            CategoryExposure {
                category: category.clone(),
                items,
                shown,
                clicked,
                bought,
                items_share: share(items, all.items),
                shown_share,
                bought_share,
                lift: (0 < bought).then(|| shown_share / bought_share),
            }
        };
        let mut categories: Vec<CategoryExposure> = named.map(one).collect();
        categories.sort_by(|a, b| {
            b.shown.cmp(&a.shown).then(b.bought.cmp(&a.bought)).then(a.category.cmp(&b.category))
        });
        categories
    }

    /// The `n` most shown items; ties by their number.
    pub fn most_shown(&self, shelf: &Shelf, n: usize) -> Vec<ItemShown> {
        let mut order: Vec<(u32, &ItemCounts)> =
            (0..).zip(&self.items).filter(|(_, c)| 0 < c.shown).collect();
        order.sort_by(|a, b| b.1.shown.cmp(&a.1.shown).then(a.0.cmp(&b.0)));
        let row = |(number, counts): (u32, &ItemCounts)| {
            let (id, item) = shelf.catalogue().row(number)?;
            Some(ItemShown {
                item_id: id.to_string(),
                title: item.title.clone(),
                shown: counts.shown,
                clicked: u64::from(counts.clicked),
                bought: u64::from(counts.bought),
            })
        };
        order.into_iter().take(n).filter_map(row).collect()
    }
}
