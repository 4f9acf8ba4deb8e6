//! Chats that nobody has spoken in for long are forgotten, a few at a time: the shard's owner is the one process that is always there for them.

use std::time::Duration;

use tokio::time::Instant;

use crate::shard::Shard;

/// Between two looks: a chat may rest for a minute longer than it has to.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Turns of the chats of one look: a transaction of some hundred rows, during which an event waits some milliseconds. One chat may have
/// more, a thousand at most.
const TURNS_AT_ONCE: usize = 64;
/// Pause while there are more.
const NEXT: Duration = Duration::from_millis(200);
/// How long a look waits for a moment without events.
const PATIENCE: Duration = Duration::from_secs(10);

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

    /// Whether it has waited for a quiet moment for too long.
    pub(crate) fn overdue(&self) -> bool {
        self.busy() && PATIENCE < self.next.elapsed()
    }
}

impl Shard {
    /// Forgets the next few. A store that is away is asked again at the next look.
    pub(crate) async fn forget_step(&mut self) {
        self.rested.next = Instant::now() + LOOK_EVERY;
        let Some(kept_ms) = self.rested.kept_ms else { return };
        let shard = self.fold.shard();
        let before_ms = (self.context.clock)().saturating_sub(kept_ms);
        match self.context.truth.forget_chats(shard, before_ms, TURNS_AT_ONCE).await {
            Ok(0) => {}
            Ok(_) => self.rested.next = Instant::now() + NEXT,
            Err(error) => tracing::warn!(shard, %error, "old chats wait for the store"),
        }
    }
}
