//! The bounded queue between the streams and the store, and the bookkeeping of what the store has.
//!
//! Streams wait for room as tasks, the store waits for rows as a thread: hence a semaphore on one side and a condition
//! variable on the other.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rover_reporters::row::Row;
use tokio::sync::{watch, Semaphore};

/// Both ends of the queue.
#[derive(Debug)]
pub struct Rows {
    state: Mutex<State>,
    arrived: Condvar,
    room: Semaphore,
    /// How many of the rows ever put in are known to be stored.
    stored: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Row>,
    put_in: u64,
    taken: u64,
    is_closed: bool,
}

impl Rows {
    /// A queue of at most `most` rows.
    pub fn new(most: usize) -> Arc<Rows> {
        Arc::new(Rows {
            state: Mutex::default(),
            arrived: Condvar::new(),
            room: Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS)),
            stored: watch::channel(0).0,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room. `false`: the queue is closed.
    pub async fn put(&self, row: Row) -> bool {
        let Ok(room) = self.room.acquire().await else { return false };
        // Given back when the row is taken.
        room.forget();
        let mut state = self.lock();
        state.waiting.push_back(row);
        state.put_in += 1;
        drop(state);
        self.arrived.notify_one();
        true
    }

    /// Waits until every row that was put in so far is stored.
    pub async fn wait_stored(&self) {
        let target = self.lock().put_in;
        // The sending half is in `self`, so it cannot go away.
        let _ = self.stored.subscribe().wait_for(|stored| *stored >= target).await;
    }

    /// At most `most` rows, in the order of their arrival; waits up to `timeout` for the first.
    ///
    /// Being called again says that the rows of the call before are stored.
    pub fn take(&self, timeout: Duration, most: usize) -> Vec<Row> {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        self.stored.send_replace(state.taken);
        while state.waiting.is_empty() && !state.is_closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Vec::new();
            }
            state = self.arrived.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let count = most.min(state.waiting.len());
        let rows: Vec<Row> = state.waiting.drain(..count).collect();
        state.taken += count as u64;
        drop(state);
        self.room.add_permits(count);
        rows
    }

    pub fn waiting(&self) -> u64 {
        self.lock().waiting.len() as u64
    }

    /// Nothing more comes in; what is there can still be taken.
    pub fn close(&self) {
        self.room.close();
        self.lock().is_closed = true;
        self.arrived.notify_all();
    }
}
