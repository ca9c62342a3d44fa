//! Byte vectors with what must be told about them.

use rover_parsers::http1::{Parser, RequestContext, Role};

use crate::drive::{limits, Piece, Run};

const REQUEST_TAIL: (&[u8], [&str; 2]) =
    (b"GET /tail HTTP/1.1\r\nHost: t\r\n\r\n", ["GET /tail 1.1 host=t", "end body=0"]);
const RESPONSE_TAIL: (&[u8], [&str; 2]) =
    (b"HTTP/1.1 418 Tail\r\nContent-Length: 1\r\n\r\n!", ["418 1.1 length=1", "end body=1"]);

/// A stream in one direction and what it means.
pub struct Vector {
    role: Role,
    contexts: Vec<RequestContext>,
    stream: Vec<u8>,
    /// Ranges of content whose end is known before it is read.
    contents: Vec<(usize, usize)>,
    expected: Vec<String>,
    lasts_until_close: bool,
}

pub fn request() -> Vector {
    Vector {
        role: Role::Request,
        contexts: Vec::new(),
        stream: Vec::new(),
        contents: Vec::new(),
        expected: Vec::new(),
        lasts_until_close: false,
    }
}

/// Responses to these requests; to others where the list ends.
pub fn response(contexts: &[RequestContext]) -> Vector {
    Vector { role: Role::Response, contexts: contexts.to_vec(), ..request() }
}

impl Vector {
    /// Start line, header lines, chunk lines: what the parser must read.
    pub fn framing(mut self, bytes: impl AsRef<[u8]>) -> Vector {
        self.stream.extend_from_slice(bytes.as_ref());
        self
    }

    /// Content whose end is known before it is read.
    pub fn content(mut self, bytes: impl AsRef<[u8]>) -> Vector {
        let begin = self.stream.len();
        self.stream.extend_from_slice(bytes.as_ref());
        self.contents.push((begin, self.stream.len()));
        self
    }

    pub fn expect(mut self, events: &[&str]) -> Vector {
        self.expected.extend(events.iter().map(|event| event.to_string()));
        self
    }

    /// The stream ends here and that ends the message: nothing can follow.
    pub fn until_close(mut self) -> Vector {
        self.lasts_until_close = true;
        self
    }

    /// Feeds the vector in every way that must not make a difference, and with gaps.
    pub fn check(&self) {
        self.whole();
        self.byte_by_byte();
        self.split_at_every_point();
        if !self.lasts_until_close {
            self.with_a_tail();
        }
        self.with_gaps_in_content();
        self.with_gaps_everywhere();
    }

    fn run(&self, pieces: &[Piece], contexts: impl Fn(u64, usize) -> RequestContext + 'static) -> Run {
        let mut run = Run::new(Parser::new(self.role, limits()), contexts);
        pieces.iter().for_each(|piece| {
            run.feed(piece);
        });
        run.close();
        run
    }

    fn run_in_order(&self, pieces: &[Piece]) -> Run {
        let contexts = self.contexts.clone();
        self.run(pieces, move |_, n| contexts.get(n).copied().unwrap_or(RequestContext::Other))
    }

    fn tail(&self) -> (&'static [u8], [&'static str; 2]) {
        match self.role {
            Role::Request => REQUEST_TAIL,
            Role::Response => RESPONSE_TAIL,
        }
    }

    fn whole(&self) {
        let run = self.run_in_order(&[Piece::Bytes(&self.stream)]);
        assert_eq!(run.events, self.expected, "whole");
    }

    fn byte_by_byte(&self) {
        let pieces: Vec<Piece> = self.stream.chunks(1).map(Piece::Bytes).collect();
        assert_eq!(self.run_in_order(&pieces).events, self.expected, "byte by byte");
    }

    fn split_at_every_point(&self) {
        for point in 0..self.stream.len() {
            let (before, after) = self.stream.split_at(point);
            let run = self.run_in_order(&[Piece::Bytes(before), Piece::Bytes(after)]);
            assert_eq!(run.events, self.expected, "split at {point}");
        }
    }

    fn with_a_tail(&self) {
        let (tail, events) = self.tail();
        let mut expected = self.expected.clone();
        expected.extend(events.map(String::from));
        let one = [&self.stream, tail].concat();
        assert_eq!(self.run_in_order(&[Piece::Bytes(&one)]).events, expected, "tail in the same slice");
        let two = [Piece::Bytes(&self.stream), Piece::Bytes(tail)];
        assert_eq!(self.run_in_order(&two).events, expected, "tail in a slice of its own");
    }

    /// A gap inside content changes nothing.
    fn with_gaps_in_content(&self) {
        for (begin, end) in &self.contents {
            for from in *begin..*end {
                for to in from + 1..=*end {
                    let (before, after) = (&self.stream[..from], &self.stream[to..]);
                    let pieces = [Piece::Bytes(before), Piece::Gap((to - from) as u64), Piece::Bytes(after)];
                    assert_eq!(self.run_in_order(&pieces).events, self.expected, "gap {from}..{to} in content");
                }
            }
        }
    }

    /// A gap anywhere invents nothing, hides nothing, and the next message is found.
    fn with_gaps_everywhere(&self) {
        let known = self.run_in_order(&[Piece::Bytes(&self.stream)]);
        let heads: Vec<&str> = known.events.iter().map(|event| identity(event)).collect();
        let (tail, tail_events) = self.tail();
        for length in [1, 2, 7, 40] {
            for from in 0..self.stream.len() {
                let to = (from + length).min(self.stream.len());
                let (before, after) = (&self.stream[..from], &self.stream[to..]);
                let gap = Piece::Gap((to - from) as u64);
                let mut pieces = vec![Piece::Bytes(before), gap, Piece::Bytes(after)];
                if !self.lasts_until_close {
                    pieces.push(Piece::Bytes(tail));
                }
                let offsets: Vec<(u64, RequestContext)> =
                    known.head_offsets.iter().copied().zip(self.contexts.iter().copied()).collect();
                let run = self.run(&pieces, move |begin, _| {
                    let found = offsets.iter().find(|(offset, _)| *offset == begin);
                    found.map_or(RequestContext::Other, |(_, context)| *context)
                });
                let mut events = run.events.as_slice();
                if !self.lasts_until_close {
                    let (before, last) = events.split_last_chunk::<2>().expect("tail");
                    assert_eq!(last, &tail_events.map(String::from), "gap {from}..{to}: tail after {before:?}");
                    events = before;
                }
                for event in events.iter().filter(|event| is_head(event)) {
                    assert!(heads.contains(&identity(event)), "gap {from}..{to} invents {event}");
                }
            }
        }
    }
}

fn is_head(event: &str) -> bool {
    !["skipped", "tunnel", "end", "lost", "interim", "not"].contains(&event.split(' ').next().unwrap())
}

/// Start line of a rendered head: its header lines may be lost in a gap.
fn identity(event: &str) -> &str {
    let end = [" 1.1", " 1.0"].iter().filter_map(|version| event.find(version)).min();
    end.map_or(event, |end| &event[..end + 4])
}
