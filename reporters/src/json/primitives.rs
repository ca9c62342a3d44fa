//! JSON strings and numbers, addresses and hex, appended to a byte buffer.

use std::io::Write;
use std::net::IpAddr;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Bytes that a JSON string must not hold as they are (RFC 8259 §7), and DEL: legal, but a terminal acts on it.
const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\' || byte == 0x7f
}

/// Appends a quoted JSON string.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| needs_escape(*byte)) {
        let (clean, tail) = rest.split_at(at);
        out.extend_from_slice(clean);
        if let Some((byte, after)) = tail.split_first() {
            push_escape(out, *byte);
            rest = after;
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        8 => b'b',
        12 => b'f',
        _ => {
            out.extend_from_slice(b"\\u00");
            push_hex(out, u64::from(byte), 2);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Appends a decimal number.
pub fn push_unsigned(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends the lowest `digits` hex digits of `value`.
pub fn push_hex(out: &mut Vec<u8>, value: u64, digits: u32) {
    for digit in (0..digits).rev() {
        out.push(HEX[(value >> (digit * 4)) as usize & 15]);
    }
}

/// Appends an IP address in its usual text form (RFC 5952 for IPv6).
pub fn push_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            push_unsigned(out, u64::from(a));
            for octet in [b, c, d] {
                out.push(b'.');
                push_unsigned(out, u64::from(octet));
            }
        }
        // Writing to a Vec has no way to fail.
        IpAddr::V6(v6) => drop(write!(out, "{v6}")),
    }
}
