//! Finding the record that panics: first what comes before it, then it alone, and only if it panics again it is buried.
//! One rule for the stream and for the replay, or their bytes would differ.

use std::ops::Range;

/// The way through a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Narrow {
    len: usize,
    from: usize,
    width: usize,
    suspect: Option<usize>,
}

impl Narrow {
    pub fn new(len: usize) -> Self {
        Self { len, from: 0, width: len, suspect: None }
    }

    /// The records to fold next; `None` at the end.
    pub fn range(&self) -> Option<Range<usize>> {
        (self.from < self.len).then(|| self.from..self.len.min(self.from + self.width))
    }

    /// The range was committed.
    pub fn done(&mut self) {
        self.from = self.len.min(self.from + self.width);
        self.width = self.len;
    }

    /// The record at `place` of the range panicked. True: it was tried alone before, bury it.
    #[must_use]
    pub fn panicked(&mut self, place: usize) -> bool {
        let culprit = self.from + place;
        let alone = self.range().is_some_and(|r| r.len() == 1);
        if alone && self.suspect == Some(culprit) {
            return true;
        }
        self.suspect = Some(culprit);
        self.width = place.max(1);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ranges folded and the records buried when `bad` records always panic.
    fn walk(len: usize, bad: &[usize]) -> (Vec<(usize, usize)>, Vec<usize>) {
        let (mut narrow, mut folded, mut buried) = (Narrow::new(len), Vec::new(), Vec::new());
        while let Some(range) = narrow.range() {
            match range.clone().find(|n| bad.contains(n)) {
                Some(n) if narrow.panicked(n - range.start) => {
                    buried.push(n);
                    narrow.done();
                }
                Some(_) => {}
                None => {
                    folded.push((range.start, range.end));
                    narrow.done();
                }
            }
        }
        (folded, buried)
    }

    #[test]
    fn neighbours_are_folded_and_culprits_buried() {
        assert_eq!(walk(10, &[]), (vec![(0, 10)], vec![]));
        assert_eq!(walk(10, &[4]), (vec![(0, 4), (5, 10)], vec![4]));
        assert_eq!(walk(4, &[0, 1, 3]), (vec![(2, 3)], vec![0, 1, 3]));
        assert_eq!(walk(1, &[0]), (vec![], vec![0]));
    }

    #[test]
    fn a_panic_that_does_not_come_again_costs_nothing() {
        let mut narrow = Narrow::new(1);
        assert!(!narrow.panicked(0));
        assert_eq!(narrow.range(), Some(0..1));
        narrow.done();
        assert_eq!(narrow.range(), None);
    }
}
