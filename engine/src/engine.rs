//! The engine as its owner handles it: made, started, told, stopped.

use std::os::fd::RawFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, sync_channel, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rover_reporters::encoder::{self, EncoderError};
use rover_reporters::file::FileHandle;
use rover_reporters::oap_stream::OapLink;
use rover_reporters::otlp::OtlpLink;
use rover_reporters::row::Row;
use rover_reporters::traffic::Traffic;

use crate::addresses::Naming;
use crate::capture::{Capture, CaptureError};
use crate::clock;
use crate::core::Core;
use crate::drain::{Command, Drain, Gauges};
use crate::effort::Effort;
use crate::events;
use crate::hooks::{Figures, HookStatus};
use crate::ledger::Ledger;
use crate::memory;
use crate::names::KernelNames;
use crate::options::Options;
use crate::policy::NoSteering;
use crate::priority;
use crate::probe;
use crate::processes::{Decision, ProcessChange};
use crate::recording::{Frame, Header, Recorder, Recording, RecordingError};
use crate::report::Report;
use crate::sinks::{FileSink, LineSink, OapSink, OtlpSink, RowQueue, RowSink, Sink, TrafficSink};
use crate::tls::Watcher;
use crate::translations::Conntrack;

/// How long an answer of the drain thread may take; it answers within one cycle.
const ANSWER: Duration = Duration::from_secs(5);

/// Captures on this machine.
pub struct Engine {
    options: Options,
    run: u32,
    commands: Sender<Command>,
    /// Until started.
    orders: Mutex<Option<Receiver<Command>>>,
    changes: Mutex<Receiver<ProcessChange>>,
    changed: Mutex<Option<Sender<ProcessChange>>>,
    gauges: Arc<Gauges>,
    rows: Arc<RowQueue>,
    output_broken: Arc<AtomicBool>,
    hooks: Mutex<Vec<HookStatus>>,
    figures: Mutex<Figures>,
    tls: Mutex<Option<Watcher>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    links: Mutex<Vec<OapLink>>,
    collectors: Mutex<Vec<OtlpLink>>,
    traffic: Arc<Mutex<Traffic>>,
    files: Mutex<Vec<FileHandle>>,
}

fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Differs from run to run.
fn run_number() -> u32 {
    let time = clock::boot_ns() ^ clock::wall_offset_ns().rotate_left(17);
    (time.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32 ^ std::process::id()
}

impl Engine {
    pub fn new(options: Options) -> Engine {
        let (commands, orders) = channel();
        let (changed, changes) = channel();
        Engine {
            options,
            run: run_number(),
            commands,
            orders: Mutex::new(Some(orders)),
            changes: Mutex::new(changes),
            changed: Mutex::new(Some(changed)),
            gauges: Arc::new(Gauges::default()),
            rows: Arc::new(RowQueue::default()),
            output_broken: Arc::new(AtomicBool::new(false)),
            hooks: Mutex::new(Vec::new()),
            figures: Mutex::new(Figures::default()),
            tls: Mutex::new(None),
            thread: Mutex::new(None),
            links: Mutex::new(Vec::new()),
            collectors: Mutex::new(Vec::new()),
            traffic: Arc::default(),
            files: Mutex::new(Vec::new()),
        }
    }

    /// Loads, attaches, and starts the drain thread. A second call changes nothing.
    ///
    /// # Errors
    /// See [`Capture::start`].
    pub fn start(&self) -> Result<(), CaptureError> {
        let Some(orders) = held(&self.orders).take() else {
            return Ok(());
        };
        let Some(changes) = held(&self.changed).take() else {
            return Ok(());
        };
        memory::limit_kept();
        let capture = Capture::start(&self.options)?;
        let policies = capture.policies().map_err(|error| CaptureError::Unsupported {
            feature: "mapping BPF memory".into(),
            needs: error.to_string(),
        })?;
        *held(&self.hooks) = capture.hooks().to_vec();
        *held(&self.figures) = capture.figures();
        let mut core = Core::new(self.options.clone(), Box::new(policies), self.run, std::process::id());
        core.figures = capture.figures();
        core.names = KernelNames::running();
        if let Some(conntrack) = Conntrack::maybe_open() {
            core.translating = Box::new(conntrack);
        }
        let watcher = Watcher::start(capture.tls(), &self.options.tls);
        let requests = watcher.requests();
        *held(&self.tls) = Some(watcher);
        let drain = Drain { capture, core, commands: orders, changes, requests, gauges: Arc::clone(&self.gauges) };
        let thread = std::thread::Builder::new()
            .name("rover-drain".into())
            .spawn(move || {
                priority::go_first();
                drain.run();
            })
            .map_err(|error| CaptureError::Unsupported { feature: "a thread".into(), needs: error.to_string() })?;
        *held(&self.thread) = Some(thread);
        Ok(())
    }

    /// The TLS libraries: one JSON object.
    pub fn tls(&self) -> String {
        let status = held(&self.tls).as_ref().map(Watcher::status).unwrap_or_default();
        serde_json::to_string(&status).unwrap_or_default()
    }

    pub fn hooks(&self) -> Vec<HookStatus> {
        held(&self.hooks).clone()
    }

    /// Changes of processes to decide on, in order; waits for the first.
    pub fn take_processes(&self, timeout: Duration) -> Vec<ProcessChange> {
        let changes = held(&self.changes);
        let mut taken = Vec::new();
        if let Ok(first) = changes.recv_timeout(timeout) {
            taken.push(first);
            taken.extend(changes.try_iter().take(10_000));
        }
        taken
    }

    fn tell(&self, command: Command) {
        // After the stop nobody listens, and nothing is left to do.
        self.commands.send(command).unwrap_or_default();
    }

    pub fn confirm(&self, decision: Decision) {
        self.tell(Command::Confirm(Box::new(decision)));
    }

    pub fn watch_existing(&self, pids: Vec<u32>) {
        self.tell(Command::Introduce(pids));
    }

    /// These did not run any more at that time since boot.
    pub fn end_unseen(&self, pids: Vec<u32>, listed_ns: u64) {
        self.tell(Command::EndUnseen { pids, listed_ns });
    }

    /// Others have these addresses from now on.
    pub fn name_addresses(&self, changes: Vec<Naming>) {
        self.tell(Command::Name(changes));
    }

    /// Do more or less for each exchange: 0 all … 3 a sample of the connections.
    pub fn govern(&self, level: u8) {
        self.tell(Command::Govern(Effort::from_level(level)));
    }

    /// Other options, as far as they can change while it runs.
    pub fn reconfigure(&self, options: Options) {
        self.tell(Command::Reconfigure(Box::new(options)));
    }

    /// Writes encoded records to `descriptor`, which stays the caller's.
    ///
    /// # Errors
    /// An unknown format, or options that it does not know.
    pub fn add_output(&self, descriptor: RawFd, format: &str, options: &str) -> Result<(), EncoderError> {
        let encoder = encoder::by_name(format, options)?;
        self.tell(Command::AddSink(Box::new(line_sink(encoder, descriptor, &self.output_broken))));
        Ok(())
    }

    /// Sends records to a backend.
    ///
    /// # Errors
    /// Options that cannot be used.
    pub fn add_oap(&self, options: &str) -> Result<(), String> {
        let sink = OapSink::start(options).map_err(|error| error.to_string())?;
        held(&self.links).push(sink.link());
        self.tell(Command::AddSink(Box::new(sink)));
        Ok(())
    }

    /// Sends spans and metrics to an OpenTelemetry collector.
    ///
    /// # Errors
    /// Options that cannot be used.
    pub fn add_otlp(&self, options: &str) -> Result<(), String> {
        let sink = OtlpSink::start(options)?;
        held(&self.collectors).push(sink.link());
        self.tell(Command::AddSink(Box::new(sink)));
        Ok(())
    }

    /// Writes encoded records to a file that is rotated.
    ///
    /// # Errors
    /// Options that cannot be used, or a file that cannot be opened.
    pub fn add_file(&self, options: &str) -> Result<(), String> {
        let sink = FileSink::start(options)?;
        held(&self.files).push(sink.handle());
        self.tell(Command::AddSink(Box::new(sink)));
        Ok(())
    }

    /// Opens the files anew: somebody has renamed them.
    pub fn reopen_files(&self) {
        held(&self.files).iter().for_each(FileHandle::reopen);
    }

    /// How the outputs are: one JSON object, without asking the drain thread.
    pub fn outputs(&self) -> String {
        let links: Vec<_> = held(&self.links).iter().map(OapLink::state).collect();
        let files: Vec<_> = held(&self.files).iter().map(FileHandle::stats).collect();
        let collectors: Vec<_> = held(&self.collectors).iter().map(OtlpLink::state).collect();
        serde_json::json!({"oap": links, "files": files, "otlp": collectors}).to_string()
    }

    /// Sums up the traffic by service from now on.
    pub fn add_traffic(&self) {
        self.tell(Command::AddSink(Box::new(TrafficSink(Arc::clone(&self.traffic)))));
    }

    /// These sums: a JSON list. The copy is made under the lock, the text is not.
    pub fn traffic(&self) -> String {
        let traffic = held(&self.traffic).clone();
        serde_json::to_string(&traffic).unwrap_or_else(|_| "[]".to_owned())
    }

    pub fn add_rows(&self) {
        self.tell(Command::AddSink(Box::new(RowSink::new(Arc::clone(&self.rows)))));
    }

    pub fn take_rows(&self, timeout: Duration, most: usize) -> Vec<Row> {
        self.rows.take(timeout, most)
    }

    fn is_running(&self) -> bool {
        held(&self.thread).is_some()
    }

    pub fn ledger(&self) -> Ledger {
        if !self.is_running() {
            return Ledger::default();
        }
        let (answer, answers) = sync_channel(1);
        self.tell(Command::Ledger(answer));
        answers.recv_timeout(ANSWER).unwrap_or_default()
    }

    /// How long ago the drain thread began its last round; none unless it runs. Asks nobody, so it answers always.
    pub fn maybe_pulse(&self) -> Option<Duration> {
        let is_running = self.gauges.is_running.load(Ordering::Relaxed);
        let round_ns = self.gauges.round_ns.load(Ordering::Relaxed);
        (is_running && round_ns > 0).then(|| Duration::from_nanos(clock::boot_ns().saturating_sub(round_ns)))
    }

    /// Gauges, costs of the programs, reporters: one JSON object.
    pub fn stats(&self) -> String {
        let mut inner = serde_json::json!({});
        if self.is_running() {
            let (answer, answers) = sync_channel(1);
            self.tell(Command::Stats(answer));
            inner = answers.recv_timeout(ANSWER).unwrap_or(inner);
        }
        let read = |gauge: &std::sync::atomic::AtomicU64| gauge.load(Ordering::Relaxed);
        let gauges = &self.gauges;
        let mut stats = serde_json::json!({
            "events": read(&gauges.events),
            "connections": read(&gauges.connections),
            "processes": read(&gauges.processes),
            "addresses": read(&gauges.addresses),
            "records": read(&gauges.records),
            "connection_events_lost": read(&gauges.state_lost),
            "process_events_lost": read(&gauges.process_lost),
            "watch_table_full": read(&gauges.watch_full),
            "tls_calls_missed": read(&gauges.tls_missed),
            "tls_events_lost": read(&gauges.tls_lost),
            "engine_cpu_ns": read(&gauges.cpu_ns),
            "rows_waiting": self.rows.len(),
            "activities_lost": self.rows.lost_activities.load(Ordering::Relaxed),
            "output_broken": self.output_broken.load(Ordering::Relaxed),
            "lag_ns": read(&gauges.lag_ns),
            "ring_bytes_waiting": read(&gauges.ring_waiting),
            "programs": [],
            "oap": [],
            "busiest": [],
            "services": {},
        });
        if let (Some(stats), Some(inner)) = (stats.as_object_mut(), inner.as_object_mut()) {
            stats.append(inner);
        }
        stats.to_string()
    }

    /// Writes the raw event stream to a file from now on.
    ///
    /// # Errors
    /// What creating the file says.
    pub fn record_to(&self, path: &Path, most_bytes: u64) -> std::io::Result<()> {
        let recorder = Recorder::create(path, &self.header(), most_bytes)?;
        self.tell(Command::Record(Box::new(recorder)));
        Ok(())
    }

    fn header(&self) -> Header {
        let kernel = probe::kernel();
        Header {
            rover: env!("CARGO_PKG_VERSION").into(),
            kernel: kernel.release,
            machine: kernel.machine,
            run: self.run,
            own_pid: std::process::id(),
            event_bytes: event_bytes(),
            figures: *held(&self.figures),
        }
    }

    /// Drains, flushes, detaches; the final ledger.
    pub fn stop(&self, timeout: Duration) -> Ledger {
        let Some(thread) = held(&self.thread).take() else {
            return Ledger::default();
        };
        if let Some(watcher) = held(&self.tls).as_mut() {
            watcher.stop();
        }
        let (answer, answers) = sync_channel(1);
        self.tell(Command::Stop { deadline: Instant::now() + timeout, answer });
        let ledger = answers.recv_timeout(timeout + ANSWER).unwrap_or_default();
        if thread.join().is_err() {
            self.gauges.is_running.store(false, Ordering::Relaxed);
        }
        ledger
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop(Duration::from_millis(500));
    }
}

fn event_bytes() -> [usize; 3] {
    [
        std::mem::size_of::<events::DataEvent>(),
        std::mem::size_of::<events::ConnectionEvent>(),
        std::mem::size_of::<events::ProcessEvent>(),
    ]
}

fn line_sink(encoder: Box<dyn encoder::Encoder>, descriptor: RawFd, broken: &Arc<AtomicBool>) -> LineSink {
    // SAFETY: dup takes any number; a bad one gives -1, on which every write fails and is told as broken.
    let own = unsafe { libc::dup(descriptor) };
    LineSink::new(encoder, own, Arc::clone(broken))
}

/// Why a recording cannot be replayed.
#[derive(Debug)]
pub enum ReplayError {
    Recording(RecordingError),
    Encoder(EncoderError),
    /// Recorded by a version with other events.
    Version(String),
}

/// The same engine over a recording, encoded to `descriptor`.
///
/// # Errors
/// The file cannot be read, is damaged or of another version, or the format is unknown.
pub fn replay(
    path: &Path,
    descriptor: RawFd,
    format: &str,
    encoder_options: &str,
    options: Options,
) -> Result<Ledger, ReplayError> {
    let encoder = encoder::by_name(format, encoder_options).map_err(ReplayError::Encoder)?;
    let mut recording = Recording::open(path).map_err(ReplayError::Recording)?;
    if recording.header.event_bytes != event_bytes() {
        let version = &recording.header.rover;
        return Err(ReplayError::Version(format!("recorded by rover {version}, whose events differ from this one's")));
    }
    let header = recording.header.clone();
    let mut core = Core::new(options, Box::new(NoSteering), header.run, header.own_pid);
    core.figures = header.figures;
    let mut sink = line_sink(encoder, descriptor, &Arc::new(AtomicBool::new(false)));
    let mut in_kernel = (0, 0, 0);
    while let Some(frame) = recording.next_frame().map_err(ReplayError::Recording)? {
        match frame {
            Frame::Event(raw) => core.event(&raw),
            Frame::Tick { now_ns, wall_offset_ns } => core.tick(now_ns, wall_offset_ns),
            Frame::Confirm(decision) => {
                core.confirm(*decision);
            }
            Frame::Introduce { pid } => core.introduce(pid),
            Frame::Counters { captured, ring_full, not_http } => in_kernel = (captured, ring_full, not_http),
        }
        core.take_changes();
        report(&mut core, &mut sink);
    }
    core.finish();
    report(&mut core, &mut sink);
    sink.finish(Instant::now() + Duration::from_secs(60));
    let (captured, ring_full, not_http) = in_kernel;
    core.ledger.captured = captured;
    core.ledger.set(crate::ledger::Cause::RingFull, ring_full);
    core.ledger.lose(crate::ledger::Cause::NotHttp, not_http);
    Ok(core.ledger.clone())
}

fn report(core: &mut Core, sink: &mut LineSink) {
    for (report, operations) in core.take_records() {
        let Report::Exchange(record) = report else {
            continue;
        };
        if sink.accept(&record) {
            core.ledger.reported += operations;
            core.ledger.records += 1;
        } else {
            core.ledger.lose(crate::ledger::Cause::OutputFull, operations);
        }
    }
    sink.flush();
}
