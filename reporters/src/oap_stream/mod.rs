//! The stream to OAP: encodes on the engine's thread, sends on its own, and never lets the one wait for the other.
//!
//! [`OapReporter::push`] encodes a record into the batch at hand, [`OapReporter::push_activity`] what a connection does
//! besides exchanges, [`OapReporter::hand_over`] gives the batch to the sender. What cannot be held is refused and counted;
//! what is sent counts as delivered when its stream was closed with OK, so delivery is at least once.

mod account;
mod batch;
mod feed;
mod link;
mod node;
mod queue;
mod sender;
mod spooling;
mod stats;
mod suspects;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use tokio::sync::Notify;

use account::Drop as DropCause;
use batch::{Backend, OpenBatch, MESSAGE_OVERHEAD};
pub use link::{AUTHENTICATION, ROVER_BACKEND};
use queue::{Limits, Queue};
use sender::Sender;
use spooling::SpoolThread;
use stats::{Counters, PushCounters};
pub use stats::{LinkStats, OapStats};

use crate::json::JsonEncoder;
use crate::oap::{push_rover_record, Encoded, OapEncoder, UnknownEnd};
use crate::record::{Activity, Record, RecordId};
use crate::spool::{self, SpoolOptions};
pub use crate::transport::StartError;
use crate::transport::{positive, random, sending_thread, TlsFiles};

/// A batch is handed over when it has reached this size, whether the engine asks for it or not.
const BATCH_BYTES: usize = 64 << 10;

/// Where the configuration has the files of TLS.
const TLS_SECTION: &str = "reporters.oap.tls";

/// Of the time for the end, how much may be spent with a backend before the rest is for the disk.
const FLUSH_SHARE: f64 = 0.6;

/// Where records go and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OapOptions {
    /// `host:port` each; tried in turn.
    pub addresses: Vec<String>,
    /// Sent as the metadata `authentication`.
    pub token: Option<String>,
    /// Its first line is the token instead, as it is at each call.
    pub token_file: Option<PathBuf>,
    pub node_name: String,
    /// Prefixed by OAP to the names it finds itself; empty: none.
    pub cluster_name: String,
    /// How an end without a known service is written.
    pub unknown_end: UnknownEnd,
    /// Ceiling of all that is held, unanswered streams included.
    pub queue_bytes: usize,
    /// A stream is closed, and so acknowledged, after this time or this many bytes.
    pub stream_seconds: f32,
    pub stream_bytes: usize,
    /// How long the backend may owe an answer, or not read, before the stream counts as failed. A busy OAP takes some 500
    /// exchanges a second and may have 6000 of them before it when the stream ends; what fails too early is counted twice.
    pub answer_seconds: f32,
    /// While another address than the first is used, the ones before it are tried again after this time.
    pub return_seconds: f32,
    /// A connection is opened anew after this time, so that a load balancer can choose again.
    pub connection_seconds: f32,
    /// Over TLS, with these files; `None`: without.
    pub tls: Option<TlsFiles>,
    /// What cannot be sent waits there; `None`: in memory only.
    pub spool: Option<SpoolKeys>,
}

/// The spool as a configuration names it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpoolKeys {
    pub path: PathBuf,
    pub bytes: u64,
    pub hours: f64,
}

impl From<&SpoolKeys> for SpoolOptions {
    fn from(keys: &SpoolKeys) -> SpoolOptions {
        // A float becomes the nearest number that an integer can hold.
        let most_age_ms = (keys.hours * 3_600_000.0) as u64;
        SpoolOptions { path: keys.path.clone(), most_bytes: keys.bytes, most_age_ms }
    }
}

impl Default for OapOptions {
    fn default() -> OapOptions {
        OapOptions {
            addresses: vec!["127.0.0.1:11800".to_owned()],
            token: None,
            token_file: None,
            node_name: String::new(),
            cluster_name: String::new(),
            unknown_end: UnknownEnd::default(),
            queue_bytes: 32 << 20,
            stream_seconds: 5.0,
            stream_bytes: 4 << 20,
            answer_seconds: 60.0,
            return_seconds: 60.0,
            connection_seconds: 600.0,
            tls: None,
            spool: None,
        }
    }
}

impl OapOptions {
    /// From a JSON object; what it does not name has its default.
    pub fn from_json(text: &str) -> Result<OapOptions, StartError> {
        serde_json::from_str(text).map_err(|error| StartError(format!("oap options: {error}")))
    }

    fn stream_age(&self) -> Duration {
        positive(self.stream_seconds)
    }

    fn return_after(&self) -> Duration {
        positive(self.return_seconds)
    }

    fn connection_age(&self) -> Duration {
        positive(self.connection_seconds)
    }

    fn answer_timeout(&self) -> Duration {
        positive(self.answer_seconds)
    }
}

/// What became of a pushed record or activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    Queued,
    /// Has no form that OAP could take.
    Withheld,
    /// Refused and counted as `report_queue_full`.
    Full,
}

/// What both threads share.
#[derive(Debug)]
struct Shared {
    queue: Queue,
    counters: Counters,
    /// 0 until a backend answered, then 1 + [`Backend`].
    backend: AtomicU8,
    stop: Arc<Notify>,
}

impl Shared {
    fn set_backend(&self, backend: Backend) {
        self.backend.store(1 + backend as u8, Ordering::Relaxed);
    }

    /// Whether whole records are wanted, as far as is known: the first ones may go to either kind of backend.
    fn wants_records(&self) -> bool {
        self.backend.load(Ordering::Relaxed) != 1 + Backend::Oap as u8
    }
}

/// The engine's end of a stream to OAP or to a backend of rover's own.
#[derive(Debug)]
pub struct OapReporter {
    shared: Arc<Shared>,
    encoder: OapEncoder,
    json: JsonEncoder,
    json_text: Vec<u8>,
    open: OpenBatch,
    counters: PushCounters,
    /// Differs from start to start.
    run: u32,
    sender: Option<JoinHandle<()>>,
    spool: Option<SpoolThread>,
}

impl OapReporter {
    /// Starts the sending thread. Whether a backend is there does not matter.
    pub fn start(options: OapOptions) -> Result<OapReporter, StartError> {
        if options.addresses.is_empty() {
            return Err(StartError("oap options: no address".to_owned()));
        }
        if let Some(tls) = &options.tls {
            tls.check(TLS_SECTION).map_err(StartError)?;
        }
        let shared = Arc::new(Shared {
            queue: Queue::new(Limits::new(options.queue_bytes, options.spool.is_some()), first_sequence(&options)),
            counters: Counters::default(),
            backend: AtomicU8::new(0),
            stop: Arc::default(),
        });
        let encoder = OapEncoder::new(options.unknown_end);
        let start_spool = |keys: &SpoolKeys| SpoolThread::start(Arc::clone(&shared), keys.into());
        let spool = options.spool.as_ref().map(start_spool).transpose();
        let spool = spool.map_err(|error| StartError(format!("spooling thread: {error}")))?;
        let sender = Sender::new(Arc::clone(&shared), options, agent_id());
        let thread = sending_thread("rover-oap", Arc::clone(&shared.stop), sender.run())?;
        Ok(OapReporter {
            shared,
            encoder,
            json: JsonEncoder::default(),
            json_text: Vec::new(),
            open: OpenBatch::default(),
            counters: PushCounters::default(),
            run: started_us() as u32,
            sender: Some(thread),
            spool,
        })
    }

    /// Encodes a record. Never waits.
    pub fn push(&mut self, record: &Record) -> Pushed {
        self.counters.pushed += 1;
        if self.is_full() {
            self.counters.refused += 1;
            return Pushed::Full;
        }
        let start = self.open.bytes.len();
        let encoded = self.encoder.encode(record, &mut self.open.bytes);
        let oap_end = self.open.bytes.len();
        if self.shared.wants_records() {
            self.json_text.clear();
            self.json.encode_object(record, &mut self.json_text);
            push_rover_record(&mut self.open.bytes, &self.json_text);
        }
        let pushed = self.close(start, oap_end, record.id.wall_ns.saturating_sub(record.start_ns));
        if pushed == Pushed::Queued {
            self.counters.kernel_only += u64::from(encoded == Encoded::KernelOnly);
        }
        pushed
    }

    /// Encodes what a connection did besides exchanges. Never waits.
    ///
    /// `boot_wall_ns`: wall clock of the node's boot, what has to be added to the activity's times.
    pub fn push_activity(&mut self, activity: &Activity, boot_wall_ns: u64) -> Pushed {
        self.counters.pushed += 1;
        self.counters.activities += 1;
        if self.is_full() {
            self.counters.refused += 1;
            return Pushed::Full;
        }
        let start = self.open.bytes.len();
        let encoded = self.encoder.encode_activity(activity, &mut self.open.bytes);
        let oap_end = self.open.bytes.len();
        if oap_end > start && self.shared.wants_records() {
            let id = self.activity_id(boot_wall_ns.saturating_add(activity.end_ns()));
            self.json_text.clear();
            self.json.encode_activity(activity, boot_wall_ns, Some(id), &mut self.json_text);
            push_rover_record(&mut self.open.bytes, &self.json_text);
        }
        let pushed = self.close(start, oap_end, boot_wall_ns);
        if pushed == Pushed::Queued {
            self.counters.merged_calls += encoded.merged_calls;
        }
        pushed
    }

    /// By it a backend knows one that was sent twice.
    fn activity_id(&self, wall_ns: u64) -> RecordId {
        // Both wrap: within the hours of one resend they do not meet.
        RecordId { wall_ns, run: self.run, sequence: self.counters.activities as u32 }
    }

    /// Closes the message that began at `start` of the batch, or takes it away again where there is no room for it.
    fn close(&mut self, start: usize, oap_end: usize, boot_wall_ns: u64) -> Pushed {
        let end = self.open.bytes.len();
        if start == end {
            self.counters.withheld += 1;
            return Pushed::Withheld;
        }
        if self.is_full() {
            self.open.bytes.truncate(start);
            // The connection may have been told in what was just taken away.
            self.encoder.start_run();
            self.counters.refused += 1;
            return Pushed::Full;
        }
        self.open.close_record(oap_end, boot_wall_ns);
        if end >= BATCH_BYTES {
            self.hand_over();
        }
        Pushed::Queued
    }

    /// Whether one more message does not fit beside what is held and the batch at hand.
    fn is_full(&self) -> bool {
        self.shared.queue.is_full(self.open.held_bytes() + MESSAGE_OVERHEAD)
    }

    /// Gives what was pushed to the sender; to be called at the end of each round of pushes.
    pub fn hand_over(&mut self) {
        if !self.open.is_empty() {
            self.shared.queue.push(self.open.seal());
            // Any batch can become the first of a stream.
            self.encoder.start_run();
        }
    }

    /// Hands over, closes streams early and waits for their answers, for at most `most`; whether all was settled.
    pub fn flush(&mut self, most: Duration) -> bool {
        self.hand_over();
        self.shared.queue.set_flushing(true);
        let is_settled = self.shared.queue.wait_settled(most);
        self.shared.queue.set_flushing(false);
        is_settled
    }

    pub fn stats(&self) -> OapStats {
        stats::snapshot(&self.shared, self.counters, (self.open.held_bytes(), self.open.records()))
    }

    /// What can be asked from any thread.
    pub fn link(&self) -> OapLink {
        OapLink(Arc::clone(&self.shared))
    }

    /// Flushes, ends both threads and counts what is left as `report_unsent`; takes at most about `most`. With a spool what
    /// the backend does not take goes to disk, in the last part of that time.
    pub fn stop(&mut self, most: Duration) -> OapStats {
        let deadline = Instant::now() + most;
        self.flush(if self.spool.is_some() { most.mul_f64(FLUSH_SHARE) } else { most });
        self.end_thread();
        self.shared.queue.put_all_back();
        if let Some(spool) = self.spool.take() {
            spool.finish(deadline);
        }
        self.shared.queue.drop_held(DropCause::Unsent);
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

impl Drop for OapReporter {
    fn drop(&mut self) {
        self.end_thread();
        if let Some(spool) = self.spool.take() {
            spool.finish(Instant::now());
        }
    }
}

/// Above all sequences of a former run, wherever the clock was then.
fn first_sequence(options: &OapOptions) -> u64 {
    let now = started_us().saturating_mul(1000);
    options.spool.as_ref().map_or(0, |keys| spool::first_sequence(&keys.path).max(now))
}

fn started_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(0)
}

/// How a reporter is connected, for those who watch over it.
#[derive(Clone, Debug)]
pub struct OapLink(Arc<Shared>);

impl OapLink {
    /// Where records go, since when they cannot, and why; the spool's state.
    pub fn state(&self) -> LinkStats {
        stats::link(&self.0)
    }
}

/// Random per start, in the form of a UUID (RFC 9562, version 4).
fn agent_id() -> String {
    let (high, low) = (random(), random());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        0x8000 | (low >> 48 & 0x3fff),
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests;
