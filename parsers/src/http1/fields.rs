//! Header fields that matter to an observer: framing, connection options, trace context, and configured ones.

use super::limits::KeepHeaders;
use super::lines::Line;
use super::message::{Framing, Head, Role, Version};
use super::text::{cut, members, owned, trim};
use super::trace::Candidates;

/// Most configured fields kept of one head or trailer section.
pub const KEPT_FIELDS: usize = 1024;

/// What is kept in place of a credential.
const MASK: &str = "*";

/// What the header lines of one head say, besides what goes straight into [`Head`].
#[derive(Debug, Default)]
pub(super) struct Fields {
    length: Option<u64>,
    is_length_bad: bool,
    /// The last transfer coding named.
    coding: Option<Coding>,
    says_close: bool,
    says_keep_alive: bool,
    says_upgrade: bool,
    has_upgrade: bool,
    trace: Candidates,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Chunked,
    Other,
}

impl Fields {
    /// Reads one header line. `keep`: configured headers, if they are to be kept.
    pub(super) fn read(&mut self, head: &mut Head, line: Line<'_>, keep: Option<&KeepHeaders>) {
        if is_continuation(line.text) {
            return;
        }
        let unfolded;
        let text = if line.is_folded {
            unfolded = unfold(line.text);
            &unfolded
        } else {
            line.text
        };
        let Some((name, value)) = maybe_field(text) else { return };
        if let Some(keep) = keep {
            keep_field(keep, &mut head.headers, name, value);
        }
        // The rest of a cut value is unknown: as text it is good enough, for framing it is no value.
        self.read_known(head, name, value, line.is_cut);
    }

    fn read_known(&mut self, head: &mut Head, name: &[u8], value: &[u8], is_cut: bool) {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match name.len() {
            2 if is(b"b3") => self.trace.b3(value),
            3 if is(b"sw8") => self.trace.sw8(value),
            4 if is(b"host") && head.host.is_none() => head.host = Some(owned(value)),
            6 if is(b"expect") => head.expect_continue |= has_member(value, b"100-continue"),
            7 if is(b"upgrade") => {
                self.has_upgrade = true;
                head.websocket |= has_member(value, b"websocket");
            }
            10 if is(b"connection") => self.connection(value),
            10 if is(b"x-b3-flags") => self.trace.b3_flags(value),
            11 if is(b"traceparent") => self.trace.traceparent(value),
            11 if is(b"x-b3-spanid") => self.trace.b3_span_id(value),
            12 if is(b"content-type") && head.content_type.is_none() => {
                let media_type = trim(value.split(|byte| *byte == b';').next().unwrap_or(value));
                head.event_stream = media_type.eq_ignore_ascii_case(b"text/event-stream");
                head.content_type = Some(owned(value));
            }
            12 if is(b"x-b3-traceid") => self.trace.b3_trace_id(value),
            12 if is(b"x-b3-sampled") => self.trace.b3_sampled(value),
            14 if is(b"content-length") && !is_cut => self.content_length(value),
            17 if is(b"transfer-encoding") && !is_cut => self.transfer_encoding(value),
            _ => {}
        }
    }

    /// Repeated equal lengths are one, be it as lines or as a list (RFC 9110 §8.6); of different ones the first counts.
    fn content_length(&mut self, value: &[u8]) {
        let mut has_any = false;
        for member in members(value) {
            has_any = true;
            match (maybe_length(member), self.length) {
                (Some(length), None) => self.length = Some(length),
                (Some(length), Some(first)) if length == first => {}
                _ => self.is_length_bad = true,
            }
        }
        self.is_length_bad |= !has_any;
    }

    /// Only the last coding of all lines decides (RFC 9112 §6.3).
    fn transfer_encoding(&mut self, value: &[u8]) {
        for member in members(value) {
            let name = trim(member.split(|byte| *byte == b';').next().unwrap_or(member));
            // "identity" was a coding in RFC 2616 and means none.
            if !name.eq_ignore_ascii_case(b"identity") {
                self.coding = Some(if name.eq_ignore_ascii_case(b"chunked") { Coding::Chunked } else { Coding::Other });
            }
        }
    }

    fn connection(&mut self, value: &[u8]) {
        for member in members(value) {
            self.says_close |= member.eq_ignore_ascii_case(b"close");
            self.says_keep_alive |= member.eq_ignore_ascii_case(b"keep-alive");
            self.says_upgrade |= member.eq_ignore_ascii_case(b"upgrade");
        }
    }

    /// Puts what the lines said together; ready for the next head afterwards.
    pub(super) fn finish(&mut self, role: Role, head: &mut Head) {
        let fields = std::mem::take(self);
        head.framing = fields.framing(role, head.status);
        head.is_ambiguous = fields.is_length_bad || (fields.length.is_some() && fields.coding.is_some());
        head.upgrade = match role {
            Role::Request => fields.says_upgrade && fields.has_upgrade,
            Role::Response => head.status == Some(101),
        };
        head.websocket &= head.upgrade;
        head.keep_alive = match head.version {
            Version::Http11 => !fields.says_close,
            Version::Http10 => fields.says_keep_alive && !fields.says_close,
        } && head.framing != Framing::UntilClose;
        let mut trace = fields.trace;
        head.trace = trace.take();
    }

    /// RFC 9112 §6.3, but for what depends on the request.
    fn framing(&self, role: Role, status: Option<u16>) -> Framing {
        if matches!(status, Some(100..=199 | 204 | 304)) {
            return Framing::None;
        }
        match (self.coding, self.length, role) {
            (Some(Coding::Chunked), _, _) => Framing::Chunked,
            (Some(Coding::Other), _, Role::Response) => Framing::UntilClose,
            (_, Some(length), _) => Framing::Length(length),
            (_, None, Role::Request) => Framing::None,
            (_, None, Role::Response) => Framing::UntilClose,
        }
    }
}

/// Keeps a trailer line if it is configured.
pub(super) fn read_trailer(keep: &KeepHeaders, trailers: &mut Vec<(Box<str>, Box<str>)>, line: Line<'_>) {
    if is_continuation(line.text) {
        return;
    }
    if line.is_folded {
        if let Some((name, value)) = maybe_field(&unfold(line.text)) {
            keep_field(keep, trailers, name, value);
        }
    } else if let Some((name, value)) = maybe_field(line.text) {
        keep_field(keep, trailers, name, value);
    }
}

/// A line that continues nothing, right behind the start line, is to be ignored (RFC 9112 §2.2).
fn is_continuation(text: &[u8]) -> bool {
    matches!(text.first(), Some(b' ' | b'\t'))
}

/// Name and value, trimmed. A line without colon is none.
fn maybe_field(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = cut(text, b':')?;
    Some((trim(name), trim(value)))
}

fn keep_field(keep: &KeepHeaders, kept: &mut Vec<(Box<str>, Box<str>)>, name: &[u8], value: &[u8]) {
    if keep.is_empty() || kept.len() >= KEPT_FIELDS {
        return;
    }
    if let Some((name, is_secret)) = keep.maybe_kept(name) {
        kept.push((name.into(), if is_secret { MASK.into() } else { owned(value) }));
    }
}

/// Replaces each line end and the whitespace around it with one space (RFC 9112 §5.2).
fn unfold(text: &[u8]) -> Vec<u8> {
    let mut unfolded = Vec::with_capacity(text.len());
    for part in text.split(|byte| *byte == b'\n') {
        if !unfolded.is_empty() {
            unfolded.push(b' ');
        }
        unfolded.extend_from_slice(trim(part));
    }
    unfolded
}

fn has_member(value: &[u8], wanted: &[u8]) -> bool {
    members(value).any(|member| member.eq_ignore_ascii_case(wanted))
}

/// Digits only: no sign, no fraction; `None` beyond 64 bits.
fn maybe_length(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0_u64, |length, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        length.checked_mul(10)?.checked_add(digit)
    })
}
