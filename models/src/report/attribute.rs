//! Which click belongs to which place of a list, and which cart and purchase to which click. docs/reports.md has the rules.

use std::collections::{HashMap, HashSet};

use shoptide_schemas::{Currency, time::DAY_MS};

use super::act::{Act, Deed, Tag};

/// Longest window: whoever buys a quarter of a year later has had other reasons.
pub const WINDOW_MS_MAX: i64 = 90 * DAY_MS;
pub const WINDOW_MS_MIN: i64 = 60_000;

/// From, inclusive, to, exclusive; in milliseconds of event time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub from: i64,
    pub to: i64,
}

impl Period {
    pub const ALL: Period = Period { from: i64::MIN, to: i64::MAX };

    pub fn has(self, at: i64) -> bool {
        self.from <= at && at < self.to
    }
}

/// What a cart or a purchase is credited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Credit {
    #[default]
    LastClick,
    /// For shops that do not tell of clicks: the last time the item was shown.
    LastShown,
}

/// Checked rules of attribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    period: Period,
    window_ms: i64,
    credit: Credit,
}

/// What to change about the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    #[error("the period ends before it begins: from is {from} ms, to is {to} ms")]
    Period { from: i64, to: i64 },
    #[error("window is {0} ms, expected {WINDOW_MS_MIN} (a minute) to {WINDOW_MS_MAX} (90 days)")]
    Window(i64),
}

impl Rules {
    /// - `window_ms`: from a display to its click, and from a click to what is credited to it; inclusive, a minute to 90 days
    ///
    /// # Errors
    /// [`RulesError`].
    pub fn new(period: Period, window_ms: i64, credit: Credit) -> Result<Self, RulesError> {
        if period.to <= period.from {
            return Err(RulesError::Period { from: period.from, to: period.to });
        }
        if !(WINDOW_MS_MIN..=WINDOW_MS_MAX).contains(&window_ms) {
            return Err(RulesError::Window(window_ms));
        }
        Ok(Self { period, window_ms, credit })
    }

    pub fn period(&self) -> Period {
        self.period
    }

    pub fn window_ms(&self) -> i64 {
        self.window_ms
    }

    pub fn credit(&self) -> Credit {
        self.credit
    }

    /// What must be read so that the period's figures are whole: a window before it and one behind.
    pub fn reads(&self) -> Period {
        let Period { from, to } = self.period;
        Period { from: from.saturating_sub(self.window_ms), to: to.saturating_add(self.window_ms) }
    }

    fn within(&self, from: i64, at: i64) -> bool {
        from <= at && at.saturating_sub(from) <= self.window_ms
    }
}

/// A place of a list that was shown, or a list as a whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    pub at: i64,
    pub tag: Tag,
    pub number: u32,
    /// Named an item; the others are displays of a list as a whole.
    pub of_item: bool,
    pub clicked: bool,
}

/// What carts and purchases are credited to: a click, or by [`Credit::LastShown`] a display.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Touch {
    pub at: i64,
    pub tag: Tag,
    pub number: u32,
    /// A display of it is known.
    pub seen: bool,
    pub carts: u32,
    /// Lines of orders credited, whether or not they came back.
    pub lines: u32,
    /// Of them with a piece that was kept.
    pub kept: u32,
}

/// A line of an order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sold {
    pub at: i64,
    pub number: u32,
    pub quantity: u32,
    pub returned: u32,
    pub paid: Option<(i64, Currency)>,
    pub order: u64,
    /// Place among the touches.
    pub touch: Option<usize>,
    item: u128,
    line: u128,
}

/// Pieces that came back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Refunded {
    pub at: i64,
    pub quantity: u32,
    pub paid: Option<(i64, Currency)>,
    /// Pieces of it that were found among the lines sold.
    pub matched: u32,
}

/// What a user says of an item of a list: his last word of the period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Opinion {
    pub at: i64,
    pub tag: Tag,
    pub number: u32,
    /// Place in `Feedback::ALL`.
    pub feedback: u8,
}

/// One user's deeds with what belongs to what, in the order of time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Journey {
    pub shown: Vec<Shown>,
    pub touches: Vec<Touch>,
    pub opinions: Vec<Opinion>,
    pub sold: Vec<Sold>,
    pub refunded: Vec<Refunded>,
    /// He did something in the period.
    pub present: bool,
    /// Repeats of an event or of an order's line in the period: they count once.
    pub repeats: u64,
    /// Carts of the period, credited and not.
    pub carts: u64,
    pub carts_credited: u64,
}

/// Sorts a user's deeds by their own time and says what belongs to what. The same deeds in any order give the same journey.
pub fn attribute(acts: &mut [Act], rules: &Rules) -> Journey {
    acts.sort_unstable_by_key(|act| (act.at, act.deed, act.id));
    let mut walk = Walk::new(rules);
    let mut ids = HashSet::with_capacity(acts.len());
    for act in acts.iter() {
        if ids.insert(act.id) { walk.step(act) } else { walk.repeat(act) }
    }
    for sold in &walk.journey.sold {
        let touch = sold.touch.and_then(|place| walk.journey.touches.get_mut(place));
        if let Some(touch) = touch {
            touch.lines += 1;
            touch.kept += u32::from(sold.returned < sold.quantity);
        }
    }
    walk.journey
}

/// What a walk through a user's deeds remembers: places in the journey.
struct Walk {
    rules: Rules,
    journey: Journey,
    /// By item (0: a list as a whole) and list, the last display.
    shown_in: HashMap<(u128, u128), usize>,
    shown: HashMap<u128, usize>,
    touched_in: HashMap<(u128, u128), usize>,
    touched: HashMap<u128, usize>,
    opinions: HashMap<(u128, u128), usize>,
    lines: HashMap<u128, usize>,
    refunds: HashSet<u128>,
    /// By item, and by order and item, the newest last.
    sold: HashMap<u128, Vec<usize>>,
    sold_in: HashMap<(u64, u128), Vec<usize>>,
}

impl Walk {
    fn new(rules: &Rules) -> Self {
        Self {
            rules: *rules,
            journey: Journey::default(),
            shown_in: HashMap::new(),
            shown: HashMap::new(),
            touched_in: HashMap::new(),
            touched: HashMap::new(),
            opinions: HashMap::new(),
            lines: HashMap::new(),
            refunds: HashSet::new(),
            sold: HashMap::new(),
            sold_in: HashMap::new(),
        }
    }

    fn in_period(&self, act: &Act) -> bool {
        self.rules.period.has(act.at)
    }

    fn repeat(&mut self, act: &Act) {
        self.journey.repeats += u64::from(self.in_period(act));
    }

    fn step(&mut self, act: &Act) {
        let in_period = self.in_period(act);
        self.journey.present |= in_period;
        match act.deed {
            Deed::Shown => self.show(act),
            Deed::Clicked => self.click(act),
            // What he says later must not change what is known of a period that is over.
            Deed::Opinion(_) if !in_period => {}
            Deed::Opinion(feedback) => {
                let said = Opinion { at: act.at, tag: act.tag, number: act.number, feedback };
                let place = self.opinions.entry((act.item, act.list)).or_insert(self.journey.opinions.len());
                match self.journey.opinions.get_mut(*place) {
                    Some(before) => *before = said,
                    None => self.journey.opinions.push(said),
                }
            }
            Deed::Cart => {
                self.journey.carts += u64::from(in_period);
                let touch = self.touch_of(act);
                if let Some(touch) = touch.and_then(|place| self.journey.touches.get_mut(place)) {
                    touch.carts += 1;
                    self.journey.carts_credited += u64::from(in_period);
                }
            }
            Deed::Bought => self.buy(act),
            Deed::Refunded => self.refund(act),
        }
    }

    fn show(&mut self, act: &Act) {
        let place = self.journey.shown.len();
        let of_item = act.item != 0;
        self.journey.shown.push(Shown {
            at: act.at,
            tag: act.tag,
            number: act.number,
            of_item,
            clicked: false,
        });
        self.shown_in.insert((act.item, act.list), place);
        if of_item {
            self.shown.insert(act.item, place);
            if self.rules.credit == Credit::LastShown {
                self.touch(act, act.tag, true);
            }
        }
    }

    fn click(&mut self, act: &Act) {
        let shown = &self.journey.shown;
        let near = |place: &&usize| shown.get(**place).is_some_and(|s| self.rules.within(s.at, act.at));
        let place = if act.list == 0 {
            self.shown.get(&act.item).filter(near).copied()
        } else {
            let of_item = self.shown_in.get(&(act.item, act.list)).filter(near);
            of_item.or_else(|| self.shown_in.get(&(0, act.list)).filter(near)).copied()
        };
        let seen = place.and_then(|place| self.journey.shown.get_mut(place));
        let tag = match &seen {
            Some(shown) if act.list == 0 => shown.tag,
            _ => act.tag,
        };
        let known = seen.is_some();
        if let Some(shown) = seen {
            shown.clicked = true;
        }
        if self.rules.credit == Credit::LastClick {
            self.touch(act, tag, known);
        }
    }

    fn touch(&mut self, act: &Act, tag: Tag, seen: bool) {
        let place = self.journey.touches.len();
        let (at, number) = (act.at, act.number);
        self.journey.touches.push(Touch { at, tag, number, seen, carts: 0, lines: 0, kept: 0 });
        self.touched.insert(act.item, place);
        if act.list != 0 {
            self.touched_in.insert((act.item, act.list), place);
        }
    }

    /// The last touch of the item within the window; of the list that the event itself names, if there is one.
    fn touch_of(&self, act: &Act) -> Option<usize> {
        let touches = &self.journey.touches;
        let near = |place: &&usize| touches.get(**place).is_some_and(|t| self.rules.within(t.at, act.at));
        let named = self.touched_in.get(&(act.item, act.list)).filter(|_| act.list != 0).filter(near);
        named.or_else(|| self.touched.get(&act.item).filter(near)).copied()
    }

    fn buy(&mut self, act: &Act) {
        let place = self.journey.sold.len();
        if act.line != 0 && self.lines.contains_key(&act.line) {
            self.repeat(act);
            return;
        }
        let touch = self.touch_of(act);
        if act.line != 0 {
            self.lines.insert(act.line, place);
        }
        self.sold.entry(act.item).or_default().push(place);
        if act.order != 0 {
            self.sold_in.entry((act.order, act.item)).or_default().push(place);
        }
        self.journey.sold.push(Sold {
            at: act.at,
            number: act.number,
            quantity: act.quantity,
            returned: 0,
            paid: act.paid,
            order: act.order,
            touch,
            item: act.item,
            line: act.line,
        });
    }

    /// Pieces come off the line that is named, else off the newest lines of the item: in the order that is named, in any if none is.
    /// Another order's sale stands, even if the one that is named was never read.
    fn refund(&mut self, act: &Act) {
        if act.line != 0 && !self.refunds.insert(act.line) {
            self.repeat(act);
            return;
        }
        let mut left = act.quantity;
        let sold = &mut self.journey.sold;
        let newest = match act.order {
            0 => self.sold.get_mut(&act.item),
            order => self.sold_in.get_mut(&(order, act.item)),
        };
        let named = self.lines.get(&act.line).filter(|_| act.line != 0).copied();
        if let Some(line) = named.and_then(|place| sold.get_mut(place)).filter(|s| s.item == act.item) {
            left = take(line, left);
        } else if let Some(places) = newest {
            while 0 < left
                && let Some(line) = places.last().and_then(|place| sold.get_mut(*place))
            {
                left = take(line, left);
                if line.returned == line.quantity {
                    places.pop();
                }
            }
        }
        let (at, quantity) = (act.at, act.quantity);
        self.journey.refunded.push(Refunded { at, quantity, paid: act.paid, matched: quantity - left });
    }
}

/// Takes pieces back; how many are left to take.
fn take(line: &mut Sold, pieces: u32) -> u32 {
    let taken = pieces.min(line.quantity.saturating_sub(line.returned));
    line.returned += taken;
    pieces - taken
}
