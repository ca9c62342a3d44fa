//! Exchanges to an OpenTelemetry collector, over gRPC or HTTP: a span each, and histograms of their durations.
//!
//! Spans rather than log records: an exchange has a begin, an end and a parent, and the conventions for HTTP spans are
//! stable. [`OtlpReporter::push`] encodes on the engine's thread, a thread of its own sends. The one never waits for the
//! other; what finds no room takes the place of the oldest, which is counted.

mod attributes;
mod connection;
mod metrics;
mod queue;
mod resource;
mod sender;
mod span;
mod stats;
mod trace_context;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::Notify;

use metrics::Metrics;
use queue::Queue;
use resource::Resources;
use sender::Sender;
use span::push_span;
use stats::Link;
pub use stats::OtlpStats;

use crate::record::{Flag, Record};
pub use crate::transport::StartError;
use crate::transport::{positive, sending_thread, TlsFiles};
use crate::wire::{push_message, push_text};

/// Where the configuration has the files of TLS.
const TLS_SECTION: &str = "reporters.otlp.tls";

/// Of the time for the end, how much is for the last metrics.
const METRICS_SHARE: f64 = 0.2;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    #[default]
    Grpc,
    /// HTTP/1.1 with protobuf bodies.
    Http,
}

/// Where spans and metrics go and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpOptions {
    /// `http://host:port` or `https://host:port` each, with a path before `/v1/traces` if need be; tried in turn.
    pub endpoints: Vec<String>,
    pub protocol: Protocol,
    /// Sent with every request.
    pub headers: Vec<(String, String)>,
    pub tls: TlsFiles,
    /// Name of this node.
    pub node_name: String,
    pub traces: bool,
    pub metrics: bool,
    pub is_compressed: bool,
    /// Ceiling of all that is held.
    pub queue_bytes: usize,
    /// A request is sent when it has so many bytes, or its first span this age.
    pub batch_bytes: usize,
    pub batch_seconds: f32,
    pub metrics_seconds: f32,
    /// How long the collector may owe an answer.
    pub answer_seconds: f32,
    /// A connection is opened anew after this time.
    pub connection_seconds: f32,
}

impl Default for OtlpOptions {
    fn default() -> OtlpOptions {
        OtlpOptions {
            endpoints: Vec::new(),
            protocol: Protocol::default(),
            headers: Vec::new(),
            tls: TlsFiles::default(),
            node_name: String::new(),
            traces: true,
            metrics: true,
            is_compressed: false,
            queue_bytes: 32 << 20,
            // Collectors take 4 MiB at most over gRPC unless told otherwise.
            batch_bytes: 1 << 20,
            batch_seconds: 1.0,
            metrics_seconds: 30.0,
            answer_seconds: 10.0,
            connection_seconds: 600.0,
        }
    }
}

impl OtlpOptions {
    /// From a JSON object; what it does not name has its default.
    pub fn from_json(text: &str) -> Result<OtlpOptions, StartError> {
        serde_json::from_str(text).map_err(|error| StartError(format!("otlp options: {error}")))
    }

    fn answer_timeout(&self) -> Duration {
        positive(self.answer_seconds)
    }

    fn metrics_period(&self) -> Duration {
        positive(self.metrics_seconds)
    }

    fn connection_age(&self) -> Duration {
        positive(self.connection_seconds)
    }
}

/// What both threads share.
#[derive(Debug)]
struct Shared {
    queue: Queue,
    metrics: Mutex<Metrics>,
    link: Mutex<Link>,
    stop: Arc<Notify>,
    metrics_wanted: Notify,
    /// Whether the metrics of the end were told, and the signal that they were.
    are_told: (Mutex<bool>, Condvar),
}

impl Shared {
    fn metrics(&self) -> MutexGuard<'_, Metrics> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(&self, change: impl FnOnce(&mut Link)) {
        change(&mut self.link.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn metrics_told(&self) {
        *self.are_told.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.are_told.1.notify_all();
    }

    /// Has the metrics sent once more, and waits for that.
    fn flush_metrics(&self, most: Duration) {
        let mut is_told = self.are_told.0.lock().unwrap_or_else(PoisonError::into_inner);
        *is_told = false;
        self.metrics_wanted.notify_one();
        let deadline = Instant::now() + most;
        while !*is_told && Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            is_told = self.are_told.1.wait_timeout(is_told, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The engine's end of the way to a collector.
#[derive(Debug)]
pub struct OtlpReporter {
    shared: Arc<Shared>,
    resources: Resources,
    span: Vec<u8>,
    withheld: u64,
    has_traces: bool,
    has_metrics: bool,
    sender: Option<JoinHandle<()>>,
}

impl OtlpReporter {
    /// Starts the sending thread. Whether a collector is there does not matter.
    pub fn start(options: OtlpOptions) -> Result<OtlpReporter, StartError> {
        if options.endpoints.is_empty() {
            return Err(StartError("otlp options: no endpoint".to_owned()));
        }
        if options.endpoints.iter().any(|endpoint| endpoint.starts_with("https:")) {
            options.tls.check(TLS_SECTION).map_err(StartError)?;
        }
        let shared = Arc::new(Shared {
            queue: Queue::new(options.queue_bytes, options.batch_bytes, positive(options.batch_seconds)),
            metrics: Mutex::default(),
            link: Mutex::default(),
            stop: Arc::default(),
            metrics_wanted: Notify::new(),
            are_told: (Mutex::new(false), Condvar::new()),
        });
        let (has_traces, has_metrics) = (options.traces, options.metrics);
        let resources = Resources::new(options.node_name.clone());
        let sender = Sender::new(Arc::clone(&shared), options);
        let thread = sending_thread("rover-otlp", Arc::clone(&shared.stop), sender.run())?;
        let (span, withheld, sender) = (Vec::new(), 0, Some(thread));
        Ok(OtlpReporter { shared, resources, span, withheld, has_traces, has_metrics, sender })
    }

    /// Encodes a record. Never waits. One that is unfinished comes again.
    pub fn push(&mut self, record: &Record) {
        if record.flags.has(Flag::Unfinished) {
            self.withheld += 1;
            return;
        }
        let resource = self.resources.of(record.local.identity.as_ref());
        if self.has_metrics {
            self.shared.metrics().add(&resource, record);
        }
        if self.has_traces {
            self.span.clear();
            push_span(&mut self.span, record);
            self.shared.queue.push(&resource, &self.span);
        }
    }

    /// What can be asked from any thread.
    pub fn link(&self) -> OtlpLink {
        OtlpLink(Arc::clone(&self.shared))
    }

    pub fn stats(&self) -> OtlpStats {
        OtlpStats { withheld: self.withheld, ..self.link().state() }
    }

    /// Sends what is held and the metrics as they are, ends the thread and counts what is left as `report_unsent`; takes
    /// at most about `most`.
    pub fn stop(&mut self, most: Duration) -> OtlpStats {
        if self.sender.is_some() {
            self.shared.queue.flush(most.mul_f64(1.0 - METRICS_SHARE));
            if self.has_metrics {
                self.shared.flush_metrics(most.mul_f64(METRICS_SHARE));
            }
        }
        self.end_thread();
        self.shared.queue.give_up();
        self.stats()
    }

    fn end_thread(&mut self) {
        self.shared.stop.notify_one();
        if let Some(thread) = self.sender.take() {
            // A panic of the sender has been printed; there is nobody to tell it again.
            let _ = thread.join();
        }
    }
}

impl Drop for OtlpReporter {
    fn drop(&mut self) {
        self.end_thread();
    }
}

/// How a reporter is connected, for those who watch over it.
#[derive(Clone, Debug)]
pub struct OtlpLink(Arc<Shared>);

impl OtlpLink {
    /// All but what the engine's thread counts for itself.
    pub fn state(&self) -> OtlpStats {
        let mut link = Link::default();
        self.0.link(|current| link = current.clone());
        let metrics_overflowed = self.0.metrics().overflowed;
        let state = self.0.queue.lock();
        let account = state.account;
        OtlpStats {
            pushed: account.pushed,
            acked: account.acked,
            withheld: 0,
            dropped: account.dropped(),
            held_records: account.held,
            held_bytes: state.held_bytes() as u64,
            requests: link.requests,
            retries: link.retries,
            bytes: link.bytes,
            reconnects: link.connects.saturating_sub(1),
            metrics_sent: link.metrics_sent,
            metrics_failed: link.metrics_failed,
            metrics_overflowed,
            away_seconds: link.away_since.map(|since| since.elapsed().as_secs_f64()),
            backend: link.backend,
            last_error: link.last_error,
        }
    }
}

/// Appends the instrumentation scope, field 1 of `ScopeSpans` and `ScopeMetrics`.
fn push_scope(out: &mut Vec<u8>) {
    push_message(out, 1, |scope| {
        push_text(scope, 1, "rover");
        push_text(scope, 2, env!("CARGO_PKG_VERSION"));
    });
}
