//! Visitors without end, for a shop that is being looked at now: the caller brings the clock.

use shoptide_schemas::wire::WireEvent;
use xxhash_rust::xxh3::xxh3_64;

use super::Shop;
use super::dice::{Dice, mix};
use super::params::{BadShop, check_run};
use super::session::{Crowd, Pace, Step, plan};
use super::speak::Speaker;

/// People in the shop at once: enough to look busy, few enough that a visit goes on while one watches.
const PRESENT: usize = 24;
/// Steps that follow a visit (ratings, refunds) come among the steps of the visit's last minutes.
const FOLLOW_MS_MAX: i64 = 60_000;
const STEP_MS: i64 = 1_000;

/// Endless events of a [`Shop`], each at the time that the caller names.
#[derive(Debug)]
pub struct Visitors<'a> {
    shop: &'a Shop,
    speaker: Speaker,
    dice: Dice,
    /// The rest of each visitor's script, next step last.
    scripts: Vec<Vec<Step>>,
    seed: u64,
    sessions: u64,
    spoken: u64,
    now_ms: i64,
}

impl<'a> Visitors<'a> {
    /// `run` names this run: no two runs into one log may share it.
    ///
    /// # Errors
    /// [`BadShop`] when `run` is not 1 to 24 ASCII letters, digits, `-` or `_`.
    pub fn new(shop: &'a Shop, run: &str, start_ms: i64) -> Result<Self, BadShop> {
        check_run(run)?;
        let seed = shop.params.get().seed;
        let own = mix(seed, xxh3_64(run.as_bytes()));
        Ok(Self {
            shop,
            speaker: Speaker::new(seed, run.to_owned()),
            dice: Dice::new(own, 0),
            scripts: Vec::new(),
            seed: own,
            sessions: 0,
            spoken: 0,
            now_ms: start_ms,
        })
    }

    /// The next event, at `now_ms`; a clock that goes back is taken as standing still.
    pub fn next_event(&mut self, now_ms: i64) -> WireEvent {
        self.now_ms = self.now_ms.max(now_ms);
        while self.scripts.len() < PRESENT {
            let script = self.arrive();
            self.scripts.push(script);
        }
        let place = self.dice.below(PRESENT as u64) as usize;
        let step = loop {
            if let Some(step) = self.scripts.get_mut(place).and_then(Vec::pop) {
                break step;
            }
            let script = self.arrive();
            match self.scripts.get_mut(place) {
                Some(gone) => *gone = script,
                None => self.scripts.push(script),
            }
        };
        let step = Step { at_ms: self.now_ms, ..step };
        let event = self.speaker.say(&step, self.spoken, &self.shop.items);
        self.spoken += 1;
        event
    }

    /// The script of the next visit; never empty, since every visit looks at something.
    fn arrive(&mut self) -> Vec<Step> {
        let given = self.shop.params.get();
        let crowd = Crowd { seed: given.seed, users: given.users, items: &self.shop.items };
        let pace = Pace { step_ms: STEP_MS, follow_ms_max: FOLLOW_MS_MAX, end_ms: i64::MAX / 2 };
        // Sessions of another run have other numbers, so other people come and do other things.
        let session = mix(self.seed, self.sessions) >> 16;
        self.sessions += 1;
        let mut steps = Vec::new();
        plan(crowd, session, 0, 0, pace, &mut steps);
        steps.sort_by_key(|s| std::cmp::Reverse(s.at_ms));
        for step in &mut steps {
            step.session = self.sessions;
        }
        steps
    }
}
