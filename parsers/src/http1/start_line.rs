//! Request lines and status lines, and what looks like one.
//!
//! Read as leniently as RFC 9112 §3 allows: the method is what precedes the first space, the version what follows
//! the last, the target all between, whatever its bytes. The version must be there: `GET /x` (HTTP/0.9) and
//! `PRI * HTTP/2.0` are not HTTP/1.

use super::lines::{whole_line, Line};
use super::message::{Role, Version};
use super::target::maybe_absolute;
use crate::text::{is_token, trim};

/// Longest method. The longest registered one has 17 characters (UPDATEREDIRECTREF).
const METHOD_BYTES: usize = 64;

/// Bytes after which a beginning must have shown that it is a start line: method, space and either the first byte of
/// an origin-form target, a scheme, or all of a host and port (253 + 6 characters).
pub(super) const LOOK_BYTES: usize = 400;

/// `HTTP/1.1 200`
const STATUS_BYTES: usize = 12;

/// Registered methods (IANA Hypertext Transfer Protocol Method Registry) but PRI, and widely used others (UPnP, caches).
const METHODS: [&[u8]; 46] = [
    b"GET",
    b"POST",
    b"PUT",
    b"HEAD",
    b"DELETE",
    b"PATCH",
    b"OPTIONS",
    b"CONNECT",
    b"TRACE",
    b"ACL",
    b"BAN",
    b"BASELINE-CONTROL",
    b"BIND",
    b"CHECKIN",
    b"CHECKOUT",
    b"COPY",
    b"LABEL",
    b"LINK",
    b"LOCK",
    b"M-SEARCH",
    b"MERGE",
    b"MKACTIVITY",
    b"MKCALENDAR",
    b"MKCOL",
    b"MKREDIRECTREF",
    b"MKWORKSPACE",
    b"MOVE",
    b"NOTIFY",
    b"ORDERPATCH",
    b"PROPFIND",
    b"PROPPATCH",
    b"PURGE",
    b"QUERY",
    b"REBIND",
    b"REPORT",
    b"SEARCH",
    b"SOURCE",
    b"SUBSCRIBE",
    b"UNBIND",
    b"UNCHECKOUT",
    b"UNLINK",
    b"UNLOCK",
    b"UNSUBSCRIBE",
    b"UPDATE",
    b"UPDATEREDIRECTREF",
    b"VERSION-CONTROL",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartLine<'a> {
    Request { method: &'a [u8], target: &'a [u8], version: Version },
    Status { status: u16, version: Version },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Yes,
    /// Too short to tell.
    Maybe,
    No,
}

/// Whether `bytes`, a beginning of any length, begin a start line. Longer beginnings never change a Yes or No.
pub(super) fn look(role: Role, bytes: &[u8]) -> Look {
    match role {
        Role::Request => look_request(bytes),
        Role::Response => look_response(bytes),
    }
}

fn look_request(bytes: &[u8]) -> Look {
    let seen = bytes.get(..LOOK_BYTES).unwrap_or(bytes);
    let method = seen.iter().take_while(|byte| is_token(**byte)).count();
    if method > METHOD_BYTES {
        return Look::No;
    }
    let Some(end) = seen.get(method) else { return Look::Maybe };
    if method == 0 || *end != b' ' {
        return Look::No;
    }
    let target = seen.get(method + 1..).unwrap_or_default();
    let is_far = seen.len() == LOOK_BYTES;
    match target.first() {
        Some(b'/') => Look::Yes,
        Some(b'\n' | b'\r' | b'\t') => Look::No,
        _ if maybe_absolute(target).is_some() => Look::Yes,
        _ if is_far => Look::No,
        _ => Look::Maybe,
    }
}

fn look_response(bytes: &[u8]) -> Look {
    let fits = bytes.iter().take(STATUS_BYTES).zip(b"HTTP/1.d 2dd").all(|(byte, expected)| match expected {
        b'd' => byte.is_ascii_digit(),
        b'2' => matches!(byte, b'1'..=b'9'),
        literal => byte == literal,
    });
    match (fits, bytes.get(STATUS_BYTES)) {
        (false, _) => Look::No,
        (true, None) => Look::Maybe,
        (true, Some(b' ' | b'\t' | b'\r' | b'\n')) => Look::Yes,
        (true, Some(_)) => Look::No,
    }
}

/// What `data` looks like where nothing vouches for its first byte: a message begins there, or not, or
/// ([`Look::Maybe`]) a request of a method that nobody registered, perhaps the end of one that is (`ET /`).
///
/// The whole start line counts if it lies in `data`, else its beginning. (That `M-SEARCH` loses its first two bytes and
/// no more is not worth a loss of all SEARCH.)
pub(super) fn look_anew(role: Role, data: &[u8], limit: usize) -> Look {
    let begin = data.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let data = data.get(begin..).unwrap_or_default();
    let window = data.get(..limit).unwrap_or(data);
    let is_start = match memchr::memchr(b'\n', window).and_then(|end| window.get(..=end)) {
        Some(raw) => maybe_start_line(role, whole_line(raw, limit)).is_some(),
        None => look(role, window) == Look::Yes,
    };
    let method = data.split(|byte| *byte == b' ').next().unwrap_or_default();
    match (is_start, role) {
        (false, _) => Look::No,
        (true, Role::Response) => Look::Yes,
        (true, Role::Request) if METHODS.contains(&method) => Look::Yes,
        (true, Role::Request) => Look::Maybe,
    }
}

/// The start line, if `line` is one. Of a line beyond the limit the version is unknown and taken as 1.1.
pub(super) fn maybe_start_line<'a>(role: Role, line: Line<'a>) -> Option<StartLine<'a>> {
    match role {
        Role::Request => maybe_request_line(line),
        Role::Response => maybe_status_line(line.text),
    }
}

fn maybe_request_line(line: Line<'_>) -> Option<StartLine<'_>> {
    if look_request(line.text) == Look::No {
        return None;
    }
    let (text, version) = if line.is_cut { (line.text, Version::Http11) } else { maybe_versioned(line.text)? };
    let space = text.iter().position(|byte| *byte == b' ')?;
    let (method, target) = (text.get(..space)?, trim(text.get(space + 1..)?));
    (!target.is_empty()).then_some(StartLine::Request { method, target, version })
}

/// What precedes the version at the end of a request line, and the version.
fn maybe_versioned(text: &[u8]) -> Option<(&[u8], Version)> {
    let text = if text.ends_with(b" ") { trim(text) } else { text };
    let (before, end) = text.split_last_chunk::<9>()?;
    Some((before, maybe_version(end.strip_prefix(b" ")?)?))
}

fn maybe_status_line(text: &[u8]) -> Option<StartLine<'_>> {
    // The line end is no longer there to delimit a status without a reason phrase.
    if look_response(text) == Look::No || text.len() < STATUS_BYTES {
        return None;
    }
    let version = maybe_version(text.get(..8)?)?;
    let status = text.get(9..STATUS_BYTES)?.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    Some(StartLine::Status { status, version })
}

fn maybe_version(text: &[u8]) -> Option<Version> {
    match text.strip_prefix(b"HTTP/1.")? {
        b"0" => Some(Version::Http10),
        [digit] if digit.is_ascii_digit() => Some(Version::Http11),
        _ => None,
    }
}
