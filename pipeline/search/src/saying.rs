//! Which items say how many words of a text.

/// Added to the count of an item whose whole title or id the text is: it is found whatever the words are. More than a query has words.
#[cfg(feature = "index")]
pub(crate) const WHOLE: u32 = 1 << 16;

/// How many of so many words must be found: all, else half of them, else any.
pub(crate) fn levels(words: usize) -> [usize; 3] {
    [words, words.div_ceil(2), 1]
}

/// The items that say any word of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Saying {
    /// Of the text.
    words: usize,
    /// (item, words), in order of item.
    said: Vec<(u32, u32)>,
}

impl Saying {
    #[cfg(feature = "index")]
    pub(crate) fn new(words: usize, mut said: Vec<(u32, u32)>) -> Self {
        said.sort_unstable();
        Self { words, said }
    }

    /// Of some items those that say all of the words; if none does those that say half, else those that say any. In the order given.
    pub fn among(&self, among: &[u32]) -> Vec<u32> {
        let count = |number: &u32| {
            let place = self.said.binary_search_by_key(number, |(number, _)| *number).ok()?;
            self.said.get(place).map(|(_, count)| *count as usize)
        };
        let counted: Vec<(u32, usize)> =
            among.iter().filter_map(|number| Some((*number, count(number)?))).collect();
        for least in levels(self.words) {
            let saying: Vec<u32> =
                counted.iter().filter(|(_, n)| least <= *n).map(|(number, _)| *number).collect();
            if !saying.is_empty() || self.words < 2 {
                return saying;
            }
        }
        Vec::new()
    }
}
