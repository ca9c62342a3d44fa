//! Frames and header blocks as bytes.

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const PRIORITY: u8 = 32;

pub fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

pub fn data(flags: u8, stream: u32, content: impl AsRef<[u8]>) -> Vec<u8> {
    frame(0, flags, stream, content)
}

pub fn headers(flags: u8, stream: u32, block: impl AsRef<[u8]>) -> Vec<u8> {
    frame(1, flags | END_HEADERS, stream, block)
}

pub fn continuation(flags: u8, stream: u32, block: impl AsRef<[u8]>) -> Vec<u8> {
    frame(9, flags, stream, block)
}

pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(3, 0, stream, code.to_be_bytes())
}

pub fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> =
        settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
    frame(4, 0, 0, payload)
}

pub fn push_promise(stream: u32, promised: u32, block: impl AsRef<[u8]>) -> Vec<u8> {
    frame(5, END_HEADERS, stream, [&promised.to_be_bytes()[..], block.as_ref()].concat())
}

pub fn window_update(stream: u32) -> Vec<u8> {
    frame(8, 0, stream, 1000_u32.to_be_bytes())
}

fn string(text: &str) -> Vec<u8> {
    assert!(text.len() < 127);
    [&[text.len() as u8], text.as_bytes()].concat()
}

/// Literal without indexing.
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    [vec![0], string(name), string(value)].concat()
}

/// Literal that is added to the table.
pub fn added(name: &str, value: &str) -> Vec<u8> {
    [vec![0x40], string(name), string(value)].concat()
}

/// Field of an index of the tables.
pub fn indexed(index: u8) -> Vec<u8> {
    vec![0x80 | index]
}

pub fn block(fields: &[Vec<u8>]) -> Vec<u8> {
    fields.concat()
}

/// `GET https://h` and this path.
pub fn get(path: &str) -> Vec<u8> {
    request("GET", path)
}

pub fn request(method: &str, path: &str) -> Vec<u8> {
    let fields = [(":method", method), (":scheme", "https"), (":path", path), (":authority", "h")];
    fields.map(|(name, value)| literal(name, value)).concat()
}

pub fn status(status: &str) -> Vec<u8> {
    literal(":status", status)
}
