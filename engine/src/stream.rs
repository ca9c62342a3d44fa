//! One direction of a connection: what is expected next, what is held back until its turn comes.

use std::collections::VecDeque;

use rover_parsers::http1::Parser;

use crate::exchange::{OperationFacts, Operations};

/// Payload bytes that one direction may hold back: two of the largest operations.
const HELD_BYTES: usize = 256 * 1024;
/// Operations that one direction may hold back. Pipelined responses that overtook their requests are the worst case.
const HELD_OPERATIONS: usize = 256;

/// One operation's bytes: `skipped` that were not copied, `data`, and what is left of `length` unseen.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    pub offset: u64,
    pub length: u64,
    pub skipped: u64,
    pub data: &'a [u8],
    pub facts: OperationFacts,
    /// Some message answers for it in the ledger already.
    pub is_accounted: bool,
}

impl<'a> Chunk<'a> {
    pub fn end(&self) -> u64 {
        self.offset + self.length
    }

    /// The same without its first `n` bytes.
    pub fn without_first(mut self, n: u64) -> Chunk<'a> {
        let n = n.min(self.length);
        let of_data = n.saturating_sub(self.skipped).min(self.data.len() as u64);
        self.offset += n;
        self.length -= n;
        self.skipped = self.skipped.saturating_sub(n);
        self.data = &self.data[of_data as usize..];
        self
    }
}

/// A chunk that waits.
#[derive(Debug)]
pub struct Held {
    pub offset: u64,
    pub length: u64,
    pub skipped: u64,
    pub data: Vec<u8>,
    pub facts: OperationFacts,
    pub is_accounted: bool,
    pub since_ns: u64,
}

impl Held {
    pub fn chunk(&self) -> Chunk<'_> {
        Chunk {
            offset: self.offset,
            length: self.length,
            skipped: self.skipped,
            data: &self.data,
            facts: self.facts,
            is_accounted: self.is_accounted,
        }
    }
}

/// State of one direction.
#[derive(Debug, Default)]
pub struct Stream {
    pub parser: Option<Parser>,
    /// Offset of the next byte.
    pub expected: u64,
    /// Length of the stream, once its end was seen.
    pub end: Option<u64>,
    /// Time of the last byte.
    pub last_ns: u64,
    /// Operations of the message under way.
    pub operations: Operations,
    pub is_closed: bool,
    /// Ascending by offset.
    held: VecDeque<Held>,
    held_bytes: usize,
}

impl Stream {
    /// Keeps a chunk until its turn comes; false when the bound is reached (the caller goes on without waiting).
    pub fn hold(&mut self, chunk: &Chunk<'_>, now_ns: u64) -> bool {
        if self.held.len() >= HELD_OPERATIONS || self.held_bytes + chunk.data.len() > HELD_BYTES {
            return false;
        }
        let at = self.held.partition_point(|held| held.offset <= chunk.offset);
        self.held_bytes += chunk.data.len();
        self.held.insert(
            at,
            Held {
                offset: chunk.offset,
                length: chunk.length,
                skipped: chunk.skipped,
                data: chunk.data.to_vec(),
                facts: chunk.facts,
                is_accounted: chunk.is_accounted,
                since_ns: now_ns,
            },
        );
        true
    }

    /// Puts back what is left of a chunk that was taken out; keeps its age.
    pub fn put_back(&mut self, mut held: Held, consumed: u64, is_accounted: bool) {
        let rest = held.chunk().without_first(consumed);
        let (offset, length, skipped, data) = (rest.offset, rest.length, rest.skipped, rest.data.to_vec());
        (held.offset, held.length, held.skipped, held.data) = (offset, length, skipped, data);
        held.is_accounted = is_accounted;
        self.held_bytes += held.data.len();
        self.held.push_front(held);
    }

    /// The first held chunk if its bytes come next, or if it waits since before `deadline_ns`.
    pub fn take_ready(&mut self, deadline_ns: u64) -> Option<(Held, bool)> {
        let front = self.held.front()?;
        let is_late = front.since_ns <= deadline_ns;
        if front.offset > self.expected && !is_late {
            return None;
        }
        let held = self.held.pop_front()?;
        self.held_bytes -= held.data.len();
        Some((held, is_late))
    }

    pub fn has_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// Every held chunk, forgotten: how many events were in no message yet.
    pub fn drop_held(&mut self) -> u64 {
        self.held_bytes = 0;
        self.held.drain(..).filter(|held| !held.is_accounted).count() as u64
    }

    /// All bytes up to the known end have been handled.
    pub fn is_at_end(&self) -> bool {
        self.end.is_some_and(|end| self.expected >= end)
    }
}
