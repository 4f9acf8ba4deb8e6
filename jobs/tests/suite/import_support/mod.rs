//! What the import tests share.

use std::path::{Path, PathBuf};

use shoptide_jobs::import::{Import, Mapping, Report};
use shoptide_schemas::catalogue::WireCatalogue;
use shoptide_schemas::wire::WireEvent;

pub fn fixture(dir: &tempfile::TempDir, name: &str, rows: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, rows).unwrap();
    path
}

pub fn import_named(path: &Path, mapping: &str) -> (Vec<WireEvent>, Vec<WireCatalogue>, Report) {
    import(path, Mapping::find(mapping).unwrap())
}

pub fn import(path: &Path, mapping: Mapping) -> (Vec<WireEvent>, Vec<WireCatalogue>, Report) {
    let mut import = Import::open(path, mapping).unwrap();
    let (events, catalogue) = all(&mut import);
    (events, catalogue, import.report().clone())
}

pub fn all(import: &mut Import) -> (Vec<WireEvent>, Vec<WireCatalogue>) {
    let (mut events, mut catalogue) = (Vec::new(), Vec::new());
    while let Some(batch) = import.next_batch(1_000).unwrap() {
        events.extend(batch.events);
        catalogue.extend(batch.catalogue);
    }
    (events, catalogue)
}
