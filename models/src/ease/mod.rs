//! EASE: the linear model that predicts each item from all others in closed form, and its sparse approximation for
//! catalogues too large for a dense inverse.
//!
//! Steck, *Embarrassingly shallow autoencoders for sparse data*, WWW 2019: with `G = XᵀX + Λ` and `P = G⁻¹`, the weights are
//! `B_ij = -P_ij / P_jj` and 0 on the diagonal. [`Ease`] inverts in dense tiles; [`fit_sparse_ease`] solves
//! among the nearest items of each.

mod dense;
mod inverse;
mod params;
mod sparse;

pub use dense::{Ease, EaseError, ITEMS_MAX};
pub use params::{EaseParams, SparseEaseParams};
pub use sparse::{SparseEaseError, fit_sparse_ease};

#[cfg(test)]
mod tests;
