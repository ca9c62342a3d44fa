//! The open streams of a connection.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::fields::BlockFields;
use super::grpc::Messages;
use super::message::{Complete, Head, StreamRef, Text};
use super::Role;

/// Most streams of a connection at a time. Servers allow 100 to 250; many more are remains whose end was missed. Beyond it
/// the oldest goes.
pub(super) const STREAMS: usize = 1024;

/// Slots kept once no stream is open.
const IDLE_SLOTS: usize = 16;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// No head yet.
    #[default]
    Waiting,
    /// Behind the head.
    Open,
    Ended,
}

/// A message while it is under way.
#[derive(Debug, Default)]
pub(super) struct Half {
    pub phase: Phase,
    /// A response block of which the status is not known: its head, or an interim response.
    pub pending: Option<Box<Head>>,
    pub last_ns: u64,
    pub bytes: u64,
    /// Frames behind the end of the message included.
    pub total_bytes: u64,
    pub head_bytes: u64,
    pub body_bytes: u64,
    pub is_padding_unknown: bool,
    pub messages: Option<Messages>,
    pub grpc_status: Option<u32>,
    pub trailers: Vec<(Text, Text)>,
    pub gap: bool,
    pub truncated: bool,
    pub hpack_partial: bool,
}

impl Half {
    /// Frames of this direction were missed; some may have been of this message.
    pub(super) fn note_gap(&mut self) {
        self.gap |= self.phase != Phase::Ended;
    }

    /// The head was read.
    pub(super) fn begin(&mut self, head: &Head) {
        self.phase = Phase::Open;
        self.head_bytes = head.head_bytes;
        self.grpc_status = head.grpc_status;
        self.truncated = head.truncated;
        self.hpack_partial = head.hpack_partial;
        self.messages = head.grpc.map(Messages::new);
    }

    pub(super) fn add_trailers(&mut self, fields: BlockFields, is_cut: bool) {
        self.trailers.extend(fields.kept);
        self.grpc_status = fields.grpc_status.or(self.grpc_status);
        self.truncated |= is_cut;
        self.hpack_partial |= fields.is_partial;
    }

    /// Ends the message.
    pub(super) fn end(&mut self, complete: bool) -> Complete {
        self.phase = Phase::Ended;
        let messages = self.messages.take();
        Complete {
            end_ns: self.last_ns,
            bytes: self.bytes,
            head_bytes: self.head_bytes,
            body_bytes: (!self.is_padding_unknown).then_some(self.body_bytes),
            trailers: std::mem::take(&mut self.trailers),
            grpc_status: self.grpc_status.or_else(|| messages.as_ref().and_then(Messages::status)),
            grpc_messages: messages.as_ref().and_then(Messages::count).filter(|_| !self.gap),
            complete,
            gap: self.gap,
            truncated: self.truncated,
            hpack_partial: self.hpack_partial,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Stream {
    id: u32,
    /// Grows with every stream opened; 0 for a free slot.
    birth: u64,
    halves: [Half; 2],
}

impl Stream {
    #[inline]
    pub(super) fn half(&mut self, role: Role) -> &mut Half {
        &mut self.halves[role as usize]
    }

    pub(super) fn halves(&mut self) -> &mut [Half; 2] {
        &mut self.halves
    }
}

/// Stream ids are numbers in sequence; at most [`STREAMS`] are hashed, so nothing is gained by choosing them badly.
#[derive(Debug, Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    #[inline]
    fn write_u32(&mut self, id: u32) {
        // 2^64 divided by the golden ratio: neighbours are spread over high and low bits.
        self.0 = (self.0 ^ u64::from(id)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}

#[derive(Debug, Default)]
pub(super) struct Streams {
    slots: Vec<Stream>,
    free: Vec<u32>,
    by_id: HashMap<u32, u32, BuildHasherDefault<IdHasher>>,
    births: u64,
}

impl Streams {
    #[inline]
    pub(super) fn find(&self, id: u32) -> Option<StreamRef> {
        self.by_id.get(&id).map(|slot| StreamRef { id, slot: *slot })
    }

    /// `None` if it has been closed meanwhile.
    #[inline]
    pub(super) fn get(&mut self, stream: StreamRef) -> Option<&mut Stream> {
        self.slots.get_mut(stream.slot as usize).filter(|found| found.id == stream.id && found.birth != 0)
    }

    /// Opens a stream that is not open. The ceiling is the caller's: [`Streams::oldest_of_too_many`].
    pub(super) fn open(&mut self, id: u32) -> StreamRef {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Stream::default());
            self.slots.len() as u32 - 1
        });
        self.births += 1;
        if let Some(stream) = self.slots.get_mut(slot as usize) {
            (stream.id, stream.birth) = (id, self.births);
        }
        self.by_id.insert(id, slot);
        StreamRef { id, slot }
    }

    /// The stream to be given up before another one is opened.
    pub(super) fn oldest_of_too_many(&self) -> Option<StreamRef> {
        if self.by_id.len() < STREAMS {
            return None;
        }
        let oldest = self.slots.iter().enumerate().filter(|(_, stream)| stream.birth != 0);
        let (slot, stream) = oldest.min_by_key(|(_, stream)| stream.birth)?;
        Some(StreamRef { id: stream.id, slot: slot as u32 })
    }

    pub(super) fn remove(&mut self, stream: StreamRef) {
        self.by_id.remove(&stream.id);
        if let Some(slot) = self.slots.get_mut(stream.slot as usize) {
            *slot = Stream::default();
            self.free.push(stream.slot);
        }
        if self.by_id.is_empty() && self.slots.len() > IDLE_SLOTS {
            *self = Streams { births: self.births, ..Streams::default() };
        }
    }

    /// In the order in which they were opened.
    pub(super) fn all(&self) -> Vec<StreamRef> {
        let mut open: Vec<_> = self.slots.iter().enumerate().filter(|(_, stream)| stream.birth != 0).collect();
        open.sort_unstable_by_key(|(_, stream)| stream.birth);
        open.into_iter().map(|(slot, stream)| StreamRef { id: stream.id, slot: slot as u32 }).collect()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.slots.iter_mut().filter(|stream| stream.birth != 0)
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }
}
