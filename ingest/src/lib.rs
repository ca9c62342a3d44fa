//! The backend's gRPC server: access-log streams in, rows for the store out.
//!
//! One port serves what SkyWalking's eBPF agents call. Rows wait in a bounded queue; when it is full the streams are not
//! read, and HTTP/2 flow control passes that on to the agents. Queries and pages are not this crate's business.

pub mod answers;
mod auth;
mod foreign;
mod limits;
pub mod metrics;
mod native;
mod processes;
mod rows;
mod server;
mod services;
mod stats;
mod tls;

pub use rover_reporters::row::Row;
pub use server::{Ingest, IngestError, IngestOptions};
pub use stats::IngestStats;

#[cfg(test)]
mod tests;
