//! Who owns which shard: a group of members, shards given out in ranges, told at once and without waiting for anybody to let
//! go. A member that died or slept too long is still one until its session ends.

use std::collections::BTreeMap;

use shoptide_log::Rebalance;
use tokio::sync::mpsc::UnboundedSender;

struct Member {
    tell: UnboundedSender<Rebalance>,
    shards: Vec<u32>,
    /// When the group notices that it is gone.
    gone_at: Option<i64>,
    /// Was put out while it slept; hears of it when it wakes, and joins again.
    out: bool,
}

pub struct Group {
    partitions: u32,
    members: BTreeMap<u32, Member>,
    changed: bool,
    /// Where the ranges begin: turns with each storm, so that shards change hands.
    turn: usize,
}

impl Group {
    pub fn new(partitions: u32) -> Self {
        Self { partitions, members: BTreeMap::new(), changed: false, turn: 0 }
    }

    pub fn join(&mut self, process: u32, tell: UnboundedSender<Rebalance>) {
        self.members.insert(process, Member { tell, shards: Vec::new(), gone_at: None, out: false });
        self.changed = true;
    }

    /// Said goodbye.
    pub fn leave(&mut self, process: u32) {
        self.changed |= self.members.remove(&process).is_some();
    }

    /// Died or fell asleep: the group notices at `at`.
    pub fn silent(&mut self, process: u32, at: i64) {
        if let Some(member) = self.members.get_mut(&process) {
            member.gone_at = Some(at);
        }
    }

    /// Woke up: still a member, or one again.
    pub fn awake(&mut self, process: u32) {
        if let Some(member) = self.members.get_mut(&process) {
            member.gone_at = None;
            if std::mem::take(&mut member.out) {
                let old = std::mem::take(&mut member.shards);
                // Whoever is gone does not listen.
                let _ = member.tell.send(Rebalance::Revoked(old));
                self.changed = true;
            }
        }
    }

    /// Shards change hands although nobody came or went.
    pub fn storm(&mut self) {
        self.turn += 1;
        self.changed = true;
    }

    /// Lets sessions end, and tells everybody what is new. True if shards were given out.
    pub fn tick(&mut self, now_ms: i64) -> bool {
        for member in self.members.values_mut() {
            if member.gone_at.is_some_and(|at| at <= now_ms) && !member.out {
                member.out = true;
                self.changed = true;
            }
        }
        if !std::mem::take(&mut self.changed) {
            return false;
        }
        let inside: Vec<u32> = self.members.iter().filter(|(_, m)| !m.out).map(|(id, _)| *id).collect();
        for (place, id) in inside.iter().enumerate() {
            let turned = (place + self.turn) % inside.len();
            let of = |n: usize| u32::try_from(n * self.partitions as usize / inside.len()).unwrap_or(0);
            let shards: Vec<u32> = (of(turned)..of(turned + 1)).collect();
            let Some(member) = self.members.get_mut(id) else { continue };
            let old = std::mem::replace(&mut member.shards, shards.clone());
            // Eager, as `range` is: everything goes, then comes.
            let _ = member.tell.send(Rebalance::Revoked(old));
            let _ = member.tell.send(Rebalance::Assigned(shards));
        }
        true
    }

    /// Whether every shard is with somebody who listens: nobody who died has a session left.
    pub fn is_whole(&self) -> bool {
        !self.changed && self.members.values().all(|member| member.out || member.gone_at.is_none())
    }

    /// Forgets members whose session ended and who will never wake.
    pub fn bury(&mut self, process: u32) {
        if self.members.get(&process).is_some_and(|m| m.out) {
            self.members.remove(&process);
        }
    }
}
