//! rover._engine

#[cfg(feature = "python")]
mod python;
