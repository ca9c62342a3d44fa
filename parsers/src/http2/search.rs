//! Where frames begin in bytes out of the middle of a stream.
//!
//! One frame head in the middle of other bytes proves little, a second one exactly where the first one says proves much: for
//! random bytes the two are one in 10^11. The beginning of a slice is likelier than any other place, since endpoints write
//! whole frames, so one head is a candidate there until the next one confirms or refutes it.

use super::frame::{FrameHead, HEAD_BYTES};
use super::Role;

/// Heads in a row that are proof; more are not followed.
const PROOF: u32 = 3;

/// A place where a frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub at: usize,
    /// Only the next frame head will tell.
    pub is_tentative: bool,
}

/// The first place in `data` from which on there are frames.
pub(super) fn find(role: Role, data: &[u8], frame_bytes: u32) -> Option<Found> {
    (0..data.len().saturating_sub(HEAD_BYTES - 1)).find_map(|at| look(role, data, at, frame_bytes))
}

fn look(role: Role, data: &[u8], at: usize, frame_bytes: u32) -> Option<Found> {
    let mut position = at;
    let mut heads = 0;
    while heads < PROOF {
        let Some(rest) = data.get(position..).filter(|rest| !rest.is_empty()) else {
            break;
        };
        // Most places are dismissed by one byte: the length's first.
        if rest.first().is_some_and(|byte| u32::from(*byte) > frame_bytes >> 16) {
            return None;
        }
        let Some(head) = FrameHead::maybe(rest) else {
            // The beginning of a head proves nothing.
            break;
        };
        if !head.is_plausible(role, frame_bytes) {
            return None;
        }
        heads += 1;
        position = position.saturating_add(HEAD_BYTES + head.length as usize);
    }
    let is_proof = heads >= 2 || (heads == 1 && at == 0 && position == data.len());
    (is_proof || (heads == 1 && at == 0)).then_some(Found { at, is_tentative: !is_proof })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http2::frame::FRAME_BYTES;

    const PING: [u8; 17] = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    const HEADERS: [u8; 12] = [0, 0, 3, 1, 5, 0, 0, 0, 7, 0x82, 0x84, 0x86];
    const DATA: [u8; 9] = [0, 1, 0, 0, 0, 0, 0, 0, 7];

    fn found(parts: &[&[u8]]) -> Option<(usize, bool)> {
        find(Role::Request, &parts.concat(), FRAME_BYTES).map(|found| (found.at, found.is_tentative))
    }

    #[test]
    fn two_heads_in_a_row_are_proof_anywhere() {
        assert_eq!(found(&[b"rest of a body", &HEADERS, &PING]), Some((14, false)));
        assert_eq!(found(&[b"rest", &HEADERS, &DATA, b"its first bytes"]), Some((4, false)));
        assert_eq!(found(&[&[0; 40], &HEADERS, &PING]), Some((40, false)));
    }

    #[test]
    fn one_head_is_a_candidate_at_the_beginning_only() {
        assert_eq!(found(&[&HEADERS]), Some((0, false)));
        assert_eq!(found(&[&DATA, b"its first bytes"]), Some((0, true)));
        assert_eq!(found(&[&HEADERS, &HEADERS[..5]]), Some((0, true)));
        assert_eq!(found(&[b"rest", &HEADERS]), None);
        assert_eq!(found(&[&HEADERS, b"no frame head"]), None);
    }

    #[test]
    fn text_and_short_slices_have_no_frames() {
        assert_eq!(found(&[b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"]), None);
        assert_eq!(found(&[&PING[..8]]), None);
        assert_eq!(found(&[]), None);
    }
}
