//! What a parser may hold and which headers it keeps.

use std::sync::Arc;

/// Default of [`Limits::head_bytes`]: well above what servers accept (nginx 4 × 8 KiB, Apache 8 KiB a line,
/// Node 16 KiB, Go 1 MiB of which nobody uses more than cookies fill).
pub const HEAD_BYTES: usize = 64 * 1024;

/// Headers whose values are credentials: kept as `*` even when the configuration names them.
const SECRETS: [&str; 18] = [
    "api-key",
    "authorization",
    "cookie",
    "cookie2",
    "private-token",
    "proxy-authorization",
    "set-cookie",
    "set-cookie2",
    "x-access-token",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-key",
    "x-auth-token",
    "x-csrf-token",
    "x-goog-api-key",
    "x-session-token",
    "x-vault-token",
    "x-xsrf-token",
];

/// Whether the header of this lower-case name holds a credential.
pub fn is_secret(name: &str) -> bool {
    SECRETS.binary_search(&name).is_ok()
}

/// Ceilings and choices of a parser; shared by all connections.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest head, and longest single line of one, that is kept. Beyond it the head is `truncated`: the HTTP/1 parser
    /// goes on to the blank line and still honours framing headers, but keeps no configured header; the HTTP/2 parser
    /// reads the header block up to there, and the rest of it costs it its HPACK table.
    pub head_bytes: usize,
    pub keep_headers: KeepHeaders,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { head_bytes: HEAD_BYTES, keep_headers: KeepHeaders::default() }
    }
}

/// Names of the headers to keep (`capture.headers`).
#[derive(Clone, Debug, Default)]
pub struct KeepHeaders {
    kept: Vec<Kept>,
    first_letters: u32,
}

#[derive(Clone, Debug)]
struct Kept {
    name: Arc<str>,
    is_secret: bool,
}

impl KeepHeaders {
    /// Names in any case; duplicates count once.
    pub fn new<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> KeepHeaders {
        let mut names: Vec<String> = names.into_iter().map(|name| name.as_ref().trim().to_ascii_lowercase()).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| !name.is_empty());
        let first_letters =
            names.iter().filter_map(|name| name.bytes().next()).fold(0, |bits, first| bits | letter_bit(first));
        let kept = names.into_iter().map(|name| Kept { is_secret: is_secret(&name), name: name.into() }).collect();
        KeepHeaders { kept, first_letters }
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// [`letter_bit`] of the names: spares most lines the search.
    pub(crate) fn first_letters(&self) -> u32 {
        self.first_letters
    }

    /// Place of a configured header in this list, by its lower-case name.
    #[inline]
    pub(crate) fn position(&self, name: &[u8]) -> Option<u16> {
        let first = name.first()?;
        if self.first_letters & letter_bit(*first) == 0 {
            return None;
        }
        let position = self.kept.iter().position(|kept| kept.name.as_bytes() == name)?;
        u16::try_from(position).ok()
    }

    /// Name of the header at this place, and whether its value must be masked.
    pub(crate) fn at(&self, position: u16) -> Option<(&Arc<str>, bool)> {
        self.kept.get(usize::from(position)).map(|kept| (&kept.name, kept.is_secret))
    }

    /// Lower-case names, and whether their values must be masked.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, bool)> {
        self.kept.iter().map(|kept| (&*kept.name, kept.is_secret))
    }
}

/// One bit per letter, in any case; everything else shares one.
pub(crate) const fn letter_bit(first: u8) -> u32 {
    match first | 0x20 {
        letter @ b'a'..=b'z' => 1 << (letter - b'a'),
        _ => 1 << 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_sorted_for_the_binary_search() {
        assert!(SECRETS.is_sorted());
        assert!(SECRETS.iter().all(|name| is_secret(name)));
    }

    #[test]
    fn names_are_lower_case_and_unique_and_secrets_are_told() {
        let keep = KeepHeaders::new(["X-Request-ID", "Cookie", " cookie", ""]);
        assert_eq!(keep.iter().collect::<Vec<_>>(), [("cookie", true), ("x-request-id", false)]);
        assert_eq!(keep.first_letters(), letter_bit(b'C') | letter_bit(b'x'));
        assert_eq!(KeepHeaders::new(["_a"]).first_letters(), letter_bit(b'9'));
    }
}
