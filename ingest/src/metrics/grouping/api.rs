//! The paths that a service says it has, in an OpenAPI document: templates such as `/users/{name}/orders`.
//!
//! A literal segment comes before a template, as OpenAPI 3.1 §4.8.8.2 has it. A segment may be a template in part:
//! `report.{format}`.

use std::collections::HashMap;

use serde::Deserialize;

use super::SEGMENTS;

/// Most services' documents, and most paths of one.
const APIS: usize = 100;
const PATHS: usize = 10_000;

/// Steps that looking up one path may take: literals and templates side by side are tried one after the other.
const STEPS: usize = 1000;

/// One document, as it is told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiPaths {
    /// Name of the services that have it; `*` stands for any characters.
    pub service: String,
    pub paths: Vec<String>,
}

/// All documents, by service.
#[derive(Debug, Default)]
pub struct Apis(Vec<(String, Place)>);

/// What may follow.
#[derive(Debug, Default)]
struct Place {
    literals: HashMap<String, Place>,
    templates: Vec<(Template, Place)>,
    /// The path that ends here.
    path: Option<String>,
}

/// The text around the parameters of a segment.
#[derive(Debug, PartialEq, Eq)]
struct Template(Vec<String>);

impl Apis {
    /// # Errors
    /// A path that does not begin with `/` or has a brace without its other one; too many.
    pub fn new(told: Vec<ApiPaths>) -> Result<Apis, String> {
        if told.len() > APIS {
            return Err(format!("{} OpenAPI files, at most {APIS} can be", told.len()));
        }
        told.into_iter().map(|api| Ok((api.service, place(&api.paths)?))).collect::<Result<_, _>>().map(Apis)
    }

    /// The template that a path of a service fits, of the first document that has one.
    pub fn maybe_group(&self, service: &str, path: &str) -> Option<&str> {
        let rest = path.strip_prefix('/')?;
        let segments: Vec<&str> = match self.0.is_empty() {
            true => return None,
            false => rest.split('/').take(SEGMENTS + 1).collect(),
        };
        let mut steps = STEPS;
        let fitting = self.0.iter().filter(|(name, _)| fits(name, service));
        fitting.filter_map(|(_, place)| place.find(&segments, &mut steps)).next()
    }
}

fn place(paths: &[String]) -> Result<Place, String> {
    if paths.len() > PATHS {
        return Err(format!("{} paths in an OpenAPI file, at most {PATHS} can be", paths.len()));
    }
    let mut root = Place::default();
    for path in paths {
        let wrong = || format!("path {path:?} of an OpenAPI file");
        let mut place = &mut root;
        for segment in path.strip_prefix('/').ok_or_else(wrong)?.split('/').take(SEGMENTS + 1) {
            place = match Template::maybe_new(segment).ok_or_else(wrong)? {
                None => place.literals.entry(segment.to_owned()).or_default(),
                Some(template) => place.below(template).ok_or_else(wrong)?,
            };
        }
        place.path.get_or_insert_with(|| path.clone());
    }
    Ok(root)
}

impl Place {
    fn below(&mut self, template: Template) -> Option<&mut Place> {
        let at = match self.templates.iter().position(|(known, _)| *known == template) {
            Some(at) => at,
            None => {
                self.templates.push((template, Place::default()));
                // The most text first: `report.{format}` before `{name}`.
                self.templates.sort_by_key(|(template, _)| std::cmp::Reverse(template.text()));
                return self.templates.iter_mut().find(|(_, place)| place.is_new()).map(|(_, place)| place);
            }
        };
        self.templates.get_mut(at).map(|(_, place)| place)
    }

    fn is_new(&self) -> bool {
        self.path.is_none() && self.literals.is_empty() && self.templates.is_empty()
    }

    fn find(&self, segments: &[&str], steps: &mut usize) -> Option<&str> {
        *steps = steps.checked_sub(1)?;
        let Some((segment, rest)) = segments.split_first() else { return self.path.as_deref() };
        let literal = self.literals.get(*segment).and_then(|place| place.find(rest, steps));
        literal.or_else(|| {
            let mut fitting = self.templates.iter().filter(|(template, _)| template.takes(segment));
            fitting.find_map(|(_, place)| place.find(rest, steps))
        })
    }
}

impl Template {
    /// `Some(None)`: the segment has no parameter. `None`: its braces do not match.
    fn maybe_new(segment: &str) -> Option<Option<Template>> {
        let mut texts = Vec::new();
        let mut rest = segment;
        while let Some((text, after)) = rest.split_once('{') {
            let (_, after) = after.split_once('}')?;
            texts.push(text.to_owned());
            rest = after;
        }
        if rest.contains('}') || texts.iter().any(|text| text.contains('}')) {
            return None;
        }
        if texts.is_empty() {
            return Some(None);
        }
        texts.push(rest.to_owned());
        Some(Some(Template(texts)))
    }

    fn text(&self) -> usize {
        self.0.iter().map(String::len).sum()
    }

    /// Each parameter has one character at least.
    fn takes(&self, segment: &str) -> bool {
        let Some((last, before)) = self.0.split_last() else { return false };
        let Some((first, middle)) = before.split_first() else { return false };
        let Some(mut rest) = segment.strip_prefix(first.as_str()) else { return false };
        for text in middle {
            let Some(start) = rest.chars().next().map(char::len_utf8) else { return false };
            let Some(at) = rest.get(start..).and_then(|behind| behind.find(text.as_str())) else { return false };
            rest = rest.get(start + at + text.len()..).unwrap_or_default();
        }
        rest.len() > last.len() && rest.ends_with(last.as_str())
    }
}

/// Whether a name fits a pattern in which `*` stands for any characters.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(between) = last.replace(part) {
            let Some((_, behind)) = rest.split_once(between) else { return false };
            rest = behind;
        }
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn apis(service: &str, paths: &[&str]) -> Result<Apis, String> {
        Apis::new(vec![ApiPaths { service: service.into(), paths: paths.iter().map(|path| (*path).into()).collect() }])
    }

    #[test]
    fn a_path_is_the_template_that_it_fits() {
        let paths =
            ["/users/{name}", "/users/me", "/users/{name}/orders", "/r/{all}", "/r/report.{format}", "/a/{x}-{y}"];
        let apis = apis("cart.*", &paths).unwrap();
        for (path, group) in [
            ("/users/anna", Some("/users/{name}")),
            ("/users/me", Some("/users/me")),
            ("/users/me/orders", Some("/users/{name}/orders")),
            ("/users/", None),
            ("/users/anna/", None),
            ("/r/report.pdf", Some("/r/report.{format}")),
            ("/r/report.", Some("/r/{all}")),
            ("/a/1-2", Some("/a/{x}-{y}")),
            ("/a/-2", None),
            ("users/anna", None),
            ("", None),
        ] {
            assert_eq!(apis.maybe_group("cart.shop", path), group, "{path}");
        }
        assert_eq!(apis.maybe_group("bank.shop", "/users/anna"), None);
    }

    #[test]
    fn services_are_matched_by_name() {
        for (pattern, name, expected) in [
            ("cart", "cart", true),
            ("cart", "carts", false),
            ("*", "", true),
            ("c*t", "cart", true),
            ("c*t", "cartx", false),
            ("c*r*t", "cart", true),
            ("c*r*t", "cat", false),
            ("*.shop", "cart.shop", true),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn wrong_documents_are_refused() {
        for wrong in ["users", "/{a", "/a}", "/}{", ""] {
            assert!(apis("*", &[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_path_that_fits_in_very_many_ways_is_given_up() {
        let fork = |number: usize| {
            format!("/{}end", (0..20).map(|at| if number >> at & 1 == 1 { "a/" } else { "{x}/" }).collect::<String>())
        };
        let paths: Vec<String> = (0..4096).map(fork).collect();
        let apis = Apis::new(vec![ApiPaths { service: "*".into(), paths }]).unwrap();
        assert_eq!(apis.maybe_group("s", &"/a".repeat(21)), None);
    }
}
