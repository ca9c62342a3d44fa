//! From the record to wire bytes: the record itself, one module per encoder, the transports.
//!
//! Dependencies point at [`record`]; nothing here parses HTTP, touches BPF or knows Python.

pub mod combined;
pub mod encoder;
pub mod file;
pub mod json;
pub mod layers;
pub mod oap;
pub mod oap_stream;
pub mod proto;
pub mod record;
pub mod row;
pub mod samples;
pub mod spool;
pub mod text;
pub mod timeline;
mod wall_time;
