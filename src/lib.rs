//! placeholder
pub mod signing;
