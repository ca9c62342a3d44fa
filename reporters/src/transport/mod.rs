//! What the reporters that speak to a server share: pauses between attempts, files of TLS, ready-made messages over gRPC.

mod backoff;
mod ready;
mod tls;

pub use backoff::{random, Backoff};
pub use ready::Ready;
pub use tls::{maybe_hint, TlsFiles};

use std::time::Duration;

/// For opening a connection.
pub const CONNECT: Duration = Duration::from_secs(5);

/// A peer that vanished without a word is noticed by the kernel's probes. HTTP/2 pings would be refused by gRPC
/// servers in Java when they come more often than every five minutes.
pub const KEEPALIVE: Duration = Duration::from_secs(30);

/// An error with all that caused it: the first says "transport error" only.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
