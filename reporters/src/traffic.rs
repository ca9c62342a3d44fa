//! Rate, errors and durations of HTTP, and what TCP moved, by service: sums since the start, of bounded number.

use serde::ser::{Serialize, SerializeSeq, Serializer};

use crate::by_service::ByService;
use crate::durations::Durations;
use crate::failure::maybe_failure;
use crate::layers::Write;
use crate::record::{Activity, Endpoint, Flag, Record, Side};

/// Classes of status, by their position in [`Service::http`].
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Exchanges of one class of status.
#[derive(Clone, Debug, Default)]
pub struct Http {
    pub requests: u64,
    pub errors: u64,
    /// Of those whose duration is known.
    pub durations: Durations,
}

/// What the sockets moved.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp {
    pub sent_bytes: u64,
    pub received_bytes: u64,
    /// Known only where a hook shows them.
    pub retransmits: Option<u64>,
    pub opened: u64,
    /// Openings that failed.
    pub failed: u64,
    pub closed: u64,
}

/// One service, on one side of its connections.
#[derive(Clone, Debug, Default)]
pub struct Service {
    http: [Http; CLASSES.len()],
    tcp: Tcp,
}

/// Sums by service and side.
#[derive(Clone, Debug, Default)]
pub struct Traffic(ByService<[Service; 2]>);

impl Traffic {
    /// Counts an exchange; an unfinished one is counted when it has ended.
    pub fn add(&mut self, record: &Record) {
        if !record.flags.has(Flag::Unfinished) {
            self.change(&record.local, record.side, |service| service.add(record));
        }
    }

    /// Counts what a connection did besides exchanges.
    pub fn add_activity(&mut self, activity: &Activity) {
        self.change(&activity.local, activity.connection.role, |service| service.tcp.add_activity(activity));
    }

    fn change(&mut self, local: &Endpoint, side: Side, change: impl FnOnce(&mut Service)) {
        let name = local.identity.as_ref().and_then(|identity| identity.service.as_deref());
        self.0.change(name, |[server, client]| change(if side == Side::Server { server } else { client }));
    }
}

impl Service {
    fn add(&mut self, record: &Record) {
        let class = usize::from(record.status.unwrap_or(0) / 100);
        if let Some(http) = self.http.get_mut(if class < CLASSES.len() { class } else { 0 }) {
            http.requests += 1;
            http.errors += u64::from(maybe_failure(record).is_some());
            if let Some(duration_ns) = record.duration_ns {
                http.durations.add(duration_ns);
            }
        }
        if let Some(write) = &record.kernel_write {
            self.tcp.sent_bytes += write.bytes;
            self.tcp.add_retransmits(write.layers.write(Write::Retransmits));
        }
        self.tcp.received_bytes += record.kernel_read.as_ref().map_or(0, |read| read.bytes);
    }
}

impl Tcp {
    fn add_activity(&mut self, activity: &Activity) {
        if let Some(opening) = &activity.opening {
            *if opening.is_success { &mut self.opened } else { &mut self.failed } += 1;
        }
        self.closed += u64::from(activity.closing.is_some());
        for operation in &activity.operations {
            let last = &operation.last;
            if last.is_write {
                self.sent_bytes += last.bytes;
                self.add_retransmits(last.layers.write(Write::Retransmits));
            } else {
                self.received_bytes += last.bytes;
            }
        }
    }

    fn add_retransmits(&mut self, retransmits: Option<u64>) {
        if let Some(retransmits) = retransmits {
            *self.retransmits.get_or_insert(0) += retransmits;
        }
    }

    fn is_empty(&self) -> bool {
        self.sent_bytes + self.received_bytes + self.opened + self.failed + self.closed == 0
    }
}

impl Serialize for Traffic {
    /// A list of `{"service", "side", "http": [{"status", "requests", "errors", "buckets", "sum_ns"}], "tcp"}`; what never
    /// happened is left out. Buckets as in [`crate::durations::BOUNDS_NS`], each without those below it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for (name, sides) in self.0.all() {
            for (side, service) in ["server", "client"].into_iter().zip(sides) {
                let classes = CLASSES.into_iter().zip(&service.http).filter(|(_, http)| http.requests > 0);
                let http: Vec<_> = classes
                    .map(|(status, http)| {
                        serde_json::json!({
                            "status": status,
                            "requests": http.requests,
                            "errors": http.errors,
                            "buckets": http.durations.buckets,
                            "sum_ns": http.durations.sum_ns,
                        })
                    })
                    .collect();
                if http.is_empty() && service.tcp.is_empty() {
                    continue;
                }
                let tcp = &service.tcp;
                list.serialize_element(&serde_json::json!({
                    "service": name,
                    "side": side,
                    "http": http,
                    "tcp": {
                        "sent_bytes": tcp.sent_bytes,
                        "received_bytes": tcp.received_bytes,
                        "retransmits": tcp.retransmits,
                        "opened": tcp.opened,
                        "failed": tcp.failed,
                        "closed": tcp.closed,
                    },
                }))?;
            }
        }
        list.end()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::by_service::NAMED;
    use crate::record::Identity;
    use crate::samples;

    fn of_service(number: usize) -> Record {
        let identity = Identity { service: Some(format!("service-{number}")), ..Identity::default() };
        let mut record = samples::exchange();
        record.local.identity = Some(Arc::new(identity));
        record
    }

    #[test]
    fn services_beyond_the_bound_share_one_name() {
        let mut traffic = Traffic::default();
        (0..200).for_each(|number| traffic.add(&of_service(number)));
        (0..200).for_each(|number| traffic.add(&of_service(number)));
        assert_eq!(traffic.0.all().len(), NAMED + 1);
        let counts = traffic.0.all().values().flatten().flat_map(|service| &service.http);
        assert_eq!(counts.map(|http| http.requests).sum::<u64>(), 400);
    }

    #[test]
    fn statuses_fall_into_their_classes_and_odd_ones_into_none() {
        let mut traffic = Traffic::default();
        for status in [None, Some(0), Some(204), Some(599), Some(600), Some(999)] {
            traffic.add(&Record { status, ..samples::exchange() });
        }
        let found = serde_json::to_value(&traffic).map(|value| value.to_string()).unwrap_or_default();
        // No status at all and 0 are no failures by themselves; from 500 on all are, classes or not.
        assert!(found.contains(r#""errors":2,"requests":4,"status":"none""#), "{found}");
        assert!(found.contains(r#""errors":1,"requests":1,"status":"5xx""#), "{found}");
    }

    #[test]
    fn what_connections_do_besides_is_counted_for_their_role() {
        let mut traffic = Traffic::default();
        traffic.add_activity(&samples::activity());
        let tcp = traffic.0.all().values().map(|[_, client]| client.tcp).next().unwrap_or_default();
        assert_eq!((tcp.sent_bytes, tcp.received_bytes, tcp.opened, tcp.closed), (210, 90, 1, 1));
        assert_eq!(tcp.retransmits, Some(103));
    }
}
