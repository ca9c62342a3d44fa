//! Segments that turn out to be one of many: names, slugs, tokens, which no form gives away.
//!
//! Counted is how many different segments follow the same beginning of a path, by service. Above a number they become
//! `{any}`, but for those that a share of all calls had: `/users/me` stays beside `/users/{any}`. Only calls that worked
//! teach, so that whoever tries paths out does not change the names of those that exist.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{is_one_of_many, PLACEHOLDER, SEGMENTS};

/// What a segment becomes that was learned to be one of many.
const ANY: &str = "{any}";

/// Longer segments name nothing that a person wrote.
const LONGEST: usize = 64;

/// A segment that one call in so many had when its place was learned keeps its name.
const KEPT_SHARE: u64 = 50;

/// Most segments that are counted, of all services together: about 200 bytes each.
const NODES: usize = 65_536;

/// What was learned: by service, beginnings of paths, each with the segments that keep their names.
pub type Lessons = BTreeMap<String, BTreeMap<String, Vec<String>>>;

#[derive(Debug)]
pub struct Learned {
    after: usize,
    services: HashMap<String, Node>,
    nodes: usize,
    most_nodes: usize,
    has_news: bool,
}

#[derive(Debug, Default)]
struct Node {
    calls: u64,
    children: HashMap<String, Node>,
    /// Learned: all other segments here are one of many.
    kept: Option<HashSet<String>>,
}

impl Learned {
    /// Learns when more than `after` segments follow the same beginning; never if it is 0.
    pub fn new(after: usize) -> Learned {
        Learned { after, services: HashMap::new(), nodes: 0, most_nodes: NODES, has_news: false }
    }

    /// The group of a path; `teaches`: and learn from it.
    pub fn group(&mut self, service: &str, path: &str, teaches: bool) -> String {
        if self.nodes >= self.most_nodes {
            self.forget_counts();
        }
        if teaches && self.after > 0 && !self.services.contains_key(service) {
            self.services.insert(service.to_owned(), Node::default());
            self.nodes += 1;
        }
        let mut node = self.services.get_mut(service);
        let mut group = String::with_capacity(path.len());
        for (at, segment) in path.split('/').take(SEGMENTS).enumerate() {
            if at > 0 {
                group.push('/');
            }
            let mut shown = node.as_deref().map_or(shown_by_form(segment), |node| node.shown(segment));
            if let Some(known) = node {
                if teaches && self.after > 0 {
                    self.nodes += known.count(shown);
                    if let Some(forgotten) = known.maybe_learn(self.after) {
                        self.has_news = true;
                        self.nodes -= forgotten;
                        shown = known.shown(segment);
                        self.nodes += known.count(shown);
                    }
                }
                node = known.children.get_mut(shown);
            }
            group.push_str(shown);
        }
        group
    }

    /// All that was learned, if there is news since the last call.
    pub fn news(&mut self) -> Option<Lessons> {
        std::mem::take(&mut self.has_news).then(|| {
            let mut lessons = Lessons::new();
            for (service, root) in &self.services {
                let mut told = BTreeMap::new();
                root.tell(&mut Vec::new(), &mut told);
                if !told.is_empty() {
                    lessons.insert(service.clone(), told);
                }
            }
            lessons
        })
    }

    /// Takes over what [`Learned::news`] told, of a run before.
    pub fn recall(&mut self, lessons: Lessons) {
        for (service, told) in lessons {
            for (beginning, kept) in told {
                let mut node = self.services.entry(service.clone()).or_default();
                for segment in beginning.split('/').take(SEGMENTS) {
                    node = node.children.entry(segment.to_owned()).or_default();
                }
                node.kept = Some(kept.into_iter().collect());
            }
        }
        self.nodes = self.services.values().map(Node::size).sum();
    }

    /// Counting begins anew; what was learned stays, unless that is what fills the room.
    fn forget_counts(&mut self) {
        self.services.retain(|_, root| root.keep_learned());
        self.nodes = self.services.values().map(Node::size).sum();
        if self.nodes > self.most_nodes / 2 {
            self.services.clear();
            self.nodes = 0;
        }
        self.has_news = true;
    }

    #[cfg(test)]
    pub fn with_room(mut self, nodes: usize) -> Learned {
        self.most_nodes = nodes;
        self
    }

    #[cfg(test)]
    pub fn nodes(&self) -> usize {
        assert_eq!(self.nodes, self.services.values().map(Node::size).sum::<usize>());
        self.nodes
    }
}

impl Node {
    fn shown<'a>(&self, segment: &'a str) -> &'a str {
        match &self.kept {
            Some(kept) if !segment.is_empty() && !kept.contains(segment) && !is_one_of_many(segment) => ANY,
            _ => shown_by_form(segment),
        }
    }

    /// Counts a call with this segment; returns how many nodes were made.
    fn count(&mut self, shown: &str) -> usize {
        self.calls = self.calls.saturating_add(1);
        if let Some(child) = self.children.get_mut(shown) {
            child.calls = child.calls.saturating_add(1);
            return 0;
        }
        // A node's calls are those that reached it, counted here; those that went on are counted by its children.
        self.children.insert(shown.to_owned(), Node { calls: 1, ..Node::default() });
        1
    }

    /// Learns if the time has come; returns how many nodes went.
    fn maybe_learn(&mut self, after: usize) -> Option<usize> {
        if self.kept.is_some() || self.children.len() <= after {
            return None;
        }
        let is_name = |segment: &str| !matches!(segment, "" | PLACEHOLDER | ANY);
        let names = || self.children.iter().filter(|(segment, _)| is_name(segment));
        if names().count() <= after {
            return None;
        }
        let all: u64 = names().map(|(_, child)| child.calls).sum();
        let is_kept = |child: &Node| child.calls.saturating_mul(KEPT_SHARE) >= all && child.calls > 1;
        let kept: HashSet<String> =
            names().filter(|(_, child)| is_kept(child)).map(|(segment, _)| segment.clone()).collect();
        let before = self.size();
        self.children.retain(|segment, _| !is_name(segment) || kept.contains(segment));
        self.kept = Some(kept);
        Some(before - self.size())
    }

    fn size(&self) -> usize {
        1 + self.children.values().map(Node::size).sum::<usize>()
    }

    /// Whether something was learned here or below; what was not goes.
    fn keep_learned(&mut self) -> bool {
        self.calls = 0;
        self.children.retain(|_, child| child.keep_learned());
        self.kept.is_some() || !self.children.is_empty()
    }

    fn tell<'a>(&'a self, beginning: &mut Vec<&'a str>, told: &mut BTreeMap<String, Vec<String>>) {
        if let Some(kept) = &self.kept {
            let mut kept: Vec<String> = kept.iter().cloned().collect();
            kept.sort_unstable();
            told.insert(beginning.join("/"), kept);
        }
        for (segment, child) in &self.children {
            beginning.push(segment);
            child.tell(beginning, told);
            beginning.pop();
        }
    }
}

fn shown_by_form(segment: &str) -> &str {
    match segment {
        _ if is_one_of_many(segment) => PLACEHOLDER,
        _ if segment.len() > LONGEST => ANY,
        _ => segment,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn taught(after: usize, paths: impl Iterator<Item = String>) -> Learned {
        let mut learned = Learned::new(after);
        paths.for_each(|path| {
            learned.group("shop", &path, true);
        });
        learned
    }

    fn users(count: usize) -> impl Iterator<Item = String> {
        (0..count).flat_map(|number| [format!("/users/u-{number}/cart"), "/users/me/cart".to_owned()])
    }

    #[test]
    fn many_names_in_one_place_become_one() {
        let mut learned = taught(10, users(11));
        assert_eq!(learned.group("shop", "/users/eve/cart", true), "/users/{any}/cart");
        assert_eq!(learned.group("shop", "/users/me/cart", true), "/users/me/cart");
        assert_eq!(learned.group("shop", "/users/7/cart", true), "/users/{id}/cart");
        assert_eq!(learned.group("shop", "/users/", true), "/users/");
        assert_eq!(learned.group("shop", "/orders/eve", true), "/orders/eve");
        assert_eq!(learned.group("bank", "/users/eve/cart", true), "/users/eve/cart");
    }

    #[test]
    fn few_names_stay_what_they_are() {
        let mut learned = taught(11, users(10));
        assert_eq!(learned.group("shop", "/users/u-1/cart", true), "/users/u-1/cart");
        assert!(learned.news().is_none());
    }

    #[test]
    fn numbers_are_not_among_the_many() {
        let mut learned = taught(3, (0..100).map(|number| format!("/users/{number}")));
        assert_eq!(learned.group("shop", "/users/eve", true), "/users/eve");
    }

    #[test]
    fn calls_that_failed_teach_nothing() {
        let mut learned = Learned::new(5);
        (0..100).for_each(|number| {
            learned.group("shop", &format!("/try-{number}"), false);
        });
        assert_eq!((learned.group("shop", "/try-1", false), learned.nodes()), ("/try-1".to_owned(), 0));
    }

    #[test]
    fn places_behind_a_learned_one_are_learned_too() {
        let paths = (0..40).map(|number| format!("/users/u-{number}/files/f-{number}"));
        let mut learned = taught(10, paths);
        assert_eq!(learned.group("shop", "/users/a/files/b", true), "/users/{any}/files/{any}");
    }

    #[test]
    fn what_was_learned_outlives_a_run() {
        let mut before = taught(10, users(11));
        let lessons = before.news().unwrap();
        assert!(before.news().is_none());
        let mut after = Learned::new(10);
        after.recall(serde_json::from_str(&serde_json::to_string(&lessons).unwrap()).unwrap());
        assert_eq!(after.group("shop", "/users/eve/cart", true), "/users/{any}/cart");
        assert_eq!(after.group("shop", "/users/me/cart", true), "/users/me/cart");
        assert_eq!(after.nodes(), 7);
    }

    #[test]
    fn hostile_paths_fill_no_more_than_the_room() {
        let mut learned = taught(50, users(51)).with_room(1000);
        for number in 0..5000_usize {
            let path = format!("/{number:x}z/{}/y{number}/{}", "a/".repeat(number % 50), "é".repeat(number % 90));
            learned.group(&format!("service-{}", number % 700), &path, true);
            assert!(learned.nodes() <= 1000 + SEGMENTS + 1);
        }
        assert_eq!(learned.group("shop", "/users/eve/cart", true), "/users/{any}/cart");
    }

    #[test]
    fn odd_paths_are_groups_too() {
        let mut learned = Learned::new(1);
        for path in ["", "/", "//", "*", "/{any}", "/a//b", "a b", "/\u{0}", "/%2f", "/\u{202e}x"] {
            assert_eq!(learned.group("odd", path, false), path);
        }
        assert_eq!(learned.group("odd", &format!("/t/{}", "x".repeat(65)), true), "/t/{any}");
        assert_eq!(learned.group("odd", &"/a".repeat(100), true).split('/').count(), SEGMENTS);
    }
}
