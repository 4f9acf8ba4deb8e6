//! Ranking by content: the items that are most like what a user turned to.

use std::cell::RefCell;

use super::index::{ContentIndex, ContentScratch};
use crate::matrix::Interactions;
use crate::model::{RankItems, Scored, best};

/// Ranks for the users of a training matrix.
#[derive(Debug, Clone, Copy)]
pub struct ContentRank<'a> {
    pub index: &'a ContentIndex,
    /// Users x items, strengths.
    pub users: &'a Interactions,
}

thread_local! {
    static SCRATCH: RefCell<ContentScratch> = RefCell::default();
}

impl RankItems for ContentRank<'_> {
    fn top(&self, user: u32, skip: &[u32], k: usize) -> Scored {
        let (items, strengths) = self.users.row(user as usize);
        let liked: Vec<(u32, f32)> = items.iter().copied().zip(strengths.iter().copied()).collect();
        let profile = self.index.profile(&liked);
        let mut scored = Scored::new();
        SCRATCH.with_borrow_mut(|scratch| self.index.score(&profile, scratch, &mut scored));
        best(scored, skip, k)
    }
}
