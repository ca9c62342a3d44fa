//! The four forms of a request target (RFC 9112 §3.2).

use super::message::Head;
use crate::text::{cut, owned};

/// Fills scheme, host, path and query of `head`. The Host header is handled elsewhere and does not override the
/// authority of the target (RFC 9112 §3.2.2).
pub(super) fn read_target(head: &mut Head, target: &[u8]) {
    if head.method.as_deref() == Some("CONNECT") {
        head.host = Some(owned(without_user(target)));
        return;
    }
    if target.first() == Some(&b'/') {
        return read_path(head, target);
    }
    let Some((scheme, rest)) = maybe_absolute(target) else {
        return read_path(head, target);
    };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, &[]));
    head.scheme = Some(owned(scheme));
    head.host = Some(owned(without_user(authority)));
    read_path(head, path);
    if head.path.as_deref() == Some("") {
        // An empty path equals "/" (RFC 9110 §4.2.3), for OPTIONS it means the server itself (RFC 9112 §3.2.4).
        let is_server = head.method.as_deref() == Some("OPTIONS") && head.query.is_none();
        head.path = Some(if is_server { "*" } else { "/" }.into());
    }
}

/// Scheme (RFC 3986 §3.1) and what follows `://`.
pub(super) fn maybe_absolute(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let (scheme, rest) = cut(target, b':')?;
    let is_scheme = scheme.first()?.is_ascii_alphabetic()
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    Some((scheme, rest.strip_prefix(b"//").filter(|_| is_scheme)?))
}

fn read_path(head: &mut Head, target: &[u8]) {
    match cut(target, b'?') {
        Some((path, query)) => (head.path, head.query) = (Some(owned(path)), Some(owned(query))),
        None => head.path = Some(owned(target)),
    }
}

/// Authority without user information: it may be a password.
fn without_user(authority: &[u8]) -> &[u8] {
    memchr::memrchr(b'@', authority).and_then(|at| authority.get(at + 1..)).unwrap_or(authority)
}
