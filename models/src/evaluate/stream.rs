//! Prequential: each event is predicted before it is learned, so a model is measured on the very stream it lives on.

use std::collections::BTreeMap;

use crate::model::{LearnEvent, Progress, Rated};
use crate::params::{BadParam, check};

/// Events between two calls of the progress callback.
const PROGRESS_EVERY: usize = 4096;

/// Checked parameters of [`prequential`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StreamParams {
    k: usize,
    positive: f32,
    windows: usize,
}

impl StreamParams {
    /// - `k`: places that count, 1 to 1000
    /// - `positive`: an event of at least this value is a target; any finite number
    /// - `windows`: parts of the stream, of equal numbers of tests, that are reported by themselves, 1 to 10000
    ///
    /// # Errors
    /// [`BadParam`] naming the first that is out of bounds.
    pub fn new(k: usize, positive: f32, windows: usize) -> Result<Self, BadParam> {
        Ok(Self {
            k: check("k", k, (1..=1000).contains(&k), "1 to 1000")?,
            positive: check("positive", positive, positive.is_finite(), "a finite number")?,
            windows: check("windows", windows, (1..=10_000).contains(&windows), "1 to 10000")?,
        })
    }

    pub fn k(&self) -> usize {
        self.k
    }

    pub fn positive(&self) -> f32 {
        self.positive
    }

    /// Whether an event is tested, given that its user did not have its item before.
    pub fn is_positive(&self, event: &Rated) -> bool {
        self.positive <= event.value
    }
}

/// Quality over a stream. With one target a test, recall is the share of hits.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StreamQuality {
    /// Share of tests whose item was in the first k.
    pub recall: f64,
    /// Mean of `1 / log2(place + 1)`.
    pub ndcg: f64,
    /// Recall within each window of tests, oldest first.
    pub windows: Vec<f64>,
    /// Positive events tested.
    pub tests: usize,
    /// Positive events that were not tested, as the user had the item already.
    pub repeats: usize,
}

impl StreamQuality {
    /// The mean of all tests up to each window's end.
    pub fn running(&self) -> Vec<f64> {
        let sizes = window_sizes(self.tests, self.windows.len());
        let (mut hits, mut tests) = (0.0, 0usize);
        let mean = |(recall, size): (&f64, usize)| {
            hits += recall * size as f64;
            tests += size;
            hits / tests.max(1) as f64
        };
        self.windows.iter().zip(sizes).map(mean).collect()
    }
}

/// Test, then learn, event by event in the order given.
/// - every event is learned; one of at least `positive` is tested before, if its user did not have its item yet
/// - items the user had before, whatever their value, are left out of his list
///
/// Users and items that were never seen before are tested like all others: nobody can know beforehand which they are.
pub fn prequential(
    model: &mut dyn LearnEvent,
    events: &[Rated],
    params: &StreamParams,
    observe: &mut dyn FnMut(Progress),
) -> StreamQuality {
    let mut had: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut gains: Vec<f64> = Vec::new();
    let mut repeats = 0;
    for (n, event) in events.iter().enumerate() {
        let skip = had.entry(event.user).or_default();
        let place = skip.binary_search(&event.item);
        match (place, params.is_positive(event)) {
            (Ok(_), true) => repeats += 1,
            (Err(_), true) => {
                let list = model.top(event.user, event.at_s, skip, params.k);
                let at = list.iter().take(params.k).position(|entry| entry.0 == event.item);
                gains.push(at.map_or(0.0, |at| 1.0 / ((at + 2) as f64).log2()));
            }
            (_, false) => {}
        }
        if let Err(place) = place {
            skip.insert(place, event.item);
        }
        model.learn(event);
        if (n + 1) % PROGRESS_EVERY == 0 || n + 1 == events.len() {
            observe(Progress { done: n + 1, total: events.len(), loss: None });
        }
    }
    let recall = |gains: &[f64]| {
        let hits = gains.iter().filter(|gain| 0.0 < **gain).count();
        hits as f64 / gains.len().max(1) as f64
    };
    let mut rest = gains.as_slice();
    let windows = window_sizes(gains.len(), params.windows).map(|size| {
        let (window, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        recall(window)
    });
    StreamQuality {
        windows: windows.collect(),
        recall: recall(&gains),
        ndcg: gains.iter().sum::<f64>() / gains.len().max(1) as f64,
        tests: gains.len(),
        repeats,
    }
}

/// Sizes of at most `windows` parts of `tests`, as equal as can be, none empty.
fn window_sizes(tests: usize, windows: usize) -> impl Iterator<Item = usize> {
    let windows = windows.min(tests).max(1);
    (0..windows).map(move |window| (window + 1) * tests / windows - window * tests / windows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Scored, best};

    /// Counts; also checks that nothing of the future is known.
    #[derive(Default)]
    struct Counts {
        of: BTreeMap<u32, f32>,
        learned: usize,
    }

    impl LearnEvent for Counts {
        fn top(&mut self, _: u32, at_s: i64, skip: &[u32], k: usize) -> Scored {
            assert_eq!(self.learned as i64, at_s);
            best(self.of.iter().map(|(item, n)| (*item, *n)).collect(), skip, k)
        }
        fn learn(&mut self, event: &Rated) {
            *self.of.entry(event.item).or_default() += 1.0;
            self.learned += 1;
        }
    }

    fn events(of: &[(u32, u32, f32)]) -> Vec<Rated> {
        let at = 0..;
        of.iter().zip(at).map(|(&(user, item, value), at_s)| Rated { user, item, value, at_s }).collect()
    }

    #[test]
    fn by_hand() {
        let events = events(&[
            (0, 5, 5.0), // tested: nothing known, a miss
            (1, 6, 1.0), // below the threshold: only learned
            (1, 5, 5.0), // tested: list [5], a hit at place 1
            (2, 6, 5.0), // tested: list [5, 6], a hit at place 2
            (2, 6, 5.0), // had before: only learned
            (0, 7, 5.0), // tested: list [6], as 5 was had; a miss
        ]);
        let params = StreamParams::new(2, 4.0, 2).unwrap();
        let q = prequential(&mut Counts::default(), &events, &params, &mut |_| {});
        assert_eq!((q.recall, q.tests, q.repeats), (2.0 / 4.0, 4, 1));
        assert!((q.ndcg - (1.0 + 1.0 / 3f64.log2()) / 4.0).abs() < 1e-12);
        assert_eq!((q.windows.clone(), q.running()), (vec![0.5, 0.5], vec![0.5, 0.5]));
    }

    #[test]
    fn windows_hold_every_test_once() {
        for (tests, windows) in [(10, 3), (2, 5), (0, 4), (7, 7), (1, 1)] {
            let sizes: Vec<usize> = window_sizes(tests, windows).collect();
            assert_eq!(sizes.iter().sum::<usize>(), tests);
            assert!(tests == 0 || sizes.iter().all(|size| 0 < *size));
        }
        let params = StreamParams::new(2, 4.0, 3).unwrap();
        let none = prequential(&mut Counts::default(), &[], &params, &mut |_| {});
        assert_eq!((none.recall, none.tests), (0.0, 0));
    }

    #[test]
    fn parameters_are_checked() {
        let message = |r: Result<StreamParams, BadParam>| r.unwrap_err().to_string();
        assert_eq!(message(StreamParams::new(0, 4.0, 1)), "k is 0, expected 1 to 1000");
        assert_eq!(message(StreamParams::new(1, f32::NAN, 1)), "positive is NaN, expected a finite number");
        assert_eq!(message(StreamParams::new(1, 4.0, 0)), "windows is 0, expected 1 to 10000");
    }
}
