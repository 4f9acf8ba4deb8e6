//! When a lease may be taken. Nobody compares clocks: a candidate watches the lease's beat, and takes what has stood still for the
//! whole length of a lease by his own steady clock. So neither a jump of a clock nor clocks that differ move the lead; and whoever was
//! believed dead and was not is fenced by the epoch.

use std::time::Duration;

use shoptide_store::Lease;

/// Renewals within the length of a lease: one or two may fail.
pub(super) const RENEWALS: u32 = 3;

/// What is to be done about a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Take it from this epoch and beat.
    Take {
        epoch: i64,
        beat: i64,
    },
    /// It is ours and due to be renewed.
    Renew,
    /// It was ours.
    Lost,
    Nothing,
}

/// One lease as this process sees it.
#[derive(Debug)]
pub(super) struct Watch {
    length: Duration,
    /// The epoch that is ours, and when it was last renewed.
    held: Option<(i64, Duration)>,
    /// Another's epoch and beat, and since when they have stood so.
    seen: Option<(i64, i64, Duration)>,
}

impl Watch {
    pub fn new(length: Duration) -> Self {
        Self { length, held: None, seen: None }
    }

    /// The epoch that is ours.
    pub fn epoch(&self) -> Option<i64> {
        self.held.map(|(epoch, _)| epoch)
    }

    /// Decides by the row as it was read just now, and by the steady clock.
    pub fn look(&mut self, row: Option<&Lease>, now: Duration) -> Act {
        if let Some((epoch, renewed)) = self.held {
            return match row {
                Some(row) if row.epoch == epoch && self.length / RENEWALS <= now.saturating_sub(renewed) => {
                    Act::Renew
                }
                Some(row) if row.epoch == epoch => Act::Nothing,
                _ => {
                    self.held = None;
                    Act::Lost
                }
            };
        }
        let Some(row) = row else {
            self.seen = None;
            return Act::Take { epoch: 0, beat: 0 };
        };
        let (epoch, beat) = (row.epoch, row.beat);
        if row.until_ms == 0 {
            self.seen = None;
            return Act::Take { epoch, beat };
        }
        match self.seen {
            Some((e, b, since)) if (e, b) == (epoch, beat) => {
                if self.length <= now.saturating_sub(since) {
                    Act::Take { epoch, beat }
                } else {
                    Act::Nothing
                }
            }
            _ => {
                self.seen = Some((epoch, beat, now));
                Act::Nothing
            }
        }
    }

    /// It is ours since `now`, the moment before the store was asked.
    pub fn taken(&mut self, epoch: i64, now: Duration) {
        (self.held, self.seen) = (Some((epoch, now)), None);
    }

    pub fn renewed(&mut self, now: Duration) {
        if let Some((_, renewed)) = &mut self.held {
            *renewed = now;
        }
    }

    /// Somebody else has it.
    pub fn lost(&mut self) {
        self.held = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(epoch: i64, beat: i64, until_ms: i64) -> Lease {
        Lease { name: "x".into(), holder: "y".into(), epoch, beat, until_ms }
    }

    fn s(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_lease_is_taken_after_it_stood_still_for_its_length() {
        let mut watch = Watch::new(s(15));
        assert_eq!(watch.look(None, s(0)), Act::Take { epoch: 0, beat: 0 });
        assert_eq!(watch.look(Some(&row(3, 7, 1)), s(1)), Act::Nothing);
        assert_eq!(watch.look(Some(&row(3, 7, 1)), s(15)), Act::Nothing);
        // Its holder lives.
        assert_eq!(watch.look(Some(&row(3, 8, 1)), s(16)), Act::Nothing);
        assert_eq!(watch.look(Some(&row(3, 8, 1)), s(30)), Act::Nothing);
        assert_eq!(watch.look(Some(&row(3, 8, 1)), s(31)), Act::Take { epoch: 3, beat: 8 });
        // Another was faster.
        assert_eq!(watch.look(Some(&row(4, 9, 1)), s(32)), Act::Nothing);
        // Given back: no waiting, whatever the clocks say.
        assert_eq!(watch.look(Some(&row(4, 10, 0)), s(33)), Act::Take { epoch: 4, beat: 10 });
    }

    #[test]
    fn a_holder_renews_and_knows_when_he_has_lost_it() {
        let mut watch = Watch::new(s(15));
        watch.taken(4, s(10));
        assert_eq!(watch.look(Some(&row(4, 1, 1)), s(14)), Act::Nothing);
        assert_eq!(watch.look(Some(&row(4, 1, 1)), s(15)), Act::Renew);
        watch.renewed(s(15));
        assert_eq!(watch.look(Some(&row(4, 2, 1)), s(16)), Act::Nothing);
        assert_eq!(watch.epoch(), Some(4));
        // He slept, and another took it.
        assert_eq!(watch.look(Some(&row(5, 3, 1)), s(90)), Act::Lost);
        assert_eq!(watch.epoch(), None);
        assert_eq!(watch.look(Some(&row(5, 3, 1)), s(91)), Act::Nothing);
    }
}
