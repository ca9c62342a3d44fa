//! Sans-IO observers of HTTP byte streams: bytes and gaps in, messages out.
//!
//! An observer is not an endpoint: it may join in mid-stream, miss bytes, and see what a server would refuse. It
//! never rejects a connection, it resynchronises. Nothing here knows clocks, sockets, logs or configuration files;
//! time is an argument.

#![forbid(unsafe_code)]

pub mod http1;
pub mod http2;

mod limits;
mod text;
mod trace;
