//! Between the engine's thread and the sender: bounded in bytes, never waits on the side of the engine.
//!
//! The ceiling covers all that is held, from the record that was just encoded to the batch whose stream was not answered yet.
//! So a backend that reads and never answers is bounded like one that does not read.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::batch::Batch;

#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    /// Signalled when nothing is held any more.
    settled: Condvar,
    held_bytes: AtomicUsize,
    held_records: AtomicU64,
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Arc<Batch>>,
    /// Of the sender, which waits in one place at a time.
    waker: Option<Waker>,
    is_flushing: bool,
}

/// What the sender finds.
#[derive(Debug)]
pub enum Next {
    Batch(Arc<Batch>),
    /// Nothing more, and somebody waits for answers.
    Flush,
}

impl Queue {
    pub fn new(most_bytes: usize) -> Queue {
        Queue {
            state: Mutex::default(),
            settled: Condvar::new(),
            held_bytes: AtomicUsize::new(0),
            held_records: AtomicU64::new(0),
            most_bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is no room for `bytes` more.
    pub fn is_full(&self, bytes: usize) -> bool {
        self.held_bytes.load(Ordering::Relaxed).saturating_add(bytes) > self.most_bytes
    }

    /// Gives back the room of a batch that was answered or given up.
    pub fn release(&self, batch: &Batch) {
        self.held_bytes.fetch_sub(batch.held_bytes(), Ordering::Relaxed);
        let before = self.held_records.fetch_sub(batch.records(), Ordering::Relaxed);
        if before == batch.records() {
            // Under the lock, so that a waiter is either before its check or already waiting.
            let _state = self.lock();
            self.settled.notify_all();
        }
    }

    pub fn held(&self) -> (usize, u64) {
        (self.held_bytes.load(Ordering::Relaxed), self.held_records.load(Ordering::Relaxed))
    }

    /// Takes room for a batch, which [`Queue::is_full`] was asked for record by record, and gives it to the sender.
    pub fn push(&self, batch: Batch) {
        self.held_bytes.fetch_add(batch.held_bytes(), Ordering::Relaxed);
        self.held_records.fetch_add(batch.records(), Ordering::Relaxed);
        let mut state = self.lock();
        state.ready.push_back(Arc::new(batch));
        wake(state);
    }

    /// Puts batches back that have to be sent again, before all others and in their order.
    pub fn push_front(&self, batches: Vec<Arc<Batch>>) {
        let mut state = self.lock();
        for batch in batches.into_iter().rev() {
            state.ready.push_front(batch);
        }
        wake(state);
    }

    pub fn poll_next(&self, context: &mut Context<'_>) -> Poll<Next> {
        let mut state = self.lock();
        match state.ready.pop_front() {
            Some(batch) => Poll::Ready(Next::Batch(batch)),
            None if state.is_flushing => Poll::Ready(Next::Flush),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Waits until there is a batch.
    pub async fn ready(&self) {
        poll_fn(|context| {
            let mut state = self.lock();
            if state.ready.is_empty() {
                state.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    }

    pub fn is_empty(&self) -> bool {
        self.lock().ready.is_empty()
    }

    /// From now on streams end when they have nothing more to send, so that they are answered.
    pub fn set_flushing(&self, is_flushing: bool) {
        let mut state = self.lock();
        state.is_flushing = is_flushing;
        wake(state);
    }

    /// Waits until nothing is held, for at most `most`; whether that is so.
    pub fn wait_settled(&self, most: Duration) -> bool {
        let deadline = Instant::now() + most;
        let mut state = self.lock();
        while self.held_records.load(Ordering::Relaxed) > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.settled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}
