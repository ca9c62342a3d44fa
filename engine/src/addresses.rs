//! Who is behind an address, and from when until when: an address that another takes over lends its old name to what
//! happened before, and only to that.
//!
//! Names come as the text of an identity and are read when the first record asks: a cluster has tens of thousands of
//! addresses, of which a node meets a few hundred.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use rover_reporters::record::Identity;
use rustc_hash::FxHashMap;

/// How long the former holder of an address is remembered: records of what happened then may still come.
const MEMORY_NS: u64 = 120_000_000_000;
/// Holders of one address that are remembered; the oldest goes.
const HOLDERS: usize = 8;

/// A change of who has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    pub address: IpAddr,
    /// 0: whatever the port.
    pub port: u16,
    /// Since boot.
    pub since_ns: u64,
    /// JSON object as in a record; `None`: nobody that is known.
    pub identity: Option<Box<str>>,
}

#[derive(Debug)]
enum Name {
    Text(Box<str>),
    Known(Arc<Identity>),
}

#[derive(Debug)]
struct Holder {
    since_ns: u64,
    until_ns: u64,
    name: Name,
}

/// Table of all addresses that have a name.
#[derive(Debug, Default)]
pub struct AddressBook {
    holders: FxHashMap<(IpAddr, u16), Vec<Holder>>,
    /// When a holder ended, in order: what to forget next.
    ended: VecDeque<(u64, (IpAddr, u16))>,
}

impl AddressBook {
    pub fn count(&self) -> usize {
        self.holders.len()
    }

    /// From `since_ns` on another has the address; nobody can have had it in the time of the one before.
    pub fn change(&mut self, naming: Naming) {
        let key = (naming.address, naming.port);
        let known = self.holders.entry(key).or_default();
        let mut since_ns = naming.since_ns;
        if let Some(last) = known.last_mut() {
            since_ns = since_ns.max(last.since_ns);
            if last.until_ns == u64::MAX {
                last.until_ns = since_ns;
                self.ended.push_back((since_ns, key));
            } else {
                since_ns = since_ns.max(last.until_ns);
            }
        }
        if let Some(text) = naming.identity {
            if known.len() >= HOLDERS {
                known.remove(0);
            }
            known.push(Holder { since_ns, until_ns: u64::MAX, name: Name::Text(text) });
        } else if known.is_empty() {
            self.holders.remove(&key);
        }
    }

    /// Who had the address at that time; one known by the port goes before one known by the address alone.
    pub fn maybe_holder(&mut self, address: IpAddr, port: u16, at_ns: u64) -> Option<Arc<Identity>> {
        if self.holders.is_empty() {
            return None;
        }
        for key in [(address, port), (address, 0)] {
            let Some(known) = self.holders.get_mut(&key) else {
                continue;
            };
            let is_then = |holder: &&mut Holder| holder.since_ns <= at_ns && at_ns < holder.until_ns;
            if let Some(holder) = known.iter_mut().rev().find(is_then) {
                return holder.name.read();
            }
        }
        None
    }

    /// Forgets who had an address long ago.
    pub fn sweep(&mut self, now_ns: u64) {
        while let Some((until_ns, key)) = self.ended.front().copied() {
            if until_ns.saturating_add(MEMORY_NS) > now_ns {
                break;
            }
            self.ended.pop_front();
            if let Some(known) = self.holders.get_mut(&key) {
                known.retain(|holder| holder.until_ns > until_ns);
                if known.is_empty() {
                    self.holders.remove(&key);
                }
            }
        }
    }
}

impl Name {
    fn read(&mut self) -> Option<Arc<Identity>> {
        if let Name::Text(text) = self {
            // The control plane wrote it; what cannot be read names nobody.
            let identity: Identity = serde_json::from_str(text).ok()?;
            *self = Name::Known(Arc::new(identity));
        }
        match self {
            Name::Known(identity) => Some(Arc::clone(identity)),
            Name::Text(_) => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 244, 1, last])
    }

    fn naming(last: u8, port: u16, since_ns: u64, service: Option<&str>) -> Naming {
        let identity = service.map(|service| format!("{{\"service\": \"{service}\"}}").into());
        Naming { address: address(last), port, since_ns, identity }
    }

    fn service(book: &mut AddressBook, last: u8, port: u16, at_ns: u64) -> Option<String> {
        book.maybe_holder(address(last), port, at_ns)?.service.clone()
    }

    #[test]
    fn an_address_has_the_name_that_it_had_at_the_time() {
        let mut book = AddressBook::default();
        book.change(naming(5, 0, 10 * SECOND, Some("old")));
        book.change(naming(5, 0, 20 * SECOND, None));
        book.change(naming(5, 0, 21 * SECOND, Some("new")));
        let at = |book: &mut AddressBook, second| service(book, 5, 80, second * SECOND);
        assert_eq!(at(&mut book, 9), None);
        assert_eq!(at(&mut book, 10).as_deref(), Some("old"));
        assert_eq!(at(&mut book, 19).as_deref(), Some("old"));
        assert_eq!(at(&mut book, 20), None);
        assert_eq!(at(&mut book, 21).as_deref(), Some("new"));
    }

    #[test]
    fn a_holder_said_to_begin_before_the_end_of_the_one_before_begins_at_that_end() {
        let mut book = AddressBook::default();
        book.change(naming(5, 0, 10 * SECOND, Some("old")));
        book.change(naming(5, 0, 20 * SECOND, None));
        book.change(naming(5, 0, 19 * SECOND, Some("new")));
        assert_eq!(service(&mut book, 5, 80, 19 * SECOND).as_deref(), Some("old"));
        assert_eq!(service(&mut book, 5, 80, 20 * SECOND).as_deref(), Some("new"));
    }

    #[test]
    fn a_name_for_one_port_goes_before_one_for_all() {
        let mut book = AddressBook::default();
        book.change(naming(5, 0, 0, Some("node")));
        book.change(naming(5, 9100, 0, Some("exporter")));
        assert_eq!(service(&mut book, 5, 9100, SECOND).as_deref(), Some("exporter"));
        assert_eq!(service(&mut book, 5, 80, SECOND).as_deref(), Some("node"));
    }

    #[test]
    fn former_holders_are_forgotten_in_time_and_the_present_one_is_not() {
        let mut book = AddressBook::default();
        for last in 1..=100 {
            book.change(naming(last, 0, SECOND, Some("old")));
            book.change(naming(last, 0, 2 * SECOND, None));
        }
        book.change(naming(1, 0, 3 * SECOND, Some("new")));
        book.sweep(2 * SECOND + MEMORY_NS - 1);
        assert_eq!((book.count(), service(&mut book, 2, 80, SECOND).as_deref()), (100, Some("old")));
        book.sweep(2 * SECOND + MEMORY_NS);
        assert_eq!((book.count(), book.ended.len()), (1, 0));
        assert_eq!(service(&mut book, 1, 80, 3 * SECOND).as_deref(), Some("new"));
        assert_eq!(service(&mut book, 1, 80, SECOND), None);
    }

    #[test]
    fn an_address_that_changes_hands_all_the_time_stays_bounded() {
        let mut book = AddressBook::default();
        for second in 0..10_000 {
            book.change(naming(5, 0, second * SECOND, Some("one")));
            book.sweep(second * SECOND);
        }
        assert!(book.holders.get(&(address(5), 0)).unwrap().len() <= HOLDERS);
        assert!(book.ended.len() <= 130);
    }

    #[test]
    fn text_that_is_no_identity_names_nobody() {
        let mut book = AddressBook::default();
        book.change(Naming { address: address(5), port: 0, since_ns: 0, identity: Some("nonsense".into()) });
        assert!(book.maybe_holder(address(5), 80, SECOND).is_none());
    }
}
