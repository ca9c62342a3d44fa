//! Between the engine's thread, the sender and the spool: bounded in bytes, never waits on the side of the engine.
//!
//! The ceiling covers all that is in memory, from the record that was just encoded to the batch whose stream was not
//! answered yet, so a backend that reads and never answers is bounded like one that does not read. Batches go out in the
//! order of their sequence, wherever they are: what is on disk is older than what came after it.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::account::{Account, Drop};
use super::batch::{Backend, Batch};
use super::spooling::Spooling;

#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    /// Signalled when nothing is held any more, and when nobody is there to take it.
    settled: Condvar,
    /// For the thread of the spool.
    pub(super) work: Condvar,
    /// Of all that was pushed and is in memory.
    held_bytes: AtomicUsize,
    pub(super) limits: Limits,
}

/// Shares of the ceiling.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For what is pushed.
    pub most_bytes: usize,
    /// Above this the oldest go to disk; and so much may be on streams that were not answered.
    pub share_bytes: usize,
    /// For what comes back from the disk.
    pub window_bytes: usize,
    pub has_spool: bool,
}

impl Limits {
    pub fn new(most_bytes: usize, has_spool: bool) -> Limits {
        if !has_spool {
            return Limits { most_bytes, share_bytes: usize::MAX, window_bytes: 0, has_spool };
        }
        let window_bytes = most_bytes / 4;
        Limits { most_bytes: most_bytes - window_bytes, share_bytes: most_bytes / 2, window_bytes, has_spool }
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// In memory, on no stream.
    pub ready: BTreeMap<u64, Arc<Batch>>,
    /// From the disk, where they still are, on no stream.
    pub loaded: BTreeMap<u64, Arc<Batch>>,
    /// Given to streams that were not answered yet, from memory or disk.
    in_flight: BTreeMap<u64, Arc<Batch>>,
    in_flight_bytes: usize,
    next_sequence: u64,
    pub account: Account,
    pub spooling: Spooling,
    /// Of the sender, which waits in one place at a time.
    waker: Option<Waker>,
    is_flushing: bool,
    /// Since when the sender tries in vain to reach a backend.
    pub away_since: Option<Instant>,
}

/// What the sender finds.
#[derive(Debug)]
pub enum Next {
    Batch(Arc<Batch>),
    /// Nothing more may be sent before something was answered, or somebody waits for answers.
    Flush,
}

/// What an answered batch came to.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    Acknowledged(Backend),
    GivenUp,
}

impl State {
    /// The sequence of the batch to send next, if it is in memory.
    fn maybe_next(&self) -> Option<u64> {
        let first = [&self.ready, &self.loaded].into_iter().filter_map(|batches| batches.keys().next()).min()?;
        (!self.spooling.is_before(*first)).then_some(*first)
    }

    fn is_sendable(&self, limits: &Limits) -> bool {
        self.in_flight_bytes < limits.share_bytes && self.maybe_next().is_some()
    }

    /// Whether the next batch is on disk only, and has to come into memory first.
    pub fn wants_load(&self, limits: &Limits) -> bool {
        self.away_since.is_none() && self.maybe_next().is_none() && self.spooling.can_load(limits.window_bytes)
    }

    fn put_back(&mut self, batch: Arc<Batch>) {
        let home = if batch.frame.is_some() { &mut self.loaded } else { &mut self.ready };
        home.insert(batch.sequence, batch);
    }
}

impl Queue {
    /// Sequences begin at `first_sequence`: above all that a former run left on disk.
    pub fn new(limits: Limits, first_sequence: u64) -> Queue {
        let spooling = Spooling::new(limits.has_spool);
        Queue {
            // Nobody knows of a backend yet.
            state: Mutex::new(State {
                next_sequence: first_sequence,
                spooling,
                away_since: Some(Instant::now()),
                ..State::default()
            }),
            settled: Condvar::new(),
            work: Condvar::new(),
            held_bytes: AtomicUsize::new(0),
            limits,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is no room for `bytes` more.
    pub fn is_full(&self, bytes: usize) -> bool {
        self.held_bytes().saturating_add(bytes) > self.limits.most_bytes
    }

    pub fn held_bytes(&self) -> usize {
        self.held_bytes.load(Ordering::Relaxed)
    }

    /// Takes room for a batch, which [`Queue::is_full`] was asked for record by record, and gives it to the sender.
    pub fn push(&self, mut batch: Batch) {
        let before = self.held_bytes.fetch_add(batch.held_bytes(), Ordering::Relaxed);
        let is_much = before.saturating_add(batch.held_bytes()) > self.limits.share_bytes;
        let mut state = self.lock();
        batch.sequence = state.next_sequence;
        state.next_sequence += 1;
        state.account.held += batch.records();
        state.ready.insert(batch.sequence, Arc::new(batch));
        if is_much {
            self.work.notify_one();
        }
        wake(state);
    }

    /// Gives back the room of a batch that was answered or given up, and counts it.
    pub fn settle(&self, batch: &Batch, outcome: Outcome) {
        let mut state = self.lock();
        state.in_flight_bytes -= state.in_flight.remove(&batch.sequence).map_or(0, |batch| batch.held_bytes());
        match outcome {
            Outcome::Acknowledged(backend) => {
                let withheld = batch.withheld(backend);
                state.account.acked += batch.records() - withheld;
                state.account.withheld += withheld;
            }
            Outcome::GivenUp => state.account.drop_records(Drop::Failed, batch.records()),
        }
        if let Some(frame) = batch.frame {
            state.account.spooled -= batch.records();
            state.spooling.settle(frame, batch.held_bytes());
            self.work.notify_one();
        } else {
            self.release(&mut state, batch);
        }
        wake(state);
    }

    /// A batch from memory is held no longer.
    pub(super) fn release(&self, state: &mut State, batch: &Batch) {
        self.held_bytes.fetch_sub(batch.held_bytes(), Ordering::Relaxed);
        state.account.held -= batch.records();
        if state.account.held == 0 {
            self.settled.notify_all();
        }
    }

    /// Batches that have to be sent again go back to where their sequence puts them.
    pub fn put_back(&self, batches: Vec<Arc<Batch>>) {
        let mut state = self.lock();
        for batch in batches {
            state.in_flight_bytes -= state.in_flight.remove(&batch.sequence).map_or(0, |batch| batch.held_bytes());
            state.put_back(batch);
        }
        wake(state);
    }

    /// Counts all that is in memory as lost: nobody is left to take it.
    pub fn drop_held(&self, cause: Drop) {
        let mut state = self.lock();
        for batch in std::mem::take(&mut state.ready).into_values() {
            self.release(&mut state, &batch);
            state.account.drop_records(cause, batch.records());
        }
    }

    /// All that is on streams goes back: the sender has gone.
    pub fn put_all_back(&self) {
        let mut state = self.lock();
        state.in_flight_bytes = 0;
        for batch in std::mem::take(&mut state.in_flight).into_values() {
            state.put_back(batch);
        }
    }

    pub fn poll_next(&self, context: &mut Context<'_>) -> Poll<Next> {
        let mut state = self.lock();
        if let Some(sequence) = state.maybe_next() {
            if state.in_flight_bytes >= self.limits.share_bytes {
                return Poll::Ready(Next::Flush);
            }
            let batch = state.ready.remove(&sequence).or_else(|| state.loaded.remove(&sequence));
            if let Some(batch) = batch {
                state.in_flight_bytes += batch.held_bytes();
                state.in_flight.insert(sequence, Arc::clone(&batch));
                return Poll::Ready(Next::Batch(batch));
            }
        }
        if state.spooling.has_unread() {
            self.work.notify_one();
            // Room in the window comes from answers, and answers from the end of the stream.
            if !state.spooling.can_load(self.limits.window_bytes) {
                return Poll::Ready(Next::Flush);
            }
        } else if state.is_flushing {
            return Poll::Ready(Next::Flush);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Waits until there is a batch.
    pub async fn ready(&self) {
        poll_fn(|context| {
            let mut state = self.lock();
            if state.is_sendable(&self.limits) {
                return Poll::Ready(());
            }
            state.waker = Some(context.waker().clone());
            if state.wants_load(&self.limits) {
                self.work.notify_one();
            }
            Poll::Pending
        })
        .await;
    }

    /// Whether there is something that could be sent now.
    pub fn is_sendable(&self) -> bool {
        self.lock().is_sendable(&self.limits)
    }

    /// Whether there is something to send, be it on disk.
    pub fn has_more(&self) -> bool {
        let state = self.lock();
        state.maybe_next().is_some() || state.spooling.has_unread()
    }

    /// The sender has reached a backend, or begins to try.
    pub fn set_away(&self, is_away: bool) {
        let mut state = self.lock();
        state.away_since = if is_away { state.away_since.or_else(|| Some(Instant::now())) } else { None };
        drop(state);
        self.work.notify_one();
        self.settled.notify_all();
    }

    /// From now on streams end when they have nothing more to send, so that they are answered.
    pub fn set_flushing(&self, is_flushing: bool) {
        let mut state = self.lock();
        state.is_flushing = is_flushing;
        wake(state);
    }

    /// Waits until nothing is held, for at most `most`, and with a spool no longer than a backend is there; whether nothing
    /// is held.
    pub fn wait_settled(&self, most: Duration) -> bool {
        let deadline = Instant::now() + most;
        let mut state = self.lock();
        while state.account.held > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || (self.limits.has_spool && state.away_since.is_some()) {
                return false;
            }
            state = self.settled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

pub(super) fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}
