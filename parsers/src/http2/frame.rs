//! Frame heads (RFC 9113 §4.1, §6): what they say, what is illegal, and what is so likely that one in the middle of a
//! stream is believed.

use super::Role;

/// Length of a frame head.
pub(super) const HEAD_BYTES: usize = 9;

/// Largest payload unless the receiver allows more (RFC 9113 §4.2).
pub(super) const FRAME_BYTES: u32 = 16_384;

/// Largest payload believed of a connection whose SETTINGS were not seen: Go servers announce 1 MiB.
pub(super) const JOINED_FRAME_BYTES: u32 = 1 << 20;

/// Largest SETTINGS payload that is read; there are some ten settings, of 6 bytes each.
pub(super) const SETTINGS_BYTES: usize = 64 * 6;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const WITH_PRIORITY: u8 = 0x20;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub length: u32,
    pub kind: u8,
    flags: u8,
    is_reserved_set: bool,
    pub stream: u32,
}

impl FrameHead {
    #[inline]
    pub(super) fn new(bytes: &[u8; HEAD_BYTES]) -> FrameHead {
        let [l2, l1, l0, kind, flags, s3, s2, s1, s0] = *bytes;
        let stream = u32::from_be_bytes([s3, s2, s1, s0]);
        FrameHead {
            length: u32::from_be_bytes([0, l2, l1, l0]),
            kind,
            flags,
            is_reserved_set: stream >> 31 != 0,
            stream: stream & 0x7fff_ffff,
        }
    }

    /// The head at the beginning of `data`, if all of it is there.
    #[inline]
    pub(super) fn maybe(data: &[u8]) -> Option<FrameHead> {
        data.first_chunk().map(FrameHead::new)
    }

    /// Head and payload.
    pub(super) fn frame_bytes(&self) -> u64 {
        HEAD_BYTES as u64 + u64::from(self.length)
    }

    pub(super) fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    pub(super) fn ends_headers(&self) -> bool {
        self.flags & END_HEADERS != 0
    }

    pub(super) fn is_padded(&self) -> bool {
        matches!(self.kind, DATA | HEADERS | PUSH_PROMISE) && self.flags & PADDED != 0
    }

    pub(super) fn is_ack(&self) -> bool {
        self.flags & ACK != 0
    }

    /// Whether this carries a piece of a header block.
    pub(super) fn is_of_block(&self) -> bool {
        matches!(self.kind, HEADERS | PUSH_PROMISE | CONTINUATION)
    }

    /// Bytes of the payload in front of the header block, but for the padding length.
    pub(super) fn prefix_bytes(&self) -> usize {
        match self.kind {
            HEADERS if self.flags & WITH_PRIORITY != 0 => 5,
            PUSH_PROMISE => 4,
            _ => 0,
        }
    }

    /// What every endpoint must refuse is no frame: whoever meets it is out of step.
    #[inline]
    pub(super) fn is_legal(&self, role: Role) -> bool {
        let length = self.length;
        let is_on_stream = self.stream != 0;
        let least = self.prefix_bytes() as u32 + u32::from(self.is_padded());
        match self.kind {
            DATA | CONTINUATION => is_on_stream && length >= least,
            // Clients open odd streams (RFC 9113 §5.1.1).
            HEADERS => is_on_stream && length >= least && (role == Role::Response || self.stream % 2 == 1),
            PRIORITY => is_on_stream && length == 5,
            RST_STREAM => is_on_stream && length == 4,
            SETTINGS => !is_on_stream && length.is_multiple_of(6) && (!self.is_ack() || length == 0),
            PUSH_PROMISE => role == Role::Response && self.stream % 2 == 1 && length >= least,
            PING => !is_on_stream && length == 8,
            GOAWAY => !is_on_stream && length >= 8,
            WINDOW_UPDATE => length == 4,
            _ => true,
        }
    }

    /// Whether nine bytes out of nowhere are to be taken for this. One in a million of random ones are.
    pub(super) fn is_plausible(&self, role: Role, frame_bytes: u32) -> bool {
        let defined_flags = match self.kind {
            DATA => END_STREAM | PADDED,
            HEADERS => END_STREAM | END_HEADERS | PADDED | WITH_PRIORITY,
            SETTINGS | PING => ACK,
            PUSH_PROMISE => END_HEADERS | PADDED,
            CONTINUATION => END_HEADERS,
            PRIORITY | RST_STREAM | GOAWAY | WINDOW_UPDATE => 0,
            _ => return false,
        };
        let is_idle = match self.kind {
            DATA => self.length == 0 && !self.ends_stream(),
            HEADERS | PUSH_PROMISE => self.length == 0,
            SETTINGS => self.length as usize > SETTINGS_BYTES,
            GOAWAY => self.length > FRAME_BYTES,
            _ => false,
        };
        !self.is_reserved_set
            && self.flags & !defined_flags == 0
            && self.length <= frame_bytes
            && !is_idle
            && self.is_legal(role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(length: u32, kind: u8, flags: u8, stream: u32) -> FrameHead {
        let ([_, a, b, c], [d, e, f, g]) = (length.to_be_bytes(), stream.to_be_bytes());
        FrameHead::new(&[a, b, c, kind, flags, d, e, f, g])
    }

    #[test]
    fn fields_are_where_the_rfc_has_them() {
        let head = head(0x01_02_03, 5, 0xc, 0x8405_0607);
        assert_eq!((head.length, head.kind, head.stream), (0x01_02_03, 5, 0x0405_0607));
        assert!(head.is_reserved_set && head.ends_headers() && head.is_padded() && !head.ends_stream());
        assert_eq!(head.frame_bytes(), 0x01_02_0c);
        assert_eq!(FrameHead::maybe(&[0; 8]), None);
    }

    /// RFC 9113 §6.1 to §6.10, one line each.
    #[test]
    fn what_endpoints_must_refuse_is_illegal() {
        let illegal = [
            head(5, DATA, 0, 0),
            head(0, DATA, PADDED, 1),
            head(5, HEADERS, 0, 0),
            head(5, HEADERS, PADDED | WITH_PRIORITY, 1),
            head(5, HEADERS, 0, 2),
            head(4, PRIORITY, 0, 1),
            head(4, RST_STREAM, 0, 0),
            head(6, SETTINGS, 0, 1),
            head(5, SETTINGS, 0, 0),
            head(6, SETTINGS, ACK, 0),
            head(9, PUSH_PROMISE, 0, 1),
            head(7, PING, 0, 0),
            head(8, PING, 0, 1),
            head(7, GOAWAY, 0, 0),
            head(5, WINDOW_UPDATE, 0, 0),
            head(5, CONTINUATION, 0, 0),
        ];
        illegal.iter().for_each(|head| assert!(!head.is_legal(Role::Request), "{head:?}"));
        assert!(head(9, PUSH_PROMISE, 0, 1).is_legal(Role::Response));
        assert!(head(9, HEADERS, 0, 2).is_legal(Role::Response));
        // Unknown frames must be ignored, whatever they are (RFC 9113 §5.5).
        assert!(head(9, 0x42, 0xff, 0x8000_0003).is_legal(Role::Request));
    }

    #[test]
    fn heads_that_nobody_sends_are_not_believed_out_of_step() {
        let seen = |head: FrameHead| head.is_plausible(Role::Request, FRAME_BYTES);
        assert!(seen(head(5, DATA, END_STREAM, 1)) && seen(head(0, DATA, END_STREAM, 1)) && seen(head(8, PING, 0, 0)));
        let unlikely = [
            head(0, DATA, 0, 1),
            head(FRAME_BYTES + 1, DATA, 0, 1),
            head(5, DATA, 0x40, 1),
            head(5, DATA, 0, 0x8000_0001),
            head(0, HEADERS, END_HEADERS, 1),
            head(600, SETTINGS, 0, 0),
            head(8, 0x42, 0, 1),
        ];
        unlikely.iter().for_each(|head| assert!(!seen(*head), "{head:?}"));
    }
}
