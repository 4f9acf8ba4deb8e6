//! What shapes an iALS model.

use crate::params::{BadParam, check};

/// How [`fit`](super::fit) solves a row's normal equations. Fold-ins are exact whatever trained the model.
///
/// All but [`Solver::Exact`] calculate in f32 in the eigenbasis of the held side's Gram matrix, where the part of the
/// equations that all rows share is the identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Solver {
    /// Exactly, in f64: a trained user equals the fold-in, whatever the strengths. `O(n·rank·min(n, rank))` a row.
    #[default]
    Exact,
    /// Exactly but for f32 rounding, by Cholesky; the same cost, several times faster.
    Cholesky,
    /// Conjugate gradient (Hestenes & Stiefel 1952) from the row's last factors, `steps` (1 to 100) of it, `O(steps·n·rank)`
    /// a row; three are the custom of iALS (Takács, Pilászy & Tikk 2011). For large ranks and long rows.
    ConjugateGradient { steps: usize },
    /// Exactly in blocks of `width` (1 to 512) dimensions, one block after another from the row's last factors, as iALS++
    /// (Rendle et al. 2021), `O(n·rank·width)` a row.
    Subspace { width: usize },
}

/// Checked parameters of [`fit`](super::fit) and of every fold-in against its model.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct AlsParams {
    rank: usize,
    sweeps: usize,
    alpha: f64,
    unobserved_weight: f64,
    regularization: f64,
    reg_exponent: f64,
    seed: u64,
    solver: Solver,
}

impl AlsParams {
    /// - `rank`: length of a factor vector, 1 to 512
    /// - `sweeps`: passes over users and items, 1 to 200
    /// - `alpha`: confidence gained per unit of strength, above 0
    /// - `unobserved_weight` (w0): confidence that an item never touched is not wanted, above 0
    /// - `regularization` (λ): above 0
    /// - `reg_exponent` (ν): how λ grows with the row's number of interactions, 0 (not at all) to 1 (in proportion)
    /// - `seed` of the random start
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    ///
    /// ```
    /// use shoptide_models::als::AlsParams;
    /// let error = AlsParams::new(0, 10, 1.0, 0.1, 0.01, 1.0, 7).unwrap_err();
    /// assert_eq!(error.to_string(), "als.rank is 0, expected 1 to 512");
    /// ```
    pub fn new(
        rank: usize,
        sweeps: usize,
        alpha: f64,
        unobserved_weight: f64,
        regularization: f64,
        reg_exponent: f64,
        seed: u64,
    ) -> Result<Self, BadParam> {
        let positive = |x: f64| (1e-9..=1e9).contains(&x);
        Ok(Self {
            rank: check("als.rank", rank, (1..=512).contains(&rank), "1 to 512")?,
            sweeps: check("als.sweeps", sweeps, (1..=200).contains(&sweeps), "1 to 200")?,
            alpha: check("als.alpha", alpha, positive(alpha), "above 0, 1e-9 to 1e9")?,
            unobserved_weight: check(
                "als.unobserved_weight",
                unobserved_weight,
                positive(unobserved_weight),
                "above 0, 1e-9 to 1e9",
            )?,
            regularization: check(
                "als.regularization",
                regularization,
                positive(regularization),
                "above 0, 1e-9 to 1e9",
            )?,
            reg_exponent: check(
                "als.reg_exponent",
                reg_exponent,
                (0.0..=1.0).contains(&reg_exponent),
                "0 to 1",
            )?,
            seed,
            solver: Solver::Exact,
        })
    }

    /// The same with another solver; without this it is [`Solver::Exact`].
    ///
    /// # Errors
    /// [`BadParam`] if its number is out of bounds.
    ///
    /// ```
    /// use shoptide_models::als::{AlsParams, Solver};
    /// let params = AlsParams::new(64, 10, 1.0, 0.1, 0.01, 1.0, 7).unwrap();
    /// assert!(params.with_solver(Solver::ConjugateGradient { steps: 3 }).is_ok());
    /// let error = params.with_solver(Solver::ConjugateGradient { steps: 0 }).unwrap_err();
    /// assert_eq!(error.to_string(), "als.solver.steps is 0, expected 1 to 100");
    /// ```
    pub fn with_solver(self, solver: Solver) -> Result<Self, BadParam> {
        match solver {
            Solver::Exact | Solver::Cholesky => {}
            Solver::ConjugateGradient { steps } => {
                check("als.solver.steps", steps, (1..=100).contains(&steps), "1 to 100")?;
            }
            Solver::Subspace { width } => {
                check("als.solver.width", width, (1..=512).contains(&width), "1 to 512")?;
            }
        }
        Ok(Self { solver, ..self })
    }

    pub fn rank(&self) -> usize {
        self.rank
    }
    pub fn sweeps(&self) -> usize {
        self.sweeps
    }
    pub fn alpha(&self) -> f64 {
        self.alpha
    }
    pub fn unobserved_weight(&self) -> f64 {
        self.unobserved_weight
    }
    pub fn regularization(&self) -> f64 {
        self.regularization
    }
    pub fn reg_exponent(&self) -> f64 {
        self.reg_exponent
    }
    pub fn seed(&self) -> u64 {
        self.seed
    }
    pub fn solver(&self) -> Solver {
        self.solver
    }

    /// `λ (n_seen + w0 n_others)^ν`: the regularisation of a row with `n_seen` interactions, where the other side has
    /// `n_others` rows.
    pub fn lambda(&self, n_seen: usize, n_others: usize) -> f64 {
        let frequency = n_seen as f64 + self.unobserved_weight * n_others as f64;
        self.regularization * frequency.powf(self.reg_exponent)
    }
}

/// The parameters as they are written; nothing in it is checked yet.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    rank: usize,
    sweeps: usize,
    alpha: f64,
    unobserved_weight: f64,
    regularization: f64,
    reg_exponent: f64,
    seed: u64,
    /// Not written where it is the default, so that what was written before there was a choice reads and compares alike.
    #[serde(default, skip_serializing_if = "is_default")]
    solver: Solver,
}

fn is_default(solver: &Solver) -> bool {
    *solver == Solver::default()
}

impl TryFrom<Raw> for AlsParams {
    type Error = BadParam;

    fn try_from(raw: Raw) -> Result<Self, BadParam> {
        let Raw { rank, sweeps, alpha, unobserved_weight, regularization, reg_exponent, seed, solver } = raw;
        Self::new(rank, sweeps, alpha, unobserved_weight, regularization, reg_exponent, seed)?
            .with_solver(solver)
    }
}

impl From<AlsParams> for Raw {
    fn from(p: AlsParams) -> Self {
        let AlsParams { rank, sweeps, alpha, unobserved_weight, regularization, reg_exponent, seed, solver } =
            p;
        Self { rank, sweeps, alpha, unobserved_weight, regularization, reg_exponent, seed, solver }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_is_named() {
        let message = |r: Result<AlsParams, BadParam>| r.unwrap_err().to_string();
        assert_eq!(
            message(AlsParams::new(513, 1, 1.0, 1.0, 1.0, 0.0, 0)),
            "als.rank is 513, expected 1 to 512"
        );
        assert_eq!(
            message(AlsParams::new(1, 0, 1.0, 1.0, 1.0, 0.0, 0)),
            "als.sweeps is 0, expected 1 to 200"
        );
        assert!(message(AlsParams::new(1, 1, f64::NAN, 1.0, 1.0, 0.0, 0)).starts_with("als.alpha is NaN"));
        assert!(message(AlsParams::new(1, 1, 1.0, 0.0, 1.0, 0.0, 0)).starts_with("als.unobserved_weight"));
        assert!(
            message(AlsParams::new(1, 1, 1.0, 1.0, -1.0, 0.0, 0)).starts_with("als.regularization is -1")
        );
        assert_eq!(
            message(AlsParams::new(1, 1, 1.0, 1.0, 1.0, 1.5, 0)),
            "als.reg_exponent is 1.5, expected 0 to 1"
        );
    }

    #[test]
    fn what_is_read_is_checked_like_what_is_made() {
        let p = AlsParams::new(8, 3, 1.0, 0.1, 0.02, 1.0, 9).unwrap();
        let text = serde_json::to_string(&p).unwrap();
        assert_eq!(serde_json::from_str::<AlsParams>(&text).unwrap(), p);
        assert!(!text.contains("solver"));
        let fast = p.with_solver(Solver::Subspace { width: 32 }).unwrap();
        let text_fast = serde_json::to_string(&fast).unwrap();
        assert_eq!(serde_json::from_str::<AlsParams>(&text_fast).unwrap(), fast);
        assert!(serde_json::from_str::<AlsParams>(&text_fast.replace("32", "0")).is_err());
        let bad = text.replace("\"rank\":8", "\"rank\":0");
        assert!(serde_json::from_str::<AlsParams>(&bad).unwrap_err().to_string().contains("als.rank is 0"));
    }
}
