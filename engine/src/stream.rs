//! One direction of a connection: what is expected next, what is held back until its turn comes.

use std::collections::VecDeque;

use rover_parsers::http1::Parser;

use crate::exchange::{OperationFacts, Operations};

/// Payload bytes that one direction may hold back: two of the largest operations.
const HELD_BYTES: usize = 256 * 1024;
/// Operations that one direction may hold back. Pipelined responses that overtook their requests are the worst case.
const HELD_OPERATIONS: usize = 256;

/// One operation's bytes, in this order: `skipped` that were not wanted, `data`, a `hole` of what was not copied, `tail`.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    pub offset: u64,
    pub skipped: u64,
    pub data: &'a [u8],
    pub hole: u64,
    pub tail: &'a [u8],
    pub facts: &'a OperationFacts,
    /// Some message answers for it in the ledger already.
    pub is_accounted: bool,
}

/// What the next bytes of a chunk are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Bytes(&'a [u8]),
    Missing(u64),
}

impl<'a> Chunk<'a> {
    pub fn length(&self) -> u64 {
        self.skipped + self.data.len() as u64 + self.hole + self.tail.len() as u64
    }

    pub fn end(&self) -> u64 {
        self.offset + self.length()
    }

    /// The first piece; no bytes at all at the end.
    pub fn first(&self) -> Piece<'a> {
        match self {
            Chunk { skipped, .. } if *skipped > 0 => Piece::Missing(*skipped),
            Chunk { data, .. } if !data.is_empty() => Piece::Bytes(data),
            Chunk { hole, .. } if *hole > 0 => Piece::Missing(*hole),
            Chunk { tail, .. } => Piece::Bytes(tail),
        }
    }

    /// The same without its first `n` bytes.
    pub fn without_first(mut self, n: u64) -> Chunk<'a> {
        let mut left = n.min(self.length());
        self.offset += left;
        let mut take = |most: u64| {
            let taken = left.min(most);
            left -= taken;
            taken
        };
        self.skipped -= take(self.skipped);
        self.data = &self.data[take(self.data.len() as u64) as usize..];
        self.hole -= take(self.hole);
        self.tail = &self.tail[take(self.tail.len() as u64) as usize..];
        self
    }
}

/// A chunk that waits.
#[derive(Debug)]
pub struct Held {
    pub offset: u64,
    skipped: u64,
    data: Vec<u8>,
    hole: u64,
    tail: Vec<u8>,
    facts: OperationFacts,
    is_accounted: bool,
    since_ns: u64,
}

impl Held {
    fn new(chunk: &Chunk<'_>, since_ns: u64) -> Held {
        Held {
            offset: chunk.offset,
            skipped: chunk.skipped,
            data: chunk.data.to_vec(),
            hole: chunk.hole,
            tail: chunk.tail.to_vec(),
            facts: *chunk.facts,
            is_accounted: chunk.is_accounted,
            since_ns,
        }
    }

    pub fn chunk(&self) -> Chunk<'_> {
        Chunk {
            offset: self.offset,
            skipped: self.skipped,
            data: &self.data,
            hole: self.hole,
            tail: &self.tail,
            facts: &self.facts,
            is_accounted: self.is_accounted,
        }
    }

    fn bytes(&self) -> usize {
        self.data.len() + self.tail.len()
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
        let held = Held::new(chunk, now_ns);
        if self.held.len() >= HELD_OPERATIONS || self.held_bytes + held.bytes() > HELD_BYTES {
            return false;
        }
        let at = self.held.partition_point(|held| held.offset <= chunk.offset);
        self.held_bytes += held.bytes();
        self.held.insert(at, held);
        true
    }

    /// Puts back what is left of a chunk that was taken out; keeps its age.
    pub fn put_back(&mut self, held: &Held, consumed: u64, is_accounted: bool) {
        let mut rest = Held::new(&held.chunk().without_first(consumed), held.since_ns);
        rest.is_accounted = is_accounted;
        self.held_bytes += rest.bytes();
        self.held.push_front(rest);
    }

    /// The first held chunk if its bytes come next, or if it waits since before `deadline_ns`.
    pub fn take_ready(&mut self, deadline_ns: u64) -> Option<(Held, bool)> {
        let front = self.held.front()?;
        let is_late = front.since_ns <= deadline_ns;
        if front.offset > self.expected && !is_late {
            return None;
        }
        let held = self.held.pop_front()?;
        self.held_bytes -= held.bytes();
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
