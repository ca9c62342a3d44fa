//! Something for each service, of bounded number.

use rustc_hash::FxHashMap;

/// Services told by name; a name once given stays, so that no sum ever falls.
pub const NAMED: usize = 64;
/// All services beyond these.
pub const OTHER: &str = "other";
/// Processes of which no service is known.
const UNKNOWN: &str = "unknown";

#[derive(Clone, Debug, Default)]
pub struct ByService<T>(FxHashMap<Box<str>, T>);

impl<T: Default> ByService<T> {
    /// Changes what belongs to a service, or to all that have no name of their own here.
    pub fn change(&mut self, service: Option<&str>, change: impl FnOnce(&mut T)) {
        let name = service.unwrap_or(UNKNOWN);
        if let Some(known) = self.0.get_mut(name) {
            return change(known);
        }
        let name = if self.0.len() < NAMED { name } else { OTHER };
        change(self.0.entry(name.into()).or_default());
    }
}

impl<T> ByService<T> {
    pub fn all(&self) -> &FxHashMap<Box<str>, T> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_beyond_the_bound_share_one_name() {
        let mut sums = ByService::<u64>::default();
        for number in 0..200 {
            sums.change(Some(&format!("service-{number}")), |sum| *sum += 2);
        }
        sums.change(Some("service-3"), |sum| *sum += 5);
        sums.change(None, |sum| *sum += 1);
        assert_eq!(sums.all().get("service-3"), Some(&7));
        assert_eq!(sums.all().len(), NAMED + 1);
        assert_eq!(sums.all().get(OTHER), Some(&((200 - NAMED as u64) * 2 + 1)));
    }
}
