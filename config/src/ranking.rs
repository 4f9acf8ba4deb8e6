//! The tables that say what a list contains. Most become the parameter types of `shoptide-models`, whose constructors hold
//! the bounds.

use shoptide_models::als::{AlsParams, Solver};
use shoptide_models::blend::BlendParams;
use shoptide_models::item_item::ItemItemParams;
use shoptide_models::mmr::MmrParams;
use shoptide_models::popularity::PopularityParams;
use shoptide_models::state::{Act, TasteParams};

use crate::bounds::{count, text, whole};
use crate::error::Problem;
use crate::raw::{RawAls, RawBlend, RawHalfLives, RawItemItem, RawList, RawMmr, RawPopularity};

/// The key of `[weights]` that is no act.
const RATING_NEUTRAL: &str = "rating_neutral";

/// `[list]`: the shape of a stored list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListRules {
    /// Places stored.
    pub length: usize,
    /// Places shown if the reader names no number; at most `length`.
    pub shown_default: usize,
    /// Whether items that the user has dealt with may come again.
    pub seen_again: bool,
}

impl TryFrom<&RawList> for ListRules {
    type Error = Problem;

    fn try_from(raw: &RawList) -> Result<Self, Problem> {
        let rules = Self {
            length: whole("list.length", raw.length, 10..=500)?,
            shown_default: whole("list.shown_default", raw.shown_default, 1..=500)?,
            seen_again: raw.seen_again,
        };
        if rules.length < rules.shown_default {
            let rule = format!("{} places are shown and only {} stored", rules.shown_default, rules.length);
            return Err(Problem::conflict("list.shown_default", "list.length", &rule));
        }
        Ok(rules)
    }
}

/// `[weights]`, `[half_lives_days]` and `list.bought_hidden_days` together: how events become tastes.
pub(crate) fn tastes(
    weights: &std::collections::BTreeMap<String, f64>,
    half_lives: &RawHalfLives,
    bought_hidden_days: f64,
) -> Result<TasteParams, Problem> {
    let mut acts = Vec::with_capacity(weights.len());
    let mut rating_neutral = f64::NAN;
    for (name, weight) in weights {
        if name == RATING_NEUTRAL {
            rating_neutral = *weight;
            continue;
        }
        let act = Act::all()
            .find(|act| act.name() == name)
            .ok_or_else(|| Problem::bound(&format!("weights.{name}"), name.clone(), "the name of an act"))?;
        acts.push((act, *weight));
    }
    let RawHalfLives { browse, cart, order, forum, feedback } = *half_lives;
    let params =
        TasteParams::new(&acts, [browse, cart, order, forum, feedback], rating_neutral, bought_hidden_days)?;
    if !acts.iter().any(|(_, weight)| 0.0 < *weight) {
        return Err(Problem::bound(
            "weights",
            "0 or less throughout".to_owned(),
            "at least one weight above 0",
        ));
    }
    Ok(params)
}

pub(crate) fn als(raw: &RawAls) -> Result<AlsParams, Problem> {
    let (rank, sweeps) = (count("als.rank", raw.rank)?, count("als.sweeps", raw.sweeps)?);
    let seed = count("als.seed", raw.seed)?;
    let params = AlsParams::new(
        rank,
        sweeps,
        raw.alpha,
        raw.unobserved_weight,
        raw.regularization,
        raw.reg_exponent,
        seed,
    )?;
    Ok(params.with_solver(solver(&raw.solver)?)?)
}

/// Steps of conjugate gradient for a row: the custom of iALS (Takács, Pilászy & Tikk 2011).
const CG_STEPS: usize = 3;
/// Dimensions that are solved for at once: small against the ranks that this solver is for, a multiple of every SIMD width.
const SUBSPACE_WIDTH: usize = 32;

fn solver(name: &str) -> Result<Solver, Problem> {
    text("als.solver", name, r#""exact", "cholesky", "cg" or "subspace""#, |name| match name {
        "exact" => Some(Solver::Exact),
        "cholesky" => Some(Solver::Cholesky),
        "cg" => Some(Solver::ConjugateGradient { steps: CG_STEPS }),
        "subspace" => Some(Solver::Subspace { width: SUBSPACE_WIDTH }),
        _ => None,
    })
}

pub(crate) fn item_item(raw: &RawItemItem) -> Result<ItemItemParams, Problem> {
    let k = count("item_item.k", raw.k)?;
    let user_items_max = count("item_item.user_items_max", raw.user_items_max)?;
    let params =
        ItemItemParams::new(k, raw.shrinkage, raw.user_exponent, raw.target_exponent, user_items_max)?;
    Ok(params.with_proximity(raw.near_places, raw.far_weight)?)
}

pub(crate) fn popularity(raw: &RawPopularity) -> Result<PopularityParams, Problem> {
    Ok(PopularityParams::new(raw.half_life_days, raw.trending_half_life_days, raw.trending_prior)?)
}

pub(crate) fn blend(raw: &RawBlend) -> Result<BlendParams, Problem> {
    let params = BlendParams::new(raw.factors, raw.item_item, raw.popularity, raw.trending)?;
    Ok(params.with_recency(raw.recency_places)?)
}

pub(crate) fn mmr(raw: &RawMmr) -> Result<MmrParams, Problem> {
    Ok(MmrParams::new(raw.lambda)?)
}
