//! The map: services and addresses, and who calls whom as either end saw it, as `rover/backend/api/traffic_shapes.py`
//! describes it. A thousand edges that both ends tell took Python 25 ms, all of them with the GIL.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::addresses::is_private;
use crate::metrics::{read_told, Column, Figures, NotFigures};

/// Kinds of entities, as `rover/backend/store/metrics/kinds.py` numbers them.
const SERVICE: u64 = 1;
const ADDRESS: u64 = 8;

/// What a map is made of.
#[derive(Debug)]
pub struct Map<'a> {
    /// Told of relations by their clients, by their servers, and of services.
    pub client: Vec<&'a [u8]>,
    pub server: Vec<&'a [u8]>,
    pub services: Vec<&'a [u8]>,
    /// JSON: `[number, kind, owner, name, peer]` of services, addresses and relations.
    pub entities: &'a str,
    /// Only this service and whom it has to do with.
    pub around: Option<&'a str>,
    /// What rates divide by.
    pub watched_s: f64,
    /// JSON of the member `span`.
    pub span: &'a str,
}

type Entity = (u64, u64, u64, String, u64);

/// A service, or an address that nobody is known to be behind. In the order in which the map has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Node<'a> {
    name: &'a str,
    is_real: bool,
}

#[derive(Default)]
struct Call {
    client: Option<Figures>,
    server: Option<Figures>,
}

/// # Errors
/// Texts that tell no figures, or entities that are none.
pub fn map(of: &Map<'_>) -> Result<String, NotFigures> {
    let entities: Vec<Entity> = serde_json::from_str(of.entities).map_err(|_| NotFigures)?;
    let nodes: HashMap<u64, Node<'_>> = entities
        .iter()
        .filter(|(_, kind, ..)| matches!(*kind, SERVICE | ADDRESS))
        .map(|(number, kind, _, name, _)| (*number, Node { name, is_real: *kind == SERVICE }))
        .collect();
    let ends: HashMap<u64, (Node<'_>, Node<'_>)> = entities
        .iter()
        .filter(|(_, kind, ..)| !matches!(*kind, SERVICE | ADDRESS))
        .filter_map(|(number, _, owner, _, peer)| Some((*number, (*nodes.get(owner)?, *nodes.get(peer)?))))
        .collect();
    let seen: HashMap<&str, Figures> = sums(&of.services)?
        .into_iter()
        .filter_map(|(number, figures)| Some((nodes.get(&number).filter(|node| node.is_real)?.name, figures)))
        .collect();
    let mut calls: BTreeMap<(Node<'_>, Node<'_>), Call> = BTreeMap::new();
    for (texts, is_client) in [(&of.client, true), (&of.server, false)] {
        for (number, figures) in sums(texts)? {
            // The writer may have removed an entity that nothing tells of any more.
            let Some(both) = ends.get(&number) else { continue };
            let call = calls.entry(*both).or_default();
            *(if is_client { &mut call.client } else { &mut call.server }) = Some(figures);
        }
    }
    let is_near = |node: &Node<'_>| of.around.is_none_or(|around| around == node.name);
    calls
        .retain(|(source, target), call| (is_near(source) || is_near(target)) && !is_opened_only(source, target, call));
    let mut shown: BTreeSet<Node<'_>> = calls.keys().flat_map(|(source, target)| [*source, *target]).collect();
    let alone: Vec<&str> = of.around.map_or_else(|| seen.keys().copied().collect(), |around| vec![around]);
    shown.extend(alone.into_iter().map(|name| Node { name, is_real: true }));
    let nodes: Vec<_> = shown.iter().map(|node| node_of(node, seen.get(node.name), of.watched_s)).collect();
    let edges: Vec<_> = calls.iter().map(|((from, to), call)| edge_of(from, to, call, of.watched_s)).collect();
    let json = |text: Result<String, serde_json::Error>| text.map_err(|_| NotFigures);
    let (nodes, edges) = (json(serde_json::to_string(&nodes))?, json(serde_json::to_string(&edges))?);
    Ok(format!("{{\"nodes\":{nodes},\"edges\":{edges},\"span\":{}}}", of.span))
}

fn sums(texts: &[&[u8]]) -> Result<HashMap<u64, Figures>, NotFigures> {
    let mut sums: HashMap<u64, Figures> = HashMap::new();
    for text in texts {
        read_told(text, None, |_, entity, bytes| sums.entry(entity).or_default().merge_encoded(bytes))?;
    }
    Ok(sums)
}

/// Connections to or from an address on which nothing was sent: a client often has its peer's name only afterwards, and
/// what it sends is told under that name. One that could not connect stays: nothing else tells of it.
fn is_opened_only(source: &Node<'_>, target: &Node<'_>, call: &Call) -> bool {
    let has_more = |figures: &Figures| {
        [Column::HttpCalls, Column::WriteBytes, Column::ReadBytes].iter().any(|column| figures.get(*column) > 0)
            || figures.get(Column::Connects) > figures.get(Column::ConnectSuccesses)
    };
    !(source.is_real && target.is_real || [&call.client, &call.server].into_iter().flatten().any(has_more))
}

#[derive(Serialize)]
struct Traffic {
    calls: u64,
    calls_per_minute: f64,
    success_rate: Option<f64>,
    mean_ns: Option<u64>,
    p50_ns: Option<u64>,
    p95_ns: Option<u64>,
    p99_ns: Option<u64>,
    connects: u64,
    sent_bytes: u64,
    received_bytes: u64,
    sent_packets: u64,
    retransmits: u64,
    drops: u64,
}

/// As `traffic` in `rover/backend/api/traffic.py`.
fn traffic(of: &Figures, watched_s: f64) -> Traffic {
    let (calls, timed) = (of.get(Column::HttpCalls), of.get(Column::HttpNsOf));
    let sum = |one: Column, other: Column| of.get(one).saturating_add(of.get(other));
    Traffic {
        calls,
        calls_per_minute: thousandths(calls as f64 * 60.0 / watched_s),
        success_rate: (calls > 0).then(|| of.get(Column::HttpSuccesses) as f64 / calls as f64),
        mean_ns: of.get(Column::HttpNs).checked_div(timed),
        p50_ns: of.durations.value_at_share(0.5),
        p95_ns: of.durations.value_at_share(0.95),
        p99_ns: of.durations.value_at_share(0.99),
        connects: sum(Column::Connects, Column::Accepts),
        sent_bytes: of.get(Column::WriteBytes),
        received_bytes: of.get(Column::ReadBytes),
        sent_packets: of.get(Column::WritePackets),
        retransmits: of.get(Column::WriteRetransmits),
        drops: sum(Column::WriteDrops, Column::ReadDrops),
    }
}

/// Rounded as Python rounds: of the decimal number, not of a product.
fn thousandths(value: f64) -> f64 {
    format!("{value:.3}").parse().unwrap_or(value)
}

#[derive(Serialize)]
struct MapNode<'a> {
    id: String,
    name: &'a str,
    kind: &'static str,
    group: Option<&'a str>,
    seen: Option<Traffic>,
}

fn node_of<'a>(node: &Node<'a>, seen: Option<&Figures>, watched_s: f64) -> MapNode<'a> {
    // A service that only calls others has traffic of its own, but nobody is served.
    let is_served = |figures: &&Figures| figures.get(Column::HttpCalls) > 0 || figures.get(Column::Accepts) > 0;
    MapNode {
        id: id_of(node),
        name: node.name,
        kind: match node {
            Node { is_real: true, .. } => "service",
            Node { name, .. } if is_private(name) => "host",
            Node { .. } => "external",
        },
        group: if node.is_real { maybe_group(node.name) } else { None },
        seen: seen.filter(|_| node.is_real).filter(is_served).map(|figures| traffic(figures, watched_s)),
    }
}

fn id_of(node: &Node<'_>) -> String {
    if node.is_real {
        node.name.to_owned()
    } else {
        format!("address:{}", node.name)
    }
}

/// The namespace of a service that is called by the template `{service}.{namespace}`.
fn maybe_group(name: &str) -> Option<&str> {
    name.rsplit_once('.').filter(|(first, last)| !first.is_empty() && !last.is_empty()).map(|(_, last)| last)
}

#[derive(Serialize)]
struct Edge {
    source: String,
    target: String,
    is_http: bool,
    is_tls: bool,
    client: Option<Traffic>,
    server: Option<Traffic>,
    network_ns: Option<i64>,
}

fn edge_of(source: &Node<'_>, target: &Node<'_>, call: &Call, watched_s: f64) -> Edge {
    let is_any = |columns: &[Column]| {
        let mut sides = [&call.client, &call.server].into_iter().flatten();
        sides.any(|side| columns.iter().any(|column| side.get(*column) > 0))
    };
    let side = |figures: &Option<Figures>| figures.as_ref().map(|figures| traffic(figures, watched_s));
    let (client, server) = (side(&call.client), side(&call.server));
    let mean = |of: &Option<Traffic>| of.as_ref()?.mean_ns.and_then(|mean| i64::try_from(mean).ok());
    Edge {
        source: id_of(source),
        target: id_of(target),
        is_http: is_any(&[Column::HttpCalls]),
        is_tls: is_any(&[Column::OverHttps, Column::OverTls]),
        network_ns: mean(&client).zip(mean(&server)).and_then(|(client, server)| client.checked_sub(server)),
        client,
        server,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn told(entity: u64, columns: &[(Column, u64)]) -> String {
        let mut figures = Figures::default();
        columns.iter().for_each(|(column, value)| figures.add(*column, *value));
        let hex: String = figures.encode().iter().map(|byte| format!("{byte:02X}")).collect();
        format!("60,{entity},{hex}")
    }

    fn answer(client: &[String], server: &[String], around: Option<&str>) -> serde_json::Value {
        fn bytes(texts: &[String]) -> Vec<&[u8]> {
            texts.iter().map(String::as_bytes).collect()
        }
        let entities = r#"[[1,1,0,"cart.shop",0],[2,1,0,"web",0],[3,8,0,"10.0.0.9",0],
            [4,4,2,"",1],[5,5,2,"",1],[6,4,2,"",3],[7,4,99,"",3]]"#;
        let services = [told(1, &[(Column::Accepts, 1)]), told(2, &[(Column::Connects, 1)])];
        let (client, server, services) = (bytes(client), bytes(server), bytes(&services));
        let found = map(&Map { client, server, services, entities, around, watched_s: 60.0, span: "{}" }).unwrap();
        serde_json::from_str(&found).unwrap()
    }

    #[test]
    fn an_edge_has_what_either_end_told() {
        let timed =
            |ns| [(Column::HttpCalls, 2), (Column::HttpSuccesses, 1), (Column::HttpNsOf, 2), (Column::HttpNs, ns)];
        let found = answer(&[told(4, &timed(30))], &[told(5, &timed(20)), told(7, &timed(1))], None);
        assert_eq!(found["edges"].as_array().unwrap().len(), 1, "the ends of relation 7 are gone");
        let edge = &found["edges"][0];
        assert_eq!(
            (&edge["source"], &edge["target"], &edge["network_ns"]),
            (&"web".into(), &"cart.shop".into(), &5.into())
        );
        assert_eq!((&edge["client"]["success_rate"], &edge["server"]["mean_ns"]), (&0.5.into(), &10.into()));
        let nodes: Vec<_> =
            found["nodes"].as_array().unwrap().iter().map(|node| (&node["group"], node["seen"].is_null())).collect();
        assert_eq!(nodes, [(&"shop".into(), false), (&serde_json::Value::Null, true)]);
    }

    #[test]
    fn a_connection_to_an_address_counts_once_something_was_sent_or_it_failed() {
        let opened = [(Column::Connects, 1), (Column::ConnectSuccesses, 1)];
        assert_eq!(answer(&[told(6, &opened)], &[], None)["edges"], serde_json::json!([]));
        let failed = answer(&[told(6, &opened[..1])], &[], None);
        assert_eq!(
            (&failed["nodes"][0]["id"], &failed["nodes"][0]["kind"]),
            (&"address:10.0.0.9".into(), &"host".into())
        );
        assert_eq!(answer(&[told(4, &opened)], &[], None)["edges"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn around_one_is_it_and_whom_it_talks_to() {
        let calls = [told(4, &[(Column::HttpCalls, 1)]), told(6, &[(Column::HttpCalls, 1)])];
        let names = |around| {
            let found = answer(&calls, &[], Some(around));
            found["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|node| node["name"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names("cart.shop"), ["cart.shop", "web"]);
        assert_eq!(names("nobody"), ["nobody"]);
    }

    #[test]
    fn other_texts_are_refused() {
        let of = |entities| Map {
            client: vec![b"x".as_slice()],
            server: vec![],
            services: vec![],
            entities,
            around: None,
            watched_s: 1.0,
            span: "{}",
        };
        assert_eq!((map(&of("[]")), map(&of("{}"))), (Err(NotFigures), Err(NotFigures)));
    }
}
