//! HTTP/1.0 and HTTP/1.1 (RFC 9112), one [`Parser`] per direction of a connection.
//!
//! # How to drive it
//!
//! ```
//! use rover_parsers::http1::{Limits, Output, Parser, RequestContext, Role};
//! use std::sync::Arc;
//!
//! let mut parser = Parser::new(Role::Response, Arc::new(Limits::default()));
//! let mut data: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
//! loop {
//!     let (consumed, output) = parser.step(data, 1_000);
//!     data = &data[consumed..];
//!     match output {
//!         Output::NeedMore | Output::NotHttp => break,
//!         Output::NeedContext => unreachable!("given below, as soon as the head is out"),
//!         Output::Head(head) => {
//!             assert_eq!(head.status, Some(200));
//!             parser.set_context(RequestContext::Other);
//!         }
//!         Output::Complete(message) => assert_eq!(message.body_bytes, 2),
//!         _ => {}
//!     }
//! }
//! assert!(data.is_empty());
//! ```
//!
//! * [`Parser::step`] until it answers [`Output::NeedMore`] (then all is consumed), also when `data` has become
//!   empty: a message without a body completes in a step of its own that consumes nothing.
//! * [`Parser::gap`] until all of the gap is consumed.
//! * [`Parser::close`] until it answers [`Output::NeedMore`]: a head that was cut comes first, its end second.
//!
//! # Why not `httparse`
//!
//! It wants the whole head in one slice, room for a known number of headers, and refuses what servers in the field
//! accept (bare CR in values, folding in requests) or what must still be reported (NUL in a path, a 10 MB header
//! line). Here a head comes in any pieces and is read line by line: in place when the line lies within one slice,
//! from a bounded carry buffer otherwise.
//!
//! # Bounds
//!
//! Per parser at most `limits.head_bytes` of carry buffer, plus what is kept of the head (path, host and one value
//! each of the known headers: each at most one line of `head_bytes`; [`KEPT_FIELDS`] configured headers that
//! lie in the first `head_bytes`).

mod chunked;
mod fields;
mod lines;
mod message;
mod parser;
mod progress;
mod start_line;
mod target;

pub use crate::limits::{is_secret, KeepHeaders, Limits, HEAD_BYTES};
pub use crate::trace::{Trace, TraceFormat};
pub use fields::KEPT_FIELDS;
pub use message::{Complete, Framing, Head, Output, RequestContext, Role, Version};
pub use parser::Parser;
