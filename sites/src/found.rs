//! What was found in a file so far: sites, their alternatives, and what was not found.

use std::collections::HashSet;

use crate::calls::{are_cheap, is_dear, Call, Resolve, Sites, Unresolved};
use crate::code::{Busy, Function, NoLeave};
use crate::library::{Action, Site};

#[derive(Default)]
pub(crate) struct Found {
    pub sites: Vec<Site>,
    pub return_sites: Vec<Site>,
    pub notes: Vec<String>,
}

impl Found {
    /// Functions that end in one and the same have its leave places in common: each is named once.
    pub fn without_doubles(mut self) -> Found {
        for sites in [&mut self.sites, &mut self.return_sites] {
            let mut seen = HashSet::new();
            sites.retain(|site| seen.insert((site.address, site.action, site.is_return_probe)));
        }
        self
    }

    /// A function that stands for itself.
    pub fn single(&mut self, sites: &Sites, call: &Call, function: Option<&Function>, pointers: &dyn Resolve) {
        let Some(function) = function else { return };
        let mut alternative = Vec::new();
        if !self.add(sites, call, function, pointers, &mut alternative) {
            self.return_sites.extend(alternative);
        }
        // The end of a handshake is no reason to take the risk of a return probe.
        self.sites.retain(|site| !(site.is_return_probe && site.action == Action::HandshakeLeave));
    }

    /// A function of which it is known what copies its payload.
    pub fn with_copy(&mut self, sites: &Sites, call: &Call, function: &Function, busy: Busy) {
        match sites.with_busy(call, function, busy) {
            Ok(found) if are_cheap(&found) => self.sites.extend(found),
            _ => self.single(sites, call, Some(function), &Unresolved),
        }
    }

    /// Whether cheap places were found. If not, dear ones are taken, and what a return probe offers is `alternative`.
    pub fn add(
        &mut self,
        sites: &Sites,
        call: &Call,
        function: &Function,
        pointers: &dyn Resolve,
        alternative: &mut Vec<Site>,
    ) -> bool {
        let found = sites.of(call, function, pointers);
        if let Some(sites) = found.as_ref().ok().filter(|sites| are_cheap(sites)) {
            alternative.extend_from_slice(sites);
            self.sites.extend_from_slice(sites);
            return true;
        }
        let returning = sites.returning(call, function);
        match found {
            Ok(sites) => {
                let count = sites.iter().filter(|site| is_dear(site)).count();
                self.sites.extend(sites);
                self.notes.push(format!("{}: {count} return instructions must be single-stepped", call.name));
            }
            // OpenSSL without kernel TLS has an SSL_sendfile that can only fail.
            Err(NoLeave::NoSuccess) => return true,
            Err(why) => {
                self.sites.extend_from_slice(&returning);
                self.notes.push(format!("{}: only a return probe tells its end: {}", call.name, why.text()));
            }
        }
        alternative.extend(returning);
        false
    }
}
