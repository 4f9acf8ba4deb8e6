//! Sums by key for one query at a time: an open hash table that keeps its memory from query to query.

/// Sums of weights by key. Holds as many distinct keys as it was made for; what comes after that is passed over.
#[derive(Debug, Clone)]
pub struct Tally {
    /// `key + 1`, or 0 for a free place.
    keys: Vec<u32>,
    entries: Vec<Entry>,
    /// Places in use, in the order of first use.
    used: Vec<u32>,
    keys_max: usize,
}

/// One key's sum, with what was noted when the key was first met.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Entry {
    pub sum: f32,
    pub note: u32,
}

impl Tally {
    /// Room for `keys_max` distinct keys; 24 bytes for each at most.
    pub fn new(keys_max: usize) -> Self {
        let places = (keys_max.max(8) * 2).next_power_of_two();
        Self { keys: vec![0; places], entries: vec![Entry::default(); places], used: vec![], keys_max }
    }

    /// Forgets all keys, in time of the keys there were.
    pub fn clear(&mut self) {
        for &place in &self.used {
            self.keys[place as usize] = 0;
        }
        self.used.clear();
    }

    /// Adds to a key's sum; `note` is kept only of the first call for a key. `key` is below `u32::MAX`.
    #[inline]
    pub fn add(&mut self, key: u32, weight: f32, note: u32) {
        let mask = self.keys.len() - 1;
        let mut place = (key.wrapping_mul(0x9e37_79b1) as usize >> 3) & mask;
        loop {
            match self.keys[place] {
                0 if self.used.len() < self.keys_max => {
                    self.keys[place] = key + 1;
                    self.entries[place] = Entry { sum: weight, note };
                    self.used.push(place as u32);
                    return;
                }
                0 => return,
                held if held == key + 1 => {
                    self.entries[place].sum += weight;
                    return;
                }
                _ => place = (place + 1) & mask,
            }
        }
    }

    /// Whether there is no room for another key.
    pub fn is_full(&self) -> bool {
        self.used.len() == self.keys_max
    }

    /// Keys with their sums, in the order in which they were first met.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Entry)> + '_ {
        self.used.iter().map(|&place| (self.keys[place as usize] - 1, self.entries[place as usize]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_come_back_in_the_order_of_first_use_and_the_table_can_be_used_again() {
        let mut tally = Tally::new(10);
        for round in 0..3 {
            tally.clear();
            assert!(tally.used.is_empty());
            for (key, weight) in [(7, 1.0), (0, 2.0), (7, 0.5), (4_000_000_000, 1.0)] {
                tally.add(key, weight, round + tally.used.len() as u32);
            }
            let got: Vec<_> = tally.iter().map(|(k, e)| (k, e.sum, e.note - round)).collect();
            assert_eq!(got, [(7, 1.5, 0), (0, 2.0, 1), (4_000_000_000, 1.0, 2)]);
        }
    }

    #[test]
    fn a_full_table_keeps_what_it_has() {
        let mut tally = Tally::new(100);
        for key in 0..1000 {
            tally.add(key, 1.0, 0);
        }
        tally.add(5, 1.0, 0);
        assert_eq!(tally.used.len(), 100);
        assert_eq!(tally.iter().nth(5), Some((5, Entry { sum: 2.0, note: 0 })));
    }
}
