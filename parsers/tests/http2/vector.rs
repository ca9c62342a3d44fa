//! Connections with what must be told about them.

use std::ops::Range;

use rover_parsers::http2::{Connection, Head, Role};

use crate::drive::{limits, Piece, Run};
use crate::wire::{data, get, headers, settings, status, END_STREAM, PREFACE};

/// The tail is an exchange on this stream.
const TAIL: u32 = 9999;
const TAIL_EVENTS: [&str; 4] = ["9999 GET https://h/tail", "9999 asked body=0", "9999 418", "9999 end body=1"];

/// Frames of both directions in their order.
pub struct Vector {
    parts: Vec<(Role, Vec<u8>)>,
    /// Payload of DATA: part and range.
    contents: Vec<(usize, Range<usize>)>,
    expected: Vec<String>,
}

/// A connection behind preface and SETTINGS.
pub fn connection() -> Vector {
    let parts = vec![(Role::Request, [PREFACE, &settings(&[])].concat()), (Role::Response, settings(&[(3, 100)]))];
    Vector { parts, contents: Vec::new(), expected: Vec::new() }
}

impl Vector {
    pub fn request(mut self, frame: Vec<u8>) -> Vector {
        self.parts.push((Role::Request, frame));
        self
    }

    pub fn response(mut self, frame: Vec<u8>) -> Vector {
        self.parts.push((Role::Response, frame));
        self
    }

    /// A DATA frame without padding.
    pub fn content(mut self, role: Role, frame: Vec<u8>) -> Vector {
        self.contents.push((self.parts.len(), 9..frame.len()));
        self.parts.push((role, frame));
        self
    }

    pub fn expect(mut self, events: &[&str]) -> Vector {
        self.expected.extend(events.iter().map(|event| event.to_string()));
        self
    }

    /// Feeds the vector in every way that must not make a difference, and with gaps.
    pub fn check(&self) {
        self.whole();
        self.byte_by_byte();
        self.split_at_every_point();
        self.with_a_tail();
        self.with_gaps_in_content();
        self.with_gaps_everywhere();
    }

    fn pieces(&self) -> Vec<(Role, Piece<'_>)> {
        self.parts.iter().map(|(role, bytes)| (*role, Piece::Bytes(bytes))).collect()
    }

    fn whole(&self) {
        assert_eq!(run(&self.pieces()).events, self.expected, "part by part");
        let mut joined: Vec<(Role, Vec<u8>)> = Vec::new();
        for (role, bytes) in &self.parts {
            match joined.last_mut().filter(|(last, _)| last == role) {
                Some((_, before)) => before.extend(bytes),
                None => joined.push((*role, bytes.clone())),
            }
        }
        let pieces: Vec<_> = joined.iter().map(|(role, bytes)| (*role, Piece::Bytes(bytes))).collect();
        assert_eq!(run(&pieces).events, self.expected, "whole");
    }

    fn byte_by_byte(&self) {
        let bytes = self.parts.iter().flat_map(|(role, bytes)| bytes.chunks(1).map(|byte| (*role, Piece::Bytes(byte))));
        assert_eq!(run(&bytes.collect::<Vec<_>>()).events, self.expected, "byte by byte");
    }

    fn split_at_every_point(&self) {
        for (n, (role, bytes)) in self.parts.iter().enumerate() {
            for point in 0..bytes.len() {
                let (before, after) = bytes.split_at(point);
                let pieces = self.with(n, &[(*role, Piece::Bytes(before)), (*role, Piece::Bytes(after))]);
                assert_eq!(run(&pieces).events, self.expected, "part {n} split at {point}");
            }
        }
    }

    fn with<'a>(&'a self, n: usize, instead: &[(Role, Piece<'a>)]) -> Vec<(Role, Piece<'a>)> {
        let mut pieces = self.pieces();
        pieces.splice(n..=n, instead.iter().cloned());
        pieces
    }

    fn with_a_tail(&self) {
        let (request, response) = tail();
        let mut pieces = self.pieces();
        pieces.push((Role::Request, Piece::Bytes(&request)));
        pieces.push((Role::Response, Piece::Bytes(&response)));
        let found = run(&pieces).events;
        let (tail, before): (Vec<_>, Vec<_>) = found.into_iter().partition(|event| event.starts_with("9999 "));
        assert_eq!((tail, before), (TAIL_EVENTS.map(String::from).to_vec(), self.expected.clone()), "with a tail");
    }

    /// A gap inside content changes only what needs the content.
    fn with_gaps_in_content(&self) {
        let expected: Vec<String> = self.expected.iter().map(|event| without_messages(event)).collect();
        for (n, content) in &self.contents {
            let (role, bytes) = &self.parts[*n];
            for from in content.clone() {
                for to in from + 1..=content.end {
                    let (before, after) = (Piece::Bytes(&bytes[..from]), Piece::Bytes(&bytes[to..]));
                    let gap = Piece::Gap((to - from) as u64);
                    let run = run(&self.with(*n, &[(*role, before), (*role, gap), (*role, after)]));
                    let events: Vec<String> = run.events.iter().map(|event| without_messages(event)).collect();
                    assert_eq!(events, expected, "gap {from}..{to} in part {n}");
                }
            }
        }
    }

    /// A gap anywhere invents nothing, hides nothing, and the next exchange is found.
    fn with_gaps_everywhere(&self) {
        let known = run(&self.pieces());
        let (request, response) = tail();
        for (n, (role, bytes)) in self.parts.iter().enumerate() {
            for length in [1, 2, 9, 15, 60] {
                for from in 0..bytes.len() {
                    let to = (from + length).min(bytes.len());
                    let (before, after) = (Piece::Bytes(&bytes[..from]), Piece::Bytes(&bytes[to..]));
                    let gap = Piece::Gap((to - from) as u64);
                    let mut pieces = self.with(n, &[(*role, before), (*role, gap), (*role, after)]);
                    pieces.push((Role::Request, Piece::Bytes(&request)));
                    pieces.push((Role::Response, Piece::Bytes(&response)));
                    let run = run(&pieces);
                    let place = format!("gap {from}..{to} in part {n} {role:?}: {:#?}", run.events);
                    for event in TAIL_EVENTS {
                        // A direction that is not yet back in step may have missed some of it.
                        let is_event = |found: &String| found.strip_suffix(" gap").unwrap_or(found) == event;
                        assert!(run.events.iter().any(is_event), "{event} after {place}");
                    }
                    for (id, role, head) in run.heads.iter().filter(|(id, ..)| *id != TAIL) {
                        let same = known.heads.iter().find(|(other, its, _)| (other, its) == (id, role));
                        let (.., same) = same.unwrap_or_else(|| panic!("{id} is invented, {place}"));
                        assert!(is_part(head, same), "{head:?} instead of {same:?}, {place}");
                    }
                }
            }
        }
    }
}

fn run(pieces: &[(Role, Piece)]) -> Run {
    let mut run = Run::of(Connection::new(limits()));
    pieces.iter().for_each(|(role, piece)| {
        run.feed(*role, piece);
    });
    run.close();
    run
}

fn tail() -> (Vec<u8>, Vec<u8>) {
    let response = [headers(0, TAIL, status("418")), data(END_STREAM, TAIL, b"!")].concat();
    (headers(END_STREAM, TAIL, get("/tail")), response)
}

fn without_messages(event: &str) -> String {
    let words = event.split(' ').filter(|word| !word.starts_with("messages=") && !word.starts_with("status="));
    words.collect::<Vec<_>>().join(" ")
}

/// Whether all that is known of `head` is the same in `whole`; what is absent must be excused.
fn is_part(head: &Head, whole: &Head) -> bool {
    let texts = |head: &Head| {
        let Head { method, scheme, authority, target, protocol, content_type, .. } = head.clone();
        [method, scheme, authority, target, protocol, content_type]
    };
    let mut is_less = false;
    for (found, expected) in texts(head).into_iter().zip(texts(whole)) {
        if found.is_some() && found != expected {
            return false;
        }
        is_less |= found != expected;
    }
    is_less |= head.status != whole.status || head.headers != whole.headers || head.trace != whole.trace;
    (head.status.is_none() || head.status == whole.status)
        && head.headers.iter().all(|field| whole.headers.contains(field))
        && (!is_less || head.hpack_partial || head.truncated)
}
