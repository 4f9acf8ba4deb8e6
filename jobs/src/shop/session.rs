//! One visit, written as a script of steps: search, look, weigh alternatives, cart, checkout, buy; and what follows days
//! later (ratings, refunds, posts). Pure: the same seed and session number give the same script.

use super::dice::{Dice, mix};
use super::items::{Item, Items};
use super::users::{Tastes, visitor_of};

const SESSION_STREAM: u64 = 0x4_5e55;
/// Steps of one visit, before what follows it: a longer visit is a robot.
const STEPS_MAX: usize = 24;
/// Lines of one order.
const CART_LINES_MAX: usize = 5;

/// What a step does; the item is beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    List,
    Search { opens: bool },
    View,
    Wish,
    CartAdd { quantity: i64 },
    CartRemove { quantity: i64 },
    Checkout,
    Buy { quantity: i64, line: u64 },
    Refund { quantity: i64, line: u64 },
    Rate { halves: u64 },
    Post,
    Reply,
    Like,
    Feedback { kind: u64 },
}

/// One planned event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub at_ms: i64,
    pub user: u64,
    pub session: u64,
    pub item: u64,
    pub act: Act,
    /// Happens after the visit: carries no `session_id`.
    pub follows: bool,
    /// Chooses words.
    pub dice: u64,
}

/// How the shop's time runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Mean time between two steps of a visit.
    pub step_ms: i64,
    /// What follows a visit comes at most this much later.
    pub follow_ms_max: i64,
    /// Nothing happens after this.
    pub end_ms: i64,
}

/// Who comes to which shop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crowd<'a> {
    pub seed: u64,
    pub users: u64,
    pub items: &'a Items,
}

/// Writes the script of session number `session`, first step at `at_ms`, onto the end of `steps`.
pub(crate) fn plan(
    crowd: Crowd<'_>,
    session: u64,
    season: u64,
    at_ms: i64,
    pace: Pace,
    steps: &mut Vec<Step>,
) {
    let user = visitor_of(crowd.seed, session, crowd.users);
    let tastes = Tastes::of(crowd.seed, user, season);
    let dice = Dice::new(mix(crowd.seed, SESSION_STREAM), session);
    let mut visit = Visit { crowd, tastes, dice, user, session, at_ms, pace, room: STEPS_MAX, steps };
    visit.run();
}

struct Visit<'a> {
    crowd: Crowd<'a>,
    tastes: Tastes,
    dice: Dice,
    user: u64,
    session: u64,
    at_ms: i64,
    pace: Pace,
    room: usize,
    steps: &'a mut Vec<Step>,
}

impl Visit<'_> {
    fn run(&mut self) {
        let mut item = self.wanted();
        if self.dice.chance(350) {
            let opens = self.dice.chance(600);
            self.step(item, Act::Search { opens });
        } else if self.dice.chance(250) {
            self.step(item, Act::List);
        }
        let mut cart: Vec<(Item, i64)> = Vec::new();
        let looks = 1 + self.dice.below(3) + self.dice.below(4);
        for _ in 0..looks {
            self.step(item, Act::View);
            self.react(item, &mut cart);
            // Half of the time the next look goes to an alternative of this item, else to something new.
            item = if self.dice.chance(450) {
                self.crowd.items.neighbour(&item, &mut self.dice)
            } else {
                self.wanted()
            };
        }
        self.pay(cart);
        if self.tastes.writes_in_forum && self.dice.chance(350) {
            let item = self.wanted();
            let act = *super::dice::at(
                &[Act::Post, Act::Reply, Act::Reply, Act::Like, Act::Like],
                self.dice.next(),
            );
            self.step(item, act);
        }
    }

    /// What the user would look for now: the best fitting of a few popular items of a style he likes.
    fn wanted(&mut self) -> Item {
        let items = self.crowd.items;
        if self.dice.chance(80) {
            let elsewhere = self.dice.below(super::items::GROUP_COUNT);
            return items.draw_any_style(elsewhere, &mut self.dice);
        }
        let group = self.tastes.group;
        let style = match self.dice.below(100) {
            0..66 => self.tastes.style,
            66..90 => self.tastes.second_style,
            _ => return items.draw_any_style(group, &mut self.dice),
        };
        let mut best = items.draw(group, style, &mut self.dice);
        for _ in 0..2 {
            let other = items.draw(group, style, &mut self.dice);
            if self.tastes.affinity(&best) < self.tastes.affinity(&other) {
                best = other;
            }
        }
        best
    }

    fn react(&mut self, item: Item, cart: &mut Vec<(Item, i64)>) {
        let affinity = self.tastes.affinity(&item);
        if self.dice.chance(8 * affinity) {
            self.step(item, Act::Wish);
        }
        if self.dice.chance(25 * affinity) && cart.len() < CART_LINES_MAX {
            let quantity = if self.dice.chance(900) { 1 } else { 1 + self.dice.between(1, 3) };
            self.step(item, Act::CartAdd { quantity });
            match cart.iter_mut().find(|(i, _)| i.number == item.number) {
                Some((_, pieces)) => *pieces += quantity,
                None => cart.push((item, quantity)),
            }
        }
        if self.dice.chance(12) {
            let kind = if 4 <= affinity {
                *super::dice::at(&[0, 0, 3], self.dice.next())
            } else {
                1 + self.dice.below(2)
            };
            self.step(item, Act::Feedback { kind });
        }
    }

    fn pay(&mut self, mut cart: Vec<(Item, i64)>) {
        if self.dice.chance(150)
            && let Some((item, quantity)) = cart.pop()
        {
            self.step(item, Act::CartRemove { quantity });
        }
        let Some((first, _)) = cart.first().copied() else { return };
        if !self.dice.chance(if self.tastes.buyer { 750 } else { 450 }) {
            return;
        }
        self.step(first, Act::Checkout);
        if !self.dice.chance(850) {
            return;
        }
        for (line, (item, quantity)) in cart.into_iter().enumerate() {
            let line = line as u64;
            if self.step(item, Act::Buy { quantity, line }) {
                self.afterwards(item, quantity, line);
            }
        }
    }

    /// What a purchase leads to.
    fn afterwards(&mut self, item: Item, quantity: i64, line: u64) {
        let affinity = self.tastes.affinity(&item);
        let content = self.dice.below(4) + affinity;
        if self.dice.chance(300) {
            let halves = (content + self.dice.below(2)).clamp(2, 10);
            self.follow(item, Act::Rate { halves });
        }
        if self.dice.chance(if content < 4 { 150 } else { 40 }) {
            self.follow(item, Act::Refund { quantity, line });
        }
        if self.tastes.writes_in_forum && self.dice.chance(250) {
            let act = if self.dice.chance(500) { Act::Post } else { Act::Reply };
            self.follow(item, act);
        }
    }

    /// False when the visit is already too long.
    fn step(&mut self, item: Item, act: Act) -> bool {
        if self.room == 0 {
            return false;
        }
        self.room -= 1;
        let gap_ms = self.pace.step_ms / 4 + self.dice.between(0, self.pace.step_ms * 3 / 2);
        let at_ms = self.at_ms.min(self.pace.end_ms);
        self.at_ms += gap_ms;
        self.push(at_ms, item, act, false);
        true
    }

    fn follow(&mut self, item: Item, act: Act) {
        let latest_ms = self.pace.follow_ms_max.min(self.pace.end_ms - self.at_ms).max(0);
        let at_ms = (self.at_ms + self.dice.between(latest_ms / 24, latest_ms)).min(self.pace.end_ms);
        self.push(at_ms, item, act, true);
    }

    fn push(&mut self, at_ms: i64, item: Item, act: Act, follows: bool) {
        let dice = self.dice.next();
        let (user, session) = (self.user, self.session);
        self.steps.push(Step { at_ms, user, session, item: item.number, act, follows, dice });
    }
}
