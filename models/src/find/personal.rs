//! A personal order: what the words say and what the user likes, weighed half and half.

/// Share of the user's liking; the rest is the words'.
const LIKING: f32 = 0.5;

/// The score of each item, 0 to 1, and 1 more for what must stay in front.
/// - `found`: what the words say, and whether the query is the item's whole title
/// - `liking`: as many; unitless, comparable among each other; what is not finite says nothing
///
/// Each side is scaled to the range that these items have, so that neither is drowned by the other's unit.
///
/// ```
/// let scores = shoptide_models::find::blend(&[(40, false), (40, false), (10, true)], &[0.1, 0.9, 0.0]);
/// assert!(scores[0] < scores[1] && scores[1] < scores[2]);
/// ```
pub fn blend(found: &[(u32, bool)], liking: &[f32]) -> Vec<f32> {
    let most = found.iter().map(|(points, _)| *points).max().unwrap_or(0).max(1) as f32;
    let finite = || liking.iter().copied().filter(|like| like.is_finite());
    let (least, span) = finite()
        .map(|like| (like, like))
        .reduce(|(low, high), (like, _)| (low.min(like), high.max(like)))
        .map_or((0.0, 0.0), |(low, high)| (low, high - low));
    let scaled = |like: f32| {
        let like = (like - least) / span;
        if like.is_finite() { like.clamp(0.0, 1.0) } else { 0.0 }
    };
    let liking = liking.iter().copied().chain(std::iter::repeat(0.0));
    let score = |((points, exact), like): (&(u32, bool), f32)| {
        (1.0 - LIKING) * *points as f32 / most + LIKING * scaled(like) + f32::from(u8::from(*exact))
    };
    found.iter().zip(liking).map(score).collect()
}
