//! The run that counts, as a model version carries it.

use shoptide_models::segments::{ServedSegment, ServedSegments, TERMS_SERVED_MAX};
use shoptide_store::{StoreError, Truth};

use super::report::current;

/// Millionths.
const SCALE: f64 = 1e6;

/// Reads the run that counts. `number`: the index of an item in the model; items that it does not know are left out.
///
/// # Errors
/// [`StoreError`], also for rows that cannot be read.
pub(crate) async fn served(
    truth: &dyn Truth,
    number: &(dyn Fn(&[u8]) -> Option<u32> + Sync),
) -> Result<ServedSegments, StoreError> {
    let Some(report) = current(truth).await? else { return Ok(ServedSegments::default()) };
    let segments = report.segments.iter().map(|segment| ServedSegment {
        id: segment.id,
        name: segment.name.clone(),
        terms: segment
            .centre
            .terms
            .iter()
            .take(TERMS_SERVED_MAX)
            .map(|(term, lift)| (term.clone(), whole(f64::from(*lift))))
            .collect(),
        popular: segment
            .popular
            .iter()
            .filter_map(|item| Some((number(item.item_id.as_bytes())?, whole(item.weight))))
            .collect(),
    });
    Ok(ServedSegments { run: report.run.run, segments: segments.collect() })
}

fn whole(weight: f64) -> u32 {
    (weight * SCALE).round().clamp(0.0, f64::from(u32::MAX)) as u32
}
