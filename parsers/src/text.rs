//! Small readings of header text, without allocation.

use std::sync::Arc;

/// Optional whitespace of RFC 9110 §5.6.3, and CR: bare CRs count as whitespace (RFC 9112 §2.2).
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

pub(crate) fn trim_start(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text {
        if !is_space(*first) {
            break;
        }
        text = rest;
    }
    text
}

pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let mut text = trim_start(text);
    while let [rest @ .., last] = text {
        if !is_space(*last) {
            break;
        }
        text = rest;
    }
    text
}

/// Whether `text` is `name`, which is lower-case letters, digits and `-`, in any case. Without early exit, so that it becomes
/// a few wide instructions. A control character may pass for a digit or `-`: no header of the field has one in its name.
#[inline]
pub(crate) fn is_name(text: &[u8], name: &[u8]) -> bool {
    text.len() == name.len()
        && text.iter().zip(name).fold(0, |differences, (byte, expected)| differences | ((byte | 0x20) ^ expected)) == 0
}

/// Parts before and after the first `separator`.
pub(crate) fn cut(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(separator, text)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Members of a comma-separated list (RFC 9110 §5.6.1), trimmed, empty ones left out.
pub(crate) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim).filter(|member| !member.is_empty())
}

/// Owned text; bytes that are not UTF-8 become U+FFFD.
pub(crate) fn owned(bytes: &[u8]) -> Box<str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => String::from_utf8_lossy(bytes).into(),
    }
}

/// Text that is kept in several places; bytes that are not UTF-8 become U+FFFD.
pub(crate) fn shared(bytes: &[u8]) -> Arc<str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => String::from_utf8_lossy(bytes).into(),
    }
}

/// Token characters of RFC 9110 §5.6.2.
pub(crate) fn is_token(byte: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 128 {
            let symbol = matches!(
                byte as u8,
                b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
            );
            table[byte] = symbol || (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        table
    };
    TOKEN[usize::from(byte)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trims_spaces_tabs_and_stray_carriage_returns() {
        assert_eq!(trim(b" \t\r a b \r"), b"a b");
        assert_eq!(trim(b" \t"), b"");
    }

    #[test]
    fn lists_may_have_empty_members() {
        let found: Vec<&[u8]> = members(b", a ,,b\t,").collect();
        assert_eq!(found, [b"a", b"b"]);
    }

    #[test]
    fn separators_are_no_token_characters() {
        assert!(b"GET-x_y.z!#$%&'*+^`|~09".iter().all(|byte| is_token(*byte)));
        assert!(!b" \t\r\n()<>@,;:\\\"/[]?={}\x00\x7f\x80\xff".iter().any(|byte| is_token(*byte)));
    }
}
