//! Ids of a file and the dense indices that models use: numbered in the order in which they are first met.

use std::collections::HashMap;

/// Both directions of a numbering.
#[derive(Debug, Default)]
pub(super) struct Ids {
    numbers: HashMap<Box<[u8]>, u32>,
    names: Vec<Box<[u8]>>,
}

impl Ids {
    /// The number of an id, a new one if it is met for the first time; `None` beyond four billion.
    pub(super) fn number(&mut self, id: &[u8]) -> Option<u32> {
        if let Some(number) = self.numbers.get(id) {
            return Some(*number);
        }
        let number = u32::try_from(self.names.len()).ok()?;
        self.numbers.insert(id.into(), number);
        self.names.push(id.into());
        Some(number)
    }

    /// The number of an id that was met.
    pub(super) fn find(&self, id: &[u8]) -> Option<u32> {
        self.numbers.get(id).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The id of a number; empty for one that does not exist.
    pub(super) fn name(&self, number: u32) -> &[u8] {
        self.names.get(number as usize).map_or(&[], |name| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_opaque_and_numbered_as_they_come() {
        let mut ids = Ids::default();
        let given: [&[u8]; 4] = [b"01", b"1", b"01", b"\xff"];
        assert_eq!(given.map(|id| ids.number(id)), [Some(0), Some(1), Some(0), Some(2)]);
        assert_eq!(
            (ids.len(), ids.name(0), ids.name(2), ids.name(9)),
            (3, &b"01"[..], &b"\xff"[..], &b""[..])
        );
    }
}
