//! What a process knows of its shop's words and of where its products stand: read from the live catalogue by a thread of its own, so that no
//! request waits for a hundred thousand titles to be read.
//!
//! The first time is read apart and put in place as a whole. Afterwards rows are learned a few at a time, under a lock that readers share: whoever
//! reads a message waits for at most such a few.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use shoptide_models::catalogue::{Catalogue, CatalogueItem};
use shoptide_models::chat::{Lexicon, Shelf};
use tokio::sync::watch;

/// Rows that are learned under one lock, some 20 µs each: nobody notices the wait.
const LEARNED_AT_ONCE: usize = 16;
/// Between two such lots readers come first; a million rows take a minute longer for it.
const BREATH: Duration = Duration::from_micros(500);
/// Pause before everything is read anew after a fall.
const AGAIN: Duration = Duration::from_secs(1);

/// The words and the shelf, of one catalogue.
#[derive(Default)]
pub(crate) struct Known {
    pub lexicon: Lexicon,
    pub shelf: Shelf,
    /// Of the catalogue's topic: changes before it are in.
    pub offset: i64,
    /// The rows that the shelf was read from; none while changes are being read.
    seen: Arc<Catalogue>,
}

impl Known {
    /// What a row of this moment says that it is and has, for ordering many of them. Reading it takes some 50 µs: a row that says what it said when
    /// the shelf was read is not read again, though words learned since may say more of it.
    pub fn traits_as_read(&self, number: u32, item: &CatalogueItem) -> BTreeSet<String> {
        let seen = self.seen.row(number).filter(|(_, seen)| same_words(seen, item));
        seen.and_then(|_| self.shelf.traits(number)).unwrap_or_else(|| self.lexicon.traits_of(item))
    }
}

pub(crate) struct Knowledge {
    known: Arc<RwLock<Option<Known>>>,
    /// The thread sees that it is gone, between two rows of a first reading.
    _stop: watch::Sender<()>,
}

impl Knowledge {
    /// Starts to follow.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(catalogue: watch::Receiver<Arc<Catalogue>>) -> io::Result<Self> {
        let known = Arc::new(RwLock::new(None));
        let (stop, stopped) = watch::channel(());
        let follower = Follower { catalogue, known: known.clone(), stopped };
        std::thread::Builder::new().name("chat-words".to_owned()).spawn(move || follower.run())?;
        Ok(Self { known, _stop: stop })
    }

    /// Before the first reading, for ever.
    #[cfg(test)]
    pub fn unread() -> Self {
        Self { known: Arc::default(), _stop: watch::channel(()).0 }
    }

    /// For reading; not to be held across an await. `None` until the catalogue was read once.
    pub fn read(&self) -> RwLockReadGuard<'_, Option<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Follower {
    catalogue: watch::Receiver<Arc<Catalogue>>,
    known: Arc<RwLock<Option<Known>>>,
    stopped: watch::Receiver<()>,
}

/// Nobody is left who would ask.
struct Stopped;

impl Follower {
    fn run(mut self) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "the words of the catalogue cannot be followed, there will be no chat");
                return;
            }
        };
        loop {
            match catch_unwind(AssertUnwindSafe(|| runtime.block_on(self.follow()))) {
                Ok(Err(Stopped)) => return,
                Ok(Ok(never)) => match never {},
                Err(_) => tracing::error!("the words of the catalogue fell, they are read anew"),
            }
            if self.stopped.has_changed().is_err() {
                return;
            }
            std::thread::sleep(AGAIN);
        }
    }

    async fn follow(&mut self) -> Result<Infallible, Stopped> {
        let mut seen = self.catalogue.borrow_and_update().clone();
        let first = self.first(&seen)?;
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(first);
        loop {
            tokio::select! {
                biased;
                _ = self.stopped.changed() => return Err(Stopped),
                changed = self.catalogue.changed() => changed.map_err(|_| Stopped)?,
            }
            let now = self.catalogue.borrow_and_update().clone();
            self.learn(&seen, &now).await?;
            seen = now;
        }
    }

    fn first(&self, catalogue: &Arc<Catalogue>) -> Result<Known, Stopped> {
        let mut known = Known { offset: catalogue.offset(), seen: catalogue.clone(), ..Known::default() };
        // All words first: a tag of the last row may be a feature of the first.
        for (number, id, item) in catalogue.rows().filter(|(_, _, item)| item.listable()) {
            self.going_on()?;
            known.lexicon.learn(number, &id.to_string(), item);
        }
        for (number, _, item) in catalogue.rows() {
            self.going_on()?;
            known.shelf.put(number, item, &known.lexicon);
        }
        Ok(known)
    }

    async fn learn(&self, seen: &Catalogue, now: &Arc<Catalogue>) -> Result<(), Stopped> {
        let changed: Vec<u32> = now.changed_since(seen).collect();
        self.change(|known| known.seen = Arc::default());
        for lot in changed.chunks(LEARNED_AT_ONCE) {
            self.going_on()?;
            let rows = || lot.iter().filter_map(|number| Some((*number, now.row(*number)?)));
            let worded = |number: &u32, item: &CatalogueItem| {
                seen.row(*number).is_none_or(|(_, before)| !same_words(before, item))
            };
            self.change(|known| {
                for (number, (id, item)) in rows().filter(|(n, (_, item))| item.listable() && worded(n, item))
                {
                    known.lexicon.learn(number, &id.to_string(), item);
                }
            });
            // Reading traits is most of the work, and no change: readers read beside it.
            let read: Vec<_> = {
                let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
                let Some(known) = &*known else { continue };
                rows().map(|(number, (_, item))| (number, item, known.lexicon.traits_of(item))).collect()
            };
            self.change(|known| {
                for (number, item, traits) in &read {
                    known.shelf.put_read(*number, item, &known.lexicon, traits);
                }
            });
            if LEARNED_AT_ONCE < changed.len() {
                tokio::time::sleep(BREATH).await;
            }
        }
        self.change(|known| {
            known.offset = now.offset();
            known.seen = now.clone();
        });
        Ok(())
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        if let Some(known) = &mut *self.known.write().unwrap_or_else(PoisonError::into_inner) {
            change(known);
        }
    }

    fn going_on(&self) -> Result<(), Stopped> {
        if self.stopped.has_changed().is_err() { Err(Stopped) } else { Ok(()) }
    }
}

/// Whether two rows of an item teach the same words.
fn same_words(a: &CatalogueItem, b: &CatalogueItem) -> bool {
    a.title == b.title
        && a.titles == b.titles
        && a.brand == b.brand
        && a.category == b.category
        && a.tags == b.tags
        && a.removed == b.removed
        && a.hidden == b.hidden
}
