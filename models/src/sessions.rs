//! Sessions: what was clicked one after another, as the session models learn it.

/// Sessions in compressed rows: items in the order of their clicks, and when each session ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Sessions {
    n_items: usize,
    ptr: Vec<usize>,
    items: Vec<u32>,
    ended_s: Vec<i64>,
}

/// Why sessions were refused. The caller's data is wrong: nothing to retry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionsError {
    #[error("session {session} has item {item}, expected below {n_items}")]
    ItemRange { session: usize, item: u32, n_items: usize },
    #[error("{sessions} sessions, expected at most 4294967295")]
    TooMany { sessions: usize },
}

impl Sessions {
    /// Builds from `(items in order, time of the last click in seconds since 1970)`. Where times are not known, any rising
    /// number will do: models use only how recent sessions are, compared with each other. Empty sessions keep their place.
    ///
    /// # Errors
    /// [`SessionsError`] if an item is not below `n_items`.
    ///
    /// ```
    /// use shoptide_models::sessions::Sessions;
    /// let s = Sessions::new(3, [(vec![0, 2, 2], 10), (vec![1], 20)]).unwrap();
    /// assert_eq!((s.len(), s.items(0), s.ended_s(1)), (2, &[0, 2, 2][..], 20));
    /// assert!(Sessions::new(3, [(vec![3], 0)]).is_err());
    /// ```
    pub fn new(
        n_items: usize,
        sessions: impl IntoIterator<Item = (Vec<u32>, i64)>,
    ) -> Result<Self, SessionsError> {
        let mut made = Self { n_items, ptr: vec![0], items: vec![], ended_s: vec![] };
        for (session, (items, ended_s)) in sessions.into_iter().enumerate() {
            if let Some(&item) = items.iter().find(|&&item| n_items <= item as usize) {
                return Err(SessionsError::ItemRange { session, item, n_items });
            }
            made.items.extend(items);
            made.ptr.push(made.items.len());
            made.ended_s.push(ended_s);
        }
        if u32::try_from(made.len()).is_err() {
            return Err(SessionsError::TooMany { sessions: made.len() });
        }
        Ok(made)
    }

    pub fn n_items(&self) -> usize {
        self.n_items
    }

    /// Number of sessions.
    pub fn len(&self) -> usize {
        self.ended_s.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ended_s.is_empty()
    }

    /// Clicks of all sessions together.
    pub fn clicks(&self) -> usize {
        self.items.len()
    }

    /// Items of one session in the order of their clicks; empty for one that does not exist.
    pub fn items(&self, session: usize) -> &[u32] {
        match (self.ptr.get(session), self.ptr.get(session + 1)) {
            (Some(&from), Some(&to)) => &self.items[from..to],
            _ => &[],
        }
    }

    /// When a session's last click was, seconds since 1970; 0 for one that does not exist.
    pub fn ended_s(&self, session: usize) -> i64 {
        self.ended_s.get(session).copied().unwrap_or(0)
    }
}
