//! What must never show, whatever the log.

use proptest::prelude::*;
use shoptide_live::fold::{Decoded, decode};
use shoptide_schemas::{Topic, USER_TOPICS};

use crate::events::{Draft, act, any_log, change, logged};
use crate::tables::{Fault, Shard, Tables, sequential};

fn any_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![4 => Just(Fault::None), 1 => Just(Fault::BeforeCommit), 1 => Just(Fault::AfterCommit)]
}

/// The same records, topics interleaved anew: `picks` says which topic comes next.
fn interleaved(records: &[shoptide_log::Record], picks: &[usize]) -> Vec<shoptide_log::Record> {
    let mut queues: Vec<std::collections::VecDeque<_>> = shoptide_schemas::topic::ALL_TOPICS
        .iter()
        .map(|t| records.iter().filter(|r| r.topic == *t).cloned().collect())
        .collect();
    let mut out = Vec::with_capacity(records.len());
    for turn in 0.. {
        let busy: Vec<usize> = (0..queues.len()).filter(|q| !queues[*q].is_empty()).collect();
        let Some(last) = busy.len().checked_sub(1) else { break };
        let pick = picks.get(turn % picks.len().max(1)).copied().unwrap_or(0);
        out.extend(queues[busy[pick % (last + 1)]].pop_front());
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn batches_crashes_and_a_small_memory_cannot_be_seen(
        drafts in any_log(),
        widths in prop::collection::vec(1..20_usize, 1..6),
        faults in prop::collection::vec(any_fault(), 0..20),
        users_max in 1..8_usize,
    ) {
        let log = logged(&drafts);
        let mut shard = Shard::new(users_max, None);
        shard.take(&log.records, &widths, &faults);
        prop_assert_eq!(&shard.tables, &sequential(&log.records));
    }

    #[test]
    fn the_interleaving_of_topics_cannot_be_seen(
        drafts in any_log(),
        picks in prop::collection::vec(0..6_usize, 1..40),
        widths in prop::collection::vec(1..20_usize, 1..4),
    ) {
        let log = logged(&drafts);
        let mut shard = Shard::new(100, None);
        shard.take(&interleaved(&log.records, &picks), &widths, &[]);
        prop_assert_eq!(&shard.tables, &sequential(&log.records));
    }

    #[test]
    fn every_record_is_counted_once(drafts in any_log()) {
        let log = logged(&drafts);
        let tables = sequential(&log.records);
        for topic in shoptide_schemas::topic::ALL_TOPICS {
            let tally = tables.tally(topic);
            prop_assert!(tally.adds_up());
            prop_assert_eq!(tally.logged, log.next(topic));
            prop_assert_eq!(tally.dead as usize, tables.dead.keys().filter(|(t, _)| *t == topic).count());
        }
    }

    /// A copy anywhere behind its original does what a record of rubbish in its place does: nothing.
    #[test]
    fn duplicates_change_nothing(drafts in any_log(), copies in prop::collection::vec((0..60_usize, 0..60_usize), 0..20)) {
        let (mut doubled, mut blank) = (drafts.clone(), drafts);
        for (of, behind) in copies {
            let Some(original) = doubled.get(of).filter(|d| d.in_time && d.topic != Topic::Catalogue).cloned() else { continue };
            let place = (of + 1 + behind).min(doubled.len());
            blank.insert(place, Draft { value: Some(b"rubbish".to_vec()), ..original.clone() });
            doubled.insert(place, original);
        }
        let (doubled, blank) = (sequential(&logged(&doubled).records), sequential(&logged(&blank).records));
        let strip = |t: &Tables| (t.parts.clone(), t.lines.clone(), t.counts.clone(), t.tombstones.clone(), t.outbox.clone());
        prop_assert_eq!(strip(&doubled), strip(&blank));
    }

    /// Whoever is erased leaves no count behind, and whoever stays keeps his.
    #[test]
    fn erasure_takes_back_the_counts(drafts in prop::collection::vec(act(), 0..80), keep in 0..6_usize) {
        let users = crate::events::USERS;
        let kept: Vec<Draft> = drafts.iter().filter(|d| d.key.as_deref() == Some(users[keep].as_bytes())).cloned().collect();
        let mut log = logged(&drafts);
        for user in users.iter().enumerate().filter(|(n, _)| *n != keep).map(|(_, u)| u) {
            log.erase(user, "bye");
        }
        let (all, alone) = (sequential(&log.records), sequential(&logged(&kept).records));
        prop_assert_eq!(&all.counts, &alone.counts);
        prop_assert_eq!(all.parts.len(), alone.parts.len());
        prop_assert_eq!(all.tombstones.len(), 5 * USER_TOPICS.len());
        log.erase(users[keep], "bye");
        let none = sequential(&log.records);
        prop_assert!(none.counts.is_empty() && none.parts.is_empty() && none.lines.is_empty());
    }

    #[test]
    fn the_catalogue_numbers_items_as_they_appear(changes in prop::collection::vec(change(), 0..60), width in 1..9_usize) {
        let log = logged(&changes);
        let mut shard = Shard::new(10, None);
        shard.take(&log.records, &[width], &[Fault::BeforeCommit, Fault::AfterCommit]);
        let mut seen: Vec<Vec<u8>> = Vec::new();
        for record in &log.records {
            if let Decoded::Catalogue(event) = decode(record, 1) && !seen.contains(&event.item.as_bytes().to_vec()) {
                seen.push(event.item.as_bytes().to_vec());
            }
        }
        let numbered: Vec<Vec<u8>> = shard.tables.items.values().map(|(id, ..)| id.clone()).collect();
        prop_assert_eq!(numbered, seen);
        for ((num, off), data) in &shard.tables.versions {
            let (_, newest, row) = &shard.tables.items[num];
            prop_assert!(off <= newest && (off < newest || data == row));
        }
    }
}
