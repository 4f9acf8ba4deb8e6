//! Item graphs: what lies near to what a user did, by walks over the graph of users and items or by its slow frequencies.

mod rp3beta;
mod spectral;
mod spectrum;

pub use rp3beta::{Rp3BetaParams, fit_rp3beta};
pub use spectral::{Spectral, SpectralError, SpectralParams};

#[cfg(test)]
use spectrum::Spectrum;

#[cfg(test)]
mod tests;
