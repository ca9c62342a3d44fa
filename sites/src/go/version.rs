//! The version of Go that a program was built with.

use crate::image::Image;

const MAGIC: &[u8] = b"\xff Go buildinf:";
/// Flags byte: the version follows in place (since 1.18), else a pointer to a string does.
const IN_PLACE: u8 = 2;
const LONGEST: usize = 64;

/// `1.26.8`, from `.go.buildinfo`.
pub(crate) fn version(image: &Image) -> Option<String> {
    let section = image.section(".go.buildinfo")?;
    let info = image.read(section.offset, section.size.min(4096))?;
    if !info.starts_with(MAGIC) {
        return None;
    }
    let text = if info.get(15)? & IN_PLACE != 0 {
        let length = usize::from(*info.get(32)?);
        info.get(33..33usize.checked_add(length.min(LONGEST))?)?.to_vec()
    } else {
        let word = |at: u64| image.word_at(at);
        let string = u64::from_le_bytes(info.get(16..24)?.try_into().ok()?);
        image.bytes_at(word(string)?, word(string.checked_add(8)?)?.min(LONGEST as u64))?
    };
    let text = String::from_utf8(text).ok()?;
    Some(text.trim_start_matches("go").split(' ').next()?.to_string())
}
