//! Payload that comes ahead of its data event: of receives whose buffers only the packet shows (io_uring, recvmmsg).

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::events::{CopyEvent, DataEvent};

/// Bytes kept for all connections together; the data events follow within the same call.
const KEPT_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug)]
struct Piece {
    sequence: u32,
    bytes: Vec<u8>,
}

/// Pieces by connection, each with the TCP sequence number of its first byte.
#[derive(Debug, Default)]
pub struct Copies {
    by_connection: FxHashMap<u64, VecDeque<Piece>>,
    kept: usize,
}

impl Copies {
    pub fn is_empty(&self) -> bool {
        self.by_connection.is_empty()
    }

    pub fn keep(&mut self, event: &CopyEvent, bytes: &[u8]) {
        if self.kept + bytes.len() > KEPT_BYTES {
            // Left over by receives that were not consumption (MSG_PEEK) or whose data event was lost.
            self.by_connection.clear();
            self.kept = 0;
        }
        self.kept += bytes.len();
        let pieces = self.by_connection.entry(event.cookie).or_default();
        pieces.push_back(Piece { sequence: event.sequence, bytes: bytes.to_vec() });
    }

    /// The bytes of a data event without payload, as far as they were kept without a hole from its first byte on.
    pub fn take(&mut self, event: &DataEvent) -> Vec<u8> {
        let Some(pieces) = self.by_connection.remove(&event.cookie) else {
            return Vec::new();
        };
        self.kept -= pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>();
        let length = event.length as usize;
        let first = event.sequence.wrapping_sub(event.length);
        let mut out: Vec<u8> = Vec::with_capacity(length);
        for piece in pieces {
            // Where the piece begins within the event; of a peek it comes a second time.
            let at = piece.sequence.wrapping_sub(first) as usize;
            if at <= out.len() && at + piece.bytes.len() > out.len() && out.len() < length {
                let fresh = &piece.bytes[out.len() - at..];
                out.extend_from_slice(&fresh[..fresh.len().min(length - out.len())]);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(sequence: u32) -> CopyEvent {
        CopyEvent { cookie: 7, sequence, ..CopyEvent::default() }
    }

    #[test]
    fn pieces_are_joined_in_sequence_and_peeked_ones_count_once() {
        let mut copies = Copies::default();
        let first = u32::MAX - 1; // the number wraps within the event
        copies.keep(&piece(first), b"abcd");
        copies.keep(&piece(first), b"abcd");
        copies.keep(&piece(first.wrapping_add(4)), b"efgh");
        let event = DataEvent { cookie: 7, length: 6, sequence: first.wrapping_add(6), ..DataEvent::default() };
        assert_eq!(copies.take(&event), b"abcdef");
        assert!(copies.is_empty());
        assert_eq!(copies.take(&event), b"");
    }

    #[test]
    fn a_hole_ends_what_is_known() {
        let mut copies = Copies::default();
        copies.keep(&piece(10), b"ab");
        copies.keep(&piece(14), b"ef");
        let event = DataEvent { cookie: 7, length: 6, sequence: 16, ..DataEvent::default() };
        assert_eq!(copies.take(&event), b"ab");
    }
}
