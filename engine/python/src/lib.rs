//! The module `rover._engine`: the one place where Rust meets Python. `rover/_engine.pyi` documents it.

/// Native part of rover: private, use the packages of `rover`.
#[pyo3::pymodule(name = "_engine")]
mod engine {}
