//! The drain thread: ring buffer → core → sinks, on a timer. A wake-up per event would cost the traced thread 11 µs.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use libbpf_rs::{AsRawLibbpf, RingBuffer, RingBufferBuilder};

use crate::addresses::Naming;
use crate::alarm::Alarm;
use crate::capture::Capture;
use crate::clock;
use crate::core::Core;
use crate::effort::Effort;
use crate::events;
use crate::ledger::{Cause, Ledger};
use crate::options::Options;
use crate::processes::{Decision, ProcessChange};
use crate::recording::Recorder;
use crate::report::Report;
use crate::sinks::Sink;
use crate::tls::Requests;

/// Pause after a cycle that brought nothing; also the longest latency that the drain adds.
const IDLE_PAUSE: Duration = Duration::from_millis(10);
/// Pause while events come.
const BUSY_PAUSE: Duration = Duration::from_millis(5);
/// How often the kernel's counters are read.
const COUNTERS_EVERY: Duration = Duration::from_millis(500);

/// What the other threads ask of the drain thread.
pub enum Command {
    Confirm(Box<Decision>),
    Introduce(Vec<u32>),
    /// These did not run when those that do were listed.
    EndUnseen {
        pids: Vec<u32>,
        listed_ns: u64,
    },
    /// Who has which address from now on.
    Name(Vec<Naming>),
    /// Do more or less for each exchange.
    Govern(Effort),
    /// Other options, as far as they can change while it runs.
    Reconfigure(Box<Options>),
    AddSink(Box<dyn Sink>),
    Record(Box<Recorder>),
    /// The ledger as it is now.
    Ledger(SyncSender<Ledger>),
    /// Costs of the programs, and what the reporters say.
    Stats(SyncSender<serde_json::Value>),
    /// Drain, flush, end; answers with the final ledger.
    Stop {
        deadline: Instant,
        answer: SyncSender<Ledger>,
    },
}

/// Figures that others may read at any time.
#[derive(Debug, Default)]
pub struct Gauges {
    pub events: AtomicU64,
    pub connections: AtomicU64,
    pub processes: AtomicU64,
    pub addresses: AtomicU64,
    pub records: AtomicU64,
    pub state_lost: AtomicU64,
    pub process_lost: AtomicU64,
    pub watch_full: AtomicU64,
    /// Calls of TLS libraries whose begin or end was not seen.
    pub tls_missed: AtomicU64,
    pub tls_lost: AtomicU64,
    /// Nanoseconds of CPU that the drain thread has used.
    pub cpu_ns: AtomicU64,
    /// When the thread began its last round, since boot; others see by it that it lives.
    pub round_ns: AtomicU64,
    /// The longest time between two rounds since the counters were last read: no event waited longer in the ring.
    pub lag_ns: AtomicU64,
    /// The most bytes that a round found in the ring, over the same time.
    pub ring_waiting: AtomicU64,
    pub is_running: AtomicBool,
}

/// Everything that the thread owns.
pub struct Drain {
    pub capture: Capture,
    pub core: Core,
    pub commands: Receiver<Command>,
    pub changes: Sender<ProcessChange>,
    /// Takes what is to be followed in processes.
    pub requests: Option<Requests>,
    pub gauges: Arc<Gauges>,
}

struct State {
    core: Core,
    sinks: Vec<Box<dyn Sink>>,
    recorder: Option<Recorder>,
    events: u64,
    /// Room for records on their way from the core to the sinks.
    passing: Vec<(Report, u64)>,
    is_flush_due: bool,
    wall_offset_ns: u64,
}

impl State {
    /// Adds to the recording, if there is one; a disk that is full ends it, and says so.
    fn record(&mut self, write: impl FnOnce(&mut Recorder) -> std::io::Result<()>) {
        if let Some(Err(error)) = self.recorder.as_mut().map(write) {
            eprintln!("rover: the recording ends early: {error}");
            self.recorder = None;
        }
    }

    fn event(&mut self, raw: &[u8]) {
        self.events += 1;
        self.record(|recorder| recorder.event(raw));
        self.core.event(raw);
        // At once: memory that was just let go is the cheapest to get again.
        self.pass_on();
    }

    /// Hands the records that have passed to the sinks.
    fn pass_on(&mut self) {
        self.core.swap_records(&mut self.passing);
        self.is_flush_due |= !self.passing.is_empty();
        for (report, operations) in self.passing.drain(..) {
            let record = match report {
                Report::Exchange(record) => record,
                Report::Activity(activity) => {
                    for sink in &mut self.sinks {
                        sink.activity(&activity, self.wall_offset_ns);
                    }
                    continue;
                }
            };
            let mut is_taken = self.sinks.is_empty();
            for sink in &mut self.sinks {
                is_taken |= sink.accept(&record);
            }
            if is_taken {
                self.core.ledger.reported += operations;
                self.core.ledger.records += 1;
            } else {
                self.core.ledger.lose(Cause::OutputFull, operations);
            }
        }
    }

    /// The same, and nothing stays in a buffer.
    fn report(&mut self) {
        self.pass_on();
        if std::mem::take(&mut self.is_flush_due) {
            for sink in &mut self.sinks {
                sink.flush();
            }
        }
    }
}

impl Drain {
    /// Runs until it is told to stop.
    pub fn run(self) {
        let Drain { mut capture, core, commands, changes, requests, gauges } = self;
        let state = Mutex::new(State {
            core,
            sinks: Vec::new(),
            recorder: None,
            events: 0,
            passing: Vec::new(),
            is_flush_due: false,
            wall_offset_ns: clock::wall_offset_ns(),
        });
        let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
        // The ring's callback cannot borrow what the loop uses as well; the lock is never contended.
        let stop = {
            let Some(map) = capture.ring() else {
                return;
            };
            let mut builder = RingBufferBuilder::new();
            let added = builder.add(&map, |raw| {
                lock().event(raw);
                0
            });
            if added.is_err() {
                return;
            }
            let (Ok(ring), Ok(alarm)) = (builder.build(), Alarm::new(map.as_fd())) else {
                return;
            };
            gauges.is_running.store(true, Ordering::Relaxed);
            let mut counted = Instant::now();
            let mut seen = 0;
            let mut rounds = Rounds::begin();
            loop {
                rounds.next(&ring, &gauges);
                // Read first: what the ring holds after this is never taken for missing, however long this thread is stopped.
                let now = clock::boot_ns();
                ring.consume_raw();
                let mut state = lock();
                tick(&mut state, now);
                if counted.elapsed() >= COUNTERS_EVERY {
                    counted = Instant::now();
                    rounds.publish(&gauges);
                    count(&mut state.core.ledger, &capture, &gauges);
                }
                publish(&mut state, &gauges, &changes);
                let wanted = state.core.take_requests();
                if let Some(requests) = requests.as_ref().filter(|_| !wanted.is_empty()) {
                    requests.ask(wanted);
                }
                let stop = obey(&mut state, &capture, &commands, &gauges);
                state.report();
                let is_busy = state.events != seen;
                seen = state.events;
                drop(state);
                if let Some(stop) = stop {
                    break stop;
                }
                // Only a ring that fills faster than this pause wakes the thread before its end.
                alarm.wait(if is_busy { BUSY_PAUSE } else { IDLE_PAUSE });
            }
        };
        let (deadline, answer) = stop;
        finish(&mut capture, &state, &commands, &changes, &gauges, deadline);
        let mut state = lock();
        count(&mut state.core.ledger, &capture, &gauges);
        for sink in &mut state.sinks {
            sink.finish(deadline);
        }
        let ledger = state.core.ledger.clone();
        if let Some(recorder) = state.recorder.take() {
            if recorder.is_full() {
                eprintln!("rover: the recording reached its bound: what came later is not in it");
            }
            let lost = ledger.lost(Cause::RingFull);
            if let Err(error) = recorder.finish(ledger.captured, lost, capture.counters().of(events::COUNT_NOT_HTTP)) {
                eprintln!("rover: the recording is incomplete: {error}");
            }
        }
        gauges.is_running.store(false, Ordering::Relaxed);
        // Nobody waits any more: nothing to tell.
        if answer.send(ledger).is_err() {
            gauges.is_running.store(false, Ordering::Relaxed);
        }
    }
}

/// How regularly the ring is emptied.
struct Rounds {
    last_ns: u64,
    longest_ns: u64,
    most_bytes: u64,
}

impl Rounds {
    fn begin() -> Rounds {
        Rounds { last_ns: clock::boot_ns(), longest_ns: 0, most_bytes: 0 }
    }

    fn next(&mut self, ring: &RingBuffer<'_>, gauges: &Gauges) {
        let now = clock::boot_ns();
        self.longest_ns = self.longest_ns.max(now - self.last_ns);
        self.last_ns = now;
        // SAFETY: the ring buffer lives, and its first ring with it; null would give 0.
        let waiting = unsafe {
            let ring = libbpf_sys::ring_buffer__ring(ring.as_libbpf_object().as_ptr(), 0);
            if ring.is_null() {
                0
            } else {
                libbpf_sys::ring__avail_data_size(ring)
            }
        };
        self.most_bytes = self.most_bytes.max(waiting as u64);
        gauges.round_ns.store(now, Ordering::Relaxed);
    }

    fn publish(&mut self, gauges: &Gauges) {
        gauges.lag_ns.store(std::mem::take(&mut self.longest_ns), Ordering::Relaxed);
        gauges.ring_waiting.store(std::mem::take(&mut self.most_bytes), Ordering::Relaxed);
    }
}

fn tick(state: &mut State, now: u64) {
    let offset = clock::wall_offset_ns();
    state.record(|recorder| recorder.tick(now, offset));
    state.wall_offset_ns = offset;
    state.core.tick(now, offset);
}

/// Events that are in the ring, exchanges that are open, processes that wait for their confirmation.
fn finish(
    capture: &mut Capture,
    state: &Mutex<State>,
    commands: &Receiver<Command>,
    changes: &Sender<ProcessChange>,
    gauges: &Gauges,
    deadline: Instant,
) {
    let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
    let mut is_detached = false;
    let settle_until = Instant::now() + Duration::from_millis(150);
    loop {
        let now = clock::boot_ns();
        if let Some(ring) = capture.ring() {
            let mut builder = RingBufferBuilder::new();
            let added = builder.add(&ring, |raw| {
                lock().event(raw);
                0
            });
            if added.is_ok() {
                if let Ok(ring) = builder.build() {
                    ring.consume_raw();
                }
            }
        }
        if !is_detached {
            // Once more after this: what was under way when the programs were detached.
            capture.detach();
            is_detached = true;
            continue;
        }
        let mut state = lock();
        tick(&mut state, now);
        publish(&mut state, gauges, changes);
        obey(&mut state, capture, commands, gauges);
        state.report();
        let is_settled = state.core.processes.held_operations() == 0;
        // Stalled bytes and lingering connections get their time; so do pending confirmations, up to the deadline.
        if Instant::now() >= deadline || (Instant::now() >= settle_until && is_settled) {
            state.core.finish();
            state.report();
            return;
        }
        drop(state);
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn count(ledger: &mut Ledger, capture: &Capture, gauges: &Gauges) {
    let counters = capture.counters();
    // Operations without an event by policy are counted in the kernel; what the engine settles comes on top.
    let settled = ledger.lost(Cause::NotHttp) - ledger.not_http_in_kernel;
    ledger.not_http_in_kernel = counters.of(events::COUNT_NOT_HTTP);
    ledger.set(Cause::NotHttp, settled + ledger.not_http_in_kernel);
    ledger.set(Cause::RingFull, counters.of(events::COUNT_RING_FULL));
    ledger.set(Cause::NoStorage, counters.of(events::COUNT_NO_STORAGE));
    ledger.captured = counters.of(events::COUNT_CAPTURED);
    gauges.state_lost.store(counters.of(events::COUNT_STATE_LOST), Ordering::Relaxed);
    gauges.process_lost.store(counters.of(events::COUNT_PROCESS_LOST), Ordering::Relaxed);
    gauges.watch_full.store(counters.of(events::COUNT_WATCH_FULL), Ordering::Relaxed);
    gauges.tls_missed.store(counters.of(events::COUNT_TLS_MISSED), Ordering::Relaxed);
    gauges.tls_lost.store(counters.of(events::COUNT_TLS_LOST), Ordering::Relaxed);
    gauges.cpu_ns.store(clock::thread_cpu_ns(), Ordering::Relaxed);
}

fn publish(state: &mut State, gauges: &Gauges, changes: &Sender<ProcessChange>) {
    gauges.events.store(state.events, Ordering::Relaxed);
    gauges.connections.store(state.core.connections() as u64, Ordering::Relaxed);
    gauges.processes.store(state.core.processes.count() as u64, Ordering::Relaxed);
    gauges.addresses.store(state.core.addresses.count() as u64, Ordering::Relaxed);
    gauges.records.store(state.core.ledger.records, Ordering::Relaxed);
    for change in state.core.take_changes() {
        // The control plane has gone: the engine is about to stop.
        if changes.send(change).is_err() {
            break;
        }
    }
}

/// The processes told of one by one.
const BUSIEST: usize = 20;

fn told(state: &mut State, capture: &Capture) -> serde_json::Value {
    let oap: Vec<serde_json::Value> = state.sinks.iter().filter_map(|sink| sink.stats()).collect();
    let processes = &mut state.core.processes;
    serde_json::json!({
        "programs": capture.costs(),
        "oap": oap,
        "output_bytes_waiting": state.sinks.iter().map(|sink| sink.waiting_bytes()).sum::<usize>(),
        "records_held": processes.held(),
        "connection_events_unconfirmed": processes.lost_activities(),
        "layers_contradicted": state.core.contradictions,
        "busiest": processes.busiest(BUSIEST),
        "services": processes.charges().all(),
    })
}

type Stop = (Instant, SyncSender<Ledger>);

fn obey(state: &mut State, capture: &Capture, commands: &Receiver<Command>, gauges: &Gauges) -> Option<Stop> {
    loop {
        match commands.try_recv() {
            Ok(Command::Confirm(decision)) => {
                state.record(|recorder| recorder.confirm(&decision));
                let (pid, is_watched, since_ns) = (decision.pid, decision.is_watched, decision.since_ns);
                let was_excluded = state.core.processes.is_excluded(pid);
                // Watched since its fork, unless it was excluded: other rules may want it back.
                if state.core.confirm(*decision) && is_watched == was_excluded {
                    if !is_watched {
                        capture.exclude(pid, since_ns);
                    } else if !capture.watch(pid) {
                        gauges.watch_full.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
            Ok(Command::Introduce(pids)) => {
                for pid in pids {
                    if !capture.watch(pid) {
                        gauges.watch_full.fetch_add(1, Ordering::Relaxed);
                    }
                    state.record(|recorder| recorder.introduce(pid));
                    state.core.introduce(pid);
                }
            }
            Ok(Command::EndUnseen { pids, listed_ns }) => {
                for pid in pids {
                    if state.core.processes.end_unseen(pid, listed_ns) {
                        capture.forget(pid, listed_ns);
                    }
                }
            }
            Ok(Command::Name(changes)) => {
                for change in changes {
                    state.core.addresses.change(change);
                }
            }
            Ok(Command::Govern(effort)) => {
                state.core.figures = capture.set_layers(effort < Effort::WithoutLayers);
                state.core.set_effort(effort);
            }
            Ok(Command::Reconfigure(options)) => state.core.reconfigure(*options),
            Ok(Command::AddSink(sink)) => {
                state.core.has_activity |= sink.wants_activity();
                state.sinks.push(sink);
            }
            Ok(Command::Record(recorder)) => {
                state.recorder = Some(*recorder);
                // So that the replay's clock does not begin at zero.
                tick(state, clock::boot_ns());
            }
            Ok(Command::Ledger(answer)) => {
                count(&mut state.core.ledger, capture, gauges);
                answer.send(state.core.ledger.clone()).unwrap_or_default();
            }
            Ok(Command::Stats(answer)) => {
                answer.send(told(state, capture)).unwrap_or_default();
            }
            Ok(Command::Stop { deadline, answer }) => return Some((deadline, answer)),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => return None,
        }
    }
}
