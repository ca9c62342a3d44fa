//! One direction of a connection: where it is in its frames.

use super::frame::{FrameHead, FRAME_BYTES, HEAD_BYTES, JOINED_FRAME_BYTES};
use super::hpack::Decoder;
use super::message::StreamRef;

/// What a client sends first (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// In the preface; this much of it has been seen.
    Preface(u8),
    /// In a frame head.
    Head,
    /// In the payload of `frame`, of which more than nothing is left.
    Payload,
    /// Out of step.
    Search,
    /// Not HTTP/2, or closed.
    Done,
}

/// How much has to be confirmed of a place found while out of step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    Certain,
    /// The next head is the one that was found.
    Found,
    /// In the frame that was found; the next head will tell.
    Tentative,
}

/// Padding of a DATA frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    /// The first byte of the payload tells.
    Awaited,
    Known(u32),
}

/// A header block that is not yet at its end.
#[derive(Debug)]
pub(super) struct Block {
    pub first: FrameHead,
    pub stream: Option<StreamRef>,
    pub promised: Option<u32>,
    pub start_ns: u64,
    /// Its frames with their heads.
    pub bytes: u64,
    /// What came in frames before the last one.
    pub fragments: Vec<u8>,
    /// Bytes are missing behind `fragments`.
    pub is_cut: bool,
}

#[derive(Debug)]
pub(super) struct Side {
    pub state: State,
    pub trust: Trust,
    /// A frame head in pieces.
    pub head: [u8; HEAD_BYTES],
    pub head_have: u8,
    /// Time of the first byte of the frame under way.
    pub frame_ns: u64,
    pub frame: FrameHead,
    /// Of the payload of `frame`.
    pub left: u32,
    /// Of `frame`.
    pub stream: Option<StreamRef>,
    pub padding: Padding,
    /// Payload of `frame` so far, where all of it is needed at once.
    pub carry: Vec<u8>,
    /// Bytes are missing behind `carry`.
    pub is_cut: bool,
    pub block: Option<Box<Block>>,
    pub decoder: Decoder,
    /// No frame was seen yet on a connection seen from its beginning.
    pub is_first_frame: bool,
    /// Frames were missed, or were before our time.
    pub was_lost: bool,
    /// Longest payload to be believed while out of step.
    pub frame_bytes: u32,
    /// Slices looked at in vain.
    pub looks: u32,
}

impl Side {
    pub(super) fn new(state: State) -> Side {
        Side {
            state,
            trust: Trust::Certain,
            head: [0; HEAD_BYTES],
            head_have: 0,
            frame_ns: 0,
            frame: FrameHead::default(),
            left: 0,
            stream: None,
            padding: Padding::Known(0),
            carry: Vec::new(),
            is_cut: false,
            block: None,
            decoder: Decoder::new(),
            is_first_frame: true,
            was_lost: false,
            frame_bytes: FRAME_BYTES,
            looks: 0,
        }
    }

    pub(super) fn joining() -> Side {
        let mut side = Side::new(State::Search);
        side.decoder.forget();
        (side.is_first_frame, side.was_lost, side.frame_bytes) = (false, true, JOINED_FRAME_BYTES);
        side
    }

    /// Place in the payload of DATA where padding begins.
    pub(super) fn content_end(&self) -> u32 {
        match self.padding {
            Padding::Known(padding) => self.frame.length.saturating_sub(padding),
            Padding::Awaited => self.frame.length,
        }
    }
}
