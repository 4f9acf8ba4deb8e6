//! One question: the index names candidates with their points, the facts filter, order and count them.

use shoptide_models::find::{Counts, Filter, Key, Order, Tally};
use tantivy::query::{EnableScoring, Query};

use crate::index::NUMBER;
use crate::plan::{EXACT_POINTS, Plan};
use crate::running::View;
use crate::{Ask, Found, Hit, Matched, Saying, Search, SearchError};

impl Search {
    /// Finds, filters, orders and counts. Takes milliseconds: nothing for a thread that serves requests.
    ///
    /// # Errors
    /// [`SearchError::Index`], which memory alone does not bring about.
    pub fn find(&self, ask: &Ask) -> Result<Found, SearchError> {
        let view = self.now();
        let filter = Filter::new(&ask.wanted, &view.facts);
        let (counts, matched, weights) = look(&view, &filter, ask)?;
        let hits = counts.keys.iter().map(|key| hit(*key, ask.order)).collect();
        Ok(Found { counts, hits, matched, weights, offset: view.offset, complete: view.complete })
    }

    /// Which of some items say a text's words, with their points (1 and more), in order of number: those that say all of them; if none
    /// does those that say half, else those that say any. However many other items say them too, none of these is missed. Cost: a look
    /// at each item that has the words, and a bit for each number.
    /// - `among`: in any order
    ///
    /// # Errors
    /// As [`Search::find`].
    pub fn among(&self, text: &str, among: &[u32]) -> Result<Vec<(u32, u32)>, SearchError> {
        let view = self.now();
        let Some(words) = view.words.as_ref().filter(|_| !among.is_empty()) else { return Ok(Vec::new()) };
        let plan = Plan::new(text, words, false)?;
        let asked = Numbers::of(among);
        let mut said: Vec<(u32, u32)> = Vec::new();
        for least in plan.levels() {
            let query = if least == plan.len() { plan.all() } else { plan.some(least, plan.weights()) };
            each(&view, &*query, &mut |number, points| {
                if asked.has(number) {
                    said.push((number, of_words(points).max(1)));
                }
            })?;
            if !said.is_empty() || plan.len() < 2 {
                break;
            }
        }
        said.sort_unstable();
        Ok(said)
    }

    /// How many of a text's words each item says, for whoever asks about many sets of items: [`Saying::among`] then finds for each those
    /// that [`Search::among`] would. Cost: one look at each item that has any of the words.
    ///
    /// # Errors
    /// As [`Search::find`].
    pub fn saying(&self, text: &str) -> Result<Saying, SearchError> {
        let view = self.now();
        let Some(words) = &view.words else { return Ok(Saying::default()) };
        let plan = Plan::new(text, words, false)?;
        let mut said: Vec<(u32, u32)> = Vec::new();
        each(&view, &*plan.counted(), &mut |number, count| said.push((number, count)))?;
        Ok(Saying::new(plan.len(), said))
    }
}

/// Points stand in a key's rank above popularity and length.
fn hit(key: Key, order: Order) -> Hit {
    let points = match order {
        Order::Relevance => u32::try_from(key.rank >> 16).unwrap_or(u32::MAX),
        Order::Price | Order::Rating => 0,
    };
    Hit { key, points: of_words(points), exact: EXACT_POINTS <= points }
}

/// Without those for a whole title.
fn of_words(points: u32) -> u32 {
    points & (EXACT_POINTS - 1)
}

type Looked = (Counts, Matched, Vec<u8>);

fn look(view: &View, filter: &Filter, ask: &Ask) -> Result<Looked, SearchError> {
    let tally = || Tally::new(&view.facts, filter, ask.order, ask.after, ask.keep);
    if ask.text.trim().is_empty() {
        let mut tally = tally();
        tally.offer_all();
        return Ok((tally.finish(), Matched::All, Vec::new()));
    }
    let Some(words) = &view.words else { return Ok((tally().finish(), Matched::All, Vec::new())) };
    let plan = Plan::new(&ask.text, words, ask.completing)?;
    if let Some((least, weights)) = ask.weights.split_first() {
        let mut tally = tally();
        each(view, &*plan.some(usize::from(*least), weights), &mut |n, points| tally.offer(n, points))?;
        return Ok((tally.finish(), Matched::Some, ask.weights.clone()));
    }
    let mut all = tally();
    if 0 < each(view, &*plan.all(), &mut |n, points| all.offer(n, points))?
        || ask.after.is_some()
        || plan.len() < 2
    {
        return Ok((all.finish(), Matched::All, Vec::new()));
    }
    // No item has all the words: half of them will do, else any.
    for least in [plan.len().div_ceil(2), 1] {
        let mut some = tally();
        let query = plan.some(least, plan.weights());
        if 0 < each(view, &*query, &mut |n, points| some.offer(n, points))? {
            let least = u8::try_from(least).unwrap_or(u8::MAX);
            let weights = std::iter::once(least).chain(plan.weights().iter().copied()).collect();
            return Ok((some.finish(), Matched::Some, weights));
        }
    }
    Ok((all.finish(), Matched::All, Vec::new()))
}

/// Offers every item that the query finds with its points; returns how many there were, whatever becomes of them.
fn each(view: &View, query: &dyn Query, offer: &mut dyn FnMut(u32, u32)) -> Result<u64, SearchError> {
    let Some(words) = &view.words else { return Ok(0) };
    let weight = query.weight(EnableScoring::enabled_from_searcher(&words.searcher))?;
    let mut found = 0;
    for segment in words.searcher.segment_readers() {
        let numbers = segment.fast_fields().column_first_or_default::<u64>(NUMBER)?;
        let alive = segment.alive_bitset();
        weight.for_each(segment, &mut |doc, points| {
            if alive.is_none_or(|alive| alive.is_alive(doc)) {
                found += 1;
                let number = u32::try_from(numbers.get_val(doc)).unwrap_or(u32::MAX);
                offer(number, points as u32);
            }
        })?;
    }
    Ok(found)
}

/// A set of items, a bit each.
struct Numbers(Vec<u64>);

impl Numbers {
    fn of(numbers: &[u32]) -> Self {
        let words = numbers.iter().max().map_or(0, |greatest| *greatest as usize / 64 + 1);
        let mut bits = vec![0_u64; words];
        for number in numbers {
            if let Some(word) = bits.get_mut(*number as usize / 64) {
                *word |= 1 << (number % 64);
            }
        }
        Self(bits)
    }

    fn has(&self, number: u32) -> bool {
        self.0.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }
}
