//! A frame: some records as they lie in a segment, behind a head that tells how many, when, and two checksums.
//!
//! The head has a checksum of its own, so that damage to the content costs this frame alone. Numbers are little-endian:
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 4 | `RVF1` |
//! | 4 | 4 | length of the content as it follows, compressed (an LZ4 block) |
//! | 8 | 4 | its length before |
//! | 12 | 4 | records |
//! | 16 | 8 | sequence: frames are sent in its order |
//! | 24 | 8 | wall clock when it was written, milliseconds since the Unix epoch |
//! | 32 | 4 | CRC-32 of the content |
//! | 36 | 4 | CRC-32 of the head up to here |

use lz4_flex::block;

pub const HEAD_BYTES: usize = 40;

/// No content is larger before its compression: what memory a damaged length may cost.
pub const MOST_CONTENT: usize = 64 << 20;

const MAGIC: u32 = u32::from_le_bytes(*b"RVF1");

/// What the head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub stored_bytes: u32,
    pub content_bytes: u32,
    pub records: u32,
    pub sequence: u64,
    pub written_ms: u64,
    content_crc: u32,
}

impl Head {
    /// Of the bytes of a head; `None` for any others.
    pub fn read(bytes: &[u8; HEAD_BYTES]) -> Option<Head> {
        let head = Head {
            stored_bytes: u32_at(bytes, 4)?,
            content_bytes: u32_at(bytes, 8)?,
            records: u32_at(bytes, 12)?,
            sequence: u64_at(bytes, 16)?,
            written_ms: u64_at(bytes, 24)?,
            content_crc: u32_at(bytes, 32)?,
        };
        let is_whole = u32_at(bytes, 0)? == MAGIC && u32_at(bytes, 36)? == crc32fast::hash(bytes.get(..36)?);
        (is_whole && head.content_bytes as usize <= MOST_CONTENT).then_some(head)
    }

    /// Bytes of the whole frame.
    pub fn frame_bytes(&self) -> u64 {
        HEAD_BYTES as u64 + u64::from(self.stored_bytes)
    }

    pub fn is_intact(&self, stored: &[u8]) -> bool {
        crc32fast::hash(stored) == self.content_crc
    }

    /// The content as it was given to [`write`]; `None` if it is damaged.
    pub fn content(&self, stored: &[u8]) -> Option<Vec<u8>> {
        if !self.is_intact(stored) {
            return None;
        }
        let content = block::decompress(stored, self.content_bytes as usize).ok()?;
        (content.len() == self.content_bytes as usize).then_some(content)
    }
}

/// The bytes of a frame.
pub fn write(sequence: u64, records: u32, content: &[u8], written_ms: u64) -> Vec<u8> {
    let mut frame = vec![0; HEAD_BYTES];
    frame.extend_from_slice(&block::compress(content));
    let (head, stored) = frame.split_at_mut(HEAD_BYTES);
    let mut fields = Vec::with_capacity(HEAD_BYTES);
    for field in [MAGIC, length(stored), length(content), records] {
        fields.extend_from_slice(&field.to_le_bytes());
    }
    for field in [sequence, written_ms] {
        fields.extend_from_slice(&field.to_le_bytes());
    }
    fields.extend_from_slice(&crc32fast::hash(stored).to_le_bytes());
    fields.extend_from_slice(&crc32fast::hash(&fields).to_le_bytes());
    head.copy_from_slice(&fields);
    frame
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(offset..offset + 8)?.try_into().ok()?))
}
