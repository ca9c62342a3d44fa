//! HTTP/2 (RFC 9113) with HPACK (RFC 7541), and gRPC: one [`Connection`] for both directions.
//!
//! # How to drive it
//!
//! ```
//! use rover_parsers::http2::{Connection, Event, Limits, Role};
//! use std::sync::Arc;
//!
//! let mut connection = Connection::new(Arc::new(Limits::default()));
//! let mut events = Vec::new();
//! let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
//! connection.feed(Role::Request, preface, 1_000, &mut events);
//! connection.feed(Role::Request, b"\x00\x00\x03\x01\x05\x00\x00\x00\x01\x82\x84\x86", 2_000, &mut events);
//! for event in events.drain(..) {
//!     if let Event::Head { head, .. } = event {
//!         assert_eq!((head.method.as_deref(), head.path()), (Some("GET"), Some("/")));
//!     }
//! }
//! ```
//!
//! * [`Connection::feed`] for bytes, [`Connection::gap`] for bytes that nobody saw, [`Connection::close`] at the end. Each
//!   appends to a list of [`Event`]s that the caller empties and uses again.
//! * Which constructor: [`Connection::new`] where [`look`] says yes to the first bytes, [`Connection::upgraded`] behind a 101 to
//!   `Upgrade: h2c`, [`Connection::joining`] where [`maybe_sender`] recognises a connection that is older than the observer.
//! * A stream is [`Event::Opened`] and [`Event::Closed`]; in between its `slot` is a place in a list of the caller. An exchange
//!   is settled with `Closed`. One without any head is none.
//! * [`Event::Carried`] says which message the bytes of this call belong to, for whatever is charged by operations.
//!
//! # What gaps cost
//!
//! * Within DATA nothing but counts that need the bytes: gRPC messages ([`Complete::grpc_messages`]), and the length of padding
//!   ([`Complete::body_bytes`]) if the first byte of a padded payload is missing. Who leaves out DATA should leave the first six
//!   bytes of each payload in: then both are known for messages no longer than a frame.
//! * Within a header block: the fields behind it, and what the HPACK table holds.
//! * Anywhere else: the step. Two frame heads in a row are believed ([`Counters::resyncs`]); messages that were under way
//!   have the flag `gap` and, if their end was missed, end with the other half of their stream, with the connection, or as the
//!   oldest of too many streams.
//!
//! # Tables that are not known
//!
//! HPACK indexes count from the newest entry. Of a connection joined in mid-stream, or after a lost block, entries added since
//! are known by their place; an index beyond them is an entry of which nothing is known, and a field that refers to one
//! is absent with `hpack_partial`. That is over when no unknown entry has room in the table any more, as far as its size is
//! known: from a size update on. Who has seen the table in the memory of one of the ends can tell it
//! ([`Connection::tell_table`]): it is believed if it was seen before a block that is known, and has the entries added since. A table that gives way to a reference beyond its end was not what it seemed and is forgotten.
//!
//! # Crates
//!
//! Huffman code and static table are those of `httlib-huffman` and `httlib-hpack`. No crate's decoder serves: none knows of
//! unknown entries, all make owned strings of every name and value; see `hpack`.
//!
//! # Bounds
//!
//! Per connection: streams (`STREAMS`, 1024, the oldest goes); per direction one header block (`limits.head_bytes`), one payload
//! of SETTINGS, GOAWAY or RST_STREAM, and of the dynamic table entries that RFC 7541 §4.1 counts as 64 KiB (16 KiB while
//! its size is unknown) of which only asked-for values are there. Events of a call are bounded by its bytes.

mod blocks;
mod connection;
mod fields;
mod frame;
mod frames;
mod grpc;
mod hpack;
mod look;
mod message;
mod names;
mod search;
mod side;
mod streams;

pub use connection::Connection;
pub use look::{look, may_begin_with_frame, maybe_sender, Look};
pub use message::{Closed, Complete, Counters, Event, Grpc, Head, Reset, StreamRef, Text};

pub use crate::http1::Role;
pub use crate::limits::{is_secret, KeepHeaders, Limits, HEAD_BYTES};
pub use crate::trace::{Trace, TraceFormat};
