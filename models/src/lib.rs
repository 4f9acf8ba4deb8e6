//! placeholder

pub mod als;
mod linalg;
pub mod matrix;
pub mod params;
mod simd;
pub mod vector;
