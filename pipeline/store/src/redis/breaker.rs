//! Who is not asked because they did not answer: one gate for a single server, sixteen for a cluster, so that a dead node
//! concerns only its own users.

use std::sync::{Mutex, PoisonError};

/// Failures in a row after which a gate shuts: one is a hiccup, and each costs a reader its whole wait.
const FAILURES_MAX: u32 = 3;
/// Nodes own ranges of slots: each range of 1,024 slots has a gate, so a node shares at most two with another.
const GATES: u16 = 16;
const SLOTS: u16 = 16_384;
pub(super) const SLOTS_A_GATE: u16 = SLOTS / GATES;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shut {
    pub since_ms: i64,
    pub reason: String,
}

#[derive(Default)]
struct Gate {
    failures: u32,
    shut: Option<Shut>,
}

pub(super) struct Breaker {
    gates: Box<[Mutex<Gate>]>,
}

impl Breaker {
    pub fn new(cluster: bool) -> Self {
        let gates = if cluster { GATES } else { 1 };
        Self { gates: (0..gates).map(|_| Mutex::default()).collect() }
    }

    /// The gate of a key.
    pub fn gate(&self, key: &[u8]) -> usize {
        if self.gates.len() == 1 { 0 } else { usize::from(slot(key) / SLOTS_A_GATE) }
    }

    /// Why a gate is shut, if it is.
    pub fn shut(&self, gate: usize) -> Option<Shut> {
        self.with(gate, |gate| gate.shut.clone()).flatten()
    }

    /// An answer: whatever it says, the way to it is open.
    pub fn answered(&self, gate: usize) {
        self.with(gate, |gate| *gate = Gate::default());
    }

    /// No answer. True for the one that shuts the gate.
    pub fn failed(&self, gate: usize, now_ms: i64, reason: &str) -> bool {
        let shuts = |gate: &mut Gate| {
            gate.failures += 1;
            if gate.failures < FAILURES_MAX || gate.shut.is_some() {
                return false;
            }
            gate.shut = Some(Shut { since_ms: now_ms, reason: reason.to_owned() });
            true
        };
        self.with(gate, shuts).unwrap_or(false)
    }

    /// How many gates are shut, and the first of them to have shut.
    pub fn all_shut(&self) -> (usize, Option<Shut>) {
        let shut: Vec<Shut> = (0..self.gates.len()).filter_map(|gate| self.shut(gate)).collect();
        (shut.len(), shut.into_iter().min_by_key(|shut| shut.since_ms))
    }

    fn with<T>(&self, gate: usize, what: impl FnOnce(&mut Gate) -> T) -> Option<T> {
        let gate = self.gates.get(gate)?;
        Some(what(&mut gate.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// The cluster's slot of a key: CRC16 (XMODEM) of the key, or of what stands in its first braces.
fn slot(key: &[u8]) -> u16 {
    let tag = || {
        let (_, after) = key.split_at_checked(key.iter().position(|byte| *byte == b'{')? + 1)?;
        let (tag, _) = after.split_at_checked(after.iter().position(|byte| *byte == b'}')?)?;
        (!tag.is_empty()).then_some(tag)
    };
    let step = |crc: u16, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
    let crc = |crc: u16, byte: &u8| (0..8).fold(crc ^ (u16::from(*byte) << 8), step);
    tag().unwrap_or(key).iter().fold(0, crc) % SLOTS
}

#[cfg(test)]
mod tests {
    use redis::cluster_routing::Slot;

    use super::*;

    #[test]
    fn slots_are_those_of_the_client() {
        for key in ["", "123456789", "shoptide:3:u", "a{b}c", "a{}c", "a{b", "{x}{y}", "a}b{c}"] {
            assert_eq!(Slot::new(slot(key.as_bytes())), Some(Slot::for_key(key)), "{key}");
        }
        assert!((0..1_000).all(|n| Breaker::new(true).gate(format!("k{n}").as_bytes()) < usize::from(GATES)));
        assert_eq!(Breaker::new(false).gate(b"k7"), 0);
    }

    #[test]
    fn a_gate_shuts_after_failures_in_a_row_and_says_so_once() {
        let breaker = Breaker::new(true);
        assert!(!breaker.failed(1, 5, "no") && !breaker.failed(1, 6, "no"));
        breaker.answered(1);
        assert!(!breaker.failed(1, 7, "no") && !breaker.failed(1, 8, "no"));
        assert!(breaker.failed(1, 9, "no") && !breaker.failed(1, 10, "no"));
        assert_eq!(breaker.shut(1), Some(Shut { since_ms: 9, reason: "no".into() }));
        assert_eq!((breaker.shut(0), breaker.all_shut().0), (None, 1));
        breaker.answered(1);
        assert_eq!(breaker.all_shut(), (0, None));
    }
}
