//! What the beginning of a direction, or a slice out of its middle, says about the protocol.

use super::frame::{FrameHead, HEAD_BYTES, JOINED_FRAME_BYTES, SETTINGS, SETTINGS_BYTES};
use super::side::PREFACE;
use super::{search, Role};

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

/// Whether a slice (one socket operation) out of the middle of a connection is frames: two in a row, or one that is all of it.
pub fn look_within(role: Role, data: &[u8]) -> bool {
    search::find(role, data, JOINED_FRAME_BYTES).is_some_and(|found| !found.is_tentative)
}
