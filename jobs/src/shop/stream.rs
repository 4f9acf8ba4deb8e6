//! The shop's events in the order they are sent. Visits are planned when their time comes, so what is held at any moment
//! is only what is planned and not yet sent: bounded, however many users and events there are.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use shoptide_schemas::time::DAY_MS;
use shoptide_schemas::wire::WireEvent;

use super::Shop;
use super::dice::{Dice, mix};
use super::session::{Act, Crowd, Pace, Step, plan};
use super::speak::Speaker;
use super::spoil::spoil;

const SEND_STREAM: u64 = 0x5_5e4d;
const REPEAT_STREAM: u64 = 0x6_4e9e;
/// Steps planned and not yet sent: some 6 MiB. The pace is chosen so that a quarter of it suffices.
const PENDING_MAX: usize = 65_536;
/// A repeat follows within so many events, so within 256 of its own user's: inside the dedupe window.
const REPEAT_WITHIN: u64 = 150;
/// Repeats waiting to be sent; at a share of one half and a mean wait of 75 there are 38.
const REPEATS_MAX: usize = 256;
/// Mean time between two steps of a visit, where the planned steps fit.
const STEP_MS: i64 = 40_000;
const FOLLOW_MS_MAX: i64 = 5 * DAY_MS;
/// An own time that is out of order is off by at most this.
const JITTER_MS_MAX: i64 = 90_000;
/// Parts of a run after which some users' second style changes.
const SEASONS: u64 = 4;

/// Iterator over the events of a [`Shop`], exactly as many as asked for.
#[derive(Debug)]
pub struct Events<'a> {
    shop: &'a Shop,
    pace: Pace,
    speaker: Speaker,
    dice: Dice,
    /// Planned steps by time, then by the order of planning.
    pending: BinaryHeap<Reverse<Queued>>,
    plan_buffer: Vec<Step>,
    sessions: u64,
    /// First events (not repeats): to send in all, planned, sent.
    firsts: u64,
    planned: u64,
    spoken: u64,
    emitted: u64,
    now_ms: i64,
    /// The event that lets its successor go first.
    held: Option<WireEvent>,
    repeats: Vec<(u64, WireEvent)>,
    repeats_left: u64,
}

#[derive(Debug)]
struct Queued {
    key: (i64, u64),
    step: Step,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

impl<'a> Events<'a> {
    pub(super) fn new(shop: &'a Shop) -> Self {
        let given = shop.params.get();
        let repeats_left = given.events * given.duplicate_per_mille / 1000;
        Self {
            shop,
            pace: pace(given.events, given.span_days, given.end_ms),
            speaker: Speaker::new(given.seed, given.run.clone()),
            dice: Dice::new(mix(given.seed, SEND_STREAM), 0),
            pending: BinaryHeap::new(),
            plan_buffer: Vec::new(),
            sessions: 0,
            firsts: given.events - repeats_left,
            planned: 0,
            spoken: 0,
            emitted: 0,
            now_ms: shop.params.start_ms(),
            held: None,
            repeats: Vec::new(),
            repeats_left,
        }
    }

    /// Time runs with the share of events already planned, so the run ends at the end whatever visits turn out to be.
    fn next_start_ms(&self) -> i64 {
        let start_ms = self.shop.params.start_ms();
        let span_ms = (self.pace.end_ms - start_ms - 24 * self.pace.step_ms).max(1);
        let share = i128::from(span_ms) * i128::from(self.planned) / i128::from(self.firsts.max(1));
        (start_ms + share as i64).max(self.now_ms)
    }

    /// Plans every visit that begins before the next planned step.
    fn plan_due(&mut self) {
        let given = self.shop.params.get();
        let crowd = Crowd { seed: given.seed, users: given.users, items: &self.shop.items };
        while self.planned < self.firsts && self.pending.len() < PENDING_MAX {
            let start_ms = self.next_start_ms();
            if self.pending.peek().is_some_and(|Reverse(next)| next.key.0 < start_ms) {
                return;
            }
            let season = (u128::from(self.planned) * u128::from(SEASONS) / u128::from(self.firsts)) as u64;
            self.plan_buffer.clear();
            plan(crowd, self.sessions, season, start_ms, self.pace, &mut self.plan_buffer);
            self.sessions += 1;
            for step in self.plan_buffer.drain(..) {
                if self.planned < self.firsts {
                    self.pending.push(Reverse(Queued { key: (step.at_ms, self.planned), step }));
                    self.planned += 1;
                }
            }
        }
    }

    /// The next event that is no repeat.
    fn first(&mut self) -> Option<WireEvent> {
        self.plan_due();
        let Reverse(Queued { mut step, .. }) = self.pending.pop()?;
        self.now_ms = step.at_ms;
        let given = self.shop.params.get();
        let last = self.spoken + 1 == self.firsts;
        if last {
            step.at_ms = given.end_ms;
        } else if step.act == Act::View && self.dice.chance(2 * given.late_per_mille) {
            // Views are about half of all events.
            step.at_ms = given.end_ms - 40 * DAY_MS - self.dice.between(0, 20 * DAY_MS);
        } else if self.dice.chance(given.disorder_per_mille) {
            step.at_ms -= self.dice.between(1_000, JITTER_MS_MAX);
        }
        let mut event = self.speaker.say(&step, self.spoken, &self.shop.items);
        if self.dice.chance(given.bad_per_mille) {
            spoil(&mut event, &mut self.dice);
        }
        self.remember_repeat(&event);
        self.spoken += 1;
        Some(event)
    }

    /// One event of each block is sent twice: which one is drawn, how many is exact.
    fn remember_repeat(&mut self, event: &WireEvent) {
        let given = self.shop.params.get();
        let repeats = given.events - self.firsts;
        let Some(block) = self.firsts.checked_div(repeats) else { return };
        let (number, place) = (self.spoken / block, self.spoken % block);
        let chosen = mix(mix(given.seed, REPEAT_STREAM), number) % block;
        if place == chosen && 0 < self.repeats_left && self.repeats.len() < REPEATS_MAX {
            self.repeats_left -= 1;
            let due = self.emitted + 1 + self.dice.below(REPEAT_WITHIN);
            self.repeats.push((due, event.clone()));
        }
    }

    fn due_repeat(&mut self, any: bool) -> Option<WireEvent> {
        let place = self.repeats.iter().position(|(due, _)| any || *due <= self.emitted)?;
        Some(self.repeats.remove(place).1)
    }

    fn choose(&mut self) -> Option<WireEvent> {
        if let Some(repeat) = self.due_repeat(false) {
            return Some(repeat);
        }
        if let Some(held) = self.held.take() {
            return Some(held);
        }
        let Some(event) = self.first() else { return self.due_repeat(true) };
        if self.dice.chance(self.shop.params.get().disorder_per_mille)
            && let Some(successor) = self.first()
        {
            self.held = Some(event);
            return Some(successor);
        }
        Some(event)
    }
}

impl Iterator for Events<'_> {
    type Item = WireEvent;

    fn next(&mut self) -> Option<WireEvent> {
        let event = self.choose()?;
        self.emitted += 1;
        Some(event)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.shop.params.get().events - self.emitted).ok();
        (left.unwrap_or(usize::MAX), left)
    }
}

/// Visits as long as real ones, unless so many events a second are asked for that the planned steps would not fit.
fn pace(events: u64, span_days: u64, end_ms: i64) -> Pace {
    let span_ms = i128::from(span_days) * i128::from(DAY_MS);
    let events = i128::from(events.max(1));
    // A step waits about four gaps; of a hundred steps about six follow a visit, and wait half of the bound.
    let quarter = PENDING_MAX as i128 / 4;
    let step_ms = (quarter * span_ms / events / 4).clamp(1, i128::from(STEP_MS)) as i64;
    let follow_ms_max = (quarter * span_ms / events * 33).clamp(1, i128::from(FOLLOW_MS_MAX)) as i64;
    Pace { step_ms, follow_ms_max, end_ms }
}
