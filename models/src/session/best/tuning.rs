//! A model's search as an [`Objective`]: a few of the queries first, all of them for what is not below the median.

use super::{SearchParams, Step, Trial, worth};
use crate::evaluate::{Query, SessionQuality, answer_all};
use crate::model::NextItem;
use crate::params::BadParam;
use crate::search::{self, Objective, Trials};
use crate::tune::{Point, Tunable};

/// Of the queries, every so many are asked at each rung.
const RUNGS: [usize; 2] = [4, 1];
/// Share of the trials that is drawn evenly.
const RANDOM_SHARE: f64 = 0.3;

/// What a search is made of.
pub struct Tuning<'a, P> {
    pub name: &'static str,
    pub params: SearchParams,
    /// Trials, and the share of the budget that they may use up.
    pub trials: usize,
    pub until: f64,
    pub queries: &'a [Query<'a>],
    pub fit: &'a dyn Fn(P) -> Box<dyn NextItem>,
    pub spent: &'a mut dyn FnMut() -> f64,
    pub observe: &'a mut dyn FnMut(Step),
}

struct Asking<'a, P> {
    tuning: Tuning<'a, P>,
    made: usize,
    model: Option<Box<dyn NextItem>>,
}

impl<P: Tunable> Objective for Asking<'_, P> {
    fn score(&mut self, _: usize, point: &Point, rung: usize) -> Option<f64> {
        let Tuning { name, params, queries, fit, observe, .. } = &mut self.tuning;
        if rung == 0 {
            self.model = Some(fit(P::at(point).ok()?));
        }
        let every = RUNGS.get(rung).copied().unwrap_or(1);
        let asked: Vec<Query<'_>> = queries.iter().step_by(every).copied().collect();
        // where the current item may be left off, its weight tells whether it is wanted
        let exclude = params.exclude_current.unwrap_or(false);
        let answers = answer_all(self.model.as_deref()?, &asked, params.k, exclude);
        let quality = SessionQuality::of(&answers, params.k, 1);
        if every == 1 {
            observe(Step::Trial(Trial { model: name, point: point.clone(), quality }));
        }
        Some(worth(&quality))
    }

    fn more(&mut self) -> bool {
        self.made == 0 || (self.tuning.spent)() < self.tuning.until
    }

    fn done(&mut self, trials: &Trials) {
        self.made = trials.done.len();
        self.model = None;
    }
}

impl<P: Tunable> Tuning<'_, P> {
    /// Searches, the defaults first; the best parameters and their point.
    ///
    /// # Errors
    /// None that a point of the space could give.
    pub fn run(self) -> Result<(P, Point), BadParam> {
        let random = (self.trials as f64 * RANDOM_SHARE) as usize;
        let search = search::SearchParams::new(self.trials, random, RUNGS.len(), self.params.seed)?;
        let mut trials = Trials::default();
        let mut asking = Asking { tuning: self, made: 0, model: None };
        search::search(P::SPACE, &[Point::new()], &search, &mut trials, &mut asking);
        let point = trials.best().map_or(Point::new(), |(trial, _)| trial.point.clone());
        Ok((P::at(&point)?, point))
    }
}
