//! The thread that moves batches between the queue and the disk, and what it shares with the queue.
//!
//! The disk is touched when the backend is away, when memory fills, and at the end. Whatever it does, neither the engine's
//! thread nor the sender waits for it: what cannot be written stays in memory while there is room, then the oldest go.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::account::Drop;
use super::batch::Batch;
use super::queue::{wake, State};
use super::Shared;
use crate::spool::{AppendError, FrameId, Loaded, Recovered, Spool, SpoolOptions};

/// A backend that is away for so long is worth a write; a restart takes less.
const AWAY: Duration = Duration::from_secs(1);

/// How often is looked after time that has passed; and so the most that a crash takes of what came while the backend was
/// away.
const PACE: Duration = Duration::from_millis(200);

/// After a failure of the disk, and while another process has the folder.
const RETRY: Duration = Duration::from_secs(2);

/// Of what memory may hold so much is kept when the disk takes nothing; the rest is room for what comes.
const KEPT: (usize, usize) = (3, 4);

/// Batches are written together up to this many bytes: larger frames are packed better.
const FRAME_BYTES: usize = 256 << 10;

/// What the queue knows of the disk.
#[derive(Debug, Default)]
pub struct Spooling {
    /// Sequence of the first batch that is on disk only, or on the way there.
    unread: Option<u64>,
    /// Bytes of batches that came from the disk and are not settled.
    window_bytes: usize,
    /// Batches that are settled and may go from the disk.
    settled: Vec<FrameId>,
    /// Since when the disk cannot be used, and why.
    pub error: Option<String>,
    /// All must be written by then: nothing is sent any more.
    deadline: Option<Instant>,
    pub bytes: u64,
    pub torn: u64,
    pub damaged: u64,
}

impl Spooling {
    /// Until the spool was opened nobody knows what is in it: nothing goes before it.
    pub fn new(has_spool: bool) -> Spooling {
        Spooling { unread: has_spool.then_some(0), ..Spooling::default() }
    }

    /// Whether something on disk goes before this sequence.
    pub fn is_before(&self, sequence: u64) -> bool {
        self.unread.is_some_and(|unread| unread < sequence)
    }

    pub fn has_unread(&self) -> bool {
        self.unread.is_some()
    }

    pub fn can_load(&self, window_bytes: usize) -> bool {
        self.unread.is_some() && (self.window_bytes == 0 || self.window_bytes < window_bytes)
    }

    pub fn settle(&mut self, frame: FrameId, bytes: usize) {
        self.settled.push(frame);
        self.window_bytes -= bytes;
    }

    fn update(&mut self, spool: &Spool) {
        self.unread = spool.maybe_next();
        (self.bytes, self.damaged) = (spool.bytes(), spool.damaged);
    }
}

/// The running thread.
#[derive(Debug)]
pub struct SpoolThread {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl SpoolThread {
    pub fn start(shared: Arc<Shared>, options: SpoolOptions) -> std::io::Result<SpoolThread> {
        let mut worker = Worker {
            shared: Arc::clone(&shared),
            options,
            spool: None,
            retry_at: None,
            cause: Drop::SpoolFailed,
            written_at: None,
        };
        let thread = std::thread::Builder::new().name("rover-spool".to_owned()).spawn(move || worker.run())?;
        Ok(SpoolThread { shared, thread })
    }

    /// Writes all that is in memory; returns when that is done or the time is up.
    pub fn finish(self, deadline: Instant) {
        self.shared.queue.lock().spooling.deadline = Some(deadline);
        self.shared.queue.work.notify_one();
        // A disk that hangs keeps its thread; the end of the process does not wait for it.
        let most = deadline + PACE;
        while !self.thread.is_finished() && Instant::now() < most {
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.thread.is_finished() {
            // A panic has been printed; there is nobody to tell it again.
            let _ = self.thread.join();
        }
    }
}

struct Worker {
    shared: Arc<Shared>,
    options: SpoolOptions,
    spool: Option<Spool>,
    /// After a failure.
    retry_at: Option<Instant>,
    /// What the failure is called.
    cause: Drop,
    written_at: Option<Instant>,
}

impl Worker {
    fn run(&mut self) {
        self.open();
        loop {
            let shared = Arc::clone(&self.shared);
            let mut state = shared.queue.lock();
            let is_last = state.spooling.deadline.is_some_and(|deadline| {
                let is_done = state.ready.is_empty() && state.spooling.settled.is_empty();
                is_done || self.spool.is_none() || Instant::now() >= deadline
            });
            if is_last {
                drop(state);
                self.spool.iter_mut().for_each(Spool::seal);
                return;
            }
            if !self.has_work(&state) {
                let idle = self.needs_clock(&state).then_some(PACE);
                state = wait(&shared.queue.work, state, idle);
            }
            let settled = std::mem::take(&mut state.spooling.settled);
            let batches = self.take_for_disk(&mut state);
            let wants_load = state.wants_load(&shared.queue.limits);
            drop(state);
            if self.spool.is_none() && self.is_due() {
                self.open();
            }
            if let Some(spool) = &mut self.spool {
                settled.into_iter().for_each(|frame| spool.settle(frame));
                spool.expire(now_ms());
            }
            let is_written = self.write(&batches);
            let loaded = if wants_load { self.load() } else { None };
            self.tell(batches, is_written, loaded);
        }
    }

    fn is_due(&self) -> bool {
        self.retry_at.is_none_or(|at| Instant::now() >= at)
    }

    fn has_work(&self, state: &State) -> bool {
        !state.spooling.settled.is_empty()
            || (self.spool.is_some() && state.wants_load(&self.shared.queue.limits))
            || self.wants_write(state)
            || (self.retry_at.is_some() && !state.ready.is_empty() && self.is_too_much())
    }

    /// Whether memory fills while the disk takes nothing.
    fn is_too_much(&self) -> bool {
        let queue = &self.shared.queue;
        queue.held_bytes() > queue.limits.most_bytes / KEPT.1 * KEPT.0
    }

    /// Whether time alone may bring work.
    fn needs_clock(&self, state: &State) -> bool {
        let has_files = self.spool.as_ref().is_none_or(|spool| !spool.is_empty());
        state.away_since.is_some() || has_files || self.retry_at.is_some() || state.spooling.deadline.is_some()
    }

    /// Whether the oldest in memory have to go to disk now.
    fn wants_write(&self, state: &State) -> bool {
        if state.ready.is_empty() || self.spool.is_none() || !self.is_due() {
            return false;
        }
        let is_paced = self.written_at.is_some_and(|at| at.elapsed() < PACE);
        let is_away = state.away_since.is_some_and(|since| since.elapsed() >= AWAY);
        state.spooling.deadline.is_some()
            || self.shared.queue.held_bytes() > self.shared.queue.limits.share_bytes
            || (is_away && !is_paced)
    }

    /// The oldest batches in memory, which the sender cannot have any more.
    fn take_for_disk(&mut self, state: &mut State) -> Vec<Arc<Batch>> {
        let (mut batches, mut bytes) = (Vec::new(), 0);
        if !self.wants_write(state) {
            return batches;
        }
        while let Some(entry) = state.ready.first_entry() {
            bytes += entry.get().held_bytes();
            if bytes > FRAME_BYTES && !batches.is_empty() {
                break;
            }
            batches.push(entry.remove());
        }
        if state.ready.is_empty() {
            self.written_at = Some(Instant::now());
        }
        if let Some(first) = batches.first() {
            let unread = state.spooling.unread.unwrap_or(u64::MAX);
            state.spooling.unread = Some(unread.min(first.sequence));
        }
        batches
    }

    fn open(&mut self) {
        match Spool::open(self.options.clone()) {
            Ok((spool, recovered)) => {
                self.recover(&spool, recovered);
                (self.spool, self.retry_at) = (Some(spool), None);
            }
            Err(error) => self.fail(error.to_string()),
        }
    }

    fn recover(&self, spool: &Spool, recovered: Recovered) {
        let mut state = self.shared.queue.lock();
        state.account.recovered += recovered.records;
        state.account.spooled += recovered.records;
        state.spooling.torn += recovered.torn;
        state.spooling.error = None;
        state.spooling.update(spool);
        wake(state);
    }

    fn fail(&mut self, error: String) {
        self.retry_at = Some(Instant::now() + RETRY);
        let mut state = self.shared.queue.lock();
        state.spooling.error = Some(error);
        if self.spool.is_none() {
            // Nobody waits for what cannot be opened.
            state.spooling.unread = None;
        }
        wake(state);
    }

    fn write(&mut self, batches: &[Arc<Batch>]) -> bool {
        let (Some(first), Some(spool)) = (batches.first(), &mut self.spool) else { return false };
        let records: u64 = batches.iter().map(|batch| batch.records()).sum();
        let records = u32::try_from(records).unwrap_or(u32::MAX);
        match spool.append(first.sequence, records, &Batch::join(batches), now_ms()) {
            Ok(()) => {
                self.retry_at = None;
                self.shared.queue.lock().spooling.error = None;
                true
            }
            Err(error) => {
                let (cause, reason) = match error {
                    AppendError::Io(error) => (Drop::SpoolFailed, error.to_string()),
                    AppendError::NoRoom => (Drop::SpoolFull, "all that is in it is being sent".to_owned()),
                };
                self.cause = cause;
                self.fail(format!("{}: {reason}", self.options.path.display()));
                false
            }
        }
    }

    fn load(&mut self) -> Option<Loaded> {
        self.spool.as_mut().and_then(Spool::load)
    }

    /// Brings the queue up to date with what was done, in one step.
    fn tell(&mut self, batches: Vec<Arc<Batch>>, is_written: bool, loaded: Option<Loaded>) {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.queue.lock();
        for batch in batches {
            if is_written {
                state.account.spooled += batch.records();
                shared.queue.release(&mut state, &batch);
            } else {
                state.ready.insert(batch.sequence, batch);
            }
        }
        if let Some(loaded) = loaded {
            let (id, records) = (loaded.id, u64::from(loaded.records));
            match Batch::maybe_joined(loaded) {
                Some(batch) if batch.records() == records => {
                    state.spooling.window_bytes += batch.held_bytes();
                    state.loaded.insert(batch.sequence, Arc::new(batch));
                }
                // Intact, and of another form: written by another version.
                _ => {
                    state.account.spooled -= records;
                    state.account.drop_records(Drop::SpoolCorrupt, records);
                    state.spooling.settled.push(id);
                }
            }
        }
        if self.retry_at.is_some() {
            self.make_room(&mut state);
        }
        if let Some(spool) = &mut self.spool {
            state.account.lose_spooled(spool.take_losses());
            state.spooling.update(spool);
        }
        wake(state);
    }

    /// The disk does not take anything and memory fills: the oldest go, so that the newest are there when it is over.
    fn make_room(&self, state: &mut State) {
        let queue = &self.shared.queue;
        while self.is_too_much() {
            let Some((_, batch)) = state.ready.pop_first() else { return };
            queue.release(state, &batch);
            state.account.drop_records(self.cause, batch.records());
        }
    }
}

fn wait<'a>(work: &std::sync::Condvar, state: MutexGuard<'a, State>, most: Option<Duration>) -> MutexGuard<'a, State> {
    match most {
        Some(most) => work.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner).0,
        None => work.wait(state).unwrap_or_else(PoisonError::into_inner),
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
