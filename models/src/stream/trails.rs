//! Items that others turned to shortly after or before the ones that the user turned to last.
//!
//! Item-item co-occurrence as in Sarwar et al. 2001, with the decays of session neighbours (Garg et al., *Sequence and time
//! aware neighborhood for session-based recommendations*, SIGIR 2019), but read from a [`Log`] of the last events when a
//! list is asked for, instead of being kept as a matrix: learning is a few stores, and old events leave by themselves.

use super::log::{Entry, Log, Number};
use super::{grow, learnable};
use crate::model::{LearnEvent, Rated, Scored, best};
use crate::params::{BadParam, check};
use crate::tune::{Dimension, Point, Range, Tunable, whole};

/// Checked parameters of [`Trails`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrailsParams {
    positive: f32,
    events_max: usize,
    context: usize,
    visits: usize,
    reach: usize,
    context_decay: f32,
    reach_decay: f32,
    below: f32,
    damping: f32,
}

impl TrailsParams {
    /// - `positive`: values at least this high are what users look for; any finite number
    /// - `events_max`: events remembered, 1 to 67108864; 32 bytes each
    /// - `context`: the user's last items that are looked at, 1 to 100
    /// - `visits`: for each, the last users who had it, 1 to 10000
    /// - `reach`: for each of those, the events before and after it, 1 to 100; a list costs `context · visits · reach`
    /// - `context_decay`, `reach_decay`: what a step further back in the user's own events, or away in the other's, still
    ///   counts, 0.1 to 1
    /// - `below`: what an event counts whose value is lower than `positive`, 0 to 1
    /// - `damping`: an item that was turned to `n` times is divided by `n^damping`, 0 (popular ones stay ahead) to 1
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    #[expect(clippy::too_many_arguments, reason = "each is a number of its own; tuning names them")]
    pub fn new(
        positive: f32,
        events_max: usize,
        context: usize,
        visits: usize,
        reach: usize,
        context_decay: f64,
        reach_decay: f64,
        below: f64,
        damping: f64,
    ) -> Result<Self, BadParam> {
        let decay = |key, x: f64| check(key, x, (0.1..=1.0).contains(&x), "0.1 to 1").map(|x| x as f32);
        let share = |key, x: f64| check(key, x, (0.0..=1.0).contains(&x), "0 to 1").map(|x| x as f32);
        let events_ok = (1..=1 << 26).contains(&events_max);
        Ok(Self {
            positive: check("trails.positive", positive, positive.is_finite(), "a finite number")?,
            events_max: check("trails.events_max", events_max, events_ok, "1 to 67108864")?,
            context: check("trails.context", context, (1..=100).contains(&context), "1 to 100")?,
            visits: check("trails.visits", visits, (1..=10_000).contains(&visits), "1 to 10000")?,
            reach: check("trails.reach", reach, (1..=100).contains(&reach), "1 to 100")?,
            context_decay: decay("trails.context_decay", context_decay)?,
            reach_decay: decay("trails.reach_decay", reach_decay)?,
            below: share("trails.below", below)?,
            damping: share("trails.damping", damping)?,
        })
    }

    /// Good on MovieLens; `positive` as in [`TrailsParams::new`].
    ///
    /// # Errors
    /// [`BadParam`] if `positive` is not finite.
    pub fn standard(positive: f32) -> Result<Self, BadParam> {
        Self::new(positive, 1 << 22, 15, 100, 15, 0.86, 0.84, 0.7, 0.3)
    }

    pub(super) fn positive(&self) -> f32 {
        self.positive
    }
}

impl Tunable for TrailsParams {
    const SPACE: &'static [Dimension] = &[
        Dimension { name: "context", range: Range::Whole(2, 20) },
        Dimension { name: "visits", range: Range::Choice(&[50.0, 100.0, 200.0, 400.0]) },
        Dimension { name: "reach", range: Range::Whole(3, 20) },
        Dimension { name: "context_decay", range: Range::Linear(0.5, 1.0) },
        Dimension { name: "reach_decay", range: Range::Linear(0.5, 1.0) },
        Dimension { name: "below", range: Range::Linear(0.0, 1.0) },
        Dimension { name: "damping", range: Range::Linear(0.0, 0.8) },
    ];

    fn at(point: &Point) -> Result<Self, BadParam> {
        let get = |name: &str, default: f64| point.get(name).copied().unwrap_or(default);
        let p = Self::standard(get("positive", 0.0) as f32)?;
        Self::new(
            p.positive,
            whole(point, "events_max", p.events_max)?,
            whole(point, "context", p.context)?,
            whole(point, "visits", p.visits)?,
            whole(point, "reach", p.reach)?,
            get("context_decay", p.context_decay.into()),
            get("reach_decay", p.reach_decay.into()),
            get("below", p.below.into()),
            get("damping", p.damping.into()),
        )
    }
}

/// What speaks for an item: see [`Trails::gather`].
pub(super) const SIGNS: usize = 4;

/// Items found, each with its signs.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub items: Vec<u32>,
    pub signs: Vec<[f32; SIGNS]>,
    /// Place of each item above, plus one.
    slots: Vec<u32>,
}

impl Found {
    pub fn clear(&mut self) {
        self.items.iter().for_each(|item| self.slots[*item as usize] = 0);
        self.items.clear();
        self.signs.clear();
    }

    pub fn place(&self, item: u32) -> Option<usize> {
        match self.slots.get(item as usize) {
            Some(&slot) if 0 < slot => Some(slot as usize - 1),
            _ => None,
        }
    }

    /// The signs of an item, which is added if it is not there.
    pub fn of(&mut self, item: u32) -> &mut [f32; SIGNS] {
        grow(&mut self.slots, item as usize, 0);
        let slot = &mut self.slots[item as usize];
        if *slot == 0 {
            self.items.push(item);
            self.signs.push([0.0; SIGNS]);
            *slot = self.items.len() as u32;
        }
        &mut self.signs[*slot as usize - 1]
    }
}

/// The model: a log, and how to read it.
#[derive(Debug, Clone)]
pub struct Trails {
    params: TrailsParams,
    log: Log,
    /// Events of at least `positive`, for each item.
    liked: Vec<u32>,
    found: Found,
}

impl Trails {
    pub fn new(params: TrailsParams) -> Self {
        Self { params, log: Log::new(params.events_max), liked: vec![], found: Found::default() }
    }

    /// Finds items near the user's last ones: signs 0 and 1 are what others turned to after and before the very last item,
    /// signs 2 and 3 the same over all of the context. Each is a mean over visits, so that a sign is a share.
    pub(super) fn gather(&self, user: u32, found: &mut Found) {
        let p = &self.params;
        let mut weight = 1.0;
        let mut at = self.log.last_of_user(user);
        for place in 0..p.context {
            let Some(own) = self.log.get(at) else { return };
            let signs = if place == 0 { [Some(0), Some(1)] } else { [None, None] };
            let by = weight * if own.liked { 1.0 } else { p.below };
            self.near(own, at, by, signs, found);
            weight *= p.context_decay;
            at = own.before_of_user;
        }
    }

    /// Adds what lies near the last visits of one item of the context.
    fn near(&self, own: &Entry, number: Number, by: f32, last: [Option<usize>; 2], found: &mut Found) {
        let p = &self.params;
        let mut visits = 0usize;
        let mut at = own.before_of_item.max(self.newest_other(own.item, number));
        // Counted first: each visit weighs one over their number.
        let mut walk = at;
        while let Some(visit) = self.log.get(walk) {
            visits += 1;
            if p.visits <= visits {
                break;
            }
            walk = visit.before_of_item;
        }
        let share = 1.0 / (visits as f32 + VISITS_PRIOR);
        for _ in 0..visits {
            let Some(visit) = self.log.get(at) else { return };
            if at != number {
                let felt = if visit.liked { 1.0 } else { p.below };
                let ways = [
                    (Entry::after as fn(&Entry) -> Number, last[0], 2),
                    (Entry::before as fn(&Entry) -> Number, last[1], 3),
                ];
                for (next, last, all) in ways {
                    let mut weight = share * felt;
                    let mut step = next(visit);
                    for _ in 0..p.reach {
                        let Some(other) = self.log.get(step) else { break };
                        let counts = weight * if other.liked { 1.0 } else { p.below };
                        let signs = found.of(other.item);
                        signs[all] += by * counts;
                        if let Some(last) = last {
                            signs[last] += counts;
                        }
                        weight *= p.reach_decay;
                        step = next(other);
                    }
                }
            }
            at = visit.before_of_item;
        }
    }

    /// The newest event of an item, if it is newer than the user's own.
    fn newest_other(&self, item: u32, own: Number) -> Number {
        let newest = self.log.last_of_item(item);
        if own < newest { newest } else { 0 }
    }

    /// Events of at least `positive` that an item had.
    pub(super) fn liked(&self, item: u32) -> u32 {
        self.liked.get(item as usize).copied().unwrap_or(0)
    }

    /// The event must be learnable.
    pub(super) fn push(&mut self, event: &Rated) {
        let liked = self.params.positive <= event.value;
        grow(&mut self.liked, event.item as usize, 0);
        self.liked[event.item as usize] = self.liked[event.item as usize].saturating_add(liked.into());
        self.log.push(event.user, event.item, liked);
    }
}

/// Visits that every item is thought to have had with nothing near them: a share of one visit is not taken at its word.
const VISITS_PRIOR: f32 = 2.0;

impl LearnEvent for Trails {
    /// Cost `O(context · visits · reach)`, whatever the number of items. Empty for a user who is new.
    fn top(&mut self, user: u32, _: i64, skip: &[u32], k: usize) -> Scored {
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        self.gather(user, &mut found);
        let score = |(&item, signs): (&u32, &[f32; SIGNS])| {
            let damped = (self.liked(item) as f32 + 1.0).powf(-self.params.damping);
            (item, (signs[2] + signs[3]) * damped)
        };
        let list = best(found.items.iter().zip(&found.signs).map(score).collect(), skip, k);
        self.found = found;
        list
    }

    /// Cost `O(1)`.
    fn learn(&mut self, event: &Rated) {
        if learnable(event) {
            self.push(event);
        }
    }
}
