//! `[gate]`: what a full training must not be worse by, to be published.

use crate::bounds::{text, whole};
use crate::error::Problem;
use crate::raw::RawGate;

/// What becomes of a full training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promote {
    /// Published unless it is worse than what is served.
    Gate,
    Always,
    /// A candidate until somebody publishes it.
    ByHand,
}

/// What is compared, at 20 places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateMetric {
    Ndcg,
    Recall,
    HitRate,
}

impl GateMetric {
    const ALL: [GateMetric; 3] = [GateMetric::Ndcg, GateMetric::Recall, GateMetric::HitRate];

    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            GateMetric::Ndcg => "ndcg",
            GateMetric::Recall => "recall",
            GateMetric::HitRate => "hit_rate",
        }
    }
}

/// `[gate]`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GateConfig {
    pub promote: Promote,
    /// At least one.
    pub metrics: Vec<GateMetric>,
    /// Share of the served model's value.
    pub tolerance: f64,
    pub users_min: usize,
    /// At least `users_min`.
    pub users_max: usize,
}

impl TryFrom<&RawGate> for GateConfig {
    type Error = Problem;

    fn try_from(raw: &RawGate) -> Result<Self, Problem> {
        let promote = |name: &str| match name {
            "gate" => Some(Promote::Gate),
            "always" => Some(Promote::Always),
            "by_hand" => Some(Promote::ByHand),
            _ => None,
        };
        let metric = |name: &str| GateMetric::ALL.into_iter().find(|metric| metric.name() == name);
        let expected = "one or more of \"ndcg\", \"recall\", \"hit_rate\"";
        if raw.metrics.is_empty() {
            return Err(Problem::bound("gate.metrics", "[]".to_owned(), expected));
        }
        let metrics = raw.metrics.iter().map(|name| text("gate.metrics", name, expected, metric));
        if !(0.0..=1.0).contains(&raw.tolerance) {
            return Err(Problem::bound("gate.tolerance", raw.tolerance.to_string(), "0 to 1"));
        }
        let gate = Self {
            promote: text("gate.promote", &raw.promote, "\"gate\", \"always\" or \"by_hand\"", promote)?,
            metrics: metrics.collect::<Result<_, _>>()?,
            tolerance: raw.tolerance,
            users_min: whole("gate.users_min", raw.users_min, 1..=1_000_000_000)?,
            users_max: whole("gate.users_max", raw.users_max, 100..=10_000_000)?,
        };
        if gate.users_max < gate.users_min {
            let rule = "fewer users are measured than must be there";
            return Err(Problem::conflict("gate.users_min", "gate.users_max", rule));
        }
        Ok(gate)
    }
}
