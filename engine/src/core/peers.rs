//! Who is at the other end of a connection: a process of this node by its own end of the connection, else whoever had
//! the address when the connection began.

use std::net::SocketAddr;
use std::sync::Arc;

use rover_reporters::record::{Endpoint, Identity};

use super::{Core, Tuple};
use crate::processes::Passing;
use crate::translations::Translation;

/// What was found out about the other end of a connection, once.
#[derive(Clone, Debug, Default)]
pub struct Far {
    translation: Option<Translation>,
    /// By its address, as of the connection's begin: whoever gets the address later does not change it.
    identity: Option<Arc<Identity>>,
}

/// The two ends of something that is about to be told.
pub struct Ends<'a> {
    pub local: &'a Endpoint,
    pub remote: &'a mut Endpoint,
    pub is_client: bool,
    /// When the connection began, as far as it is known.
    pub since_ns: u64,
}

impl Core {
    /// Fills in the real address and the identity of the other end of connection `id`; returns the process there if
    /// it is one of this node that is not decided on yet.
    pub(super) fn name_remote(&mut self, id: u64, ends: Ends<'_>) -> Option<u32> {
        if !ends.remote.is_known() {
            return None;
        }
        let local = SocketAddr::new(ends.local.address, ends.local.port);
        let remote = SocketAddr::new(ends.remote.address, ends.remote.port);
        let mut far = match self.connections.get(&id).and_then(|connection| connection.far.clone()) {
            Some(far) => *far,
            None => Far { translation: self.maybe_translation(local, remote, ends.is_client), identity: None },
        };
        let (end, seen) = far.translation.map_or((remote, local), |translation| (translation.end, translation.seen));
        if far.identity.is_none() {
            let mut holder = |of: SocketAddr| self.addresses.maybe_holder(of.ip(), of.port(), ends.since_ns);
            far.identity = holder(end).or_else(|| far.translation.and_then(|_| holder(remote)));
        }
        if end != remote {
            (ends.remote.address, ends.remote.port, ends.remote.via) = (end.ip(), end.port(), Some(remote));
        }
        let on_node = self.maybe_on_node(end, seen, ends.local.identity.as_deref());
        let by_address = far.identity.clone();
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.far = Some(Box::new(far));
        }
        let (identity, pending) = match on_node {
            Some(OnNode::Known(identity)) => (Some(identity), None),
            Some(OnNode::Pending(pid)) => (by_address, Some(pid)),
            None => (by_address, None),
        };
        ends.remote.identity = identity;
        pending
    }

    /// A record whose own process is decided on: told, unless it waits for the name of its other end.
    pub(super) fn let_go(&mut self, passing: Passing) {
        if let Some(passing) = self.processes.maybe_complete(passing) {
            self.records.push((passing.report, passing.operations));
        }
    }

    pub(super) fn let_nameless_go(&mut self) {
        let nameless = self.processes.take_nameless();
        self.records.extend(nameless.into_iter().map(|passing| (passing.report, passing.operations)));
    }

    fn maybe_translation(&mut self, local: SocketAddr, remote: SocketAddr, is_client: bool) -> Option<Translation> {
        let is_local = remote.ip().is_loopback() || local.ip() == remote.ip();
        if is_local {
            None
        } else {
            self.translating.maybe_translation(local, remote, is_client)
        }
    }

    /// The process whose socket is at `end` and has `seen` for its peer.
    fn maybe_on_node(&self, end: SocketAddr, seen: SocketAddr, own: Option<&Identity>) -> Option<OnNode> {
        let peer = self.connections.get(self.tuples.get(&tuple(end, seen))?)?;
        if self.processes.is_pending(peer.owner) {
            return Some(OnNode::Pending(peer.owner));
        }
        let identity = self.processes.maybe_identity(peer.owner)?;
        // Every pod has a loopback interface of its own, with the same addresses.
        let is_elsewhere = end.ip().is_loopback() && own.is_some_and(|own| are_other_pods(own, &identity));
        (!is_elsewhere).then_some(OnNode::Known(identity))
    }
}

enum OnNode {
    Known(Arc<Identity>),
    Pending(u32),
}

fn are_other_pods(one: &Identity, other: &Identity) -> bool {
    match (&one.kubernetes, &other.kubernetes) {
        (Some(one), Some(other)) => (&one.namespace, &one.pod) != (&other.namespace, &other.pod),
        _ => false,
    }
}

fn tuple(local: SocketAddr, remote: SocketAddr) -> Tuple {
    (bytes(local), local.port(), bytes(remote), remote.port())
}

/// As the kernel side has addresses: IPv4 as ::ffff:a.b.c.d.
fn bytes(of: SocketAddr) -> [u8; 16] {
    match of {
        SocketAddr::V4(v4) => v4.ip().to_ipv6_mapped().octets(),
        SocketAddr::V6(v6) => v6.ip().octets(),
    }
}
