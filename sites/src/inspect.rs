//! Which library a file is, and what to say of it.

use std::path::Path;

use crate::code::Code;
use crate::found::Found;
use crate::image::Image;
use crate::library::{Kind, Library, Linkage};
use crate::{boringssl, gnutls, go, openssl, unread, version, Error};

/// Says which TLS library the file is or contains, and where to probe it; one that cannot be read has no places.
///
/// None for a file without TLS, which takes milliseconds also where the file is large.
///
/// # Errors
///
/// The file cannot be read, is no ELF file, or one of another kind than 64-bit little-endian x86-64.
pub fn inspect(path: &Path) -> Result<Option<Library>, Error> {
    let image = Image::open(path)?;
    let go = if go::is_go(&image) { go::find(&image) } else { None };
    let symbols = image.functions(|name| openssl::is_wanted(name) || gnutls::is_wanted(name));
    let linked = |names: &[&str]| if image.is_library(names) { Linkage::Shared } else { Linkage::Static };
    let library = |kind, linkage, version, found: Found| {
        let Found { sites, return_sites, notes } = found.without_doubles();
        let is_over_memory = kind == Kind::Boringssl && linkage == Linkage::Static && image.is_shared;
        Library { kind, linkage, version, build_id: image.build_id(), sites, return_sites, notes, is_over_memory }
    };
    if openssl::has_tls(&symbols) || openssl::has_bio(&symbols) {
        let code = Code::new(&image, &symbols);
        if boringssl::is_it(&image, &symbols) {
            let found = boringssl::find_named(&code, &symbols);
            return Ok(Some(library(Kind::Boringssl, linked(&["libssl", "libboringssl"]), None, found)));
        }
        let found = openssl::find(&code, &symbols);
        let linkage = linked(&["libssl", "libcrypto"]);
        return Ok(Some(library(Kind::Openssl, linkage, version::openssl(&image), found)));
    }
    if gnutls::has_tls(&symbols) {
        let found = gnutls::find(&Code::new(&image, &symbols), &symbols);
        return Ok(Some(library(Kind::Gnutls, linked(&["libgnutls"]), version::gnutls(&image), found)));
    }
    if go.is_none() {
        if let Some((kind, version)) = unread::find(&image) {
            let linkage = if kind == Kind::Rustls { Linkage::Static } else { Linkage::Shared };
            return Ok(Some(library(kind, linkage, version, Found::default())));
        }
    }
    // Where functions have names, theirs would have been among them.
    if go.is_some() || image.has_symbols() {
        return Ok(go.map(|found| library(Kind::Go, Linkage::Static, go::version(&image), found)));
    }
    if let Some(found) = openssl::find_stripped(&image) {
        return Ok(Some(library(Kind::Openssl, Linkage::Static, version::openssl(&image), found)));
    }
    if let Some(found) = boringssl::find(&image) {
        return Ok(Some(library(Kind::Boringssl, linked(&["libboringssl", "libssl"]), None, found)));
    }
    Ok(None)
}
