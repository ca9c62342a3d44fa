//! What is spoken: from the first bytes of a connection, or in the middle of one that is older than rover.

use std::borrow::Cow;

use rover_parsers::http1::Role;
use rover_parsers::http2::may_begin_with_frame;

use super::look::{look_at_start, look_within, Look};
use super::stream::{Chunk, Piece};
use super::{Conversation, Surroundings};
use crate::ledger::Cause;

/// Operations after which an older connection without any message start is taken for something else.
const JOIN_LOOKS: u32 = 64;
/// The same while they look like frames of HTTP/2: a stream of messages may be all that moves for long.
const JOIN_LOOKS_FRAMES: u32 = 4096;
/// Of what may be frames: as much as is kept of a direction until it is clear.
const JOIN_HELD_BYTES: usize = 16 * 1024;

impl Conversation {
    /// Finds out what is spoken; false when the chunk is thereby settled.
    pub(super) fn classify(&mut self, direction: usize, chunk: &Chunk<'_>, s: &mut Surroundings<'_>) -> bool {
        if self.is_pre_existing {
            return self.join(direction, chunk, s);
        }
        let role = self.role(direction);
        let before = self.streams[direction].held_begin();
        // Of a long one the kernel side may have recognised HTTP/2 before: then it has come in pieces.
        let data = match chunk.first() {
            Piece::Bytes(bytes) => bytes,
            Piece::Missing(_) => &[],
        };
        let begin: Cow<'_, [u8]> =
            if before.is_empty() { data.into() } else { [before.as_slice(), data].concat().into() };
        match look_at_start(role, &begin) {
            Look::Http2(_) => self.begin_http2(self.request_stream, s),
            Look::Short if chunk.end() == begin.len() as u64 && self.streams[direction].hold(chunk, s.now_ns) => {
                return false;
            }
            // The server speaks first: mail, databases, SSH.
            Look::Other | Look::Request if role == Role::Response && chunk.offset == 0 => {
                s.ledger.lose(Cause::NotHttp, chunk.unaccounted());
                self.not_http(s);
                return false;
            }
            _ => self.begin_http1(self.request_stream, s),
        }
        true
    }

    /// The same in the middle of a connection.
    fn join(&mut self, direction: usize, chunk: &Chunk<'_>, s: &mut Surroundings<'_>) -> bool {
        let data = match chunk.first() {
            Piece::Bytes(bytes) => bytes,
            Piece::Missing(_) => &[],
        };
        if let Look::Http2(Role::Request) = look_at_start(Role::Request, data) {
            // Not so much in the middle: nothing of it is unknown.
            self.is_pre_existing = false;
            self.begin_http2(direction, s);
            self.forget_held(direction, s);
            self.streams[direction].expected = chunk.offset;
            return true;
        }
        let before = self.streams[direction].held_begin();
        let is_next = chunk.offset == self.streams[direction].expected + before.len() as u64;
        let begin: Cow<'_, [u8]> = match is_next && !before.is_empty() {
            true => [before.as_slice(), chunk.data].concat().into(),
            false => chunk.data.into(),
        };
        let requests_from = |role: Role| if role == Role::Request { direction } else { 1 - direction };
        match look_within(chunk.data, &begin, begin.len() as u64 + chunk.length - chunk.data.len() as u64) {
            Look::Request => self.begin_http1(direction, s),
            Look::Response => self.begin_http1(1 - direction, s),
            Look::Http2(role) => {
                self.begin_http2(requests_from(role), s);
                if is_next && !before.is_empty() {
                    return true;
                }
            }
            Look::Other | Look::Short => {
                self.wait_to_join(direction, chunk, may_begin_with_frame(&begin), s);
                return false;
            }
        }
        // What came before is settled.
        self.forget_held(direction, s);
        self.streams[direction].expected = chunk.offset;
        true
    }

    /// Nothing was to be seen in this operation. One that may be the beginning of a frame is kept, for the next one to tell.
    fn wait_to_join(&mut self, direction: usize, chunk: &Chunk<'_>, may_be_frames: bool, s: &mut Surroundings<'_>) {
        self.looks += 1;
        if self.looks >= if may_be_frames { JOIN_LOOKS_FRAMES } else { JOIN_LOOKS } {
            s.ledger.lose(Cause::MidStream, chunk.unaccounted());
            self.not_http(s);
            return;
        }
        let is_whole = chunk.data.len() as u64 == chunk.length;
        if may_be_frames && is_whole && self.streams[direction].held_bytes() < JOIN_HELD_BYTES {
            if !self.streams[direction].has_held() {
                self.streams[direction].expected = chunk.offset;
            }
            if self.streams[direction].hold(chunk, s.now_ns) {
                return;
            }
        }
        self.forget_held(direction, s);
        s.ledger.lose(Cause::MidStream, chunk.unaccounted());
        self.streams[direction].expected = chunk.end();
    }

    pub(super) fn forget_held(&mut self, direction: usize, s: &mut Surroundings<'_>) {
        s.ledger.lose(Cause::MidStream, self.streams[direction].drop_held());
    }
}
