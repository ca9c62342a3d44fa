//! Which library a file is, and what to say of it.

use std::path::Path;

use crate::code::Code;
use crate::image::Image;
use crate::library::{Kind, Library, Linkage};
use crate::{openssl, version, Error};

/// Says which TLS library the file is or contains, and where to probe it.
///
/// None for a file without TLS, which takes milliseconds also where the file is large.
///
/// # Errors
///
/// The file cannot be read, is no ELF file, or one of another kind than 64-bit little-endian x86-64.
pub fn inspect(path: &Path) -> Result<Option<Library>, Error> {
    let image = Image::open(path)?;
    let symbols = image.functions(openssl::is_wanted);
    if !openssl::has_tls(&symbols) && !openssl::has_bio(&symbols) {
        return Ok(None);
    }
    let code = Code::new(&image, &symbols);
    let found = openssl::find(&code, &symbols);
    let linkage = if image.is_library(&["libssl", "libcrypto"]) { Linkage::Shared } else { Linkage::Static };
    Ok(Some(Library {
        kind: Kind::Openssl,
        linkage,
        version: version::openssl(&image),
        build_id: image.build_id(),
        sites: found.sites,
        return_sites: found.return_sites,
        notes: found.notes,
    }))
}
