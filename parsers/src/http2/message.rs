//! What a connection tells.

use std::sync::Arc;

use super::Role;
use crate::trace::Trace;

/// Header text. Shared with the dynamic table it stands in, so that what repeats on a connection is there once. Text
/// that is not UTF-8 has U+FFFD in place of the bad bytes.
pub type Text = Arc<str>;

/// A stream while it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamRef {
    /// As on the wire.
    pub id: u32,
    /// Small number of its own among the open streams, given to another one after [`Event::Closed`]: a place in a list
    /// of the caller.
    pub slot: u32,
}

/// gRPC by its content type; decides how messages are found in the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grpc {
    /// `application/grpc`, `application/grpc+…`.
    Grpc,
    /// `application/grpc-web`: trailers are the last message of the content.
    Web,
    /// `application/grpc-web-text`: the same in base64.
    WebText,
}

impl Grpc {
    /// By a content type.
    pub fn maybe(content_type: &str) -> Option<Grpc> {
        const PREFIX: &str = "application/grpc";
        let (begin, rest) = content_type.split_at_checked(PREFIX.len())?;
        if !begin.eq_ignore_ascii_case(PREFIX) {
            return None;
        }
        let end = rest.find(['+', ';', ' ']).unwrap_or(rest.len());
        match rest.get(..end)? {
            "" => Some(Grpc::Grpc),
            kind if kind.eq_ignore_ascii_case("-web") => Some(Grpc::Web),
            kind if kind.eq_ignore_ascii_case("-web-text") => Some(Grpc::WebText),
            _ => None,
        }
    }
}

/// Head of a request or of a final response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Time of the first byte of its HEADERS frame.
    pub start_ns: u64,
    /// `:method`, any token.
    pub method: Option<Text>,
    pub scheme: Option<Text>,
    /// `:authority`, else the Host header.
    pub authority: Option<Text>,
    /// `:path`, query included, as sent.
    pub target: Option<Text>,
    /// `:protocol` of an extended CONNECT (RFC 8441).
    pub protocol: Option<Text>,
    /// `None` for requests, and where it is not known.
    pub status: Option<u16>,
    /// As sent.
    pub content_type: Option<Text>,
    /// Configured headers (lower-case name, value) in order of appearance; values of secrets are `*`.
    pub headers: Vec<(Text, Text)>,
    pub trace: Option<Trace>,
    pub grpc: Option<Grpc>,
    /// `grpc-status` of a trailers-only response.
    pub grpc_status: Option<u32>,
    /// HEADERS and CONTINUATION frames with their heads; PUSH_PROMISE for a promised request.
    pub head_bytes: u64,
    /// The message ends here.
    pub is_last: bool,
    /// Some fields stand in a part of the HPACK table that is not known: what is absent may have been sent.
    pub hpack_partial: bool,
    /// The block was cut, was longer than the limit, or cannot be decoded to its end: what comes before is kept.
    pub truncated: bool,
}

impl Head {
    /// Target without query.
    pub fn path(&self) -> Option<&str> {
        let target = self.target.as_deref()?;
        Some(target.split_once('?').map_or(target, |(path, _)| path))
    }

    /// What follows the first `?`, as sent, secrets included: the caller masks.
    pub fn query(&self) -> Option<&str> {
        self.target.as_deref()?.split_once('?').map(|(_, query)| query)
    }

    /// Service and method of a gRPC request: `/package.Service/Method`, where the service may itself have slashes.
    pub fn grpc_call(&self) -> Option<(&str, &str)> {
        self.grpc?;
        self.path()?.strip_prefix('/')?.rsplit_once('/').filter(|(service, _)| !service.is_empty())
    }

    /// Content type `text/event-stream`.
    pub fn is_event_stream(&self) -> bool {
        let media_type = self.content_type.as_deref().and_then(|value| value.split(';').next());
        media_type.is_some_and(|value| value.trim().eq_ignore_ascii_case("text/event-stream"))
    }
}

/// End of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Complete {
    /// Time of the last byte that belongs to the message.
    pub end_ns: u64,
    /// All frames of the stream in this direction, with their heads, up to here.
    pub bytes: u64,
    /// As in [`Head`]; 0 without one.
    pub head_bytes: u64,
    /// Payload of DATA without padding. `None` if the length of the padding was not seen.
    pub body_bytes: Option<u64>,
    /// Configured trailers, like [`Head::headers`].
    pub trailers: Vec<(Text, Text)>,
    /// `grpc-status` of the trailers, of a trailers-only head, or of a gRPC-Web trailer message.
    pub grpc_status: Option<u32>,
    /// gRPC messages; `None` if it is no gRPC or their heads were not all seen.
    pub grpc_messages: Option<u32>,
    /// END_STREAM was seen.
    pub complete: bool,
    /// Frames were missed that may belong to this message: counts are lower bounds.
    pub gap: bool,
    /// The head or the trailers were cut, see [`Head::truncated`].
    pub truncated: bool,
    /// Of head or trailers, see [`Head::hpack_partial`].
    pub hpack_partial: bool,
}

/// RST_STREAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    pub by: Role,
    /// RFC 9113 §7; `None` if it was not seen.
    pub code: Option<u32>,
}

/// End of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    pub reset: Option<Reset>,
    /// Bytes of all frames of the stream, of the client and of the server. More than the messages have where frames came
    /// behind their end: WINDOW_UPDATE, RST_STREAM.
    pub total_bytes: [u64; 2],
    /// Given up because there were too many streams.
    pub dropped: bool,
}

/// What happened, in this order for each stream: `Opened`; for each direction `Head` and `Complete` with any `Interim` before
/// the response's head; `Closed`. `Carried` in between.
///
/// A direction that nothing was seen of has neither head nor end. A stream that closes without any head was older than us
/// and belongs to no exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Opened {
        stream: StreamRef,
    },
    /// Bytes in this direction: of the message under way on a stream; or, without stream, of none: settings, frames behind the
    /// end of a message, what was skipped. Adds up to all that was fed, gaps included. Comes before the `Complete` that
    /// counts them, and at the end of each call. A frame head in two pieces counts with its second one.
    Carried {
        role: Role,
        stream: Option<StreamRef>,
        bytes: u64,
    },
    Head {
        stream: StreamRef,
        role: Role,
        head: Box<Head>,
    },
    /// A 1xx response.
    Interim {
        stream: StreamRef,
        status: u16,
    },
    Complete {
        stream: StreamRef,
        role: Role,
        message: Complete,
    },
    Closed {
        stream: StreamRef,
        closed: Closed,
    },
    /// Sent in this direction: streams of the other side above `last_stream` were not processed. `None` if not seen.
    Goaway {
        role: Role,
        last_stream: Option<u32>,
        code: Option<u32>,
    },
    /// This is not HTTP/2; the connection is done for.
    NotHttp2,
}

/// What was counted on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub frames: u64,
    /// Times a direction was back in step after it was out of it; joining is one per direction.
    pub resyncs: u64,
    /// Bytes passed while out of step.
    pub skipped_bytes: u64,
    /// Header blocks that were cut, longer than the limit, interrupted, or impossible to decode.
    pub lost_blocks: u64,
    /// Header blocks with fields of an unknown part of the HPACK table.
    pub partial_blocks: u64,
    /// Streams given up because there were too many.
    pub dropped_streams: u64,
}
