//! Header blocks: put together from their frames, decoded, and given to their message.

use super::connection::Connection;
use super::fields::{BlockFields, Reading};
use super::frame::{FrameHead, HEADERS, PUSH_PROMISE};
use super::hpack::End;
use super::message::{Complete, Event, Head, StreamRef};
use super::side::{Block, Trust};
use super::streams::Phase;
use super::Role;

impl Connection {
    /// The end of a HEADERS, PUSH_PROMISE or CONTINUATION frame.
    #[inline]
    pub(super) fn end_fragment(&mut self, role: Role, payload: &[u8], events: &mut Vec<Event>) {
        let most = self.limits.head_bytes;
        let side = self.side(role);
        let (frame, is_cut) = (side.frame, side.is_cut);
        let Some(mut block) = side.block.take() else {
            return;
        };
        let fragment = fragment(frame, payload);
        if frame.kind == PUSH_PROMISE {
            block.promised = promised(frame, payload);
        }
        block.is_cut |= fragment.is_none() || is_cut;
        let fragment = fragment.unwrap_or_default();
        if frame.ends_headers() && block.fragments.is_empty() {
            return self.end_block(role, &mut block, fragment, events);
        }
        // A fragment behind a hole is of no use.
        if !(block.is_cut && !block.fragments.is_empty() && is_cut) {
            let room = most.saturating_sub(block.fragments.len());
            block.is_cut |= fragment.len() > room;
            block.fragments.extend_from_slice(fragment.get(..room).unwrap_or(fragment));
        }
        if frame.ends_headers() {
            let fragments = std::mem::take(&mut block.fragments);
            return self.end_block(role, &mut block, &fragments, events);
        }
        self.side(role).block = Some(block);
    }

    /// The block under way does not come to its end: what is there of it counts.
    pub(super) fn cut_block(&mut self, role: Role, events: &mut Vec<Event>) {
        let side = self.side(role);
        let payload = std::mem::take(&mut side.carry);
        let Some(mut block) = side.block.take() else {
            return;
        };
        let mut fragments = std::mem::take(&mut block.fragments);
        // Of the frame under way; between frames nothing is left.
        block.bytes -= u64::from(side.left);
        if side.left > 0 && !block.is_cut {
            if side.frame.kind == PUSH_PROMISE {
                block.promised = promised(side.frame, &payload);
            }
            fragments.extend_from_slice(fragment(side.frame, &payload).unwrap_or_default());
        }
        block.is_cut = true;
        self.end_block(role, &mut block, &fragments, events);
    }

    fn end_block(&mut self, role: Role, block: &mut Block, bytes: &[u8], events: &mut Vec<Event>) {
        let mut fields = BlockFields::default();
        let keep = &self.limits.keep_headers;
        let side = &mut self.sides[role as usize];
        let end = side.decoder.decode(bytes, keep, &mut Reading { keep, fields: &mut fields });
        let is_cut = block.is_cut || end != End::Whole;
        block.is_cut = is_cut;
        if is_cut {
            side.decoder.forget();
            self.counters.lost_blocks += 1;
        }
        self.counters.partial_blocks += u64::from(fields.is_partial);
        if side.trust == Trust::Tentative && (is_cut || !fields.has_pseudo) {
            return self.disown(role, block, events);
        }
        if block.first.kind == HEADERS {
            if let Some(stream) = block.stream {
                self.fields_of_stream(role, stream, block, fields, is_cut, events);
            }
        } else if let Some(id) = block.promised.filter(|id| *id != 0) {
            self.promise(id, block, fields, is_cut, events);
        }
    }

    /// What was taken for a frame was none.
    fn disown(&mut self, role: Role, block: &Block, events: &mut Vec<Event>) {
        if let Some(stream) = block.stream {
            let is_empty = |phase: Phase| phase == Phase::Waiting;
            let is_unused =
                self.streams.get(stream).is_some_and(|found| found.halves().iter().all(|h| is_empty(h.phase)));
            if is_unused {
                self.close_stream(stream, None, false, events);
            }
        }
        if self.side(role).trust == Trust::Tentative {
            self.lose_step(role, events);
        }
    }

    fn fields_of_stream(
        &mut self,
        role: Role,
        stream: StreamRef,
        block: &Block,
        fields: BlockFields,
        is_cut: bool,
        events: &mut Vec<Event>,
    ) {
        let is_last = block.first.ends_stream();
        let was_lost = self.side(role).was_lost;
        let Some(found) = self.streams.get(stream) else {
            return;
        };
        let is_orphan = found.half(Role::Request).phase == Phase::Waiting;
        let half = found.half(role);
        if half.pending.is_some() {
            self.pending_heads -= 1;
            self.resolve_pending(stream, role, block, fields, events);
            if is_last {
                self.end_message(stream, role, true, events);
            }
            return;
        }
        let is_sure = match role {
            _ if fields.has_pseudo => true,
            // Scheme and method of a request are never both unknown: an encoder has them from the static table.
            Role::Request => is_cut && !was_lost,
            Role::Response => (fields.is_partial || is_cut) && !(is_last && (half.gap || (is_orphan && was_lost))),
        };
        match half.phase {
            Phase::Ended => return,
            Phase::Waiting if role == Role::Response && fields.is_interim() && !is_last => {
                if let Some(status) = fields.status {
                    events.push(Event::Interim { stream, status });
                }
                return;
            }
            Phase::Waiting if is_sure => {
                let is_unclear = role == Role::Response && fields.status.is_none() && !is_last;
                let mut head = fields.into_head(role);
                head.start_ns = block.start_ns;
                // Not more than was counted: of a stream that was reset and opened anew in between.
                head.head_bytes = block.bytes.min(half.bytes);
                head.is_last = is_last;
                head.truncated = is_cut;
                if is_unclear {
                    half.pending = Some(head);
                    self.pending_heads += 1;
                    return;
                }
                half.begin(&head);
                events.push(Event::Head { stream, role, head });
            }
            Phase::Waiting => {}
            Phase::Open => half.add_trailers(fields, is_cut),
        }
        if is_last {
            self.end_message(stream, role, true, events);
        }
    }

    /// Another block behind one of which the status is not known: that was an interim response, or the head.
    fn resolve_pending(
        &mut self,
        stream: StreamRef,
        role: Role,
        block: &Block,
        fields: BlockFields,
        events: &mut Vec<Event>,
    ) {
        let is_last = block.first.ends_stream();
        let Some(half) = self.streams.get(stream).map(|found| found.half(role)) else {
            return;
        };
        let Some(before) = half.pending.take() else {
            return;
        };
        if fields.is_interim() && !is_last {
            if let Some(status) = fields.status {
                events.push(Event::Interim { stream, status });
            }
            return;
        }
        if !fields.has_pseudo && !is_last {
            // Trailers end the message, so neither was the head for certain.
            let mut head = fields.into_head(role);
            (head.start_ns, head.head_bytes) = (block.start_ns, block.bytes.min(half.bytes));
            head.truncated = block.is_cut;
            half.pending = Some(head);
            self.pending_heads += 1;
            return;
        }
        let (start_ns, head_bytes) = (block.start_ns, block.bytes.min(half.bytes));
        let (is_head, is_partial) = (fields.has_pseudo, fields.is_partial);
        let mut head = match (is_head, is_partial) {
            // It was an interim response: this is the head.
            (true, _) => fields.into_head(role),
            // It was the head: these are trailers.
            (false, false) => {
                half.begin(&before);
                half.add_trailers(fields, block.is_cut);
                events.push(Event::Head { stream, role, head: before });
                return;
            }
            // Either may be: there is a head, of which nothing is known.
            (false, true) => Box::new(Head { hpack_partial: true, ..Head::default() }),
        };
        (head.start_ns, head.head_bytes, head.is_last) = (start_ns, head_bytes, is_last);
        head.truncated = block.is_cut;
        half.begin(&head);
        events.push(Event::Head { stream, role, head });
    }

    /// Content follows: the block of which the status is not known was the head.
    pub(super) fn tell_pending(&mut self, stream: StreamRef, role: Role, events: &mut Vec<Event>) {
        let Some(half) = self.streams.get(stream).map(|found| found.half(role)) else {
            return;
        };
        if let Some(head) = half.pending.take() {
            self.pending_heads -= 1;
            half.begin(&head);
            events.push(Event::Head { stream, role, head });
        }
    }

    /// A request that the server makes up (RFC 9113 §8.4); it has no frames of its own.
    fn promise(&mut self, id: u32, block: &Block, fields: BlockFields, is_cut: bool, events: &mut Vec<Event>) {
        if self.streams.find(id).is_some() {
            return;
        }
        self.flush(events);
        let stream = self.open(id, events);
        if let Some(found) = self.streams.get(stream) {
            found.half(Role::Request).phase = Phase::Ended;
        }
        let hpack_partial = fields.is_partial;
        let mut head = fields.into_head(Role::Request);
        (head.start_ns, head.head_bytes, head.is_last, head.truncated) = (block.start_ns, block.bytes, true, is_cut);
        let message = Complete {
            end_ns: block.start_ns,
            bytes: block.bytes,
            head_bytes: block.bytes,
            body_bytes: Some(0),
            complete: true,
            truncated: is_cut,
            hpack_partial,
            ..Complete::default()
        };
        events.push(Event::Head { stream, role: Role::Request, head });
        events.push(Event::Complete { stream, role: Role::Request, message });
    }
}

/// What a frame has of the block, given the beginning of its payload or all of it. `None` if padding leaves nothing.
fn fragment(frame: FrameHead, payload: &[u8]) -> Option<&[u8]> {
    let begin = usize::from(frame.is_padded()) + frame.prefix_bytes();
    let padding = if frame.is_padded() { usize::from(*payload.first()?) } else { 0 };
    let end = (frame.length as usize).checked_sub(padding).filter(|end| *end >= begin)?;
    payload.get(begin.min(payload.len())..end.min(payload.len()))
}

fn promised(frame: FrameHead, payload: &[u8]) -> Option<u32> {
    let id = payload.get(usize::from(frame.is_padded())..)?.first_chunk().copied()?;
    Some(u32::from_be_bytes(id) & 0x7fff_ffff)
}
