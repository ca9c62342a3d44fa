//! From the record to wire bytes: the record itself, one module per encoder, the transports.
//!
//! Dependencies point at [`record`]; nothing here parses HTTP, touches BPF or knows Python.

pub mod by_service;
pub mod combined;
pub mod durations;
pub mod encoder;
pub mod failure;
pub mod file;
pub mod json;
pub mod layers;
pub mod oap;
pub mod oap_stream;
pub mod otlp;
pub mod proto;
pub mod record;
pub mod row;
pub mod samples;
pub mod spool;
pub mod text;
pub mod timeline;
pub mod token;
pub mod traffic;
mod transport;
pub mod varint;
mod wall_time;
mod wire;
