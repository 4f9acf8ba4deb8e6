//! Weights of the blend from what users took of lists they were shown: logistic regression, each window tested before it is
//! learned. The lists are those of a cut, its hidden items what was taken.

use shoptide_models::blend::BlendParams;
use shoptide_models::evaluate::Quality;
use shoptide_models::hybrid::{LearnParams, Window, learn};
use shoptide_models::tune::Point;

use super::TrainError;
use super::held_out::Cut;

/// Sources that have a say; the trend has none on a cut by users, which has no last days.
pub(super) const SOURCES: [&str; 3] = ["factors", "item_item", "popularity"];
/// Places of a list that are taken as shown: enough that some of what was hidden is among them.
const SHOWN: usize = 50;
/// Windows that the feedback is cut into, where there is enough for so many.
const WINDOWS: usize = 20;
/// Rows that a window has at least: the bound of the regression.
const WINDOW_MIN: usize = 10;
const WINDOW_MAX: usize = 1_000_000;
/// Little pull: three weights over thousands of rows need none but where a source says nothing.
const REGULARIZATION: f64 = 1.0;
const ITERATIONS: u64 = 200;

/// What feedback taught.
#[derive(Debug, Clone)]
pub struct Learned {
    /// Items shown, and how many of them were taken.
    pub shown: usize,
    pub taken: usize,
    /// Windows tested, oldest first; empty if all were needed to learn the first weights.
    pub windows: Vec<Window>,
    /// Mean over the windows: loss, loss of the mean that knows no source.
    pub log_loss: f64,
    pub log_loss_of_mean: f64,
    /// Source, its weight, and what the loss rises by without it.
    pub sources: Vec<(&'static str, f64, f64)>,
    /// Keys of the table `[blend]` with the learned weights, and their quality on what nobody saw; none if they leave no
    /// source a weight above 0.
    pub blend: Option<(Point, Quality)>,
}

/// Learns from the lists that `cut` gives; nothing if nothing, or everything, was taken.
/// - `blend_of` turns a point into a blend, `measured` says its quality on data that the cut is not part of
///
/// # Errors
/// [`TrainError::Numbers`] if the regression gives up.
pub(super) fn learn_weights(
    cut: &Cut,
    found: &Point,
    measured: &dyn Fn(&Point) -> Option<Quality>,
) -> Result<Option<Learned>, TrainError> {
    let numbers = |e: &dyn std::fmt::Display| TrainError::Numbers(e.to_string());
    let places = found.get("recency_places").copied().unwrap_or(f64::INFINITY);
    // Every source has the same say in what is shown, else the search would choose what there is to learn from.
    let even = BlendParams::new(1.0, 1.0, 1.0, 0.0).map_err(|e| numbers(&e))?;
    let even = if places.is_finite() { even.with_recency(places).map_err(|e| numbers(&e))? } else { even };
    let shown = cut.shown(&even, SHOWN);
    let taken = shown.iter().filter(|one| one.taken).count();
    if taken == 0 || taken == shown.len() {
        return Ok(None);
    }
    let window = (shown.len() / WINDOWS).clamp(WINDOW_MIN, WINDOW_MAX);
    let params = LearnParams::new(window, REGULARIZATION, ITERATIONS).map_err(|e| numbers(&e))?;
    let (windows, weights) = learn(SOURCES.len(), &shown, &params).map_err(|e| numbers(&e))?;
    let tested = windows.iter().map(|w| w.n).sum::<usize>().max(1) as f64;
    let mean = |of: &dyn Fn(&Window) -> f64| windows.iter().map(|w| of(w) * w.n as f64).sum::<f64>() / tested;
    let log_loss = mean(&|w| w.log_loss);
    let adds = |at: usize| mean(&|w| w.without.get(at).copied().unwrap_or(w.log_loss)) - log_loss;
    let sources = SOURCES.iter().zip(&weights).enumerate().map(|(at, (name, w))| (*name, *w, adds(at)));
    let largest = weights.iter().copied().fold(0.0, f64::max);
    let mut point = found.clone();
    for (source, weight) in SOURCES.iter().zip(&weights) {
        // A source that speaks against its own lists is left out; the largest counts 1, as only shares matter.
        let share = if 0.0 < largest { (weight / largest).max(0.0) } else { 0.0 };
        point.insert((*source).to_owned(), share);
    }
    Ok(Some(Learned {
        shown: shown.len(),
        taken,
        log_loss,
        log_loss_of_mean: mean(&|w| w.log_loss_of_mean),
        sources: sources.collect(),
        blend: measured(&point).map(|quality| (point, quality)),
        windows,
    }))
}
