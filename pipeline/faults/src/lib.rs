//! Fail points at the moments in which a crash is most dangerous, and switches that break a protection on purpose.
//! Tests only: without the feature `on` every call here is an empty inline function and nothing can be configured.
//!
//! A process takes its plan from `FAILPOINTS` (see [`setup`]); a simulation answers every point itself, thread by thread
//! (`enter`), so that many seeds run beside each other.

mod names;
#[cfg(not(feature = "on"))]
mod off;
#[cfg(feature = "on")]
mod plan;
#[cfg(feature = "on")]
mod process;
#[cfg(feature = "on")]
mod scene;

pub use names::{Break, Point};
#[cfg(not(feature = "on"))]
pub use off::{begun, blocking, broken, note, pass, poison, setup, simulated, turn};
#[cfg(feature = "on")]
pub use process::{Count, counts, poison, setup};
#[cfg(feature = "on")]
pub use scene::{Entered, Scene, Verdict, begun, blocking, broken, enter, note, pass, simulated, turn};
