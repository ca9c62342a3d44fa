//! What the reporters that speak to a server share: pauses between attempts, files of TLS, ready-made messages over gRPC.

mod backoff;
mod ready;
mod tls;

pub use backoff::{random, Backoff};
pub use ready::Ready;
pub use tls::{maybe_hint, TlsFiles};

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::Notify;

/// For opening a connection.
pub const CONNECT: Duration = Duration::from_secs(5);

/// A peer that vanished without a word is noticed by the kernel's probes. HTTP/2 pings would be refused by gRPC
/// servers in Java when they come more often than every five minutes.
pub const KEEPALIVE: Duration = Duration::from_secs(30);

/// Why a reporter cannot be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartError(pub(crate) String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// A time of the configuration, whatever number stands there.
pub fn positive(seconds: f32) -> Duration {
    Duration::try_from_secs_f32(seconds).unwrap_or(Duration::from_secs(1)).max(Duration::from_millis(1))
}

/// A thread with an event loop of its own, in which `sends` runs until it ends or `stop` is notified.
pub fn sending_thread(
    name: &str,
    stop: Arc<Notify>,
    sends: impl Future<Output = ()> + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| StartError(format!("event loop: {error}")))?;
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = sends => {}
                    () = stop.notified() => {}
                }
            });
        })
        .map_err(|error| StartError(format!("sending thread: {error}")))
}

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
