//! What the beginning of a direction, or a slice out of its middle, says about the protocol.

use super::frame::{FrameHead, HEADERS, HEAD_BYTES, JOINED_FRAME_BYTES, SETTINGS, SETTINGS_BYTES};
use super::side::PREFACE;
use super::Role;

/// What bytes say about the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Yes,
    No,
    /// Too little to tell; nothing speaks against it.
    Short,
}

/// Whether a direction that begins with these bytes is HTTP/2: the client's preface, or the server's SETTINGS.
pub fn look(role: Role, data: &[u8]) -> Look {
    match role {
        Role::Request => {
            let length = data.len().min(PREFACE.len());
            match data.get(..length) == PREFACE.get(..length) {
                false => Look::No,
                true if length == PREFACE.len() => Look::Yes,
                true => Look::Short,
            }
        }
        Role::Response => match FrameHead::maybe(data) {
            Some(head) => match head.is_first_of_all() && head.length as usize <= SETTINGS_BYTES {
                true => Look::Yes,
                false => Look::No,
            },
            None => look_short(data),
        },
    }
}

/// The same of a piece of a SETTINGS head.
fn look_short(data: &[u8]) -> Look {
    let expected = [Some(0), None, None, Some(SETTINGS), Some(0), Some(0), Some(0), Some(0), Some(0)];
    let fits = expected.iter().zip(data).all(|(expected, byte)| expected.is_none_or(|expected| expected == *byte));
    if fits && data.len() < HEAD_BYTES {
        Look::Short
    } else {
        Look::No
    }
}

/// Who sent a slice (one socket operation of `length` bytes, of which `data` is the beginning) out of the middle of a
/// connection, if it is frames with a header block that says so. Frames that end with the slice, or two in a row, are proof.
pub fn maybe_sender(data: &[u8], length: u64) -> Option<Role> {
    let mut sender = None;
    let mut at = 0u64;
    let mut heads = 0;
    while at < length {
        let rest = usize::try_from(at).ok().and_then(|at| data.get(at..));
        let Some(head) = rest.and_then(FrameHead::maybe) else {
            break;
        };
        let is_plausible = |role| head.is_plausible(role, JOINED_FRAME_BYTES);
        if !is_plausible(Role::Request) && !is_plausible(Role::Response) {
            return None;
        }
        heads += 1;
        at += head.frame_bytes();
        if head.kind == HEADERS && sender.is_none() {
            let block = HEAD_BYTES + usize::from(head.is_padded()) + head.prefix_bytes();
            sender = rest.and_then(|rest| rest.get(block..)).and_then(maybe_sender_of_block);
        }
    }
    sender.filter(|_| heads >= 2 || at <= length)
}

/// Whether a slice out of the middle of a connection may begin with a frame: as far as `data` goes every frame head in it is one
/// that somebody sends. Far less than proof, but a reason to keep the slice until the next one tells: some read a
/// frame's head and its payload one by one.
pub fn may_begin_with_frame(data: &[u8]) -> bool {
    let mut at = 0usize;
    while let Some(head) = data.get(at..).and_then(FrameHead::maybe) {
        let is_plausible = |role| head.is_plausible(role, JOINED_FRAME_BYTES);
        if !is_plausible(Role::Request) && !is_plausible(Role::Response) {
            return false;
        }
        at = at.saturating_add(HEAD_BYTES + head.length as usize);
    }
    at > 0
}

/// By the first field of a header block: pseudo-headers come first, and the static table (RFC 7541 appendix A) has all of
/// their names.
fn maybe_sender_of_block(block: &[u8]) -> Option<Role> {
    let mut block = block;
    // Dynamic table size updates (RFC 7541 §6.3).
    while let Some((first, rest)) = block.split_first().filter(|(first, _)| **first >> 5 == 1) {
        let more = if first & 0x1f == 0x1f { rest.iter().take_while(|byte| **byte >> 7 == 1).count() + 1 } else { 0 };
        block = rest.get(more..)?;
    }
    let index = match block.first()? {
        byte if byte >> 7 == 1 => byte & 0x7f,
        byte if byte >> 6 == 1 => byte & 0x3f,
        // Literals that are not, or never, put into the table.
        byte => byte & 0x0f,
    };
    match index {
        0 => maybe_sender_of_name(block.get(1..)?),
        1..=7 => Some(Role::Request),
        8..=14 => Some(Role::Response),
        _ => None,
    }
}

/// An encoder that does without the table spells the name.
fn maybe_sender_of_name(string: &[u8]) -> Option<Role> {
    let (length, text) = string.split_first()?;
    match text.get(..usize::from(*length))? {
        b":status" => Some(Role::Response),
        b":method" | b":scheme" | b":path" | b":authority" => Some(Role::Request),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: [u8; 17] = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    const REQUEST: [u8; 12] = [0, 0, 3, 1, 5, 0, 0, 0, 7, 0x82, 0x84, 0x86];
    const RESPONSE: [u8; 11] = [0, 0, 2, 1, 4, 0, 0, 0, 7, 0x20, 0x88];

    #[test]
    fn a_header_block_tells_who_sent_it() {
        let sender = |parts: &[&[u8]]| maybe_sender(&parts.concat(), parts.concat().len() as u64);
        assert_eq!(sender(&[&REQUEST]), Some(Role::Request));
        assert_eq!(sender(&[&RESPONSE]), Some(Role::Response));
        assert_eq!(sender(&[&PING, &RESPONSE]), Some(Role::Response));
        assert_eq!(sender(&[&PING]), None);
        assert_eq!(sender(&[b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"]), None);
        assert_eq!(sender(&[&[0; 40]]), None);
    }

    #[test]
    fn a_frame_head_alone_may_be_the_beginning() {
        assert!(may_begin_with_frame(&REQUEST[..9]) && may_begin_with_frame(&REQUEST) && may_begin_with_frame(&PING));
        assert!(may_begin_with_frame(&[&REQUEST[..], &PING[..5]].concat()));
        assert!(!may_begin_with_frame(&REQUEST[..8]) && !may_begin_with_frame(b"GET / HTTP/1.1\r\n"));
        assert!(!may_begin_with_frame(&[&REQUEST[..], b"no frame head"].concat()));
    }

    #[test]
    fn a_frame_of_which_only_the_beginning_is_there_is_believed_if_it_is_all_that_was_moved() {
        let mut long = REQUEST.to_vec();
        long[1] = 1;
        assert_eq!(maybe_sender(&long, 9 + 259), Some(Role::Request));
        assert_eq!(maybe_sender(&long, 9 + 258), None);
    }
}
