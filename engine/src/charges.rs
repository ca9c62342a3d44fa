//! Who is charged: operations that rover measured, by service. Their number times the measured time of the kernel's
//! programs for one is what a service pays for being watched.

use rustc_hash::FxHashMap;

/// Services told by name; a name once given stays, so that no count ever falls.
const NAMED: usize = 64;
/// All services beyond these.
const OTHER: &str = "other";
/// Processes of which no service is known.
const UNKNOWN: &str = "unknown";

/// Operations by service, bounded in number.
#[derive(Debug, Default)]
pub struct Charges {
    by_service: FxHashMap<Box<str>, u64>,
}

impl Charges {
    pub fn add(&mut self, service: Option<&str>, operations: u64) {
        let service = service.unwrap_or(UNKNOWN);
        if let Some(sum) = self.by_service.get_mut(service) {
            *sum += operations;
            return;
        }
        let name = if self.by_service.len() < NAMED { service } else { OTHER };
        *self.by_service.entry(name.into()).or_default() += operations;
    }

    pub fn by_service(&self) -> &FxHashMap<Box<str>, u64> {
        &self.by_service
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_beyond_the_bound_share_one_name() {
        let mut charges = Charges::default();
        for number in 0..200 {
            charges.add(Some(&format!("service-{number}")), 2);
        }
        charges.add(Some("service-3"), 5);
        charges.add(None, 1);
        assert_eq!(charges.by_service().get("service-3"), Some(&7));
        assert_eq!(charges.by_service().len(), NAMED + 1);
        assert_eq!(charges.by_service().get(OTHER), Some(&((200 - NAMED as u64) * 2 + 1)));
    }
}
