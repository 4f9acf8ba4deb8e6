//! A user in a shard's memory: the state, and what the shard must remember of his list.

use shoptide_models::codec::CodecError;
use shoptide_models::state::{Part, UserState};
use shoptide_schemas::StoredList;
use shoptide_schemas::topic::PARTS;
use shoptide_store::UserRow;

/// Places of the last list that prequential quality looks at.
pub const MEASURED_PLACES: usize = 20;

/// A user's stored parts, decoded; parts that are not there are empty.
///
/// # Errors
/// [`CodecError`] if one is damaged or of a newer version.
pub fn state_of(parts: &[Option<(i64, Vec<u8>)>; PARTS]) -> Result<UserState, CodecError> {
    let mut state = UserState::default();
    for (slot, stored) in state.parts.iter_mut().zip(parts) {
        if let Some((_, bytes)) = stored {
            *slot = Part::decode(bytes)?;
        }
    }
    Ok(state)
}

/// A user in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct CachedUser {
    pub state: UserState,
    /// By user topic: the offset of the erasure.
    pub erased: [Option<i64>; PARTS],
    /// By user topic: offset of the last record folded in; -1 before the first.
    pub upto: [i64; PARTS],
    /// Revision of the stored list, 0 without one.
    pub revision: i64,
    /// Model version of the stored list.
    pub model_version: u64,
    /// Catalogue numbers of its first places.
    pub top: Vec<u32>,
    pub(super) tick: u64,
    /// By user topic: folded into since the last commit was made of it.
    pub(super) changed: [bool; PARTS],
}

impl CachedUser {
    /// One of whom nothing is known.
    pub(super) fn new() -> Self {
        Self {
            state: UserState::default(),
            erased: [None; PARTS],
            upto: [-1; PARTS],
            revision: 0,
            model_version: 0,
            top: Vec::new(),
            tick: 0,
            changed: [false; PARTS],
        }
    }

    pub(super) fn read(row: &UserRow, tick: u64) -> Result<Self, CodecError> {
        let mut user = CachedUser { erased: row.erased, tick, ..CachedUser::new() };
        user.state = state_of(&row.parts)?;
        for (slot, stored) in user.upto.iter_mut().zip(&row.parts) {
            *slot = stored.as_ref().map_or(-1, |(upto, _)| *upto);
        }
        // A list that cannot be read is made anew: it is derived.
        if let Some(list) = row.list.as_ref().and_then(|bytes| StoredList::decode(bytes).ok()) {
            user.note_list(&list);
        }
        Ok(user)
    }

    /// Remembers what was stored.
    pub fn note_list(&mut self, list: &StoredList) {
        self.revision = list.revision;
        self.model_version = list.model_version;
        self.top = list.entries.iter().take(MEASURED_PLACES).map(|e| e.item).collect();
    }

    /// Whether anything of the user was erased: no list is made of what is left.
    pub fn is_erased(&self) -> bool {
        self.erased.iter().any(Option::is_some)
    }

    /// Whether a list of his own makes sense.
    pub fn wants_list(&self) -> bool {
        !self.is_erased() && self.state.forward().is_none() && self.state.last_ms().is_some()
    }
}
