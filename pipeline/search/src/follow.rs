//! The thread that keeps the index up: what changed in the catalogue since the last look becomes facts at once, and words in
//! commits a quarter of a second apart.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use shoptide_models::catalogue::{Catalogue, CatalogueItem};
use shoptide_models::find::popularity_classes;
use shoptide_models::rated::Ratings;
use shoptide_models::snapshot::{Kind, Snapshot};
use shoptide_schemas::{Currency, ItemId};
use tokio::sync::watch;

use crate::index::Writer;
use crate::running::View;

/// Between two commits: a tenth of the two seconds in which an event must show. A commit makes a segment, which costs some
/// milliseconds and has to be merged later, so each event alone would be too often.
const COMMIT_EVERY: Duration = Duration::from_millis(200);
/// Items whose words are cut between two looks at the clock, some 20 ms.
const BATCH_ITEMS: usize = 256;
/// While the catalogue is gone through for the first time, commits are rarer: nobody has seen the items yet.
const FIRST_COMMIT_EVERY: Duration = Duration::from_secs(2);
/// How often it is looked whether segments have been merged, after a commit.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For so many looks: a merge of a million items takes some ten seconds.
const LOOKS_MAX: u32 = 60;
/// Pause before the index is made anew after it failed.
const AGAIN: Duration = Duration::from_secs(1);

pub(crate) struct Follower {
    pub catalogue: watch::Receiver<Arc<Catalogue>>,
    pub model: watch::Receiver<Option<Arc<Snapshot>>>,
    pub ratings: watch::Receiver<Arc<Ratings>>,
    pub currency: Currency,
    pub publish: watch::Sender<Arc<View>>,
    /// Its sender goes with whoever searches.
    pub stopped: watch::Receiver<()>,
}

/// Why following ended.
enum End {
    Stopped,
    Failed(tantivy::TantivyError),
}

impl From<tantivy::TantivyError> for End {
    fn from(error: tantivy::TantivyError) -> Self {
        End::Failed(error)
    }
}

impl Follower {
    /// Until it is stopped. An index that fails is made anew: all it held is in the catalogue.
    pub fn run(mut self) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "the search index cannot be kept up, nothing new will be found");
                return;
            }
        };
        loop {
            let followed = catch_unwind(AssertUnwindSafe(|| runtime.block_on(self.follow())));
            match followed {
                Ok(Err(End::Stopped)) => return,
                Ok(Err(End::Failed(error))) => {
                    tracing::error!(%error, "the search index failed, it is made anew")
                }
                Ok(Ok(never)) => match never {},
                Err(_) => tracing::error!("the search index fell, it is made anew"),
            }
            if self.stopped.has_changed().is_err() {
                return;
            }
            std::thread::sleep(AGAIN);
        }
    }

    async fn follow(&mut self) -> Result<Infallible, End> {
        let Self { catalogue, model, ratings, currency, publish, stopped } = self;
        let stop = stopped.clone();
        let mut work = Work::new(Writer::new()?, *currency, &stop, publish);
        catalogue.mark_changed();
        model.mark_changed();
        ratings.mark_changed();
        loop {
            let pause = match (work.uncommitted, work.looks_left) {
                (true, _) => COMMIT_EVERY.saturating_sub(work.committed.elapsed()),
                (false, 0) => Duration::MAX,
                (false, _) => LOOK_EVERY,
            };
            tokio::select! {
                biased;
                _ = stopped.changed() => return Err(End::Stopped),
                changed = catalogue.changed() => {
                    if changed.is_err() {
                        return Err(End::Stopped);
                    }
                    let now = catalogue.borrow_and_update().clone();
                    work.take(now)?;
                }
                Ok(()) = model.changed() => {
                    let model = model.borrow_and_update().clone();
                    work.rank(model.as_deref());
                }
                Ok(()) = ratings.changed() => {
                    let ratings = ratings.borrow_and_update().clone();
                    work.view.facts.set_ratings(ratings);
                }
                () = tokio::time::sleep(pause) => {}
            }
            if work.uncommitted && COMMIT_EVERY <= work.committed.elapsed() {
                work.commit()?;
            } else if !work.uncommitted {
                work.look()?;
            }
            work.show();
        }
    }
}

/// What the thread works on.
struct Work<'a> {
    writer: Writer,
    currency: Currency,
    stop: &'a watch::Receiver<()>,
    publish: &'a watch::Sender<Arc<View>>,
    /// To be published next.
    view: View,
    /// The catalogue as far as it was taken over; `None` until it was gone through once.
    seen: Option<Arc<Catalogue>>,
    uncommitted: bool,
    committed: Instant,
    looks_left: u32,
    /// A model's popularity is in the view.
    ranked: bool,
}

impl<'a> Work<'a> {
    fn new(
        writer: Writer,
        currency: Currency,
        stop: &'a watch::Receiver<()>,
        publish: &'a watch::Sender<Arc<View>>,
    ) -> Self {
        Self {
            writer,
            currency,
            stop,
            publish,
            view: View::default(),
            seen: None,
            uncommitted: false,
            committed: Instant::now(),
            looks_left: 0,
            ranked: false,
        }
    }

    /// Takes over what changed, in batches; between them it commits, shows, and looks whether it should stop.
    fn take(&mut self, now: Arc<Catalogue>) -> Result<(), End> {
        let seen = self.seen.clone().unwrap_or_default();
        let every = if self.seen.is_some() { COMMIT_EVERY } else { FIRST_COMMIT_EVERY };
        let changed: Vec<u32> = now.changed_since(&seen).collect();
        for batch in changed.chunks(BATCH_ITEMS) {
            if self.stop.has_changed().is_err() {
                return Err(End::Stopped);
            }
            self.view.facts.update(&now, batch.iter().copied(), self.currency);
            for number in batch {
                self.put(*number, &seen, &now)?;
            }
            if self.uncommitted && every <= self.committed.elapsed() {
                self.commit()?;
                self.show();
            }
        }
        if self.seen.is_none() && self.uncommitted {
            self.commit()?;
        }
        self.seen = Some(now);
        Ok(())
    }

    fn put(&mut self, number: u32, seen: &Catalogue, now: &Catalogue) -> Result<(), End> {
        let Some((id, item)) = now.row(number) else { return Ok(()) };
        let before = seen.row(number);
        // Most changes are of prices and stock, which the index does not hold.
        if before.is_none_or(|(_, before)| !same_words(before, item)) {
            self.writer.put(number, id, item, before.is_some())?;
            self.uncommitted = true;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), End> {
        self.view.words = Some(self.writer.commit()?);
        self.uncommitted = false;
        self.committed = Instant::now();
        self.looks_left = LOOKS_MAX;
        Ok(())
    }

    /// Publishes the view. Its offset rises when no words of what was taken over wait for a commit.
    fn show(&mut self) {
        if let Some(seen) = self.seen.as_ref().filter(|_| !self.uncommitted) {
            (self.view.offset, self.view.complete) = (seen.offset(), true);
        }
        self.publish.send_replace(Arc::new(self.view.clone()));
    }

    /// Takes over merged segments, which hold the same and are quicker to ask.
    fn look(&mut self) -> Result<(), End> {
        if self.looks_left == 0 || self.committed.elapsed() < LOOK_EVERY {
            return Ok(());
        }
        self.looks_left -= 1;
        let words = self.writer.words()?;
        if self.view.words.as_ref().is_none_or(|known| !known.same(&words)) {
            self.view.words = Some(words);
        }
        Ok(())
    }

    /// Takes over the popularity of the first model, then of each full one. That of a refresh would move items every few seconds,
    /// and with them the pages of a search.
    fn rank(&mut self, model: Option<&Snapshot>) {
        let Some(model) = model.filter(|model| !self.ranked || model.kind() == Kind::Full) else { return };
        let Some(seen) = &self.seen else { return };
        let mut scores = vec![0.0; seen.len() as usize];
        for (id, score) in model.item_ids().iter().zip(model.popularity().score()) {
            let number = seen.number(&ItemId::from_trusted(id));
            if let Some(slot) = number.and_then(|number| scores.get_mut(number as usize)) {
                *slot = *score;
            }
        }
        self.view.facts.set_popularity(popularity_classes(&scores));
        self.ranked = true;
    }
}

/// Whether two rows of an item are found by the same words.
fn same_words(a: &CatalogueItem, b: &CatalogueItem) -> bool {
    a.title == b.title
        && a.titles == b.titles
        && a.brand == b.brand
        && a.category == b.category
        && a.tags == b.tags
        && a.description == b.description
        && (a.removed, a.unlisted) == (b.removed, b.unlisted)
}
