//! Which recent sessions an item was clicked in: what a session kNN looks into, kept up click by click.
//!
//! Every part is bounded: the sessions kept (the oldest go first), the clicks kept of one session, the sessions listed
//! under one item. Kersbergen, Sprangers & Schelter, *Serenade: low-latency session-based recommendation*, SIGMOD 2022.

use std::collections::{HashMap, VecDeque};

use crate::params::{BadParam, check};
use crate::sessions::Sessions;

/// Checked bounds of a [`SessionIndex`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexParams {
    sessions_max: usize,
    session_clicks_max: usize,
    item_sessions_max: usize,
    items_max: usize,
}

impl IndexParams {
    /// - `sessions_max`: sessions kept, 1 to 100 million
    /// - `session_clicks_max`: a session's last clicks that are kept, 2 to 1000
    /// - `item_sessions_max` (m of the paper): an item's most recent sessions that are listed under it, 1 to 10000
    /// - `items_max`: items from 0 to below this can be indexed, 1 to 100 million; clicks on others are passed over
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(
        sessions_max: usize,
        session_clicks_max: usize,
        item_sessions_max: usize,
        items_max: usize,
    ) -> Result<Self, BadParam> {
        let many = 1..=100_000_000;
        Ok(Self {
            sessions_max: check(
                "session_index.sessions_max",
                sessions_max,
                many.contains(&sessions_max),
                "1 to 100000000",
            )?,
            session_clicks_max: check(
                "session_index.session_clicks_max",
                session_clicks_max,
                (2..=1000).contains(&session_clicks_max),
                "2 to 1000",
            )?,
            item_sessions_max: check(
                "session_index.item_sessions_max",
                item_sessions_max,
                (1..=10_000).contains(&item_sessions_max),
                "1 to 10000",
            )?,
            items_max: check(
                "session_index.items_max",
                items_max,
                many.contains(&items_max),
                "1 to 100000000",
            )?,
        })
    }
}

/// One session as far as it is kept.
#[derive(Debug, Clone, Default)]
struct Row {
    key: u64,
    started_s: i64,
    items: Vec<u32>,
}

/// The sessions of an item.
#[derive(Debug, Clone, Default)]
struct Posting {
    /// Rows that the item was clicked in, in the order of those clicks, at most `item_sessions_max`.
    rows: VecDeque<u32>,
    /// Kept sessions with the item, listed or not.
    sessions: u32,
}

/// Recent sessions, found by their items.
///
/// Memory: 4 bytes a kept click and a listed session, about 80 a session, 40 an item.
///
/// ```
/// use shoptide_models::session::index::{IndexParams, SessionIndex};
/// let mut index = SessionIndex::new(IndexParams::new(1000, 50, 500, 10_000).unwrap());
/// index.click(1, 7, 100); // session 1 clicks item 7 at second 100
/// index.click(2, 7, 110);
/// index.click(1, 8, 120); // and goes on
/// assert_eq!((index.sessions(), index.sessions_with(7), index.sessions_with(8)), (2, 2, 1));
/// ```
#[derive(Debug, Clone)]
pub struct SessionIndex {
    params: IndexParams,
    /// A ring: once full, a new session takes the place of the one that started first.
    rows: Vec<Row>,
    /// When each row ended, and how many clicks it has: apart from the rows, where a query looks at thousands of them.
    ends: Vec<(i64, u32)>,
    next: usize,
    row_of: HashMap<u64, u32>,
    postings: Vec<Posting>,
    newest_s: i64,
}

impl SessionIndex {
    pub fn new(params: IndexParams) -> Self {
        Self {
            params,
            rows: vec![],
            ends: vec![],
            next: 0,
            row_of: HashMap::new(),
            postings: vec![],
            newest_s: i64::MIN,
        }
    }

    /// The index of whole sessions, as if clicked one session after another in the order of their ends; sessions are
    /// keyed by their number.
    pub fn of(sessions: &Sessions, params: IndexParams) -> Self {
        let mut order: Vec<usize> = (0..sessions.len()).collect();
        order.sort_by_key(|&session| sessions.ended_s(session));
        let mut index = Self::new(params);
        for session in order {
            for &item in sessions.items(session) {
                index.click(session as u64, item, sessions.ended_s(session));
            }
        }
        index
    }

    /// Takes one click in. `session` is any number that names the session for as long as it lasts; one that is not known
    /// (any more) starts anew. Amortised constant time but for `session_clicks_max` and `item_sessions_max`.
    pub fn click(&mut self, session: u64, item: u32, at_s: i64) {
        if self.params.items_max <= item as usize {
            return;
        }
        if self.postings.len() <= item as usize {
            self.postings.resize_with(item as usize + 1, Posting::default);
        }
        let row = match self.row_of.get(&session) {
            Some(&row) => row,
            None => self.start(session, at_s),
        };
        let place = row as usize;
        if self.rows[place].items.len() == self.params.session_clicks_max {
            let dropped = self.rows[place].items.remove(0);
            if !self.rows[place].items.contains(&dropped) {
                self.unlist(dropped, row);
            }
        }
        let posting = &mut self.postings[item as usize];
        if !self.rows[place].items.contains(&item) {
            posting.sessions += 1;
            if posting.rows.len() == self.params.item_sessions_max {
                posting.rows.pop_front();
            }
            posting.rows.push_back(row);
        }
        self.rows[place].items.push(item);
        self.ends[place] = (self.ends[place].0.max(at_s), self.rows[place].items.len() as u32);
        self.newest_s = self.newest_s.max(at_s);
    }

    /// A row for a session that starts, taken from the oldest if all are in use.
    fn start(&mut self, session: u64, at_s: i64) -> u32 {
        let row = self.next as u32;
        if self.next < self.rows.len() {
            let old = std::mem::take(&mut self.rows[self.next]);
            self.row_of.remove(&old.key);
            for (place, &item) in old.items.iter().enumerate() {
                if !old.items[..place].contains(&item) {
                    self.unlist(item, row);
                }
            }
            self.rows[self.next] = Row { key: session, started_s: at_s, items: vec![] };
            self.ends[self.next] = (at_s, 0);
        } else {
            self.rows.push(Row { key: session, started_s: at_s, items: vec![] });
            self.ends.push((at_s, 0));
        }
        self.row_of.insert(session, row);
        self.next = (self.next + 1) % self.params.sessions_max;
        row
    }

    /// Takes a session off an item's list. It is near the front in most cases: the oldest go first.
    fn unlist(&mut self, item: u32, row: u32) {
        let posting = &mut self.postings[item as usize];
        posting.sessions = posting.sessions.saturating_sub(1);
        if let Some(place) = posting.rows.iter().position(|&listed| listed == row) {
            posting.rows.remove(place);
        }
    }

    /// Sessions kept.
    pub fn sessions(&self) -> usize {
        self.rows.len()
    }

    /// Kept sessions that an item was clicked in.
    pub fn sessions_with(&self, item: u32) -> usize {
        self.postings.get(item as usize).map_or(0, |posting| posting.sessions as usize)
    }

    /// The rows of an item, most recent first.
    pub(super) fn recent(&self, item: u32) -> impl Iterator<Item = u32> + '_ {
        self.postings.get(item as usize).into_iter().flat_map(|posting| posting.rows.iter().rev().copied())
    }

    /// The clicks of a row, in order.
    pub(super) fn row(&self, row: u32) -> &[u32] {
        self.rows.get(row as usize).map_or(&[], |row| &row.items)
    }

    /// What tells ages and lengths of rows.
    pub(super) fn ages(&self) -> Ages<'_> {
        let oldest = if self.rows.len() < self.params.sessions_max { 0 } else { self.next };
        // in f64: the difference of two times may not fit into an i64
        let span = self.rows.get(oldest).map_or(0.0, |row| self.newest_s as f64 - row.started_s as f64);
        let per_s = if 0.0 < span { 1.0 / span } else { 0.0 };
        Ages { ends: &self.ends, newest_s: self.newest_s as f64, per_s }
    }
}

/// Ages and lengths of rows.
pub(super) struct Ages<'a> {
    ends: &'a [(i64, u32)],
    newest_s: f64,
    per_s: f64,
}

impl Ages<'_> {
    /// How old a row is, as a share of the time from the start of the oldest session kept to the newest click: 0 to 1; and
    /// the number of its clicks.
    pub fn of(&self, row: u32) -> (f32, usize) {
        let Some(&(ended_s, clicks)) = self.ends.get(row as usize) else { return (0.0, 0) };
        (((self.newest_s - ended_s as f64) * self.per_s).clamp(0.0, 1.0) as f32, clicks as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(sessions_max: usize, clicks: usize, listed: usize) -> SessionIndex {
        SessionIndex::new(IndexParams::new(sessions_max, clicks, listed, 100).unwrap())
    }

    /// What the index should be, counted from its rows.
    fn consistent(index: &SessionIndex) -> bool {
        (0..100).all(|item| {
            let with = (0..index.sessions() as u32).filter(|&r| index.row(r).contains(&item)).count();
            let listed: Vec<u32> = index.recent(item).collect();
            with == index.sessions_with(item)
                && listed.len() <= index.params.item_sessions_max.min(with)
                && listed.iter().all(|&r| index.row(r).contains(&item))
        })
    }

    #[test]
    fn the_most_recent_sessions_of_an_item_come_first_and_no_more_than_asked() {
        let mut index = index(100, 10, 3);
        for session in 0..5 {
            index.click(session, 7, session as i64);
            index.click(session, 7, session as i64);
        }
        assert_eq!(index.recent(7).collect::<Vec<_>>(), [4, 3, 2]);
        assert_eq!(index.sessions_with(7), 5);
        assert_eq!(index.row(0), [7, 7]);
    }

    #[test]
    fn every_part_stays_within_its_bound_and_agrees_with_the_others() {
        let mut index = index(8, 4, 3);
        let mut state = 1u64;
        for at in 0..5000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (session, item) = ((state >> 33) % 20, (state >> 45) % 12);
            index.click(session, item as u32, at);
            assert!(index.sessions() <= 8 && index.row_of.len() <= 8);
            assert!((0..8).all(|row| index.row(row).len() <= 4));
            assert!(consistent(&index), "at click {at}");
        }
    }

    #[test]
    fn whole_sessions_are_indexed_as_their_clicks_are() {
        let sessions = Sessions::new(9, [(vec![1, 2, 1], 50), (vec![2, 3], 40), (vec![], 45)]).unwrap();
        let whole = SessionIndex::of(&sessions, IndexParams::new(10, 10, 10, 9).unwrap());
        assert_eq!(whole.recent(2).collect::<Vec<_>>(), [1, 0]);
        assert_eq!((whole.row(0), whole.row(1)), (&[2, 3][..], &[1, 2, 1][..]));
        assert_eq!((whole.ages().of(0), whole.ages().of(1)), ((1.0, 2), (0.0, 3)));
    }

    #[test]
    fn odd_clicks_do_no_harm() {
        let mut index = index(2, 2, 1);
        for (session, item, at) in
            [(u64::MAX, 99, i64::MIN), (0, 100, 0), (0, u32::MAX, 0), (0, 0, i64::MAX), (1, 0, 0)]
        {
            index.click(session, item, at);
        }
        assert_eq!(index.sessions(), 2);
        assert!((0..3).all(|row| (0.0..=1.0).contains(&index.ages().of(row).0)));
        assert!(consistent(&index));
        assert!(IndexParams::new(0, 2, 1, 1).is_err() && IndexParams::new(1, 1, 1, 1).is_err());
        assert!(IndexParams::new(1, 2, 0, 1).is_err() && IndexParams::new(1, 2, 1, 0).is_err());
    }
}
