//! What scheduler, executors and clients agree on.

use std::path::Path;
use std::sync::Arc;

use ballista_core::extension::{
    SessionConfigExt, ballista_aggregate_functions, ballista_scalar_functions, ballista_window_functions,
};
use ballista_core::registry::BallistaFunctionRegistry;
use datafusion::error::Result;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionConfig;
use object_store::ObjectStore;

use super::als::Sides;
use super::codec::{Functions, LogicalCodec, PhysicalCodec};
use super::store::OnlyTheLake;
use crate::functions::bounded;

/// Largest message between processes: a plan names every file of the lake that it reads, about 200 bytes each, so 300,000.
pub(super) const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Partitions of a shuffle. More than the vcores of a small cluster, so that its tasks end together; each costs some
/// milliseconds of scheduling.
pub(super) const PARTITIONS: usize = 16;

/// The store, functions and codecs that all processes of a cluster have in common. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    store: Arc<dyn ObjectStore>,
    functions: Arc<Functions>,
}

impl Cluster {
    /// - `store`: the lake's, rooted at the lake
    /// - `functions`: ours, which every query may use
    /// - `held_bytes_max`: of factors that an executor holds for a half-step
    ///
    /// Must be called where a tokio runtime runs that outlives the queries: factors are read by it.
    pub fn new(store: Arc<dyn ObjectStore>, functions: Vec<Arc<ScalarUDF>>, held_bytes_max: u64) -> Self {
        let sides = Sides::new(store.clone(), tokio::runtime::Handle::current(), held_bytes_max);
        Self { store, functions: Arc::new(Functions::new(functions, sides)) }
    }

    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    pub(super) fn sides(&self) -> &Arc<Sides> {
        self.functions.sides()
    }

    pub(super) fn scalar_functions(&self) -> &[Arc<ScalarUDF>] {
        self.functions.scalar()
    }

    pub(super) fn logical_codec(&self) -> Arc<LogicalCodec> {
        Arc::new(LogicalCodec::new(self.functions.clone()))
    }

    pub(super) fn physical_codec(&self) -> Arc<PhysicalCodec> {
        Arc::new(PhysicalCodec::new(self.functions.clone()))
    }

    /// `spill`: where queries may put what does not fit in memory, and how much.
    pub(super) fn runtime(&self, spill: Option<(&Path, u64)>) -> Result<Arc<RuntimeEnv>> {
        let mut builder =
            RuntimeEnvBuilder::new().with_object_store_registry(Arc::new(OnlyTheLake(self.store.clone())));
        if let Some((path, bytes_max)) = spill {
            builder = builder.with_temp_file_path(path).with_max_temp_directory_size(bytes_max);
        }
        builder.build_arc()
    }

    pub(super) fn config(&self) -> SessionConfig {
        SessionConfig::new_with_ballista()
            .with_target_partitions(PARTITIONS)
            // Planned once: while it runs, Ballista 55.0 plans the join of a side that is empty over and over, without end.
            .with_ballista_adaptive_query_planner(false)
            .with_ballista_grpc_client_max_message_size(MESSAGE_BYTES_MAX)
            .with_ballista_logical_extension_codec(self.logical_codec())
            .with_ballista_physical_extension_codec(self.physical_codec())
    }

    /// The state of a session on a scheduler or a client.
    pub(super) fn state(&self, config: SessionConfig, runtime: Arc<RuntimeEnv>) -> SessionState {
        let mut scalar = ballista_scalar_functions();
        // Results that are made while planning travel in a message.
        scalar.extend(bounded(ballista_scalar_functions(), MESSAGE_BYTES_MAX));
        scalar.extend(self.scalar_functions().iter().cloned());
        SessionStateBuilder::new()
            .with_default_features()
            .with_config(config)
            .with_runtime_env(runtime)
            .with_optimizer_rules(ballista_core::optimizer::ballista_default_optimizer_rules())
            .with_scalar_functions(scalar)
            .with_aggregate_functions(ballista_aggregate_functions())
            .with_window_functions(ballista_window_functions())
            .build()
    }

    /// `result_bytes_max`: of a function's result for the rows of a batch.
    pub(super) fn registry(&self, result_bytes_max: usize) -> BallistaFunctionRegistry {
        let mut registry = BallistaFunctionRegistry::default();
        let growing = bounded(ballista_scalar_functions(), result_bytes_max);
        let ours = self.scalar_functions().iter().cloned();
        for nested in ballista_scalar_functions().into_iter().chain(growing).chain(ours) {
            registry.scalar_functions.insert(nested.name().to_owned(), nested);
        }
        registry
    }
}
