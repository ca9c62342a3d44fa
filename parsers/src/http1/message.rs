//! What a parser tells.

use crate::trace::Trace;

/// Which direction of a connection a parser observes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Request,
    Response,
}

impl Role {
    /// The other direction.
    pub fn other(self) -> Role {
        match self {
            Role::Request => Role::Response,
            Role::Response => Role::Request,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    Http10,
    /// 1.1 and any later 1.x (RFC 9110 §2.5: the minor version does not change the framing).
    #[default]
    Http11,
}

/// How the end of the body is found, as the head announces it.
///
/// A response to HEAD announces the body it does not send; that such a body is not awaited follows from
/// [`RequestContext`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    #[default]
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

/// What a response answers, as far as that decides where its body ends (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestContext {
    Head,
    Connect,
    Other,
    /// The request was not seen; taken as [`RequestContext::Other`].
    Unknown,
}

/// Head of a request or of a final response. Text that is not UTF-8 has U+FFFD in place of the bad bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Time of the first byte of the start line.
    pub start_ns: u64,
    /// As sent, any token; `None` for responses.
    pub method: Option<Box<str>>,
    /// Of an absolute-form target.
    pub scheme: Option<Box<str>>,
    /// Authority of an absolute- or authority-form target (without user information), else the Host header.
    pub host: Option<Box<str>>,
    /// Without query, as sent; `*` for the asterisk-form; `None` for the authority-form.
    pub path: Option<Box<str>>,
    /// What follows the first `?`, as sent, secrets included: the caller masks.
    pub query: Option<Box<str>>,
    /// `None` for requests.
    pub status: Option<u16>,
    pub version: Version,
    /// Start line, header lines and the blank line.
    pub head_bytes: u64,
    pub framing: Framing,
    /// Contradictory framing: different lengths, an unreadable length, or a length beside a transfer coding. The
    /// transfer coding wins, then the first readable length; the stream may go out of step here.
    pub is_ambiguous: bool,
    /// Request: `Connection: upgrade` with an Upgrade header. Response: status 101.
    pub upgrade: bool,
    /// The Upgrade header names `websocket`.
    pub websocket: bool,
    /// The Upgrade header names `h2c` (RFC 7540 §3.2).
    pub h2c: bool,
    /// `Expect: 100-continue`.
    pub expect_continue: bool,
    /// Content type `text/event-stream`.
    pub event_stream: bool,
    /// As sent.
    pub content_type: Option<Box<str>>,
    /// The sender lets the connection live after this message (RFC 9112 §9.3).
    pub keep_alive: bool,
    /// Configured headers (lower-case name, value) in order of appearance; values of secrets are `*`.
    pub headers: Vec<(Box<str>, Box<str>)>,
    pub trace: Option<Trace>,
    /// The head is longer than the limit, or was cut by a gap or by the end of the stream: what is known is kept.
    pub truncated: bool,
}

impl Head {
    /// What a response to this request head must be told.
    pub fn context(&self) -> RequestContext {
        match self.method.as_deref() {
            Some("HEAD") => RequestContext::Head,
            Some("CONNECT") => RequestContext::Connect,
            Some(_) => RequestContext::Other,
            None => RequestContext::Unknown,
        }
    }
}

/// End of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Complete {
    /// Time of the last byte that belongs to the message.
    pub end_ns: u64,
    /// All of it on the wire: start line, head, framing, body, and empty lines in front (RFC 9112 §2.2).
    pub bytes: u64,
    pub head_bytes: u64,
    /// Content after chunked decoding, as transferred otherwise.
    pub body_bytes: u64,
    /// Configured trailers, like [`Head::headers`].
    pub trailers: Vec<(Box<str>, Box<str>)>,
    /// The end of the message was reached as its framing tells.
    pub complete: bool,
    /// Bytes are missing where the framing needed them.
    pub gap: bool,
    /// The head or the trailers were longer than the limit, or cut.
    pub truncated: bool,
}

/// Result of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// All was consumed and there is nothing (more) to tell.
    NeedMore,
    /// A response head was delivered; [`super::Parser::set_context`] must be called before anything else.
    NeedContext,
    /// Stream bytes that belong to no message: junk, and gaps outside of messages.
    Skipped(u64),
    /// Head of a request or of a final response.
    Head(Box<Head>),
    /// A whole 1xx response; 101 ends the exchange and comes as [`Output::Head`].
    Interim(u16),
    /// End of the message whose head came before. Not `complete` when the stream ended or its framing is broken.
    Complete(Complete),
    /// Opaque bytes of a tunnel.
    Tunnel(u64),
    /// End of the message whose head came before: bytes are missing and its end is unknown.
    Lost(Complete),
    /// This direction does not speak HTTP/1; the parser is done for.
    NotHttp,
}
