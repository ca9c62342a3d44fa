//! Trace context in request headers: W3C `traceparent`, SkyWalking `sw8`, Zipkin B3.
//!
//! Ids are kept as sent (lower-cased nowhere): they must be found again in the tracing backend. A value that breaks
//! its format is no context at all.

use super::text::{cut, members, owned};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceFormat {
    W3c,
    Sw8,
    B3,
}

/// Where this request stands in a distributed trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    pub format: TraceFormat,
    pub trace_id: Box<str>,
    /// Span of the caller.
    pub span_id: Option<Box<str>>,
    /// sw8 only: the caller's trace segment.
    pub segment_id: Option<Box<str>>,
    pub sampled: Option<bool>,
}

/// Longest id that is kept; SkyWalking's are some 60 characters, all others are 32 at most.
const ID_BYTES: usize = 256;

/// Gathers the candidates of one head. W3C wins over sw8, sw8 over B3 single, that over B3 multi; the first header
/// of each kind counts.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    w3c: Option<Trace>,
    sw8: Option<Trace>,
    b3: Option<Trace>,
    b3_trace_id: Option<Box<str>>,
    b3_span_id: Option<Box<str>>,
    b3_sampled: Option<bool>,
}

impl Candidates {
    pub(super) fn traceparent(&mut self, value: &[u8]) {
        if self.w3c.is_none() {
            self.w3c = maybe_w3c(value);
        }
    }

    pub(super) fn sw8(&mut self, value: &[u8]) {
        if self.sw8.is_none() {
            self.sw8 = maybe_sw8(value);
        }
    }

    pub(super) fn b3(&mut self, value: &[u8]) {
        if self.b3.is_none() {
            self.b3 = maybe_b3(value);
        }
    }

    pub(super) fn b3_trace_id(&mut self, value: &[u8]) {
        if self.b3_trace_id.is_none() && is_b3_trace_id(value) {
            self.b3_trace_id = Some(owned(value));
        }
    }

    pub(super) fn b3_span_id(&mut self, value: &[u8]) {
        if self.b3_span_id.is_none() && is_hex(value, 16) {
            self.b3_span_id = Some(owned(value));
        }
    }

    pub(super) fn b3_sampled(&mut self, value: &[u8]) {
        self.b3_sampled = self.b3_sampled.or(maybe_b3_sampled(value));
    }

    /// `X-B3-Flags: 1` means debug, which implies sampled.
    pub(super) fn b3_flags(&mut self, value: &[u8]) {
        if value == b"1" {
            self.b3_sampled = Some(true);
        }
    }

    pub(super) fn take(&mut self) -> Option<Trace> {
        let all = std::mem::take(self);
        all.w3c.or(all.sw8).or(all.b3).or_else(|| {
            all.b3_trace_id.map(|trace_id| Trace {
                format: TraceFormat::B3,
                trace_id,
                span_id: all.b3_span_id,
                segment_id: None,
                sampled: all.b3_sampled,
            })
        })
    }
}

fn is_hex(text: &[u8], length: usize) -> bool {
    text.len() == length && text.iter().all(u8::is_ascii_hexdigit)
}

fn is_zero(text: &[u8]) -> bool {
    text.iter().all(|byte| *byte == b'0')
}

/// `version-traceid-parentid-flags`, lower-case hex. Later versions may append fields (W3C Trace Context §3.2, §4.3).
fn maybe_w3c(value: &[u8]) -> Option<Trace> {
    let mut fields = value.split(|byte| *byte == b'-');
    let (version, trace_id, span_id, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let is_lower = !value.iter().any(u8::is_ascii_uppercase);
    let has_shape = is_hex(version, 2) && is_hex(trace_id, 32) && is_hex(span_id, 16) && is_hex(flags, 2);
    let has_rest = fields.next().is_some();
    if !is_lower || !has_shape || is_zero(trace_id) || is_zero(span_id) || version == b"ff" {
        return None;
    }
    if version == b"00" && has_rest {
        return None;
    }
    let sampled = flags.last().map(|digit| matches!(digit, b'1' | b'3' | b'5' | b'7' | b'9' | b'b' | b'd' | b'f'));
    Some(Trace {
        format: TraceFormat::W3c,
        trace_id: owned(trace_id),
        span_id: Some(owned(span_id)),
        segment_id: None,
        sampled,
    })
}

/// `sample-base64(trace)-base64(segment)-span-…` (SkyWalking Cross Process Propagation Headers Protocol v3).
fn maybe_sw8(value: &[u8]) -> Option<Trace> {
    let mut fields = value.split(|byte| *byte == b'-');
    let sampled = match fields.next()? {
        b"0" => false,
        b"1" => true,
        _ => return None,
    };
    let trace_id = maybe_base64(fields.next()?)?;
    let segment_id = maybe_base64(fields.next()?)?;
    let span = fields.next()?;
    if trace_id.is_empty() || span.is_empty() || span.len() > 20 || !span.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(Trace {
        format: TraceFormat::Sw8,
        trace_id: owned(&trace_id),
        span_id: Some(owned(span)),
        segment_id: Some(owned(&segment_id)),
        sampled: Some(sampled),
    })
}

/// `traceid-spanid[-sampled[-parentspanid]]` (Zipkin B3 single header). A sampling decision alone names no trace.
fn maybe_b3(value: &[u8]) -> Option<Trace> {
    let (trace_id, rest) = cut(value, b'-')?;
    let mut rest = rest.split(|byte| *byte == b'-');
    let span_id = rest.next()?;
    if !is_b3_trace_id(trace_id) || !is_hex(span_id, 16) {
        return None;
    }
    Some(Trace {
        format: TraceFormat::B3,
        trace_id: owned(trace_id),
        span_id: Some(owned(span_id)),
        segment_id: None,
        sampled: rest.next().and_then(maybe_b3_sampled),
    })
}

fn is_b3_trace_id(text: &[u8]) -> bool {
    (is_hex(text, 32) || is_hex(text, 16)) && !is_zero(text)
}

/// `d` is debug: sampled. Early tracers wrote `true` and `false`.
fn maybe_b3_sampled(value: &[u8]) -> Option<bool> {
    match members(value).next()? {
        b"1" | b"d" | b"true" => Some(true),
        b"0" | b"false" => Some(false),
        _ => None,
    }
}

/// Standard alphabet (RFC 4648 §4), padding optional. `None` for anything else and for ids that are too long.
fn maybe_base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    if text.len() > ID_BYTES * 4 / 3 || text.len() % 4 == 1 {
        return None;
    }
    let mut decoded = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            decoded.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(decoded)
}
