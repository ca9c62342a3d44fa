//! A record's timeline as segments: what was going on between two neighbouring points, and in which layer.
//!
//! The same rules as `rover/cli/timeline.py` and `web/src/exchanges/timeline.ts`: `tests/waterfall/cases.json` holds all
//! three to them.

use crate::record::{Record, Side};

/// In the order in which people read them everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    Application,
    Tls,
    Socket,
    Tcp,
    Ip,
    Netfilter,
    Queue,
    Device,
    Network,
    Wait,
}

/// Time between two points, in nanoseconds from the record's start; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub layer: Layer,
    pub start_ns: u64,
    pub end_ns: u64,
}

impl Segment {
    fn between(layer: Layer, start_ns: u64, end_ns: u64) -> Option<Segment> {
        (start_ns < end_ns).then_some(Segment { layer, start_ns, end_ns })
    }
}

/// In the order of time; those without duration are left out. Empty if nothing is known.
pub fn segments(record: &Record) -> Vec<Segment> {
    if record.timeline.len() < 2 {
        return halves(record);
    }
    let following = record.timeline.iter().skip(1);
    record
        .timeline
        .iter()
        .zip(following)
        .filter_map(|((name, start_ns), (next, end_ns))| {
            Segment::between(layer_between(record.side, name, next), *start_ns, *end_ns)
        })
        .collect()
}

/// Without a timeline the time to the first byte still divides the exchange in two.
fn halves(record: &Record) -> Vec<Segment> {
    let (Some(first_byte_ns), Some(duration_ns)) = (record.first_byte_ns, record.duration_ns) else {
        return Vec::new();
    };
    let before = match record.side {
        Side::Server => Layer::Application,
        Side::Client => Layer::Network,
    };
    [Segment::between(before, 0, first_byte_ns), Segment::between(Layer::Socket, first_byte_ns, duration_ns)]
        .into_iter()
        .flatten()
        .collect()
}

/// Points on the way of what comes in; all others are of what goes out.
fn is_inward(name: &str) -> bool {
    matches!(name, "nic_in" | "ip_in" | "tcp_in" | "read" | "tls_read" | "read_end")
}

fn layer_between(side: Side, start: &str, end: &str) -> Layer {
    match (is_inward(start), is_inward(end)) {
        _ if end == "tls_read" || start == "tls_write" => Layer::Tls,
        (true, true) => match (start, end) {
            ("nic_in", "ip_in") => Layer::Device,
            ("nic_in" | "ip_in", "tcp_in") => Layer::Ip,
            ("nic_in" | "ip_in" | "tcp_in" | "read_end", _) => Layer::Wait,
            _ => Layer::Socket,
        },
        (false, false) => match (start, end) {
            (_, "write_end") | ("last_nic_out", _) | ("write", "tcp_out") => Layer::Socket,
            ("write_end", _) => Layer::Wait,
            ("write" | "tcp_out", _) => Layer::Tcp,
            ("ip_out", _) => Layer::Ip,
            ("queue_out", _) => Layer::Queue,
            _ => Layer::Socket,
        },
        (true, false) if matches!(end, "write" | "tls_write") => Layer::Application,
        // An early response is written before the request has been read whole.
        (true, false) => Layer::Socket,
        (false, true) if end == "read_end" => Layer::Socket,
        (false, true) if side == Side::Server => Layer::Wait,
        (false, true) => Layer::Network,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::samples;

    #[derive(Deserialize)]
    struct Cases {
        segments: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        name: String,
        side: String,
        first_byte_ns: Option<u64>,
        duration_ns: Option<u64>,
        timeline: Vec<(String, u64)>,
        segments: Vec<(String, String, u64, u64)>,
    }

    #[test]
    fn what_lies_between_two_points_has_a_layer() {
        let text = include_str!("../../tests/waterfall/cases.json");
        let cases: Cases = serde_json::from_str(text).unwrap();
        assert!(cases.segments.len() > 10);
        for case in cases.segments {
            let record = Record {
                side: if case.side == "server" { Side::Server } else { Side::Client },
                first_byte_ns: case.first_byte_ns,
                duration_ns: case.duration_ns,
                // Names live as long as the program; those of a test may leak.
                timeline: case.timeline.into_iter().map(|(name, at)| (&*name.leak(), at)).collect(),
                ..samples::unknown()
            };
            let found: Vec<_> = segments(&record)
                .iter()
                .map(|segment| (format!("{:?}", segment.layer).to_lowercase(), segment.start_ns, segment.end_ns))
                .collect();
            let wanted: Vec<_> = case.segments.into_iter().map(|(layer, _, start, end)| (layer, start, end)).collect();
            assert_eq!(found, wanted, "{}", case.name);
        }
    }
}
