//! The gRPC services, one module each.

pub mod access_log;
pub mod management;
pub mod polls;
pub mod process;
