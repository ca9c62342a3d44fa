//! Protocol-buffer fields appended to a byte buffer.
//!
//! Written out instead of building message objects: an exchange is some thirty fields deep in nested messages, and
//! objects for them would mean a dozen allocations and a second walk for the lengths. `proto/` stays the judge: the
//! tests decode what is written here with the generated messages.

use crate::varint::push_varint;

const VARINT: u32 = 0;
const FIXED_64: u32 = 1;
const LENGTH_DELIMITED: u32 = 2;
const FIXED_32: u32 = 5;

/// Appends an integer field. Zero is left out, as proto3 writers do; negative int32 and int64 do not occur here.
pub fn push_integer(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        push_varint(out, u64::from(field << 3 | VARINT));
        push_varint(out, value);
    }
}

/// Appends an integer field of a oneof, where zero is a value too. Negative ones have ten bytes.
pub fn push_chosen_integer(out: &mut Vec<u8>, field: u32, value: i64) {
    push_varint(out, u64::from(field << 3 | VARINT));
    push_varint(out, value as u64);
}

/// Appends a fixed64 field; zero is left out.
pub fn push_fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        push_varint(out, u64::from(field << 3 | FIXED_64));
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// Appends a fixed32 field; zero is left out.
pub fn push_fixed32(out: &mut Vec<u8>, field: u32, value: u32) {
    if value != 0 {
        push_varint(out, u64::from(field << 3 | FIXED_32));
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// Appends an `optional double` field, zero too.
pub fn push_double(out: &mut Vec<u8>, field: u32, value: f64) {
    push_varint(out, u64::from(field << 3 | FIXED_64));
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a packed field of fixed64 or double, given as their eight bytes each.
pub fn push_packed64(out: &mut Vec<u8>, field: u32, values: impl ExactSizeIterator<Item = [u8; 8]>) {
    push_varint(out, u64::from(field << 3 | LENGTH_DELIMITED));
    push_varint(out, 8 * values.len() as u64);
    values.for_each(|value| out.extend_from_slice(&value));
}

/// Appends a string field; an empty one is left out.
pub fn push_text(out: &mut Vec<u8>, field: u32, text: &str) {
    push_bytes(out, field, text.as_bytes());
}

/// Appends a bytes field, or a string field whose content is known to be UTF-8; an empty one is left out.
pub fn push_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    if !bytes.is_empty() {
        push_varint(out, u64::from(field << 3 | LENGTH_DELIMITED));
        push_varint(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    }
}

/// Appends a message field whose fields are what `fill` appends.
///
/// One byte is kept for the length and the content moved when it needs more: nearly every nested message is shorter
/// than 128 bytes.
pub fn push_message(out: &mut Vec<u8>, field: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    push_varint(out, u64::from(field << 3 | LENGTH_DELIMITED));
    out.push(0);
    let start = out.len();
    fill(out);
    let length = out.len() - start;
    if let (true, Some(slot)) = (length < 0x80, out.get_mut(start - 1)) {
        *slot = length as u8;
        return;
    }
    let mut prefix = Vec::with_capacity(5);
    push_varint(&mut prefix, length as u64);
    out.splice(start - 1..start, prefix);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::proto::v3;

    #[test]
    fn nested_messages_of_every_length_size_decode() {
        for length in [0usize, 1, 120, 126, 127, 128, 129, 16_380, 16_384, 70_000] {
            let key = "k".repeat(length);
            let mut out = Vec::new();
            push_message(&mut out, 1, |out| {
                push_text(out, 1, "refresh");
                push_message(out, 2, |out| push_text(out, 1, &key));
            });
            let pair = v3::KeyStringValuePair { key, value: String::new() };
            let command = v3::Command { command: "refresh".to_owned(), args: vec![pair] };
            assert_eq!(out, v3::Commands { commands: vec![command] }.encode_to_vec());
        }
    }

    #[test]
    fn integers_are_varints_and_zero_is_absent() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            push_integer(&mut out, 1, value);
            assert_eq!(out, v3::EbpfOffsetTimestamp { offset: value }.encode_to_vec());
        }
    }
}
