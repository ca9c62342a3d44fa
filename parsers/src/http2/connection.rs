//! Both directions of a connection: frames out of bytes and gaps. What frames mean is in `frames` and `blocks`.

use std::sync::Arc;

use super::frame::{FrameHead, HEADERS, HEAD_BYTES};
use super::message::{Counters, Event, StreamRef};
use super::search;
use super::side::{Side, State, Trust, PREFACE};
use super::streams::Streams;
use super::Role;
use crate::limits::Limits;

/// Slices (socket operations) without any frame after which a connection that was joined in mid-stream is taken for something
/// else. Generous, since a long frame may be under way: 64 MiB at 64 KiB an operation.
const JOIN_LOOKS: u32 = 1024;

/// Streams that were reset last: the other side may have sent more before it knew.
const RESET_STREAMS: usize = 64;

/// Payload buffers kept between frames; a larger one is given back.
const CARRY_BYTES: usize = 1024;

/// Observer of a connection.
#[derive(Debug)]
pub struct Connection {
    pub(super) limits: Arc<Limits>,
    pub(super) sides: [Side; 2],
    pub(super) streams: Streams,
    pub(super) counters: Counters,
    /// The highest id of a stream that the client opened.
    pub(super) highest: u32,
    /// Ids, the oldest first.
    pub(super) reset: Vec<u32>,
    /// Blocks of which it is not yet known what they are: rare, so that nobody looks for them in vain.
    pub(super) pending_heads: u32,
    /// A frame was seen: this is HTTP/2.
    is_confirmed: bool,
    carried: (Role, Option<StreamRef>, u64),
}

impl Connection {
    /// Observer of a connection from its first byte on: the client's preface, the server's SETTINGS.
    pub fn new(limits: Arc<Limits>) -> Connection {
        Connection::with_sides(limits, [Side::new(State::Preface(0)), Side::new(State::Head)])
    }

    /// Observer that joins in mid-stream: each direction first waits for bytes that look like frames.
    pub fn joining(limits: Arc<Limits>) -> Connection {
        Connection::with_sides(limits, [Side::joining(), Side::joining()])
    }

    /// Observer of what follows `101 Switching Protocols` with `Upgrade: h2c` (RFC 7540 §3.2): the request of HTTP/1 is
    /// stream 1, which this opens; its response comes here, its request half never does.
    pub fn upgraded(limits: Arc<Limits>, events: &mut Vec<Event>) -> Connection {
        let mut connection = Connection::new(limits);
        let stream = connection.open(1, events);
        if let Some(stream) = connection.streams.get(stream) {
            stream.half(Role::Request).phase = super::streams::Phase::Ended;
        }
        connection
    }

    fn with_sides(limits: Arc<Limits>, sides: [Side; 2]) -> Connection {
        Connection {
            limits,
            sides,
            streams: Streams::default(),
            counters: Counters::default(),
            highest: 0,
            reset: Vec::new(),
            pending_heads: 0,
            is_confirmed: false,
            carried: (Role::Request, None, 0),
        }
    }

    /// The next bytes of a direction, moved at `time_ns`. Out of step, the beginning of `data` is looked at for a frame,
    /// so a slice should be one socket operation.
    pub fn feed(&mut self, role: Role, mut data: &[u8], time_ns: u64, events: &mut Vec<Event>) {
        self.doubt(role, data, events);
        while !data.is_empty() {
            let taken = match self.side(role).state {
                State::Preface(seen) => self.preface(role, seen, data, events),
                State::Head => self.head(role, data, time_ns, events),
                State::Payload => self.payload(role, data, time_ns, events),
                State::Search => self.search(role, data, events),
                State::Done => self.pass(role, data.len(), events),
            };
            data = data.get(taken..).unwrap_or_default();
        }
        self.flush(events);
    }

    /// The next `n` bytes of a direction, moved at `time_ns`, were not seen. Within the payload of DATA that is as good as
    /// seen. Beyond it the direction is out of step, and its HPACK table unknown.
    pub fn gap(&mut self, role: Role, mut n: u64, time_ns: u64, events: &mut Vec<Event>) {
        while n > 0 {
            let taken = match self.side(role).state {
                State::Payload => self.missed_payload(role, n, time_ns, events),
                State::Preface(_) | State::Head => {
                    self.lose_step(role, events);
                    0
                }
                State::Search => {
                    self.counters.skipped_bytes += n;
                    self.carry(role, None, n, events);
                    n
                }
                State::Done => {
                    self.carry(role, None, n, events);
                    n
                }
            };
            n -= taken;
        }
        self.flush(events);
    }

    /// The connection has ended: what is under way is told as it is.
    pub fn close(&mut self, events: &mut Vec<Event>) {
        for role in [Role::Request, Role::Response] {
            self.cut_block(role, events);
            self.drop_head(role, events);
            self.side(role).state = State::Done;
        }
        for stream in self.streams.all() {
            self.close_stream(stream, None, false, events);
        }
        self.flush(events);
    }

    /// Whether bytes of the server would begin the response to a request that has not been fed: who feeds both directions as
    /// they are seen may have to wait for its bytes. Streams older than the observer are not waited for.
    pub fn awaits_request(&self, data: &[u8]) -> bool {
        let [request, side] = &self.sides;
        if self.highest == 0 && request.was_lost {
            return false;
        }
        let mut at = match side.state {
            State::Head if side.head_have == 0 => 0,
            State::Payload => side.left as usize,
            _ => return false,
        };
        while let Some(head) = data.get(at..).and_then(FrameHead::maybe) {
            if head.kind == HEADERS && head.stream % 2 == 1 && head.stream > self.highest {
                return true;
            }
            at = at.saturating_add(HEAD_BYTES + head.length as usize);
        }
        false
    }

    /// Bytes from here on that need not be captured: what is left of the content of a DATA frame; everything once it
    /// is clear that this is not HTTP/2.
    pub fn skippable(&self, role: Role) -> u64 {
        let [request, response] = &self.sides;
        let side = if role == Role::Request { request } else { response };
        match side.state {
            State::Payload if side.frame.kind == super::frame::DATA => u64::from(side.left),
            State::Done => u64::MAX,
            _ => 0,
        }
    }

    /// Whether frames of this direction are being read.
    pub fn is_in_step(&self, role: Role) -> bool {
        let [request, response] = &self.sides;
        let side = if role == Role::Request { request } else { response };
        matches!(side.state, State::Head | State::Payload) && side.trust == Trust::Certain
    }

    /// Somebody has seen the HPACK table of this direction right before the header block `block`, the newest entry first.
    /// For tables of which a part is unknown; counts from the next block on. False if it does not fit for certain.
    pub fn tell_table(&mut self, role: Role, block: &[u8], entries: &[(&[u8], &[u8])]) -> bool {
        self.sides[role as usize].decoder.tell(block, entries, &self.limits.keep_headers)
    }

    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    #[inline]
    pub(super) fn side(&mut self, role: Role) -> &mut Side {
        &mut self.sides[role as usize]
    }

    /// `n` bytes of a message, or of none.
    #[inline]
    pub(super) fn carry(&mut self, role: Role, stream: Option<StreamRef>, n: u64, events: &mut Vec<Event>) {
        if (self.carried.0, self.carried.1) != (role, stream) {
            self.flush(events);
            (self.carried.0, self.carried.1) = (role, stream);
        }
        self.carried.2 += n;
    }

    /// Tells what was carried so far.
    #[inline]
    pub(super) fn flush(&mut self, events: &mut Vec<Event>) {
        let (role, stream, bytes) = self.carried;
        if bytes > 0 {
            events.push(Event::Carried { role, stream, bytes });
            self.carried.2 = 0;
        }
    }

    /// The direction no longer knows where frames begin, nor what header blocks it misses.
    pub(super) fn lose_step(&mut self, role: Role, events: &mut Vec<Event>) {
        self.cut_block(role, events);
        self.drop_head(role, events);
        let side = self.side(role);
        side.decoder.forget();
        (side.state, side.trust, side.is_first_frame, side.looks) = (State::Search, Trust::Certain, false, 0);
        (side.carry, side.left, side.was_lost) = (Vec::new(), 0, true);
        for stream in self.streams.iter_mut() {
            stream.half(role).note_gap();
        }
        for stream in self.streams.all() {
            self.settle(stream, events);
        }
    }

    /// This is something else.
    pub(super) fn refuse(&mut self, events: &mut Vec<Event>) {
        self.sides.iter_mut().for_each(|side| side.state = State::Done);
        events.push(Event::NotHttp2);
    }

    fn pass(&mut self, role: Role, n: usize, events: &mut Vec<Event>) -> usize {
        self.carry(role, None, n as u64, events);
        n
    }

    /// A frame head of which only the beginning came.
    fn drop_head(&mut self, role: Role, events: &mut Vec<Event>) {
        let have = std::mem::take(&mut self.side(role).head_have);
        self.counters.skipped_bytes += u64::from(have);
        self.carry(role, None, u64::from(have), events);
    }

    fn preface(&mut self, role: Role, seen: u8, data: &[u8], events: &mut Vec<Event>) -> usize {
        let expected = PREFACE.get(usize::from(seen)..).unwrap_or_default();
        let taken = expected.len().min(data.len());
        if data.get(..taken) != expected.get(..taken) {
            self.refuse(events);
            return 0;
        }
        let seen = seen + taken as u8;
        self.side(role).state = if taken == expected.len() { State::Head } else { State::Preface(seen) };
        self.pass(role, taken, events)
    }

    #[inline]
    fn head(&mut self, role: Role, data: &[u8], time_ns: u64, events: &mut Vec<Event>) -> usize {
        let side = self.side(role);
        if side.head_have == 0 {
            side.frame_ns = time_ns;
            if let Some(head) = FrameHead::maybe(data) {
                return if self.accept(role, head, events) {
                    self.begin_frame(role, head, time_ns, events);
                    HEAD_BYTES
                } else {
                    0
                };
            }
        }
        let room = side.head.get_mut(usize::from(side.head_have)..).unwrap_or_default();
        let taken = room.len().min(data.len());
        room.iter_mut().zip(data).for_each(|(place, byte)| *place = *byte);
        side.head_have += taken as u8;
        if usize::from(side.head_have) == HEAD_BYTES {
            let head = FrameHead::new(&side.head);
            if self.accept(role, head, events) {
                self.side(role).head_have = 0;
                self.begin_frame(role, head, time_ns, events);
            }
        }
        taken
    }

    /// Whether this can be the next frame; else the direction is out of step, or never was in it.
    #[inline]
    fn accept(&mut self, role: Role, head: FrameHead, events: &mut Vec<Event>) -> bool {
        let side = self.side(role);
        let is_accepted = match side.trust {
            Trust::Certain if side.is_first_frame => head.is_first_of_all(),
            Trust::Certain | Trust::Found => head.is_legal(role),
            Trust::Tentative => head.is_plausible(role, side.frame_bytes),
        };
        if !is_accepted {
            if side.is_first_frame {
                self.refuse(events);
            } else {
                self.lose_step(role, events);
            }
            return false;
        }
        side.trust = if side.trust == Trust::Found { Trust::Tentative } else { Trust::Certain };
        self.is_confirmed |= side.trust == Trust::Certain;
        true
    }

    /// Behind a frame head that is not yet confirmed a slice may show that it was none: it is frames by itself.
    #[inline]
    fn doubt(&mut self, role: Role, data: &[u8], events: &mut Vec<Event>) {
        let side = self.side(role);
        if side.trust != Trust::Certain && (side.state == State::Payload || side.head_have > 0) {
            let found = search::find(role, data, side.frame_bytes);
            if found.is_some_and(|found| found.at == 0 && !found.is_tentative) {
                self.lose_step(role, events);
            }
        }
    }

    fn search(&mut self, role: Role, data: &[u8], events: &mut Vec<Event>) -> usize {
        let side = self.side(role);
        let found = search::find(role, data, side.frame_bytes);
        if let Some(found) = found {
            side.state = State::Head;
            side.trust = if found.is_tentative { Trust::Found } else { Trust::Certain };
            self.counters.resyncs += 1;
        } else {
            side.looks += 1;
            if side.looks >= JOIN_LOOKS && !self.is_confirmed {
                self.refuse(events);
                return 0;
            }
        }
        let skipped = found.map_or(data.len(), |found| found.at);
        self.counters.skipped_bytes += skipped as u64;
        self.pass(role, skipped, events)
    }

    #[inline]
    fn payload(&mut self, role: Role, data: &[u8], time_ns: u64, events: &mut Vec<Event>) -> usize {
        let most = self.limits.head_bytes;
        let left = self.side(role).left;
        let taken = (left as usize).min(data.len());
        let seen = data.get(..taken).unwrap_or_default();
        self.count(role, taken as u64, time_ns, events);
        let side = self.side(role);
        side.left = left - taken as u32;
        let is_end = side.left == 0;
        if is_end {
            side.state = State::Head;
        }
        if side.frame.kind == super::frame::DATA {
            self.content(role, left, seen);
            if is_end {
                self.end_data(role, events);
            }
        } else if let Some(most) = side.frame.needed_bytes(most) {
            self.collect(role, seen, most, is_end, events);
        }
        taken
    }

    /// All of the payload is needed at once: in place where it comes at once.
    #[inline]
    fn collect(&mut self, role: Role, seen: &[u8], most: usize, is_end: bool, events: &mut Vec<Event>) {
        let side = self.side(role);
        if is_end && seen.len() == side.frame.length as usize {
            return self.end_frame(role, seen, events);
        }
        if !side.is_cut {
            let room = most.saturating_sub(side.carry.len());
            side.is_cut = seen.len() > room;
            side.carry.extend_from_slice(seen.get(..room).unwrap_or(seen));
        }
        if is_end {
            self.end_carried(role, events);
        }
    }

    fn end_carried(&mut self, role: Role, events: &mut Vec<Event>) {
        let mut payload = std::mem::take(&mut self.side(role).carry);
        self.end_frame(role, &payload, events);
        payload.clear();
        if payload.capacity() <= CARRY_BYTES {
            self.side(role).carry = payload;
        }
    }

    fn missed_payload(&mut self, role: Role, n: u64, time_ns: u64, events: &mut Vec<Event>) -> u64 {
        let left = self.side(role).left;
        let taken = left.min(u32::try_from(n).unwrap_or(u32::MAX));
        self.count(role, u64::from(taken), time_ns, events);
        let side = self.side(role);
        side.left = left - taken;
        let is_end = side.left == 0;
        if is_end {
            side.state = State::Head;
        }
        if side.frame.kind == super::frame::DATA {
            self.missed_content(role, left, taken);
            if is_end {
                self.end_data(role, events);
            }
        } else {
            side.is_cut = true;
            if is_end {
                self.end_carried(role, events);
            }
        }
        u64::from(taken)
    }

    /// Remembers a stream whose late frames mean nothing.
    pub(super) fn note_reset(&mut self, id: u32) {
        if self.reset.len() >= RESET_STREAMS {
            self.reset.remove(0);
        }
        self.reset.push(id);
    }
}
