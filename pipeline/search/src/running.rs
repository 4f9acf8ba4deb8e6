//! The handle of a running index.

use std::sync::Arc;

use shoptide_models::catalogue::Catalogue;
use shoptide_models::find::Facts;
use shoptide_models::rated::Ratings;
use shoptide_models::snapshot::Snapshot;
use shoptide_schemas::Currency;
use tokio::sync::watch;

use crate::SearchError;
use crate::follow::Follower;
use crate::index::Words;

/// What readers see: immutable, replaced as a whole.
#[derive(Clone, Default)]
pub(crate) struct View {
    pub facts: Facts,
    /// `None` until the first commit.
    pub words: Option<Words>,
    /// All changes of the catalogue before this offset are in the view.
    pub offset: i64,
    /// Whether the catalogue has been gone through once since the start.
    pub complete: bool,
}

/// The index, and the thread that keeps it up until this is dropped.
pub struct Search {
    view: watch::Receiver<Arc<View>>,
    /// The thread sees that it is gone, between two batches of some milliseconds.
    _stop: watch::Sender<()>,
}

impl Search {
    /// Starts to follow.
    /// - `catalogue`, `model`, `ratings`: of this process, as they change; the thread ends when the catalogue's sender is gone
    /// - `currency`: the shop's, in which prices are compared
    ///
    /// # Errors
    /// [`SearchError::Thread`] if the system gives no thread.
    pub fn start(
        catalogue: watch::Receiver<Arc<Catalogue>>,
        model: watch::Receiver<Option<Arc<Snapshot>>>,
        ratings: watch::Receiver<Arc<Ratings>>,
        currency: Currency,
    ) -> Result<Self, SearchError> {
        let (publish, view) = watch::channel(Arc::default());
        let (stop, stopped) = watch::channel(());
        let follower = Follower { catalogue, model, ratings, currency, publish, stopped };
        let thread = std::thread::Builder::new().name("search-index".to_owned());
        thread.spawn(move || follower.run()).map_err(SearchError::Thread)?;
        Ok(Self { view, _stop: stop })
    }

    /// Resolves when everything before `offset` of the catalogue's topic can be found.
    pub async fn caught_up(&self, offset: i64) {
        let mut view = self.view.clone();
        // Without the thread nothing more would come: whoever asks has waited in vain, and sees that.
        let _ = view.wait_for(|view| view.complete && offset <= view.offset).await;
    }

    /// Bytes of the index beside its facts, and the items in it.
    pub fn size(&self) -> (u64, u64) {
        let view = self.view.borrow().clone();
        view.words.as_ref().map_or((0, 0), |words| (words.bytes(), words.items()))
    }

    pub(crate) fn now(&self) -> Arc<View> {
        self.view.borrow().clone()
    }
}
