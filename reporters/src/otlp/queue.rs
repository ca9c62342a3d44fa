//! Between the engine's thread and the sender: spans in chunks of about one request, bounded in bytes. Neither side waits
//! for the other; when there is no room the oldest chunk goes, because what is recent is what somebody looks for.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::resource::Resource;
use super::stats::Account;
use crate::wire::{push_bytes, push_message};

/// Resources of one chunk: they are looked through one by one.
const RESOURCES: usize = 64;

/// Spans of one request.
#[derive(Debug)]
pub struct Chunk {
    /// With the `ScopeSpans.spans` of each.
    groups: Vec<(Resource, Vec<u8>)>,
    pub records: u64,
    pub bytes: usize,
    begun: Instant,
}

impl Chunk {
    fn new() -> Chunk {
        Chunk { groups: Vec::new(), records: 0, bytes: 0, begun: Instant::now() }
    }

    /// Adds an encoded `Span`; the bytes by which the chunk grew.
    fn add(&mut self, resource: &Resource, span: &[u8]) -> usize {
        let known = self.groups.iter().position(|(known, _)| Arc::ptr_eq(known, resource));
        let before = self.bytes;
        let position = known.unwrap_or_else(|| {
            self.bytes += resource.len();
            self.groups.push((Arc::clone(resource), Vec::new()));
            self.groups.len() - 1
        });
        if let Some((_, spans)) = self.groups.get_mut(position) {
            let length = spans.len();
            push_bytes(spans, 2, span);
            self.bytes += spans.len() - length;
        }
        self.records += 1;
        self.bytes - before
    }

    /// As an `ExportTraceServiceRequest`.
    pub fn request(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes + 64 * self.groups.len());
        for (resource, spans) in &self.groups {
            push_message(&mut out, 1, |resource_spans| {
                push_bytes(resource_spans, 1, resource);
                push_message(resource_spans, 2, |scope_spans| {
                    super::push_scope(scope_spans);
                    scope_spans.extend_from_slice(spans);
                });
            });
        }
        out
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// The last one still grows, the others wait.
    chunks: VecDeque<Chunk>,
    waiting_bytes: usize,
    in_flight_bytes: usize,
    pub account: Account,
    is_flushing: bool,
}

#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    settled: Condvar,
    /// For the sender: a chunk is full, or all are wanted.
    due: Notify,
    most_bytes: usize,
    chunk_bytes: usize,
    chunk_age: Duration,
}

impl Queue {
    pub fn new(most_bytes: usize, chunk_bytes: usize, chunk_age: Duration) -> Queue {
        let (state, settled, due) = (Mutex::default(), Condvar::new(), Notify::new());
        Queue { state, settled, due, most_bytes, chunk_bytes: chunk_bytes.min(most_bytes / 2), chunk_age }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a span; never waits.
    pub fn push(&self, resource: &Resource, span: &[u8]) {
        let mut state = self.lock();
        state.account.pushed += 1;
        let is_full = |chunk: &Chunk| chunk.bytes >= self.chunk_bytes || chunk.groups.len() >= RESOURCES;
        if state.chunks.back().is_none_or(is_full) {
            state.chunks.push_back(Chunk::new());
            self.due.notify_one();
        }
        let grown = state.chunks.back_mut().map_or(0, |chunk| chunk.add(resource, span));
        state.waiting_bytes += grown;
        state.account.held += 1;
        while state.held_bytes() > self.most_bytes {
            let Some(oldest) = state.chunks.pop_front() else { break };
            state.waiting_bytes -= oldest.bytes;
            state.account.held -= oldest.records;
            state.account.full += oldest.records;
        }
    }

    /// Waits for a chunk that is full, or old enough.
    pub async fn next(&self) -> Chunk {
        loop {
            let wait = {
                let mut state = self.lock();
                let is_full =
                    state.chunks.len() > 1 || state.chunks.front().is_some_and(|c| c.bytes >= self.chunk_bytes);
                let age = state.chunks.front().map(|chunk| chunk.begun.elapsed());
                if is_full || age.is_some_and(|age| state.is_flushing || age >= self.chunk_age) {
                    if let Some(chunk) = state.chunks.pop_front() {
                        state.waiting_bytes -= chunk.bytes;
                        state.in_flight_bytes += chunk.bytes;
                        return chunk;
                    }
                }
                age.map(|age| self.chunk_age.saturating_sub(age))
            };
            match wait {
                Some(left) => tokio::select! {
                    () = tokio::time::sleep(left) => {}
                    () = self.due.notified() => {}
                },
                None => self.due.notified().await,
            }
        }
    }

    /// A chunk is no longer on its way: `count` says what became of its records.
    pub fn settle(&self, chunk: &Chunk, count: impl FnOnce(&mut Account)) {
        let mut state = self.lock();
        state.in_flight_bytes -= chunk.bytes;
        state.account.held -= chunk.records;
        count(&mut state.account);
        if state.account.held == 0 {
            self.settled.notify_all();
        }
    }

    /// Has everything sent at once and waits until it was, for at most `most`.
    pub fn flush(&self, most: Duration) {
        let deadline = Instant::now() + most;
        let mut state = self.lock();
        state.is_flushing = true;
        self.due.notify_one();
        while state.account.held > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.settled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_flushing = false;
    }

    /// Nobody takes what is left: it is counted.
    pub fn give_up(&self) {
        let mut state = self.lock();
        state.chunks.clear();
        (state.waiting_bytes, state.in_flight_bytes) = (0, 0);
        let left = std::mem::take(&mut state.account.held);
        state.account.unsent += left;
    }
}

impl State {
    pub fn held_bytes(&self) -> usize {
        self.waiting_bytes + self.in_flight_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_when_there_is_no_room() {
        let queue = Queue::new(10_000, 1000, Duration::from_secs(1));
        let resource: Resource = b"one".as_slice().into();
        for number in 0..1000_u32 {
            queue.push(&resource, &[number as u8; 100]);
            assert!(queue.lock().held_bytes() <= 10_000);
        }
        let state = queue.lock();
        assert_eq!(state.account.pushed, state.account.held + state.account.full);
        assert!(state.account.full > 800, "{:?}", state.account);
        let last =
            state.chunks.back().and_then(|chunk| chunk.groups.first()).map(|(_, spans)| spans.ends_with(&[231; 100]));
        assert_eq!(last, Some(true));
    }
}
