//! A batch of records as figures by entity and minute: what the store adds to what it has.
//!
//! No state from batch to batch but what was learned of paths: whoever stores decides in one transaction what a record
//! counts for, so nothing is counted twice. Which names are admitted is decided there, too.

use std::borrow::Cow;
use std::collections::HashMap;

use super::columns::{Column, Figures};
use super::grouping::{Call, Grouping};
use super::telling::Telling;

const MINUTE_NS: i64 = 60_000_000_000;

/// Most characters of a name; what filters of exchanges see is as long.
const NAME_LENGTH: usize = 256;

/// As OAP calls a method that has no number in its protocol.
const UNLISTED: &str = "UNRECOGNIZED";

/// A local end without a name.
const UNKNOWN: &str = "(unknown)";

/// What the figures are of. Numbers are in the store; a relation is told by either end, and the two are kept apart: what
/// they differ by is the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    Service = 1,
    Instance = 2,
    Endpoint = 3,
    ClientRelation = 4,
    ServerRelation = 5,
    ClientInstanceRelation = 6,
    ServerInstanceRelation = 7,
}

/// Figures to add.
#[derive(Debug)]
pub struct Share {
    pub minute_s: i64,
    pub kind: Kind,
    /// Service, or source service. An address instead of a name begins with NUL.
    pub service: String,
    /// Instance or endpoint; instance of the source.
    pub name: String,
    /// Destination service and instance.
    pub peer: String,
    pub peer_name: String,
    pub figures: Figures,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Folded {
    pub shares: Vec<Share>,
    /// Records of minutes that are no longer, or not yet, kept.
    pub out_of_time: u64,
    /// Records that are none.
    pub malformed: u64,
}

/// Minutes that are taken, in seconds: from the first on, before the end.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub first_s: i64,
    pub end_s: i64,
}

/// All that tells records of one minute apart.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Flow {
    minute_s: i64,
    is_server: bool,
    local: String,
    local_instance: String,
    remote: String,
    remote_instance: String,
    /// Empty: no call, or one that is told by its client.
    endpoint: String,
}

/// Folds records, each with the wall clock of its start.
pub fn fold<'a>(grouping: &Grouping, records: impl Iterator<Item = (i64, &'a str)>, window: Window) -> Folded {
    let mut folded = Folded::default();
    let mut flows: HashMap<Flow, Figures> = HashMap::new();
    for (time_ns, record) in records {
        let Ok(telling) = serde_json::from_str::<Telling<'_>>(record) else {
            folded.malformed += 1;
            continue;
        };
        if telling.is_unfinished() {
            continue;
        }
        let minute_s = time_ns.div_euclid(MINUTE_NS) * 60;
        if minute_s < window.first_s || minute_s >= window.end_s {
            folded.out_of_time += 1;
            continue;
        }
        telling.add_to(flows.entry(flow(grouping, &telling, minute_s)).or_default());
    }
    folded.shares = spread(flows);
    folded
}

fn flow(grouping: &Grouping, telling: &Telling<'_>, minute_s: i64) -> Flow {
    let is_server = telling.is_server();
    let (local, remote) = (&telling.local, &telling.remote);
    let remote_name = match (remote.service(), remote.address.as_deref()) {
        (Some(service), _) => name(service),
        (None, Some(address)) => format!("\0{}", name(address)),
        (None, None) => UNKNOWN.to_owned(),
    };
    let local_name = name(local.service().unwrap_or(UNKNOWN));
    let endpoint =
        if is_server && telling.is_call() { endpoint(grouping, &local_name, telling) } else { String::new() };
    Flow {
        minute_s,
        is_server,
        local: local_name,
        local_instance: name(local.instance().unwrap_or_default()),
        remote: remote_name,
        remote_instance: name(remote.instance().unwrap_or_default()),
        endpoint,
    }
}

/// As OAP names it: `METHOD:path`.
fn endpoint(grouping: &Grouping, service: &str, telling: &Telling<'_>) -> String {
    let method = telling.method.as_deref().unwrap_or(UNLISTED);
    let path = telling.path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/");
    let call = Call { service, path, is_made_of_names: telling.is_grpc(), is_success: telling.has_worked() };
    name(&format!("{method}:{}", grouping.group(call)))
}

/// A name as it is kept: cut, and without NUL, which marks an address.
fn name(text: &str) -> String {
    let cut: Cow<'_, str> = match text.char_indices().nth(NAME_LENGTH) {
        Some((end, _)) => text.get(..end).unwrap_or_default().into(),
        None => text.into(),
    };
    if cut.contains('\0') {
        cut.replace('\0', "\u{fffd}")
    } else {
        cut.into_owned()
    }
}

fn spread(flows: HashMap<Flow, Figures>) -> Vec<Share> {
    let mut shares: HashMap<(i64, Kind, String, String, String, String), Figures> = HashMap::new();
    let none = String::new;
    for (flow, figures) in flows {
        let Flow { minute_s, is_server, local, local_instance, remote, remote_instance, endpoint } = flow;
        let mut add = |kind, service: &String, name: &String, peer: &String, peer_name: &String| {
            let key = (minute_s, kind, service.clone(), name.clone(), peer.clone(), peer_name.clone());
            add_share(shares.entry(key).or_default(), &figures, kind, is_server);
        };
        add(Kind::Service, &local, &none(), &none(), &none());
        if !local_instance.is_empty() {
            add(Kind::Instance, &local, &local_instance, &none(), &none());
        }
        if !endpoint.is_empty() {
            add(Kind::Endpoint, &local, &endpoint, &none(), &none());
        }
        let (relation, instance_relation) = match is_server {
            true => (Kind::ServerRelation, Kind::ServerInstanceRelation),
            false => (Kind::ClientRelation, Kind::ClientInstanceRelation),
        };
        let here = (&local, &local_instance);
        let there = (&remote, &remote_instance);
        let (source, destination) = if is_server { (there, here) } else { (here, there) };
        add(relation, source.0, &none(), destination.0, &none());
        if !local_instance.is_empty() && !remote_instance.is_empty() {
            add(instance_relation, source.0, source.1, destination.0, destination.1);
        }
    }
    let shares = shares.into_iter().map(|((minute_s, kind, service, name, peer, peer_name), figures)| Share {
        minute_s,
        kind,
        service,
        name,
        peer,
        peer_name,
        figures,
    });
    shares.collect()
}

/// Services and instances have the calls that they serve; an endpoint has nothing else.
fn add_share(sum: &mut Figures, figures: &Figures, kind: Kind, is_server: bool) {
    let of_calls = Column::HttpCalls as usize..=Column::ApdexTolerated as usize;
    let is_of_calls = |column: usize| of_calls.contains(&column) || column == Column::HttpBytes as usize;
    match kind {
        Kind::Endpoint => {
            sum.add_columns(figures, is_of_calls);
            sum.durations.merge(&figures.durations);
        }
        Kind::Service | Kind::Instance if !is_server => sum.add_columns(figures, |column| !is_of_calls(column)),
        _ => sum.merge(figures),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
