//! One direction of a connection: what is expected next, what is held back until its turn comes.

use std::collections::VecDeque;

use crate::exchange::OperationFacts;

/// Payload bytes that one direction may hold back: two of the largest operations.
const HELD_BYTES: usize = 256 * 1024;
/// Operations that one direction may hold back. Pipelined responses that overtook their requests are the worst case.
const HELD_OPERATIONS: usize = 256;

/// One operation's bytes, in this order: `skipped` that were not wanted, `data`, a `hole` of what was not copied, `tail`,
/// then whatever `pieces` say, and what is left of `length` after the last of them.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    pub offset: u64,
    /// All of it.
    pub length: u64,
    pub skipped: u64,
    pub data: &'a [u8],
    pub hole: u64,
    pub tail: &'a [u8],
    /// As the kernel side writes them: each with the number of bytes passed over before it, and its own (struct rv_piece).
    pub pieces: &'a [u8],
    pub facts: &'a OperationFacts,
    /// Operations of which the bytes came whole only with this one: pieces of a TLS record.
    pub earlier: &'a [OperationFacts],
    /// Other bytes came by the same operation before.
    pub is_repeated: bool,
    /// How many captured operations it stands for in the ledger.
    pub units: u64,
    /// Some message answers for it in the ledger already.
    pub is_accounted: bool,
}

/// What the next bytes of a chunk are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Bytes(&'a [u8]),
    Missing(u64),
}

/// Bytes passed over, bytes, and what follows; none if it makes no sense.
fn split_piece(pieces: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let (passed, rest) = pieces.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (bytes, rest) = rest.split_at_checked(u32::from_ne_bytes(*length) as usize)?;
    Some((u64::from(u32::from_ne_bytes(*passed)), bytes, rest))
}

/// Never no bytes before the end: whoever goes on by what it is given would not come on.
fn first_of_pieces(mut pieces: &[u8], length: u64) -> Piece<'_> {
    loop {
        match split_piece(pieces) {
            Some((passed, ..)) if passed > 0 => return Piece::Missing(passed),
            Some((_, [], rest)) => pieces = rest,
            Some((_, bytes, _)) => return Piece::Bytes(bytes),
            None if length > 0 => return Piece::Missing(length),
            None => return Piece::Bytes(&[]),
        }
    }
}

impl<'a> Chunk<'a> {
    pub fn end(&self) -> u64 {
        self.offset + self.length
    }

    /// Operations for which no message answers yet.
    pub fn unaccounted(&self) -> u64 {
        if self.is_accounted {
            0
        } else {
            self.units
        }
    }

    /// The first piece; no bytes at all at the end.
    pub fn first(&self) -> Piece<'a> {
        match self {
            Chunk { skipped, .. } if *skipped > 0 => Piece::Missing(*skipped),
            Chunk { data, .. } if !data.is_empty() => Piece::Bytes(data),
            Chunk { hole, .. } if *hole > 0 => Piece::Missing(*hole),
            Chunk { tail, .. } if !tail.is_empty() => Piece::Bytes(tail),
            Chunk { pieces, length, .. } => first_of_pieces(pieces, *length),
        }
    }

    /// The same without its first `n` bytes.
    pub fn without_first(mut self, n: u64) -> Chunk<'a> {
        let mut left = n.min(self.length);
        self.offset += left;
        self.length -= left;
        loop {
            let mut take = |most: u64| {
                let taken = left.min(most);
                left -= taken;
                taken
            };
            self.skipped -= take(self.skipped);
            self.data = &self.data[take(self.data.len() as u64) as usize..];
            self.hole -= take(self.hole);
            self.tail = &self.tail[take(self.tail.len() as u64) as usize..];
            // The next piece takes the place of what is used up.
            let Some((passed, bytes, rest)) = split_piece(self.pieces).filter(|_| left > 0) else {
                return self;
            };
            (self.skipped, self.data, self.pieces) = (passed, bytes, rest);
        }
    }
}

/// A chunk that waits.
#[derive(Debug)]
pub struct Held {
    pub offset: u64,
    length: u64,
    skipped: u64,
    data: Vec<u8>,
    hole: u64,
    tail: Vec<u8>,
    pieces: Vec<u8>,
    facts: OperationFacts,
    earlier: Vec<OperationFacts>,
    is_repeated: bool,
    units: u64,
    is_accounted: bool,
    since_ns: u64,
}

impl Held {
    fn new(chunk: &Chunk<'_>, since_ns: u64) -> Held {
        Held {
            offset: chunk.offset,
            length: chunk.length,
            skipped: chunk.skipped,
            data: chunk.data.to_vec(),
            hole: chunk.hole,
            tail: chunk.tail.to_vec(),
            pieces: chunk.pieces.to_vec(),
            facts: *chunk.facts,
            earlier: chunk.earlier.to_vec(),
            is_repeated: chunk.is_repeated,
            units: chunk.units,
            is_accounted: chunk.is_accounted,
            since_ns,
        }
    }

    pub fn chunk(&self) -> Chunk<'_> {
        Chunk {
            offset: self.offset,
            length: self.length,
            skipped: self.skipped,
            data: &self.data,
            hole: self.hole,
            tail: &self.tail,
            pieces: &self.pieces,
            facts: &self.facts,
            earlier: &self.earlier,
            is_repeated: self.is_repeated,
            units: self.units,
            is_accounted: self.is_accounted,
        }
    }

    fn bytes(&self) -> usize {
        self.data.len() + self.tail.len() + self.pieces.len()
    }
}

/// State of one direction.
#[derive(Debug, Default)]
pub struct Stream {
    /// Offset of the next byte.
    pub expected: u64,
    /// Length of the stream, once its end was seen.
    pub end: Option<u64>,
    /// Time of the last byte.
    pub last_ns: u64,
    pub is_closed: bool,
    /// Something waited in vain.
    pub has_waited: bool,
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
        let is_late = self.is_late(deadline_ns);
        if front.offset > self.expected && !is_late {
            return None;
        }
        let held = self.held.pop_front()?;
        self.held_bytes -= held.bytes();
        self.has_waited |= is_late;
        Some((held, is_late))
    }

    /// The first held chunk waits since before `deadline_ns`.
    pub fn is_late(&self, deadline_ns: u64) -> bool {
        self.held_since_ns().is_some_and(|since_ns| since_ns <= deadline_ns)
    }

    /// Since when the first held chunk waits.
    pub fn held_since_ns(&self) -> Option<u64> {
        self.held.front().map(|held| held.since_ns)
    }

    /// The bytes that are held back from the next one on, without a hole between them.
    pub fn held_begin(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for held in &self.held {
            if held.offset != self.expected + bytes.len() as u64 || held.skipped > 0 {
                break;
            }
            bytes.extend_from_slice(&held.data);
        }
        bytes
    }

    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    pub fn has_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// Every held chunk, forgotten: how many events were in no message yet.
    pub fn drop_held(&mut self) -> u64 {
        self.held_bytes = 0;
        self.held.drain(..).filter(|held| !held.is_accounted).map(|held| held.units).sum()
    }

    /// All bytes up to the known end have been handled.
    pub fn is_at_end(&self) -> bool {
        self.end.is_some_and(|end| self.expected >= end)
    }
}

#[cfg(test)]
mod tests {
    use rover_reporters::record::Syscall;

    use super::*;
    use crate::layers::Measured;

    const FACTS: OperationFacts = OperationFacts {
        number: 1,
        start_ns: None,
        end_ns: 1,
        syscall: Syscall::Read,
        is_write: false,
        tgid: 1,
        measured: Measured::NOTHING,
        tls_ns: None,
    };

    fn chunk(pieces: &[u8], length: u64) -> Chunk<'_> {
        let (data, tail) = (&[][..], &[][..]);
        let (facts, earlier) = (&FACTS, &[][..]);
        let (is_repeated, is_accounted) = (false, false);
        let (offset, skipped, hole, units) = (0, 0, 0, 1);
        Chunk { offset, length, skipped, data, hole, tail, pieces, facts, earlier, is_repeated, units, is_accounted }
    }

    fn piece(passed: u32, bytes: &[u8]) -> Vec<u8> {
        [&passed.to_ne_bytes()[..], &(bytes.len() as u32).to_ne_bytes(), bytes].concat()
    }

    /// `.` for a missing byte, from each position on.
    fn read(mut chunk: Chunk<'_>) -> String {
        let mut text = String::new();
        while chunk.length > 0 {
            let n = match chunk.first() {
                Piece::Bytes(bytes) => {
                    text.push_str(std::str::from_utf8(bytes).unwrap_or("?"));
                    bytes.len() as u64
                }
                Piece::Missing(n) => {
                    text.push_str(&".".repeat(n as usize));
                    n
                }
            };
            chunk = chunk.without_first(n);
        }
        text
    }

    #[test]
    fn pieces_are_read_with_what_lies_between_them() {
        let pieces = [piece(0, b"head"), piece(3, b"next"), piece(2, b"x")].concat();
        let whole = "head...next..x....";
        for at in 0..=whole.len() {
            let rest = chunk(&pieces, whole.len() as u64).without_first(at as u64);
            assert_eq!((rest.offset, read(rest).as_str()), (at as u64, &whole[at..]));
        }
    }

    #[test]
    fn empty_pieces_are_passed_over() {
        let pieces = [piece(0, b""), piece(0, b"head"), piece(0, b""), piece(2, b""), piece(0, b"")].concat();
        assert_eq!(read(chunk(&pieces, 9)), "head.....");
    }

    #[test]
    fn pieces_that_make_no_sense_are_missing_bytes() {
        let cut = &piece(0, b"head")[..10];
        assert_eq!(read(chunk(cut, 4)), "....");
    }
}
