//! TLS that is recognised and cannot be read, so that it can be told why a process yields nothing.

use memchr::memmem;

use crate::image::Image;
use crate::library::Kind;
use crate::version;

/// Which one a file is or contains, and its version.
///
/// rustls names its source files where it may panic, in stripped programs too: `…/rustls-0.23.31/src/conn.rs`.
pub(crate) fn find(image: &Image) -> Option<(Kind, Option<String>)> {
    if image.is_library(&["libssl3.so"]) {
        return Some((Kind::Nss, None));
    }
    if image.is_library(&["libjvm.so"]) {
        return Some((Kind::Jsse, None));
    }
    let rustls = image.find_in_data(&memmem::Finder::new("/rustls-"), version::number)?;
    Some((Kind::Rustls, Some(rustls)))
}
