//! Who is at the other end of a connection: a process of this node by its own end of the connection, else whoever had
//! the address when the connection began.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use rover_reporters::record::{Endpoint, Identity};
use rustc_hash::FxHashMap;

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
        let tuple = tuple(end, seen);
        let known = self.tuples.get(&tuple).and_then(|id| self.connections.get(id));
        let owner = match known {
            Some(connection) => connection.owner,
            None => {
                let gone = self.departed.maybe(&tuple)?;
                // Another program may have the pid by now.
                if !self.processes.is_same_since(gone.owner, gone.at_ns) {
                    return None;
                }
                gone.owner
            }
        };
        if self.processes.is_pending(owner) {
            return Some(OnNode::Pending(owner));
        }
        let identity = self.processes.maybe_identity(owner)?;
        // Every pod has a loopback interface of its own, with the same addresses.
        let is_elsewhere = end.ip().is_loopback() && own.is_some_and(|own| are_other_pods(own, &identity));
        (!is_elsewhere).then_some(OnNode::Known(identity))
    }
}

/// Connections that are over, for a moment: the other end's last record may come later than that.
#[derive(Debug, Default)]
pub struct Departed {
    by_tuple: FxHashMap<Tuple, Gone>,
    in_order: VecDeque<(u64, Tuple)>,
}

#[derive(Clone, Copy, Debug)]
pub struct Gone {
    pub owner: u32,
    pub at_ns: u64,
}

/// How long; on a busy machine a server's process may wait that long for its turn.
const DEPARTED_NS: u64 = 2_000_000_000;
/// The most of them: 2 MiB.
const DEPARTED: usize = 16_384;

impl Departed {
    pub fn keep(&mut self, tuple: Tuple, owner: u32, now_ns: u64) {
        self.by_tuple.insert(tuple, Gone { owner, at_ns: now_ns });
        self.in_order.push_back((now_ns, tuple));
        if self.in_order.len() > DEPARTED {
            self.drop_first();
        }
    }

    pub fn maybe(&self, tuple: &Tuple) -> Option<Gone> {
        self.by_tuple.get(tuple).copied()
    }

    pub fn sweep(&mut self, now_ns: u64) {
        while self.in_order.front().is_some_and(|(at_ns, _)| at_ns + DEPARTED_NS <= now_ns) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some((at_ns, tuple)) = self.in_order.pop_front() {
            // Unless the same two ends have met again since.
            if self.by_tuple.get(&tuple).is_some_and(|gone| gone.at_ns == at_ns) {
                self.by_tuple.remove(&tuple);
            }
        }
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
