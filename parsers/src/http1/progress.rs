//! Where a parser is, and what it has counted of the message under way.

use super::chunked::Chunked;
use super::message::Framing;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Between messages, in the empty lines before one, or in its start line.
    Start,
    /// Behind the start line, up to the blank line.
    Fields,
    /// A response head was delivered; what it answers is not yet known.
    Context,
    /// The message ends with its head.
    Empty,
    /// This much of the body is still to come, more than 0.
    Length(u64),
    Chunked(Chunked),
    Trailers,
    UntilClose,
    /// A head that was cut has been delivered; its end is due.
    Cut,
    /// Out of step: waits for a slice that begins with a message.
    Desync,
    Tunnel,
    NotHttp,
    Closed,
}

impl State {
    /// Where a message goes on behind its head.
    pub(super) fn of_body(framing: Framing) -> State {
        match framing {
            Framing::None | Framing::Length(0) => State::Empty,
            Framing::Length(rest) => State::Length(rest),
            Framing::Chunked => State::Chunked(Chunked::START),
            Framing::UntilClose => State::UntilClose,
        }
    }
}

/// What is counted about the message under way.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub start_ns: u64,
    pub last_ns: u64,
    pub bytes: u64,
    /// Of `bytes`, empty lines in front of the start line.
    pub blank_bytes: u64,
    pub head_bytes: u64,
    pub body_bytes: u64,
    pub trailer_bytes: u64,
    pub trailers: Vec<(Box<str>, Box<str>)>,
    pub truncated: bool,
    /// The start line is still incomplete but its beginning is convincing.
    pub is_likely: bool,
    /// The stream is a tunnel after this message.
    pub is_last: bool,
    /// The request that this answers was not seen.
    pub is_guessed: bool,
    /// The body may be left out.
    pub is_excused: bool,
}
