//! Header fields that matter to an observer: framing, connection options, trace context, and configured ones.

use super::lines::Line;
use super::message::{Framing, Head, Role, Version};
use crate::limits::{letter_bit, KeepHeaders};
use crate::text::{is_name, members, owned, trim, trim_start};
use crate::trace::{Candidates, TraceField};

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
    /// Most heads carry no trace context.
    trace: Option<Box<Candidates>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Chunked,
    Other,
}

impl Fields {
    /// Reads one header line. `keep`: configured headers, if they are to be kept.
    #[inline]
    pub(super) fn read(&mut self, head: &mut Head, line: Line<'_>, keep: Option<&KeepHeaders>) {
        // Most lines matter to nobody and are dismissed by their first letter.
        let letters = keep.map_or(KNOWN_LETTERS, |keep| keep.first_letters() | KNOWN_LETTERS);
        if begins_with(line.text, letters) {
            self.read_candidate(head, line, keep);
        }
    }

    fn read_candidate(&mut self, head: &mut Head, line: Line<'_>, keep: Option<&KeepHeaders>) {
        let unfolded = line.is_folded.then(|| unfold(line.text));
        let text = unfolded.as_deref().unwrap_or(line.text);
        if let Some(keep) = keep.filter(|keep| !keep.is_empty()) {
            keep_field(keep, &mut head.headers, text);
        }
        if let Some((known, value)) = Known::maybe(text) {
            self.read_known(head, known, value, line.is_cut);
        }
    }

    fn read_known(&mut self, head: &mut Head, known: Known, value: &[u8], is_cut: bool) {
        match known {
            Known::Host if head.host.is_none() => head.host = Some(owned(value)),
            Known::ContentType if head.content_type.is_none() => {
                let media_type = trim(value.split(|byte| *byte == b';').next().unwrap_or(value));
                head.event_stream = media_type.eq_ignore_ascii_case(b"text/event-stream");
                head.content_type = Some(owned(value));
            }
            // The first of these counts.
            Known::Host | Known::ContentType => {}
            // The rest of a cut value is unknown: as text it is good enough, for framing it is no value.
            Known::ContentLength | Known::TransferEncoding if is_cut => {}
            Known::ContentLength => self.content_length(value),
            Known::TransferEncoding => self.transfer_encoding(value),
            Known::Connection => self.connection(value),
            Known::Expect => head.expect_continue |= has_member(value, b"100-continue"),
            Known::Upgrade => {
                self.has_upgrade = true;
                head.websocket |= has_member(value, b"websocket");
                head.h2c |= has_member(value, b"h2c");
            }
            Known::Trace(field) => self.trace.get_or_insert_default().read(field, value),
        }
    }

    /// Repeated equal lengths are one, be it as lines or as a list (RFC 9110 §8.6); of different ones the first counts.
    fn content_length(&mut self, value: &[u8]) {
        if self.add_length(value) {
            return;
        }
        let mut has_any = false;
        for member in members(value) {
            has_any = true;
            self.is_length_bad |= !self.add_length(member);
        }
        self.is_length_bad |= !has_any;
    }

    /// Whether `text` is a length and no other one was told before.
    fn add_length(&mut self, text: &[u8]) -> bool {
        maybe_length(text).is_some_and(|length| *self.length.get_or_insert(length) == length)
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
            self.says_close |= is_name(member, b"close");
            self.says_keep_alive |= is_name(member, b"keep-alive");
            self.says_upgrade |= is_name(member, b"upgrade");
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
        head.h2c &= head.upgrade;
        head.keep_alive = match head.version {
            Version::Http11 => !fields.says_close,
            Version::Http10 => fields.says_keep_alive && !fields.says_close,
        } && head.framing != Framing::UntilClose;
        head.trace = fields.trace.and_then(|candidates| candidates.best());
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
    keep_field(keep, trailers, &unfold(line.text));
}

/// Headers that mean something to the observer.
#[derive(Clone, Copy, Debug)]
enum Known {
    Host,
    ContentType,
    ContentLength,
    TransferEncoding,
    Connection,
    Expect,
    Upgrade,
    Trace(TraceField),
}

/// First letters of the headers in [`Known::maybe`].
const KNOWN_LETTERS: u32 = {
    let letters = b"bcehstux";
    let mut bits = 0;
    let mut at = 0;
    while at < letters.len() {
        bits |= letter_bit(letters[at]);
        at += 1;
    }
    bits
};

impl Known {
    /// The known header of a line and its value. No line is searched for its colon.
    fn maybe(text: &[u8]) -> Option<(Known, &[u8])> {
        let first = text.first()?.to_ascii_lowercase();
        let candidates: &[(&[u8], Known)] = match first {
            b'b' => &[(b"b3", Known::Trace(TraceField::B3))],
            b'c' => &[
                (b"connection", Known::Connection),
                (b"content-type", Known::ContentType),
                (b"content-length", Known::ContentLength),
            ],
            b'e' => &[(b"expect", Known::Expect)],
            b'h' => &[(b"host", Known::Host)],
            b's' => &[(b"sw8", Known::Trace(TraceField::Sw8))],
            b't' => &[
                (b"traceparent", Known::Trace(TraceField::Traceparent)),
                (b"transfer-encoding", Known::TransferEncoding),
            ],
            b'u' => &[(b"upgrade", Known::Upgrade)],
            b'x' => &[
                (b"x-b3-traceid", Known::Trace(TraceField::B3TraceId)),
                (b"x-b3-spanid", Known::Trace(TraceField::B3SpanId)),
                (b"x-b3-sampled", Known::Trace(TraceField::B3Sampled)),
                (b"x-b3-flags", Known::Trace(TraceField::B3Flags)),
            ],
            _ => return None,
        };
        candidates.iter().find_map(|(name, known)| Some((*known, maybe_value(text, name)?)))
    }
}

/// The value, trimmed, if this is a line of that header. The delimiter tells most lines apart before any name is compared.
#[inline(always)]
fn maybe_value<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (begin, rest) = text.split_at_checked(name.len())?;
    match rest {
        [b':', value @ ..] if is_name(begin, name) => Some(trim(value)),
        // No whitespace belongs before the colon (RFC 9112 §5.1); some is tolerated.
        [b' ' | b'\t', ..] if is_name(begin, name) => trim_start(rest).strip_prefix(b":").map(trim),
        _ => None,
    }
}

/// Whether a line begins with one of these letters ([`letter_bit`]).
#[inline]
fn begins_with(text: &[u8], letters: u32) -> bool {
    text.first().is_some_and(|first| letters & letter_bit(*first) != 0)
}

/// Keeps a line of a configured header, unless there are too many.
fn keep_field(keep: &KeepHeaders, kept: &mut Vec<(Box<str>, Box<str>)>, text: &[u8]) {
    if !begins_with(text, keep.first_letters()) {
        return;
    }
    for (name, is_secret) in keep.iter() {
        if kept.len() >= KEPT_FIELDS {
            return;
        }
        if let Some(value) = maybe_value(text, name.as_bytes()) {
            return kept.push((name.into(), if is_secret { MASK.into() } else { owned(value) }));
        }
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
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |length, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        length.checked_mul(10)?.checked_add(digit)
    })
}
