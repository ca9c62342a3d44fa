//! Trace context in request headers: W3C `traceparent`, SkyWalking `sw8`, Zipkin B3.
//!
//! Ids are kept as sent (lower-cased nowhere): they must be found again in the tracing backend. A value that breaks
//! its format is no context at all.

use crate::text::{cut, members, owned};

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
pub(crate) struct Candidates {
    w3c: Option<Trace>,
    sw8: Option<Trace>,
    b3: Option<Trace>,
    b3_trace_id: Option<Box<str>>,
    b3_span_id: Option<Box<str>>,
    b3_sampled: Option<bool>,
}

/// Headers that carry trace context, or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TraceField {
    Traceparent,
    Sw8,
    B3,
    B3TraceId,
    B3SpanId,
    B3Sampled,
    B3Flags,
}

impl Candidates {
    pub(crate) fn read(&mut self, field: TraceField, value: &[u8]) {
        match field {
            TraceField::Traceparent => set_first(&mut self.w3c, || maybe_w3c(value)),
            TraceField::Sw8 => set_first(&mut self.sw8, || maybe_sw8(value)),
            TraceField::B3 => set_first(&mut self.b3, || maybe_b3(value)),
            TraceField::B3TraceId => {
                set_first(&mut self.b3_trace_id, || is_b3_trace_id(value).then(|| owned(value)));
            }
            TraceField::B3SpanId => set_first(&mut self.b3_span_id, || is_hex(value, 16).then(|| owned(value))),
            TraceField::B3Sampled => set_first(&mut self.b3_sampled, || maybe_b3_sampled(value)),
            // "1" means debug, which implies sampled.
            TraceField::B3Flags if value == b"1" => self.b3_sampled = Some(true),
            TraceField::B3Flags => {}
        }
    }

    pub(crate) fn best(self) -> Option<Trace> {
        self.w3c.or(self.sw8).or(self.b3).or_else(|| {
            self.b3_trace_id.map(|trace_id| Trace {
                format: TraceFormat::B3,
                trace_id,
                span_id: self.b3_span_id,
                segment_id: None,
                sampled: self.b3_sampled,
            })
        })
    }
}

fn set_first<T>(slot: &mut Option<T>, value: impl FnOnce() -> Option<T>) {
    if slot.is_none() {
        *slot = value();
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
    let (version, trace_id, span_id, flags) =
        (value.get(..2)?, value.get(3..35)?, value.get(36..52)?, value.get(53..55)?);
    let rest = value.get(55..)?;
    let has_dashes = [2, 35, 52].iter().all(|at| value.get(*at) == Some(&b'-'));
    let is_lower_hex = |text: &[u8]| text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !has_dashes || ![version, trace_id, span_id, flags].into_iter().all(is_lower_hex) {
        return None;
    }
    let has_legal_end = rest.is_empty() || (version != b"00" && rest.first() == Some(&b'-'));
    if !has_legal_end || version == b"ff" || is_zero(trace_id) || is_zero(span_id) {
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
