//! The rules of this moment, asked of the live catalogue for each place. The index may be some milliseconds behind it.

use shoptide_models::catalogue::{Catalogue, CatalogueItem};
use shoptide_models::find::Wanted;
use shoptide_schemas::{Currency, ItemId};

use crate::read::within;

/// The item, if it may be shown to who wants this.
/// - `currency`: the shop's, in which prices are compared
pub(super) fn shown<'a>(
    catalogue: &'a Catalogue,
    number: u32,
    wanted: &Wanted,
    currency: Currency,
) -> Option<(&'a ItemId, &'a CatalogueItem)> {
    let (id, item) = catalogue.row(number)?;
    let price = item.price.filter(|(_, of)| *of == currency).map(|(price, _)| price.0);
    let bounded = |bound: Option<i64>, holds: fn(i64, i64) -> bool| {
        bound.is_none_or(|bound| price.is_some_and(|price| holds(price, bound)))
    };
    let fits = item.listable()
        && !item.unlisted
        && (item.in_stock() || wanted.sold_out_too)
        && wanted.category.as_deref().is_none_or(|wanted| within(&item.category, wanted))
        && bounded(wanted.price_min, |price, min| min <= price)
        && bounded(wanted.price_max, |price, max| price <= max);
    fits.then_some((id, item))
}
