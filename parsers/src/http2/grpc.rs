//! Messages within the content of a gRPC request or response: five bytes of prefix (flags, length), then the message.
//!
//! gRPC over HTTP/2 has its trailers in a HEADERS frame; gRPC-Web has them as a last message whose highest flag is set,
//! `name: value` lines, in base64 where the content type says text.

use super::fields::maybe_number;
use super::message::Grpc;
use crate::text::{cut, trim};

/// Bytes in front of each message.
const PREFIX_BYTES: usize = 5;

/// Most of a gRPC-Web trailer message that is read: status, message and some details.
const TRAILER_BYTES: usize = 4096;

/// The flag of a gRPC-Web trailer message.
const TRAILER: u8 = 0x80;

#[derive(Debug)]
pub(super) struct Messages {
    kind: Grpc,
    /// Prefix of the message to come.
    prefix: [u8; PREFIX_BYTES],
    prefix_have: u8,
    /// Of the message under way.
    left: u32,
    count: u32,
    /// A prefix was missed.
    is_lost: bool,
    /// The trailer message under way, or read.
    trailer: Option<Vec<u8>>,
    /// Bits of base64 not yet a byte, and how many.
    base64: (u32, u8),
}

impl Messages {
    pub(super) fn new(kind: Grpc) -> Messages {
        Messages {
            kind,
            prefix: [0; PREFIX_BYTES],
            prefix_have: 0,
            left: 0,
            count: 0,
            is_lost: false,
            trailer: None,
            base64: (0, 0),
        }
    }

    /// Content that was seen.
    pub(super) fn content(&mut self, data: &[u8]) {
        if self.is_lost {
            return;
        }
        if self.kind != Grpc::WebText {
            return self.decoded(data);
        }
        for byte in data {
            if let Some(byte) = self.base64(*byte) {
                self.decoded(&[byte]);
            }
        }
    }

    /// Content that nobody saw.
    pub(super) fn gap(&mut self, n: u64) {
        match u32::try_from(n) {
            Ok(n) if n <= self.left && self.trailer.is_none() && self.kind != Grpc::WebText => self.left -= n,
            _ => self.is_lost = true,
        }
    }

    /// How many messages there were.
    pub(super) fn count(&self) -> Option<u32> {
        (!self.is_lost).then_some(self.count)
    }

    /// Status of a gRPC-Web trailer message.
    pub(super) fn status(&self) -> Option<u32> {
        let trailer = self.trailer.as_deref().filter(|_| !self.is_lost)?;
        trailer.split(|byte| *byte == b'\n').find_map(|line| {
            let (name, value) = cut(line, b':')?;
            trim(name).eq_ignore_ascii_case(b"grpc-status").then(|| maybe_number(trim(value)))?
        })
    }

    fn decoded(&mut self, mut data: &[u8]) {
        loop {
            let taken = data.len().min(self.left as usize);
            let (message, rest) = data.split_at_checked(taken).unwrap_or((data, &[]));
            if let Some(trailer) = &mut self.trailer {
                let room = TRAILER_BYTES.saturating_sub(trailer.len());
                trailer.extend(message.iter().take(room));
            }
            self.left -= taken as u32;
            data = rest;
            let Some((byte, rest)) = data.split_first() else {
                return;
            };
            let Some(place) = self.prefix.get_mut(usize::from(self.prefix_have)) else {
                return;
            };
            *place = *byte;
            data = rest;
            self.prefix_have += 1;
            if usize::from(self.prefix_have) == PREFIX_BYTES {
                self.begin_message();
            }
        }
    }

    fn begin_message(&mut self) {
        let [flags, length @ ..] = self.prefix;
        self.prefix_have = 0;
        self.left = u32::from_be_bytes(length);
        if self.kind != Grpc::Grpc && flags & TRAILER != 0 {
            self.trailer = Some(Vec::new());
        } else {
            self.count = self.count.saturating_add(1);
        }
    }

    /// Each message may be encoded for itself, so padding may come anywhere and starts anew.
    fn base64(&mut self, byte: u8) -> Option<u8> {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                self.base64 = (0, 0);
                return None;
            }
            _ => {
                self.is_lost |= !byte.is_ascii_whitespace();
                return None;
            }
        };
        let (bits, count) = (self.base64.0 << 6 | u32::from(value), self.base64.1 + 6);
        if count < 8 {
            self.base64 = (bits, count);
            return None;
        }
        self.base64 = (bits & ((1 << (count - 8)) - 1), count - 8);
        Some((bits >> (count - 8)) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(kind: Grpc, data: &[u8]) -> (Option<u32>, Option<u32>) {
        let mut whole = Messages::new(kind);
        whole.content(data);
        let mut bytes = Messages::new(kind);
        data.chunks(1).for_each(|byte| bytes.content(byte));
        assert_eq!((whole.count(), whole.status()), (bytes.count(), bytes.status()));
        (whole.count(), whole.status())
    }

    #[test]
    fn messages_are_counted_by_their_prefixes() {
        assert_eq!(counted(Grpc::Grpc, b""), (Some(0), None));
        assert_eq!(counted(Grpc::Grpc, b"\0\0\0\0\x02hi\x01\0\0\0\0\0\0\0\0\x01!"), (Some(3), None));
        assert_eq!(counted(Grpc::Grpc, b"\x80\0\0\0\0"), (Some(1), None));
    }

    /// gRPC-Web: the trailers are a message whose first bit is set.
    #[test]
    fn web_trailers_have_the_status() {
        let body = b"\0\0\0\0\x02hi\x80\0\0\0\x20grpc-message:no\r\nGrpc-Status: 13\r\n";
        assert_eq!(counted(Grpc::Web, body), (Some(1), Some(13)));
        let text = b"AAAAAAJoaQ==gAAAABBncnBjLXN0YXR1czogNQ0K";
        assert_eq!(counted(Grpc::WebText, text), (Some(1), Some(5)));
        assert_eq!(counted(Grpc::WebText, b"AAAA!"), (None, None));
    }

    #[test]
    fn a_message_that_is_skipped_within_its_length_is_counted() {
        let mut messages = Messages::new(Grpc::Grpc);
        messages.content(b"\0\0\0\x01\0ab");
        messages.gap(254);
        messages.content(b"\0\0\0\0\x01!");
        assert_eq!(messages.count(), Some(2));
        messages.gap(1);
        assert_eq!(messages.count(), None);
    }
}
