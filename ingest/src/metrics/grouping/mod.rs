//! Paths as endpoints: what differs from call to call becomes `{id}`, so that `/users/1` and `/users/2` are one.
//!
//! Patterns of the configuration come first: `/users/{name}/orders` names a path of as many segments, `{…}` takes any
//! one, `**` at the end takes the rest. Then what OpenAPI files say of the service. Then numbers, UUIDs and hashes by their
//! form, and what was learned to be one of many. The raw path stays on the exchange.

mod api;
mod learned;

use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use api::{ApiPaths, Apis};
use learned::{Learned, Lessons};

/// What a segment becomes that is one of many.
const PLACEHOLDER: &str = "{id}";

/// Segments of which more are cut off: no API nests so deep.
const SEGMENTS: usize = 32;

/// Hexadecimal digits that make a hash or an object's id; shorter ones are words like `face`.
const HASH_DIGITS: usize = 16;

/// Most patterns of one configuration: each is tried on each path.
pub const PATTERNS: usize = 200;

/// What can be told.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupingOptions {
    pub patterns: Vec<String>,
    pub apis: Vec<ApiPaths>,
    /// Segments behind the same beginning of which more are one of many; 0: nothing is learned.
    pub learn_after: usize,
}

/// What a path is grouped by.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub service: &'a str,
    pub path: &'a str,
    /// The path is made of names, as gRPC's is: nothing in it is one of many unless its form says so.
    pub is_made_of_names: bool,
    /// It worked, so there is such a path.
    pub is_success: bool,
}

/// How paths are grouped. What it learns it keeps; one thread at a time may learn.
#[derive(Debug)]
pub struct Grouping {
    patterns: Vec<Pattern>,
    apis: Apis,
    learned: Mutex<Learned>,
}

impl Default for Grouping {
    fn default() -> Grouping {
        Grouping { patterns: Vec::new(), apis: Apis::default(), learned: Mutex::new(Learned::new(0)) }
    }
}

#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    segments: Vec<Option<String>>,
    takes_rest: bool,
}

impl Grouping {
    /// # Errors
    /// A pattern that does not begin with `/`, has `**` before its end, or one too many; a wrong path of an OpenAPI file.
    pub fn new(options: GroupingOptions) -> Result<Grouping, String> {
        let GroupingOptions { patterns, apis, learn_after } = options;
        if patterns.len() > PATTERNS {
            return Err(format!("{} patterns, at most {PATTERNS} can be", patterns.len()));
        }
        let patterns = patterns.iter().map(|text| Pattern::new(text)).collect::<Result<_, _>>()?;
        Ok(Grouping { patterns, apis: Apis::new(apis)?, learned: Mutex::new(Learned::new(learn_after)) })
    }

    /// The group that a path belongs to.
    pub fn group(&self, call: Call<'_>) -> String {
        if let Some(pattern) = self.patterns.iter().find(|pattern| pattern.takes(call.path)) {
            return pattern.text.clone();
        }
        if let Some(path) = self.apis.maybe_group(call.service, call.path) {
            return path.to_owned();
        }
        if call.is_made_of_names {
            return Learned::new(0).group(call.service, call.path, false);
        }
        self.learned().group(call.service, call.path, call.is_success)
    }

    /// What was learned, as JSON, if there is news since the last call.
    pub fn news(&self) -> Option<String> {
        self.learned().news().map(|lessons| serde_json::to_string(&lessons).unwrap_or_default())
    }

    /// Takes over what [`Grouping::news`] told, of a run before. Anything else is passed by: it can be learned anew.
    pub fn recall(&self, news: &str) {
        if let Ok(lessons) = serde_json::from_str::<Lessons>(news) {
            self.learned().recall(lessons);
        }
    }

    fn learned(&self) -> std::sync::MutexGuard<'_, Learned> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn patterns(texts: &[&str]) -> Result<Grouping, String> {
        let patterns = texts.iter().map(|text| (*text).to_owned()).collect();
        Grouping::new(GroupingOptions { patterns, ..GroupingOptions::default() })
    }

    fn group(grouping: &Grouping, path: &str) -> String {
        grouping.group(Call { service: "shop", path, is_made_of_names: false, is_success: true })
    }

    #[test]
    fn numbers_uuids_and_hashes_are_one_of_many() {
        for (path, expected) in [
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
            assert_eq!(group(&Grouping::default(), path), expected, "{path}");
        }
    }

    #[test]
    fn patterns_come_first() {
        let grouping = patterns(&["/users/{name}", "/files/**", "/v/{x}/7"]).unwrap();
        for (path, expected) in [
            ("/users/anna", "/users/{name}"),
            ("/users/", "/users/"),
            ("/users/anna/1", "/users/anna/{id}"),
            ("/files/a/b/1", "/files/**"),
            ("/v/1/7", "/v/{x}/7"),
            ("/v/1/8", "/v/{id}/{id}"),
        ] {
            assert_eq!(group(&grouping, path), expected, "{path}");
        }
    }

    #[test]
    fn wrong_patterns_are_refused() {
        for wrong in ["users", "", "/a/**/b"] {
            assert!(patterns(&[wrong]).is_err(), "{wrong}");
        }
        assert!(patterns(&["/a"; PATTERNS + 1]).is_err());
    }

    #[test]
    fn a_deep_path_is_cut() {
        let deep = "/a".repeat(100);
        assert_eq!(group(&Grouping::default(), &deep).split('/').count(), SEGMENTS);
    }

    /// Patterns, OpenAPI files, what was learned: in this order.
    #[test]
    fn each_way_overrides_those_behind_it() {
        let options = r#"{"patterns": ["/p/{one}"], "learn_after": 5,
            "apis": [{"service": "shop", "paths": ["/p/{two}", "/users/{two}", "/item/{number}"]}]}"#;
        let grouping = Grouping::new(serde_json::from_str(options).unwrap()).unwrap();
        for at in 0..20 {
            for place in ["p", "users", "tags"] {
                group(&grouping, &format!("/{place}/n-{at}"));
            }
        }
        for (path, expected) in [
            ("/p/x", "/p/{one}"),
            ("/users/x", "/users/{two}"),
            ("/item/7", "/item/{number}"),
            ("/tags/x", "/tags/{any}"),
            ("/tags/7", "/tags/{id}"),
        ] {
            assert_eq!(group(&grouping, path), expected, "{path}");
        }
        let method = Call { service: "shop", path: "/tags/Get", is_made_of_names: true, is_success: true };
        assert_eq!(grouping.group(method), "/tags/Get");
    }
}
