//! Paths as endpoints: what differs from call to call becomes `{id}`, so that `/users/1` and `/users/2` are one.
//!
//! Patterns of the configuration come first: `/users/{name}/orders` names a path of as many segments, `{…}` takes any
//! one, `**` at the end takes the rest. Then numbers, UUIDs and hashes. The raw path stays on the exchange.

use std::borrow::Cow;

/// What a segment becomes that is one of many.
const PLACEHOLDER: &str = "{id}";

/// Segments of which more are cut off: no API nests so deep.
const SEGMENTS: usize = 32;

/// Hexadecimal digits that make a hash or an object's id; shorter ones are words like `face`.
const HASH_DIGITS: usize = 16;

/// Most patterns of one configuration: each is tried on each path.
pub const PATTERNS: usize = 200;

/// How paths are grouped.
#[derive(Clone, Debug, Default)]
pub struct Grouping {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    segments: Vec<Option<String>>,
    takes_rest: bool,
}

impl Grouping {
    /// # Errors
    /// A pattern that does not begin with `/`, has `**` before its end, or one too many.
    pub fn new(patterns: &[String]) -> Result<Grouping, String> {
        if patterns.len() > PATTERNS {
            return Err(format!("{} patterns, at most {PATTERNS} can be", patterns.len()));
        }
        let patterns = patterns.iter().map(|text| Pattern::new(text)).collect::<Result<_, _>>()?;
        Ok(Grouping { patterns })
    }

    /// The group that a path belongs to.
    pub fn group<'a>(&self, path: &'a str) -> Cow<'a, str> {
        if let Some(pattern) = self.patterns.iter().find(|pattern| pattern.takes(path)) {
            return Cow::Owned(pattern.text.clone());
        }
        if !path.split('/').any(is_one_of_many) && path.split('/').nth(SEGMENTS).is_none() {
            return Cow::Borrowed(path);
        }
        let known = path.split('/').take(SEGMENTS);
        let grouped: Vec<&str> =
            known.map(|segment| if is_one_of_many(segment) { PLACEHOLDER } else { segment }).collect();
        Cow::Owned(grouped.join("/"))
    }
}

impl Pattern {
    fn new(text: &str) -> Result<Pattern, String> {
        let wrong = |what: &str| Err(format!("endpoint pattern {text:?}: {what}"));
        let Some(rest) = text.strip_prefix('/') else { return wrong("it does not begin with /") };
        let mut segments: Vec<&str> = rest.split('/').collect();
        let takes_rest = segments.last() == Some(&"**");
        if takes_rest {
            segments.pop();
        }
        if segments.contains(&"**") {
            return wrong("** stands before its end");
        }
        let is_any = |segment: &str| segment.starts_with('{') && segment.ends_with('}');
        let segments = segments.into_iter().map(|segment| (!is_any(segment)).then(|| segment.to_owned())).collect();
        Ok(Pattern { text: text.to_owned(), segments, takes_rest })
    }

    fn takes(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix('/') else { return false };
        let mut given = rest.split('/');
        for wanted in &self.segments {
            match (wanted, given.next()) {
                (_, None) => return false,
                (Some(wanted), Some(segment)) if wanted != segment => return false,
                (None, Some("")) => return false,
                _ => {}
            }
        }
        self.takes_rest || given.next().is_none()
    }
}

/// A number, a UUID or a hash.
fn is_one_of_many(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    if bytes.is_empty() {
        return false;
    }
    let is_number = bytes.iter().all(u8::is_ascii_digit);
    is_number || is_uuid(bytes) || is_hash(bytes)
}

/// RFC 9562 §4: 8-4-4-4-12 hexadecimal digits.
fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Long hexadecimal digits with a decimal one among them: no word.
fn is_hash(bytes: &[u8]) -> bool {
    bytes.len() >= HASH_DIGITS && bytes.iter().all(u8::is_ascii_hexdigit) && bytes.iter().any(u8::is_ascii_digit)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_uuids_and_hashes_are_one_of_many() {
        let grouping = Grouping::default();
        for (path, group) in [
            ("/users/123", "/users/{id}"),
            ("/users/123/orders/9", "/users/{id}/orders/{id}"),
            ("/f/0189a2b4-7c3d-7e5f-8a9b-0c1d2e3f4a5b", "/f/{id}"),
            ("/blob/da39a3ee5e6b4b0d3255bfef95601890afd80709", "/blob/{id}"),
            ("/v1/users", "/v1/users"),
            ("/face/deadbeefdeadbeef", "/face/deadbeefdeadbeef"),
            ("/", "/"),
            ("", ""),
            ("*", "*"),
            ("/x-1", "/x-1"),
        ] {
            assert_eq!(grouping.group(path), group, "{path}");
        }
    }

    #[test]
    fn patterns_come_first() {
        let texts = ["/users/{name}", "/files/**", "/v/{x}/7"].map(str::to_owned);
        let grouping = Grouping::new(&texts).unwrap();
        for (path, group) in [
            ("/users/anna", "/users/{name}"),
            ("/users/", "/users/"),
            ("/users/anna/1", "/users/anna/{id}"),
            ("/files/a/b/1", "/files/**"),
            ("/v/1/7", "/v/{x}/7"),
            ("/v/1/8", "/v/{id}/{id}"),
        ] {
            assert_eq!(grouping.group(path), group, "{path}");
        }
    }

    #[test]
    fn wrong_patterns_are_refused() {
        for wrong in ["users", "", "/a/**/b"] {
            assert!(Grouping::new(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
        assert!(Grouping::new(&vec!["/a".to_owned(); PATTERNS + 1]).is_err());
    }

    #[test]
    fn a_deep_path_is_cut() {
        let deep = "/a".repeat(100);
        assert_eq!(Grouping::default().group(&deep).split('/').count(), SEGMENTS);
    }
}
