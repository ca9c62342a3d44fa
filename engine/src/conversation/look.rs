//! What the first bytes of a direction, or of a socket operation, say about what a connection speaks.

use rover_parsers::http1::Role;
use rover_parsers::http2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Request,
    Response,
    /// Frames of HTTP/2, sent by this role.
    Http2(Role),
    /// Too little to tell.
    Short,
    Other,
}

/// What a direction begins with; `role` is what it would be by the handshake.
pub fn look_at_start(role: Role, data: &[u8]) -> Look {
    match http2::look(role, data) {
        http2::Look::Yes => return Look::Http2(role),
        http2::Look::Short => return Look::Short,
        http2::Look::No => {}
    }
    look_at_line(data)
}

/// What a socket operation out of the middle of a connection begins with. `frames` are its bytes behind those of the ones
/// before it that may belong to the same frame, `length` what all of these moved: a single frame is believed if it is all of it.
pub fn look_within(data: &[u8], frames: &[u8], length: u64) -> Look {
    let line = look_at_line(data);
    if !matches!(line, Look::Other | Look::Short) {
        return line;
    }
    match http2::maybe_sender(frames, length) {
        Some(role) => Look::Http2(role),
        None => line,
    }
}

/// Stricter than the parser, which decides for certain: here it is about the direction.
fn look_at_line(data: &[u8]) -> Look {
    let data = &data[data.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()..];
    let prefix = data.len().min(7);
    if data[..prefix] == b"HTTP/1."[..prefix] {
        return if prefix == 7 { Look::Response } else { Look::Short };
    }
    let method =
        data.iter().take(32).take_while(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b)).count();
    match data.get(method) {
        None => Look::Short,
        Some(b' ') if method > 0 => {
            let rest = &data[method + 1..];
            let line = rest.iter().position(|byte| *byte == b'\n').map(|end| &rest[..end]);
            match (rest.first(), line) {
                (None, _) => Look::Short,
                (_, Some(line)) if !line.windows(7).any(|w| w == b"HTTP/1.") => Look::Other,
                (Some(b'/' | b'*' | b'h' | b'H'), _) | (_, Some(_)) => Look::Request,
                _ if &data[..method] == b"CONNECT" => Look::Request,
                _ => Look::Other,
            }
        }
        Some(_) => Look::Other,
    }
}
