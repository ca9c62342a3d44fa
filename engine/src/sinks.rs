//! Where records go: encoded lines to a descriptor, rows to the store, streams to a backend. The engine never waits
//! for any of them; what one does not take is told.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::os::fd::{FromRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rover_reporters::encoder::{self, Encoder};
use rover_reporters::file::{FileHandle, FileOptions, Lines, RotatingFile};
use rover_reporters::json::JsonEncoder;
use rover_reporters::oap_stream::{OapLink, OapOptions, OapReporter, Pushed, StartError};
use rover_reporters::otlp::{OtlpLink, OtlpOptions, OtlpReporter};
use rover_reporters::record::{Activity, Record};
use rover_reporters::row::Row;
use rover_reporters::traffic::Traffic;

/// Takes records.
pub trait Sink: Send {
    /// False: not taken, for lack of room.
    fn accept(&mut self, record: &Record) -> bool;
    /// Whether it is of use to give it [`Sink::activity`].
    fn wants_activity(&self) -> bool {
        false
    }
    /// What a connection did besides exchanges. `boot_wall_ns`: wall clock of the boot.
    fn activity(&mut self, _activity: &Activity, _boot_wall_ns: u64) {}
    /// The batch is over.
    fn flush(&mut self);
    /// Nothing more will come; returns when all is out or the time is up.
    fn finish(&mut self, deadline: Instant);
    /// Encoded bytes that wait for a slow reader.
    fn waiting_bytes(&self) -> usize {
        0
    }
    /// What it has to tell about itself.
    fn stats(&self) -> Option<serde_json::Value> {
        None
    }
}

/// Encoded bytes that wait for a slow reader.
const WRITER_BYTES: usize = 64 * 1024 * 1024;
/// A batch goes to the writer when it is larger than this, at the latest at its end.
const BATCH_BYTES: usize = 256 * 1024;

/// Encoded records to a descriptor, written by a thread of its own: a pipe whose reader sleeps must not stop the drain.
pub struct LineSink {
    encoder: Box<dyn Encoder>,
    buffer: Vec<u8>,
    queue: Option<Sender<Vec<u8>>>,
    waiting: Arc<AtomicUsize>,
    is_broken: Arc<AtomicBool>,
    writer: Option<JoinHandle<()>>,
}

impl LineSink {
    /// Takes over `descriptor` (a duplicate of the caller's).
    pub fn new(encoder: Box<dyn Encoder>, descriptor: RawFd, is_broken: Arc<AtomicBool>) -> LineSink {
        let (queue, batches) = channel::<Vec<u8>>();
        let waiting = Arc::new(AtomicUsize::new(0));
        let (left, broken) = (Arc::clone(&waiting), Arc::clone(&is_broken));
        // SAFETY: the caller gives the descriptor away.
        let mut file = unsafe { File::from_raw_fd(descriptor) };
        let writer = std::thread::spawn(move || {
            for batch in batches {
                // The reader has gone (a closed pipe) or the disk is full: told once, by `is_broken`.
                if !broken.load(Ordering::Relaxed) && file.write_all(&batch).is_err() {
                    broken.store(true, Ordering::Relaxed);
                }
                left.fetch_sub(batch.len(), Ordering::Relaxed);
            }
        });
        LineSink {
            encoder,
            buffer: Vec::with_capacity(BATCH_BYTES),
            queue: Some(queue),
            waiting,
            is_broken,
            writer: Some(writer),
        }
    }
}

impl Sink for LineSink {
    fn waiting_bytes(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn accept(&mut self, record: &Record) -> bool {
        if self.is_broken.load(Ordering::Relaxed) || self.waiting.load(Ordering::Relaxed) > WRITER_BYTES {
            return false;
        }
        self.encoder.encode(record, &mut self.buffer);
        if self.buffer.len() >= BATCH_BYTES {
            self.flush();
        }
        true
    }

    fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let batch = std::mem::replace(&mut self.buffer, Vec::with_capacity(4096));
        self.waiting.fetch_add(batch.len(), Ordering::Relaxed);
        if let Some(queue) = &self.queue {
            if queue.send(batch).is_err() {
                self.is_broken.store(true, Ordering::Relaxed);
            }
        }
    }

    fn finish(&mut self, deadline: Instant) {
        self.flush();
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            while !writer.is_finished() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(1));
            }
            if writer.is_finished() && writer.join().is_err() {
                self.is_broken.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// Encoded records to a file that is rotated.
pub struct FileSink {
    encoder: Box<dyn Encoder>,
    lines: Lines,
    file: RotatingFile,
}

impl FileSink {
    /// # Errors
    /// Options that cannot be used, or a file that cannot be opened.
    pub fn start(options: &str) -> Result<FileSink, String> {
        let options: FileOptions = serde_json::from_str(options).map_err(|error| format!("file options: {error}"))?;
        let encoder = encoder::by_name(&options.format, "{}").map_err(|error| error.to_string())?;
        let path = options.path.clone();
        let file = RotatingFile::start(options).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(FileSink { encoder, lines: Lines::default(), file })
    }

    /// To be asked from any thread.
    pub fn handle(&self) -> FileHandle {
        self.file.handle()
    }
}

impl Sink for FileSink {
    fn accept(&mut self, record: &Record) -> bool {
        if self.file.refuses() {
            return false;
        }
        let before = self.lines.bytes.len();
        self.encoder.encode(record, &mut self.lines.bytes);
        self.lines.records += u64::from(self.lines.bytes.len() > before);
        if self.lines.bytes.len() >= BATCH_BYTES {
            self.flush();
        }
        true
    }

    fn flush(&mut self) {
        if !self.lines.bytes.is_empty() {
            self.file.write(std::mem::take(&mut self.lines));
        }
    }

    fn finish(&mut self, deadline: Instant) {
        self.flush();
        self.file.finish(deadline);
    }
}

/// Rows that wait for the store.
const ROWS: usize = 200_000;

/// Rows on their way to the control plane.
#[derive(Debug, Default)]
pub struct RowQueue {
    rows: Mutex<VecDeque<Row>>,
    /// What connections did besides exchanges, for which there was no room.
    pub lost_activities: AtomicU64,
    is_filled: Condvar,
}

impl RowQueue {
    fn rows(&self) -> std::sync::MutexGuard<'_, VecDeque<Row>> {
        // A panic elsewhere leaves the queue as it is: whole rows.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// At most `most` rows, as soon as there is one or the time is up.
    pub fn take(&self, timeout: Duration, most: usize) -> Vec<Row> {
        let rows = self.rows();
        let (mut rows, _) = self
            .is_filled
            .wait_timeout_while(rows, timeout, |rows| rows.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let count = rows.len().min(most);
        rows.drain(..count).collect()
    }

    pub fn len(&self) -> usize {
        self.rows().len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows().is_empty()
    }
}

/// Hands rows over in process.
pub struct RowSink {
    queue: Arc<RowQueue>,
    json: JsonEncoder,
    batch: Vec<Row>,
}

impl RowSink {
    pub fn new(queue: Arc<RowQueue>) -> RowSink {
        RowSink { queue, json: JsonEncoder::default(), batch: Vec::new() }
    }
}

impl Sink for RowSink {
    fn accept(&mut self, record: &Record) -> bool {
        if self.batch.len() + self.queue.len() >= ROWS {
            return false;
        }
        self.batch.push(Row::new(record, &mut self.json));
        true
    }

    fn wants_activity(&self) -> bool {
        true
    }

    fn activity(&mut self, activity: &Activity, boot_wall_ns: u64) {
        if self.batch.len() + self.queue.len() >= ROWS {
            self.queue.lost_activities.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.batch.extend(Row::of_activity(activity, boot_wall_ns, None, &mut self.json));
    }

    fn flush(&mut self) {
        if !self.batch.is_empty() {
            self.queue.rows().extend(self.batch.drain(..));
            self.queue.is_filled.notify_one();
        }
    }

    fn finish(&mut self, _deadline: Instant) {
        self.flush();
    }
}

/// Sends records to a backend; its own thread keeps the stream up.
pub struct OapSink {
    reporter: OapReporter,
}

impl OapSink {
    /// # Errors
    /// Options that cannot be used.
    pub fn start(options: &str) -> Result<OapSink, StartError> {
        Ok(OapSink { reporter: OapReporter::start(OapOptions::from_json(options)?)? })
    }

    /// How it is connected, to be asked from any thread.
    pub fn link(&self) -> OapLink {
        self.reporter.link()
    }
}

impl Sink for OapSink {
    fn accept(&mut self, record: &Record) -> bool {
        self.reporter.push(record) != Pushed::Full
    }

    fn wants_activity(&self) -> bool {
        true
    }

    fn activity(&mut self, activity: &Activity, boot_wall_ns: u64) {
        // One that finds no room is in the reporter's own count.
        self.reporter.push_activity(activity, boot_wall_ns);
    }

    fn flush(&mut self) {
        self.reporter.hand_over();
    }

    fn finish(&mut self, deadline: Instant) {
        // Flushes first; what the backend has not taken by then is counted.
        self.reporter.stop(deadline.saturating_duration_since(Instant::now()));
    }

    fn stats(&self) -> Option<serde_json::Value> {
        serde_json::to_value(self.reporter.stats()).ok()
    }
}

/// Sends spans and metrics to an OpenTelemetry collector; a thread of its own does.
pub struct OtlpSink {
    reporter: OtlpReporter,
}

impl OtlpSink {
    /// # Errors
    /// Options that cannot be used.
    pub fn start(options: &str) -> Result<OtlpSink, String> {
        let options = OtlpOptions::from_json(options).map_err(|error| error.to_string())?;
        let reporter = OtlpReporter::start(options).map_err(|error| error.to_string())?;
        Ok(OtlpSink { reporter })
    }

    /// How it is connected, to be asked from any thread.
    pub fn link(&self) -> OtlpLink {
        self.reporter.link()
    }
}

impl Sink for OtlpSink {
    fn accept(&mut self, record: &Record) -> bool {
        // One that finds no room takes the place of the oldest, which the reporter counts.
        self.reporter.push(record);
        true
    }

    fn flush(&mut self) {
        // Requests are made by size and age, not by round.
    }

    fn finish(&mut self, deadline: Instant) {
        self.reporter.stop(deadline.saturating_duration_since(Instant::now()));
    }
}

/// Sums that anybody may read at any time.
pub struct TrafficSink(pub Arc<Mutex<Traffic>>);

impl TrafficSink {
    fn traffic(&self) -> std::sync::MutexGuard<'_, Traffic> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for TrafficSink {
    fn accept(&mut self, record: &Record) -> bool {
        self.traffic().add(record);
        // A record that is only counted has not been reported.
        false
    }

    fn wants_activity(&self) -> bool {
        true
    }

    fn activity(&mut self, activity: &Activity, _boot_wall_ns: u64) {
        self.traffic().add_activity(activity);
    }

    fn flush(&mut self) {
        // Nothing is held back.
    }

    fn finish(&mut self, _deadline: Instant) {
        // Nor at the end.
    }
}
