//! SQL and training over many machines, by DataFusion Ballista.
//!
//! A *scheduler* plans queries and hands out their parts, *executors* carry them out and keep what passes between parts on
//! their own disk, a *client* asks and reads the answer from the executors. All three are this program, so that functions of
//! ours mean the same everywhere; a function that comes from another version of it is refused. They read one object store,
//! the lake's, and nothing else: no plan can name a file of the machine it runs on.
//!
//! There is no authentication between them: they belong into a network of their own.

pub mod als;
mod cluster;
mod codec;
mod error;
mod executor;
mod failed;
mod interactions;
mod jobs;
mod pool;
mod remote;
mod scheduler;
mod shop;
mod store;
mod table;
mod work_dir;

pub use cluster::Cluster;
pub use error::ScaleError;
pub use executor::{Executor, ExecutorOptions};
pub use interactions::interactions_sql;
pub use remote::{connect, refuse_other_tables};
pub use scheduler::{Scheduler, SchedulerOptions};
pub use shop::{ClusterShop, lake_parts, register_lake};
pub use store::lake_url;
