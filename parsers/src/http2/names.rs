//! Which header names mean something to the observer.

use crate::limits::KeepHeaders;
use crate::trace::TraceField;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Method,
    Scheme,
    Authority,
    Path,
    Protocol,
    Status,
    Host,
    ContentType,
    GrpcStatus,
    Trace(TraceField),
    Other,
    /// The name itself is not known.
    Unknown,
}

impl Known {
    /// By a name as HTTP/2 has it, in lower case (RFC 9113 §8.2.1).
    pub(super) fn of(name: &[u8]) -> Known {
        match name {
            b":method" => Known::Method,
            b":scheme" => Known::Scheme,
            b":authority" => Known::Authority,
            b":path" => Known::Path,
            b":protocol" => Known::Protocol,
            b":status" => Known::Status,
            b"host" => Known::Host,
            b"content-type" => Known::ContentType,
            b"grpc-status" => Known::GrpcStatus,
            b"traceparent" => Known::Trace(TraceField::Traceparent),
            b"sw8" => Known::Trace(TraceField::Sw8),
            b"b3" => Known::Trace(TraceField::B3),
            b"x-b3-traceid" => Known::Trace(TraceField::B3TraceId),
            b"x-b3-spanid" => Known::Trace(TraceField::B3SpanId),
            b"x-b3-sampled" => Known::Trace(TraceField::B3Sampled),
            b"x-b3-flags" => Known::Trace(TraceField::B3Flags),
            _ => Known::Other,
        }
    }
}

/// A header name, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub known: Known,
    /// Place in [`KeepHeaders`].
    pub kept: Option<u16>,
}

impl Name {
    pub(super) const UNKNOWN: Name = Name { known: Known::Unknown, kept: None };

    pub(super) fn new(name: &[u8], keep: &KeepHeaders) -> Name {
        Name::with_known(Known::of(name), name, keep)
    }

    #[inline]
    pub(super) fn with_known(known: Known, name: &[u8], keep: &KeepHeaders) -> Name {
        Name { known, kept: keep.position(name) }
    }

    /// Whether anybody asks for its values.
    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        self.kept.is_some() || !matches!(self.known, Known::Other | Known::Unknown)
    }
}
