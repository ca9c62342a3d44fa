//! What a library says of its own version, in strings that it prints.

use memchr::memmem;

use crate::image::Image;

/// Longest version text taken: `3.5.0-beta1` and the like.
const LONGEST: usize = 24;

/// `OpenSSL 3.0.19 27 Jan 2026` stands in libcrypto and in what was linked with it. libssl alone has only the names of
/// its symbol versions, which tell since when the newest of its functions exists.
pub(crate) fn openssl(image: &Image) -> Option<String> {
    let text = image.find_in_data(&memmem::Finder::new("OpenSSL "), number);
    text.or_else(|| {
        let names = image.contents(image.section(".dynstr")?)?;
        let newest = memmem::find_iter(&names, "OPENSSL_")
            .filter_map(|at| version(names.get(at + "OPENSSL_".len()..)?))
            .filter(|version| version.contains(['.', '_']))
            .max()?;
        Some(format!("at least {}", newest.replace('_', ".")))
    })
}

/// `Enabled GnuTLS 3.7.9 logging...`, which it says when it is asked to log.
pub(crate) fn gnutls(image: &Image) -> Option<String> {
    image.find_in_data(&memmem::Finder::new("GnuTLS "), number)
}

/// A version number at the beginning of the bytes, of several parts.
pub(crate) fn number(bytes: &[u8]) -> Option<String> {
    version(bytes).filter(|it| it.contains('.'))
}

/// A version number at the beginning of the bytes.
fn version(bytes: &[u8]) -> Option<String> {
    if !bytes.first()?.is_ascii_digit() {
        return None;
    }
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+');
    let text: Vec<u8> = bytes.iter().copied().take(LONGEST).take_while(is_part).collect();
    String::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn a_version_ends_where_its_characters_end() {
        assert_eq!(version(b"3.0.19 27 Jan 2026").as_deref(), Some("3.0.19"));
        assert_eq!(version(b"1.1.1w  11 Sep 2023").as_deref(), Some("1.1.1w"));
        assert_eq!(version(b"1_1_1\0OPENSSL").as_deref(), Some("1_1_1"));
        assert_eq!(version(b"%s"), None);
        assert_eq!(version(b""), None);
    }
}
