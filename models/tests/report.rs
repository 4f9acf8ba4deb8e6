//! Attribution against sequences whose answer is known, and sums against a count of their own.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // helpers of tests are tests

use std::sync::Arc;

use shoptide_models::blend::Source;
use shoptide_models::catalogue::{Catalogue, CatalogueBuilder, CatalogueItem};
use shoptide_models::list::list_name;
use shoptide_models::report::{
    Act, Credit, Deed, Dimension, GROUPS_MAX, Journey, Members, OTHER_GROUPS, Period, Rules, Seen, Shelf,
    Tallies, attribute,
};
use shoptide_schemas::time::DAY_MS;
use shoptide_schemas::{Currency, EventMs, EventType, Feedback, ItemId};

const WINDOW: i64 = 7 * DAY_MS;
const BEGIN: i64 = 1_770_000_000_000;
const CNY: Currency = Currency(*b"CNY");

fn id(item: &str) -> ItemId {
    ItemId::parse(item).unwrap()
}

fn shelf() -> Shelf {
    let mut builder = CatalogueBuilder::default();
    for (n, (item, category)) in
        [("A", "tech/phone"), ("B", "tech/audio"), ("C", "sport"), ("D", ""), ("E", "sport/ball")]
            .into_iter()
            .enumerate()
    {
        let row = CatalogueItem { category: category.to_owned(), ..CatalogueItem::default() };
        builder.put(id(item), row, n as u32);
    }
    let catalogue: Catalogue = builder.finish(1);
    Shelf::of(Arc::new(catalogue))
}

/// A user's events as a test writes them.
struct Story {
    shelf: Shelf,
    acts: Vec<Act>,
    next: u32,
}

impl Story {
    fn new() -> Self {
        Self { shelf: shelf(), acts: Vec::new(), next: 0 }
    }

    fn tell(&mut self, event_type: EventType, at: i64, item: &str, list: &str) -> &mut Self {
        self.next += 1;
        let id = format!("e{}", self.next);
        self.event(&id, event_type, at, item, list, None)
    }

    fn event(
        &mut self,
        event_id: &str,
        event_type: EventType,
        at: i64,
        item: &str,
        list: &str,
        order: Option<(&str, &str)>,
    ) -> &mut Self {
        let seen = Seen {
            event_type,
            id: event_id.as_bytes(),
            user: b"u",
            at: EventMs(BEGIN + at),
            appended: EventMs(BEGIN + at),
            historical: false,
            item: (!item.is_empty()).then_some(item.as_bytes()),
            quantity: 2,
            paid: Some((1_500_000, CNY)),
            order,
            list: (!list.is_empty()).then_some(list),
            feedback: (event_type == EventType::RecommendationFeedback).then_some(Feedback::Like),
        };
        self.acts.push(Act::of(&seen, &self.shelf).unwrap());
        self
    }

    fn journey(&self, credit: Credit) -> Journey {
        self.within(Period::ALL, WINDOW, credit)
    }

    /// As a report of a period has it: no more is read than its rules say.
    fn within(&self, period: Period, window_ms: i64, credit: Credit) -> Journey {
        let rules = Rules::new(period, window_ms, credit).unwrap();
        let mut acts: Vec<Act> = self.acts.iter().copied().filter(|act| rules.reads().has(act.at)).collect();
        attribute(&mut acts, &rules)
    }

    /// The same with the last event changed.
    fn last(&mut self, change: impl Fn(&mut Act)) -> &mut Self {
        self.acts.last_mut().into_iter().for_each(change);
        self
    }
}

use EventType::{
    AddToCart as Cart, Purchase as Buy, RecommendationClicked as Click, RecommendationFeedback as Say,
    RecommendationShown as Show, Refund,
};

const L1: &str = "t-1-10";
const L2: &str = "t-2-10";

#[test]
fn a_click_belongs_to_the_display_of_its_list_to_the_last_millisecond_of_the_window() {
    for (after, clicked) in [(0, true), (WINDOW, true), (WINDOW + 1, false), (-1, false)] {
        let mut story = Story::new();
        story.tell(Show, 0, "A", L1).tell(Click, after, "A", L1);
        let journey = story.journey(Credit::LastClick);
        assert_eq!(journey.shown[0].clicked, clicked, "{after}");
        assert_eq!((journey.touches.len(), journey.touches[0].seen), (1, clicked), "{after}");
    }
}

#[test]
fn of_two_lists_the_one_that_was_clicked_has_the_click() {
    let mut story = Story::new();
    story.tell(Show, 0, "A", L1).tell(Show, 1, "A", L2).tell(Show, 1, "B", L2).tell(Click, 2, "A", L1);
    let clicked: Vec<bool> = story.journey(Credit::LastClick).shown.iter().map(|s| s.clicked).collect();
    assert_eq!(clicked, [true, false, false]);
    // A click that names no list belongs to the last display of the item, and has its list.
    let mut story = Story::new();
    story.tell(Show, 0, "A", L1).tell(Show, 1, "A", L2).tell(Click, 2, "A", "");
    let journey = story.journey(Credit::LastClick);
    assert_eq!(journey.shown.iter().map(|s| s.clicked).collect::<Vec<_>>(), [false, true]);
    assert_eq!(journey.touches[0].tag.model, Some(2));
    // One on a list that was never shown stands for itself.
    let mut story = Story::new();
    story.tell(Show, 0, "A", L1).tell(Click, 2, "A", L2);
    let journey = story.journey(Credit::LastClick);
    assert!(!journey.shown[0].clicked && !journey.touches[0].seen);
    assert_eq!(journey.touches[0].tag.model, Some(2));
}

#[test]
fn a_purchase_is_credited_once_to_the_last_click_within_the_window() {
    for (after, credited) in [(0, true), (WINDOW, true), (WINDOW + 1, false)] {
        let mut story = Story::new();
        story.tell(Click, 0, "A", L1).tell(Buy, after, "A", "");
        let journey = story.journey(Credit::LastClick);
        assert_eq!(journey.sold[0].touch.is_some(), credited, "{after}");
    }
    let mut story = Story::new();
    story.tell(Click, 0, "A", L1).tell(Click, 10, "A", L2).tell(Click, 15, "B", L2).tell(Cart, 18, "A", "");
    story.tell(Buy, 20, "A", "").tell(Buy, 30, "C", "");
    let journey = story.journey(Credit::LastClick);
    assert_eq!(
        journey.touches.iter().map(|t| (t.carts, t.kept)).collect::<Vec<_>>(),
        [(0, 0), (1, 1), (0, 0)]
    );
    assert_eq!(journey.sold.iter().map(|s| s.touch).collect::<Vec<_>>(), [Some(1), None]);
    // A purchase that names its list goes to that list's click.
    let mut story = Story::new();
    story.tell(Click, 0, "A", L1).tell(Click, 10, "A", L2).tell(Buy, 20, "A", L1);
    assert_eq!(story.journey(Credit::LastClick).sold[0].touch, Some(0));
}

#[test]
fn without_clicks_the_last_display_may_have_the_credit() {
    let mut story = Story::new();
    story.tell(Show, 0, "A", L1).tell(Show, 5, "A", L2).tell(Buy, 9, "A", "");
    assert_eq!(story.journey(Credit::LastClick).sold[0].touch, None);
    let journey = story.journey(Credit::LastShown);
    assert_eq!((journey.touches.len(), journey.sold[0].touch), (2, Some(1)));
}

#[test]
fn repeats_count_once_whatever_comes_first() {
    let mut story = Story::new();
    story.event("x", Show, 0, "A", L1, None).event("x", Show, 0, "A", L1, None);
    story.event("c", Click, 1, "A", L1, None).event("c", Click, 2, "A", L1, None);
    story.event("p", Buy, 3, "A", "", Some(("o", "1"))).event("q", Buy, 4, "A", "", Some(("o", "1")));
    // Ids are their producer's within a topic.
    story.event("x", Cart, 2, "A", "", None);
    let journey = story.journey(Credit::LastClick);
    assert_eq!((journey.shown.len(), journey.touches.len(), journey.sold.len()), (1, 1, 1));
    assert_eq!((journey.repeats, journey.carts_credited), (3, 1));
    story.acts.reverse();
    assert_eq!(story.journey(Credit::LastClick), journey, "the order in which they came does not matter");
}

#[test]
fn a_refund_takes_back_from_its_line_else_from_the_newest() {
    let bought = |story: &mut Story| {
        story.tell(Click, 0, "A", L1);
        story.event("p1", Buy, 1, "A", "", Some(("o1", "1")));
        story.tell(Click, 2, "A", L2);
        story.event("p2", Buy, 3, "A", "", Some(("o2", "1")));
    };
    let returned = |story: &Story| {
        let journey = story.journey(Credit::LastClick);
        let pieces: Vec<u32> = journey.sold.iter().map(|s| s.returned).collect();
        let kept: Vec<u32> = journey.touches.iter().map(|t| t.kept).collect();
        (pieces, kept, journey.refunded.iter().map(|r| r.matched).sum::<u32>())
    };
    let mut story = Story::new();
    bought(&mut story);
    story.event("r", Refund, 9, "A", "", Some(("o1", "1")));
    assert_eq!(returned(&story), (vec![2, 0], vec![0, 1], 2));
    // Told twice.
    story.event("r2", Refund, 10, "A", "", Some(("o1", "1")));
    assert_eq!(returned(&story), (vec![2, 0], vec![0, 1], 2));
    let mut story = Story::new();
    bought(&mut story);
    story.tell(Refund, 9, "A", "");
    assert_eq!(returned(&story), (vec![0, 2], vec![1, 0], 2));
    story.event("s", Refund, 10, "A", "", None).event("t", Refund, 11, "A", "", None);
    assert_eq!(returned(&story), (vec![2, 2], vec![0, 0], 4), "more came back than was ever sold");
    let mut story = Story::new();
    story.event("r", Refund, 0, "A", "", Some(("o1", "1"))).event("p", Buy, 5, "A", "", Some(("o1", "1")));
    assert_eq!(returned(&story).0, [0], "what comes back was bought before");
}

#[test]
fn a_refund_of_an_order_leaves_other_orders_alone() {
    let back = |story: &Story| {
        let journey = story.journey(Credit::LastClick);
        let pieces: Vec<u32> = journey.sold.iter().map(|s| s.returned).collect();
        (pieces, journey.refunded.iter().map(|r| (r.quantity, r.matched)).collect::<Vec<_>>())
    };
    // A line that nobody knows by its name: the item's in that order, not the newest of all.
    let mut story = Story::new();
    story.event("p1", Buy, 1, "A", "", Some(("G1", "1"))).last(|act| act.paid = Some((5_000_000, CNY)));
    story.event("p2", Buy, 2, "B", "", Some(("G1", "2")));
    story.event("p3", Buy, 3, "A", "", Some(("G2", "1"))).last(|act| act.paid = Some((7_000_000, CNY)));
    story.event("r", Refund, 9, "A", "", Some(("G1", "item:A")));
    assert_eq!(back(&story), (vec![2, 0, 0], vec![(2, 2)]));
    // More than the order had: the rest is not taken from elsewhere.
    story.event("r2", Refund, 10, "A", "", Some(("G1", "again")));
    assert_eq!(back(&story), (vec![2, 0, 0], vec![(2, 2), (2, 0)]));
    // One of no order goes by the newest that has some, as ever.
    story.tell(Refund, 11, "A", "").tell(Refund, 12, "A", "");
    assert_eq!(back(&story).0, [2, 0, 2]);

    // An order from before what is read: what was bought since stays bought, and the pieces are counted.
    let mut story = Story::new();
    story.event("old", Buy, -20 * DAY_MS, "A", "", Some(("OLD", "1")));
    story.tell(Click, -6 * DAY_MS, "A", L1);
    story.event("new", Buy, -6 * DAY_MS + 1, "A", "", Some(("NEW", "1")));
    story.event("r", Refund, -6 * DAY_MS + 2, "A", "", Some(("OLD", "1")));
    let period = Period { from: BEGIN - 7 * DAY_MS, to: BEGIN - 5 * DAY_MS };
    let journey = story.within(period, WINDOW, Credit::LastClick);
    assert_eq!(journey.sold.iter().map(|s| (s.quantity, s.returned)).collect::<Vec<_>>(), [(2, 0)]);
    let shelf = shelf();
    let mut tallies = Tallies::new(&shelf);
    tallies.add(&journey, period, None, &shelf);
    assert_eq!((tallies.total().converted, tallies.total().returned), (1, 0));
    assert_eq!((tallies.refunds, tallies.pieces_unmatched), (1, 2));
}

#[test]
fn a_list_shown_as_a_whole_takes_clicks_on_its_items() {
    let mut story = Story::new();
    story.tell(Show, 0, "", L1).tell(Click, 1, "A", L1).tell(Click, 1, "B", L1).tell(Click, 1, "A", L2);
    let journey = story.journey(Credit::LastClick);
    assert!(!journey.shown[0].of_item && journey.shown[0].clicked);
    assert_eq!(journey.touches.iter().filter(|t| t.seen).count(), 2);
}

#[test]
fn the_last_word_of_a_user_counts() {
    let mut story = Story::new();
    story.tell(Say, 0, "A", L1).tell(Say, 1, "A", L2).tell(Say, 2, "A", L1);
    let journey = story.journey(Credit::LastClick);
    assert_eq!(journey.opinions.iter().map(|o| o.at - BEGIN).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn what_is_said_of_a_period_that_is_over_stays_as_it_is() {
    let said = |at: i64, word: Feedback| (at * DAY_MS, word);
    let mut story = Story::new();
    for (at, word) in [said(-10, Feedback::Dislike), said(-8, Feedback::Like), said(-6, Feedback::Dislike)] {
        let place = Feedback::ALL.iter().position(|known| *known == word).unwrap();
        let deed = Deed::Opinion(u8::try_from(place).unwrap());
        story.tell(Say, at, "A", L1).last(|act| act.deed = deed);
    }
    let period = Period { from: BEGIN - 9 * DAY_MS, to: BEGIN - 7 * DAY_MS };
    for window in [60_000, DAY_MS, 7 * DAY_MS, 90 * DAY_MS] {
        let shelf = shelf();
        let mut tallies = Tallies::new(&shelf);
        tallies.add(&story.within(period, window, Credit::LastClick), period, None, &shelf);
        let satisfaction = tallies.total().satisfaction();
        assert_eq!((satisfaction.n, satisfaction.of), (1, 1), "window {window}");
    }
}

#[test]
fn sums_are_of_the_period_and_not_of_the_window_around_it() {
    let mut story = Story::new();
    for (n, at) in [(0, -2 * DAY_MS), (1, 0), (2, 12 * 3_600_000), (3, 2 * DAY_MS)] {
        let (click, cart, shown) = (format!("k{n}"), format!("c{n}"), format!("s{n}"));
        story.event(&click, Click, at, "A", L1, None).event(&cart, Cart, at + 1, "A", "", None);
        story.event(&shown, Show, at, "A", L1, None).event(&shown, Show, at + 2, "A", L1, None);
    }
    story.tell(Cart, 10, "B", "");
    let period = Period { from: BEGIN, to: BEGIN + DAY_MS };
    let mut before = Story::new();
    before.tell(Cart, -DAY_MS, "A", "");
    // By credit `shown` a click leaves nothing but this.
    let mut clicked = Story::new();
    clicked.tell(Click, 5, "A", L1);
    let shelf = shelf();
    for credit in [Credit::LastClick, Credit::LastShown] {
        let mut tallies = Tallies::new(&shelf);
        for story in [&story, &before, &clicked] {
            tallies.add(&story.within(period, WINDOW, credit), period, None, &shelf);
        }
        assert_eq!((tallies.carts, tallies.carts_credited), (3, 2), "{credit:?}");
        assert_eq!((tallies.repeats, tallies.users), (2, 2), "{credit:?}");
    }
}

#[test]
fn groups_beyond_the_bound_are_one_that_is_no_other() {
    let models = GROUPS_MAX + 25;
    let mut story = Story::new();
    for model in 0..models {
        story.tell(Show, model as i64, "A", &format!("t-{model}-10"));
    }
    let shelf = shelf();
    let mut tallies = Tallies::new(&shelf);
    tallies.add(&story.journey(Credit::LastClick), Period::ALL, Some("others"), &shelf);
    let of = |dimension: Dimension| {
        let groups = tallies.groups().filter(move |g| g.dimension == dimension);
        groups.map(|g| (g.name, g.counts.shown)).collect::<Vec<_>>()
    };
    let rows = of(Dimension::Model);
    assert_eq!(rows.len(), GROUPS_MAX + 1);
    assert_eq!(rows.iter().find(|row| row.0 == OTHER_GROUPS), Some(&(OTHER_GROUPS, 25)));
    assert_eq!(rows.iter().map(|row| row.1).sum::<u64>(), tallies.total().shown);
    assert_eq!(of(Dimension::Segment), [("others", models as u64)]);

    // Of a catalogue with as many categories, one of them called so.
    let mut builder = CatalogueBuilder::default();
    for n in 0..models as u32 {
        let category = if n == 0 { OTHER_GROUPS.to_owned() } else { format!("category {n}") };
        let row = CatalogueItem { category, ..CatalogueItem::default() };
        builder.put(id(&format!("i{n}")), row, n);
    }
    let shelf = Shelf::of(Arc::new(builder.finish(1)));
    assert_eq!(shelf.categories().iter().filter(|name| *name == OTHER_GROUPS).count(), 1);
}

#[test]
fn groups_are_named_by_what_the_list_says_and_never_guessed() {
    let (a, b) = (id("A"), id("B"));
    let base = "p-3-0f1e2d3c4b5a6978-2-17";
    let full = list_name(base, 12, [(&a, Source::ItemItem), (&b, Source::Popularity)].into_iter());
    let mut story = Story::new();
    story.tell(Show, 0, "A", &full).tell(Show, 0, "B", &full).tell(Click, 1, "A", &full);
    story.tell(Show, 0, "C", base).tell(Show, 0, "ZZ", "spring sale").tell(Buy, 2, "A", "");
    story.tell(Show, WINDOW, "E", "q-0f1e2d3c4b5a6978-9");
    let shelf = shelf();
    let mut tallies = Tallies::new(&shelf);
    let journey = story.journey(Credit::LastClick);
    let period = Period { from: BEGIN, to: BEGIN + WINDOW };
    tallies.add(&journey, period, Some("sporty"), &shelf);
    let of = |dimension: Dimension| -> Vec<(String, u64, u64)> {
        let groups = tallies.groups().filter(|g| g.dimension == dimension);
        groups.map(|g| (g.name.to_owned(), g.counts.shown, g.counts.clicked)).collect()
    };
    let row = |name: &str, shown, clicked| (name.to_owned(), shown, clicked);
    assert_eq!(of(Dimension::Total), [row("all", 4, 1)]);
    assert_eq!(of(Dimension::List), [row("personal", 3, 1), row("unknown", 1, 0)]);
    assert_eq!(
        of(Dimension::Source),
        [row("item_item", 1, 1), row("popularity", 1, 0), row("unknown", 2, 0)]
    );
    assert_eq!(of(Dimension::Model), [row("12", 2, 1), row("unknown", 2, 0)]);
    assert_eq!(of(Dimension::Category), [row("sport", 1, 0), row("tech", 2, 1), row("unknown", 1, 0)]);
    assert_eq!(of(Dimension::Segment), [row("sporty", 4, 1)]);
    let total = tallies.total();
    assert_eq!((total.touches, total.converted, total.lines, total.pieces), (1, 1, 1, 2));
    assert_eq!(total.value.0[&CNY], 3_000_000);
    let exposure = tallies.exposure(&shelf);
    assert_eq!((exposure.items, exposure.shown, exposure.unlisted), (5, 3, 1));
    assert!((exposure.coverage - 0.6).abs() < 1e-12 && exposure.top_1_percent > 0.33);
    let categories = tallies.exposure_by_category(&shelf);
    assert_eq!((categories[0].category.as_str(), categories[0].shown, categories[0].bought), ("tech", 2, 1));
}

#[test]
fn members_are_told_apart_by_fifths() {
    let mut members = Members::default();
    for n in 0..100_i64 {
        let mut story = Story::new();
        for order in 0..=n / 10 {
            let at = -(100 - n) * DAY_MS + order;
            story.event(&format!("p{order}"), Buy, at, "A", "", Some((&format!("o{order}"), "1")));
        }
        members.add(format!("u{n}").as_bytes(), &story.journey(Credit::LastClick), Period::ALL);
    }
    let mut nobody = Story::new();
    nobody.tell(Show, 0, "A", L1);
    members.add(b"nobody", &nobody.journey(Credit::LastClick), Period::ALL);
    let report = members.report(Period::ALL);
    assert_eq!((report.members, report.sampled, report.currency.as_deref()), (100, 1.0, Some("CNY")));
    let group = |name: &str| report.groups.iter().find(|g| g.name == name).map_or(0, |g| g.members);
    assert_eq!((group("champions"), group("lost"), group("hibernating")), (40, 20, 20), "{report:#?}");
    assert_eq!(report.groups.iter().map(|g| g.members).sum::<u64>(), 100);
    assert_eq!(report.grid.iter().flatten().sum::<u64>(), 100);
    assert_eq!(report.grid[0][4], 20, "the latest fifth is also the best");
}

#[test]
fn bad_rules_are_refused() {
    let window = |ms| Rules::new(Period::ALL, ms, Credit::LastClick).map_err(|e| e.to_string());
    assert!(window(59_999).unwrap_err().contains("59999 ms, expected 60000"));
    assert!(window(90 * DAY_MS).is_ok() && window(90 * DAY_MS + 1).is_err());
    for (from, to) in [(5, 5), (6, 5)] {
        assert!(Rules::new(Period { from, to }, WINDOW, Credit::LastClick).is_err());
    }
    let rules = Rules::new(Period { from: 0, to: 10 }, WINDOW, Credit::LastClick).unwrap();
    assert_eq!(rules.reads(), Period { from: -WINDOW, to: 10 + WINDOW });
}
