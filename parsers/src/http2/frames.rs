//! What frames mean for the streams.

use super::connection::Connection;
use super::frame::{
    FrameHead, CONTINUATION, DATA, GOAWAY, HEADERS, HEAD_BYTES, PUSH_PROMISE, RST_STREAM, SETTINGS, SETTINGS_BYTES,
};
use super::message::{Closed, Event, Reset, StreamRef};
use super::side::{Block, Padding, State};
use super::streams::Phase;
use super::Role;

/// SETTINGS_MAX_FRAME_SIZE and its ceiling (RFC 9113 §6.5.2). SETTINGS_HEADER_TABLE_SIZE needs no reading: it bounds what the
/// encoder then says itself in its blocks (RFC 7541 §4.2).
const MAX_FRAME_SIZE: u16 = 5;
const MOST_FRAME_BYTES: u32 = (1 << 24) - 1;

impl FrameHead {
    /// How much of the payload is needed, where all of that is needed at once.
    #[inline]
    pub(super) fn needed_bytes(&self, head_bytes: usize) -> Option<usize> {
        match self.kind {
            HEADERS | PUSH_PROMISE | CONTINUATION => Some(head_bytes),
            SETTINGS => Some(SETTINGS_BYTES),
            GOAWAY => Some(8),
            RST_STREAM => Some(4),
            _ => None,
        }
    }

    /// What each side must send first (RFC 9113 §3.4).
    pub(super) fn is_first_of_all(&self) -> bool {
        self.kind == SETTINGS && self.is_legal(Role::Request) && !self.is_ack()
    }
}

impl Connection {
    #[inline]
    pub(super) fn begin_frame(&mut self, role: Role, head: FrameHead, time_ns: u64, events: &mut Vec<Event>) {
        self.counters.frames += 1;
        if let Some(block) = &self.side(role).block {
            // RFC 9113 §4.3: nothing may come between the frames of a block.
            if head.kind != CONTINUATION || head.stream != block.first.stream {
                self.cut_block(role, events);
            }
        }
        let side = self.side(role);
        side.is_first_frame = false;
        side.frame = head;
        side.left = head.length;
        side.is_cut = false;
        side.padding = if head.is_padded() { Padding::Awaited } else { Padding::Known(0) };
        let stream = match head.kind {
            _ if head.stream == 0 => None,
            HEADERS => self.stream_of_headers(role, head.stream, events),
            CONTINUATION => self.side(role).block.as_ref().and_then(|block| block.stream),
            _ => self.streams.find(head.stream),
        };
        if let Some(stream) = stream.filter(|_| self.pending_heads > 0 && head.kind == DATA) {
            self.tell_pending(stream, role, events);
        }
        let side = self.side(role);
        side.stream = stream;
        let start_ns = side.frame_ns;
        match &mut side.block {
            Some(block) => block.bytes += head.frame_bytes(),
            None if matches!(head.kind, HEADERS | PUSH_PROMISE) => {
                let bytes = head.frame_bytes();
                let block = Block {
                    first: head,
                    stream,
                    promised: None,
                    start_ns,
                    bytes,
                    fragments: Vec::new(),
                    is_cut: false,
                };
                side.block = Some(Box::new(block));
            }
            // Its block began before us.
            None if head.kind == CONTINUATION => {
                side.decoder.forget();
                self.counters.lost_blocks += 1;
            }
            None => {}
        }
        self.count(role, HEAD_BYTES as u64, time_ns, events);
        let side = self.side(role);
        if head.length > 0 {
            side.state = State::Payload;
            return;
        }
        side.state = State::Head;
        if head.kind == DATA {
            self.end_data(role, events);
        } else {
            self.end_frame(role, &[], events);
        }
    }

    /// `n` bytes of the frame under way.
    #[inline]
    pub(super) fn count(&mut self, role: Role, n: u64, time_ns: u64, events: &mut Vec<Event>) {
        let Some(stream) = self.side(role).stream else {
            return self.carry(role, None, n, events);
        };
        let is_message = self.side(role).frame.kind == DATA || self.side(role).frame.is_of_block();
        let Some(half) = self.streams.get(stream).map(|stream| stream.half(role)) else {
            return self.carry(role, None, n, events);
        };
        half.total_bytes += n;
        if half.phase == Phase::Ended {
            return self.carry(role, None, n, events);
        }
        half.bytes += n;
        if is_message {
            half.last_ns = time_ns;
        }
        self.carry(role, Some(stream), n, events);
    }

    /// Payload of DATA; `left` of it were to come before these.
    #[inline]
    pub(super) fn content(&mut self, role: Role, left: u32, mut seen: &[u8]) {
        let side = self.side(role);
        let mut at = side.frame.length - left;
        if side.padding == Padding::Awaited {
            let Some((length, rest)) = seen.split_first() else {
                return;
            };
            side.padding = Padding::Known(u32::from(*length));
            (seen, at) = (rest, at + 1);
        }
        let end = side.content_end();
        let content = seen.get(..end.saturating_sub(at) as usize).unwrap_or(seen);
        let Some(stream) = side.stream else {
            return;
        };
        if let Some(half) = self.streams.get(stream).map(|stream| stream.half(role)) {
            half.body_bytes += content.len() as u64;
            if let Some(messages) = &mut half.messages {
                messages.content(content);
            }
        }
    }

    pub(super) fn missed_content(&mut self, role: Role, left: u32, missed: u32) {
        let side = self.side(role);
        let mut at = side.frame.length - left;
        let to = at + missed;
        let is_padding_missed = side.padding == Padding::Awaited;
        if is_padding_missed {
            side.padding = Padding::Known(0);
            at += 1;
        }
        let content = u64::from(side.content_end().min(to).saturating_sub(at));
        let Some(stream) = side.stream else {
            return;
        };
        if let Some(half) = self.streams.get(stream).map(|stream| stream.half(role)) {
            half.body_bytes += content;
            half.is_padding_unknown |= is_padding_missed;
            if let Some(messages) = half.messages.as_mut().filter(|_| content > 0) {
                messages.gap(content);
            }
        }
    }

    #[inline]
    pub(super) fn end_data(&mut self, role: Role, events: &mut Vec<Event>) {
        let side = self.side(role);
        if let Some(stream) = side.stream.filter(|_| side.frame.ends_stream()) {
            self.end_message(stream, role, true, events);
        }
    }

    /// The end of a frame other than DATA, with what is there of its payload.
    #[inline]
    pub(super) fn end_frame(&mut self, role: Role, payload: &[u8], events: &mut Vec<Event>) {
        let frame = self.side(role).frame;
        match frame.kind {
            HEADERS | PUSH_PROMISE | CONTINUATION => self.end_fragment(role, payload, events),
            RST_STREAM => {
                if let Some(stream) = self.side(role).stream {
                    let reset = Reset { by: role, code: payload.first_chunk().copied().map(u32::from_be_bytes) };
                    self.note_reset(stream.id);
                    self.close_stream(stream, Some(reset), false, events);
                }
            }
            SETTINGS => self.settings(role, payload),
            GOAWAY => {
                let number = |at| payload.get(at..)?.first_chunk().copied().map(u32::from_be_bytes);
                let last_stream = number(0).map(|id| id & 0x7fff_ffff);
                self.flush(events);
                events.push(Event::Goaway { role, last_stream, code: number(4) });
            }
            _ => {}
        }
    }

    fn settings(&mut self, role: Role, payload: &[u8]) {
        for setting in payload.chunks_exact(6) {
            let [i1, i0, v3, v2, v1, v0] = setting else {
                continue;
            };
            if u16::from_be_bytes([*i1, *i0]) == MAX_FRAME_SIZE {
                let most = u32::from_be_bytes([*v3, *v2, *v1, *v0]).min(MOST_FRAME_BYTES);
                let other = self.side(role.other());
                other.frame_bytes = other.frame_bytes.max(most);
            }
        }
    }

    /// The stream of a HEADERS frame; opens it unless it is known to be over.
    #[inline]
    fn stream_of_headers(&mut self, role: Role, id: u32, events: &mut Vec<Event>) -> Option<StreamRef> {
        if let Some(stream) = self.streams.find(id) {
            return Some(stream);
        }
        let is_new = role == Role::Request && id > self.highest;
        if is_new {
            self.highest = id;
        } else if self.reset.contains(&id) {
            return None;
        }
        Some(self.open(id, events))
    }

    pub(super) fn open(&mut self, id: u32, events: &mut Vec<Event>) -> StreamRef {
        if let Some(oldest) = self.streams.oldest_of_too_many() {
            self.counters.dropped_streams += 1;
            self.close_stream(oldest, None, true, events);
        }
        let stream = self.streams.open(id);
        events.push(Event::Opened { stream });
        stream
    }

    /// END_STREAM, or the end of hope for it.
    pub(super) fn end_message(&mut self, stream: StreamRef, role: Role, complete: bool, events: &mut Vec<Event>) {
        let Some(half) = self.streams.get(stream).map(|found| found.half(role)) else {
            return;
        };
        match half.phase {
            // Its head was before our time.
            Phase::Waiting => half.phase = Phase::Ended,
            Phase::Open => {
                let message = half.end(complete);
                self.flush(events);
                events.push(Event::Complete { stream, role, message });
            }
            Phase::Ended => return,
        }
        self.settle(stream, events);
    }

    /// Closes the stream if nothing more is to come of it: the response has ended, and the request has, or was never seen, or
    /// its end may have been missed.
    #[inline]
    pub(super) fn settle(&mut self, stream: StreamRef, events: &mut Vec<Event>) {
        let Some([request, response]) = self.streams.get(stream).map(|found| found.halves()) else {
            return;
        };
        if response.phase == Phase::Ended && (request.phase != Phase::Open || request.gap) {
            self.close_stream(stream, None, false, events);
        }
    }

    pub(super) fn close_stream(
        &mut self,
        stream: StreamRef,
        reset: Option<Reset>,
        dropped: bool,
        events: &mut Vec<Event>,
    ) {
        self.flush(events);
        let Some(found) = self.streams.get(stream) else {
            return;
        };
        for role in [Role::Request, Role::Response] {
            let half = found.half(role);
            if half.phase == Phase::Open {
                events.push(Event::Complete { stream, role, message: half.end(false) });
            }
        }
        let [request, response] = found.halves();
        self.pending_heads -= u32::from(response.pending.is_some());
        let total_bytes = [request.total_bytes, response.total_bytes];
        self.streams.remove(stream);
        events.push(Event::Closed { stream, closed: Closed { reset, total_bytes, dropped } });
    }
}
