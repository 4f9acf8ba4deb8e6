//! Which partition is read next, and from where. Pure.

use shoptide_log::{first_offset, generation_of};
use shoptide_schemas::Topic;

use crate::LakeError;
use crate::snapshot::Snapshot;

/// What the log says of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    pub topic: Topic,
    pub partition: u32,
    /// Of the generation that the truth stands in.
    pub first: i64,
    pub next: i64,
}

/// Where to go on in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Read from here.
    Read { topic: Topic, partition: u32, from: i64 },
    /// Nothing of it was archived: begin at the first offset that the log holds of the earliest generation that has it.
    Begin { topic: Topic, partition: u32, generation: u32 },
}

/// The partitions in which something may be new, those that are furthest behind first: with bounded steps none starves.
/// `ends` must have been asked for after the snapshot was taken. `partitions_in`: of a topic in a generation, 0 if there is none.
///
/// # Errors
/// [`LakeError::Older`] for the first partition that ends before what the lake has of it.
pub fn plan(
    snapshot: &Snapshot,
    ends: &[End],
    partitions_in: impl Fn(Topic, u32) -> u32,
) -> Result<Vec<Next>, LakeError> {
    let mut open: Vec<(i64, Next)> = Vec::new();
    for end in ends {
        let End { topic, partition, first, next } = *end;
        match snapshot.cut_of(topic, partition) {
            Some(cut) if cut < next => {
                let from = cut;
                // A leap between generations is no lag.
                let behind =
                    next - cut.max(if generation_of(cut) < generation_of(next) { first } else { cut });
                open.push((behind, Next::Read { topic, partition, from }));
            }
            Some(cut) if next < cut && generation_of(next) == generation_of(cut) => {
                return Err(LakeError::Older { topic, partition, cut, next });
            }
            Some(_) => {}
            None => {
                let last = generation_of(first);
                let generation = (1..=last).find(|g| partition < partitions_in(topic, *g)).unwrap_or(last);
                open.push((i64::MAX, Next::Begin { topic, partition, generation }));
            }
        }
    }
    open.sort_by_key(|(behind, _)| std::cmp::Reverse(*behind));
    Ok(open.into_iter().map(|(_, next)| next).collect())
}

/// Where a partition goes on after a sealed generation was read to its end; `None` if it was the last.
pub fn after_generation(position: i64, newest: i64) -> Option<i64> {
    let generation = generation_of(position);
    (generation < generation_of(newest)).then(|| first_offset(generation + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::{Change, Commit, FORMAT, Step, Work};

    fn at(steps: &[(u32, i64)]) -> Snapshot {
        let empty = Snapshot::default();
        let mut change = Change::new(Work::Archive, &empty);
        change.steps = steps
            .iter()
            .map(|(partition, to)| Step {
                topic: Topic::Browse,
                partition: *partition,
                from: *to,
                to: *to,
                records: 0,
            })
            .collect();
        empty.apply(&Commit { format: FORMAT, commit: 1, id: String::new(), at_ms: 0, change }).unwrap()
    }

    #[test]
    fn the_furthest_behind_is_read_first() {
        let end = |partition, next| End { topic: Topic::Browse, partition, first: 0, next };
        let planned =
            plan(&at(&[(0, 90), (1, 10), (2, 5)]), &[end(0, 100), end(1, 100), end(2, 5)], |_, _| 3).unwrap();
        let read = |partition, from| Next::Read { topic: Topic::Browse, partition, from };
        assert_eq!(planned, [read(1, 10), read(0, 90)]);
    }

    #[test]
    fn a_log_that_ends_before_the_lake_is_refused() {
        let end = |next| [End { topic: Topic::Browse, partition: 2, first: 0, next }];
        let lake = at(&[(2, 7)]);
        assert!(plan(&lake, &end(7), |_, _| 3).unwrap().is_empty());
        let error = plan(&lake, &end(6), |_, _| 3).unwrap_err();
        assert!(matches!(error, LakeError::Older { partition: 2, cut: 7, next: 6, .. }), "{error}");
        // A lake may stand at the begin of a generation that nobody folds yet.
        assert!(plan(&at(&[(2, first_offset(2))]), &end(6), |_, _| 3).unwrap().is_empty());
    }

    #[test]
    fn a_partition_begins_in_the_first_generation_that_has_it() {
        let second = first_offset(2);
        let end = |partition| End { topic: Topic::Browse, partition, first: second, next: second + 3 };
        let planned = plan(&at(&[]), &[end(0), end(5)], |_, generation| 4 * generation).unwrap();
        let begin = |partition, generation| Next::Begin { topic: Topic::Browse, partition, generation };
        assert_eq!(planned, [begin(0, 1), begin(5, 2)]);
        assert_eq!(after_generation(7, second + 3), Some(second));
        assert_eq!(after_generation(second + 3, second + 3), None);
    }
}
