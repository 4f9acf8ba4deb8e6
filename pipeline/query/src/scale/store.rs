//! The one store that a cluster reads.

use std::sync::Arc;

use datafusion::common::exec_err;
use datafusion::error::Result;
use datafusion::execution::object_store::ObjectStoreRegistry;
use object_store::ObjectStore;
use url::Url;

use crate::LAKE_URL;

/// The URL of a file of the lake, the same in every process of a cluster, wherever each of them finds it.
pub fn lake_url(path: &str) -> String {
    format!("{LAKE_URL}/{path}")
}

/// Finds the lake under [`LAKE_URL`], and nothing elsewhere: who may send a query may read events, not the machine's files.
#[derive(Debug)]
pub(super) struct OnlyTheLake(pub Arc<dyn ObjectStore>);

impl ObjectStoreRegistry for OnlyTheLake {
    fn register_store(&self, _: &Url, _: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        if url.as_str().starts_with(LAKE_URL) {
            return Ok(self.0.clone());
        }
        exec_err!("{url} is not of the lake, and a cluster reads nothing else")
    }
}
