//! Held sides in memory: read once by each executor, whatever number of its tasks asks.

use std::sync::{Arc, Mutex, OnceLock};

use datafusion::common::exec_datafusion_err;
use datafusion::error::Result;
use object_store::ObjectStore;
use shoptide_models::als::HeldSide;
use tokio::runtime::Handle;

use super::held::{self, HeldRef};
use crate::scale::ScaleError;

/// Sides held at a time: the one that is used, and the one of the half-step before, whose last tasks may still run.
const HELD_MAX: usize = 2;

type Slot = Arc<OnceLock<std::result::Result<Arc<HeldSide>, String>>>;

/// The sides that this process holds.
pub(crate) struct Sides {
    store: Arc<dyn ObjectStore>,
    /// Reads; tasks of queries run on threads of their own and may wait for it.
    runtime: Handle,
    bytes_max: u64,
    /// Oldest first.
    held: Mutex<Vec<(HeldRef, Slot)>>,
}

impl std::fmt::Debug for Sides {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sides")
    }
}

impl Sides {
    pub fn new(store: Arc<dyn ObjectStore>, runtime: Handle, bytes_max: u64) -> Arc<Self> {
        Arc::new(Self { store, runtime, bytes_max, held: Mutex::default() })
    }

    /// The side, read and turned into its eigenbasis if nobody did so before. Blocks until it is there.
    pub fn get(&self, side: &HeldRef) -> Result<Arc<HeldSide>> {
        let slot = {
            let mut held =
                self.held.lock().map_err(|_| exec_datafusion_err!("a reader of factors panicked"))?;
            match held.iter().find(|(of, _)| of == side) {
                Some((_, slot)) => slot.clone(),
                None => {
                    if HELD_MAX <= held.len() {
                        held.remove(0);
                    }
                    let slot = Slot::default();
                    held.push((side.clone(), slot.clone()));
                    slot
                }
            }
        };
        let made = slot.get_or_init(|| self.read(side).map(Arc::new).map_err(|e| e.to_string()));
        if made.is_err()
            && let Ok(mut held) = self.held.lock()
        {
            // The next task tries again: a store may only have been away.
            held.retain(|(of, _)| of != side);
        }
        made.clone().map_err(|e| exec_datafusion_err!("the held side {}: {e}", side.path))
    }

    fn read(&self, side: &HeldRef) -> std::result::Result<HeldSide, ScaleError> {
        // As f32 while it is read, as f64 for as long as it is held.
        let bytes = u64::from(side.rows) * side.params.rank() as u64 * 12;
        if self.bytes_max < bytes {
            return Err(ScaleError::Refused(format!(
                "{} rows of {} factors take {bytes} bytes, at most {} are allowed (--held-mib)",
                side.rows,
                side.params.rank(),
                self.bytes_max
            )));
        }
        let (store, of) = (self.store.clone(), side.clone());
        let (done, read) = std::sync::mpsc::sync_channel(1);
        self.runtime.spawn(async move {
            let _ = done.send(held::read(&store, &of).await);
        });
        let factors = read.recv().map_err(|_| ScaleError::Failed("the process is ending".to_owned()))??;
        let shape = (side.rows as usize, side.params.rank());
        let factors =
            ndarray::Array2::from_shape_vec(shape, factors).map_err(|e| ScaleError::Failed(e.to_string()))?;
        HeldSide::new(factors.view(), side.params).map_err(|e| ScaleError::Failed(e.to_string()))
    }
}
