//! The module `rover._engine`: the one place where Rust meets Python.

/// Native part of rover: private, use the packages of `rover`.
#[pyo3::pymodule(name = "_engine")]
mod engine {}
