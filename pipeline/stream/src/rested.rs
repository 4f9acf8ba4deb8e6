//! Chats that nobody has spoken in for long are forgotten, a few at a time: the shard's owner is the one process that is always there for them.

use std::time::Duration;

use tokio::time::Instant;

use crate::shard::Shard;

/// Between two looks: a chat may rest for a minute longer than it has to.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Chats of one look: a transaction of some hundred rows, during which an event waits some milliseconds.
const AT_ONCE: usize = 64;
/// Pause while there are more.
const NEXT: Duration = Duration::from_secs(1);

/// When to look next.
#[derive(Debug)]
pub(crate) struct Rested {
    /// `None` keeps them for ever.
    kept_ms: Option<i64>,
    next: Instant,
}

impl Rested {
    pub(crate) fn new(kept_ms: i64) -> Self {
        Self { kept_ms: Some(kept_ms).filter(|ms| 0 < *ms), next: Instant::now() }
    }

    pub(crate) fn busy(&self) -> bool {
        self.kept_ms.is_some()
    }

    pub(crate) fn due(&self) -> Instant {
        self.next
    }
}

impl Shard {
    /// Forgets the next few. A store that is away is asked again at the next look.
    pub(crate) async fn forget_step(&mut self) {
        self.rested.next = Instant::now() + LOOK_EVERY;
        let Some(kept_ms) = self.rested.kept_ms else { return };
        let shard = self.fold.shard();
        let before_ms = (self.context.clock)().saturating_sub(kept_ms);
        match self.context.truth.forget_chats(shard, before_ms, AT_ONCE).await {
            Ok(n) if n == AT_ONCE => self.rested.next = Instant::now() + NEXT,
            Ok(_) => {}
            Err(error) => tracing::warn!(shard, %error, "old chats wait for the store"),
        }
    }
}
