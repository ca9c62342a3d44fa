//! Kernel logs of one exchange, summed up as `kernel.write` and `kernel.read`.

use rover_reporters::proto::v3;
use rover_reporters::proto::v3::access_log_kernel_log::Operation;
use serde_json::{json, Map, Value};

use super::{boot_ns, StreamState};

/// Sums by name. A layer that was measured has its message, whatever is zero in it; without one its figures are absent.
#[derive(Debug, Default)]
struct Sums {
    operations: u64,
    bytes: u64,
    figures: Vec<(&'static str, u64)>,
    interface: Option<u32>,
    drops: Vec<(String, i64)>,
}

impl Sums {
    fn add(&mut self, figures: &[(&'static str, u64)]) {
        for (name, value) in figures {
            match self.figures.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum = sum.saturating_add(*value),
                None => self.figures.push((name, *value)),
            }
        }
    }

    fn json(self, state: &StreamState) -> Option<Value> {
        if self.operations == 0 {
            return None;
        }
        let mut object = Map::new();
        object.insert("operations".to_owned(), self.operations.into());
        object.insert("bytes".to_owned(), self.bytes.into());
        object.extend(self.figures.into_iter().map(|(name, value)| (name.to_owned(), value.into())));
        if !self.drops.is_empty() {
            let drops = self
                .drops
                .into_iter()
                .map(|(location, count)| json!({"reason": null, "location": location, "count": count}));
            object.insert("drops".to_owned(), drops.collect());
        }
        if let Some(name) = self.interface.and_then(|index| state.interfaces.get(&index)) {
            object.insert("interface".to_owned(), name.as_str().into());
        }
        Some(Value::Object(object))
    }
}

/// The `kernel` object of a record.
pub fn kernel(state: &StreamState, logs: &[v3::AccessLogKernelLog]) -> Value {
    let (mut writes, mut reads) = (Sums::default(), Sums::default());
    for log in logs {
        match &log.operation {
            Some(Operation::Write(write)) => add_write(&mut writes, write),
            Some(Operation::Read(read)) => add_read(&mut reads, read),
            // Of the connection, not of the exchange.
            Some(Operation::Connect(_) | Operation::Accept(_) | Operation::Close(_)) | None => {}
        }
    }
    let mut kernel = Map::new();
    for (name, sums) in [("write", writes), ("read", reads)] {
        if let Some(value) = sums.json(state) {
            kernel.insert(name.to_owned(), value);
        }
    }
    Value::Object(kernel)
}

/// `None`: a time is missing.
pub fn took(start: &Option<v3::EbpfTimestamp>, end: &Option<v3::EbpfTimestamp>) -> Option<u64> {
    boot_ns(end).zip(boot_ns(start)).map(|(end, start)| end.saturating_sub(start))
}

/// A count that should not be negative.
fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

fn add_write(sums: &mut Sums, write: &v3::AccessLogKernelWriteOperation) {
    sums.operations += 1;
    if let Some(ns) = took(&write.start_time, &write.end_time) {
        sums.add(&[("syscall_ns", ns)]);
    }
    if let Some(l4) = &write.l4_metrics {
        sums.bytes = sums.bytes.saturating_add(unsigned(l4.total_package_size));
        sums.add(&[
            ("packets", unsigned(l4.total_transmit_package_count)),
            ("retransmits", unsigned(l4.total_retransmit_package_count)),
            ("l4_ns", l4.total_duration),
        ]);
        let losses = l4.loss_package_metrics.iter().map(|loss| (loss.location.clone(), i64::from(loss.count)));
        sums.drops.extend(losses);
    }
    if let Some(l3) = &write.l3_metrics {
        sums.add(&[
            ("l3_ns", l3.total_duration),
            ("l3_local_ns", l3.total_local_duration),
            ("l3_output_ns", l3.total_output_duration),
            ("resolve_count", l3.total_resolve_mac_count),
            ("resolve_ns", l3.total_resolve_mac_duration),
            ("netfilter_count", l3.total_net_filter_count),
            ("netfilter_ns", l3.total_net_filter_duration),
        ]);
    }
    if let Some(l2) = &write.l2_metrics {
        sums.interface = Some(l2.ifindex).filter(|index| *index > 0).or(sums.interface);
        sums.add(&[
            ("l2_ns", l2.total_duration),
            ("queue_entries", l2.total_enter_queue_buffer_count),
            ("l2_ready_ns", l2.total_ready_send_duration),
            ("l2_send_ns", l2.total_net_device_send_duration),
        ]);
    }
}

fn add_read(sums: &mut Sums, read: &v3::AccessLogKernelReadOperation) {
    sums.operations += 1;
    if let Some(ns) = took(&read.start_time, &read.end_time) {
        sums.add(&[("syscall_ns", ns)]);
    }
    if let Some(l2) = &read.l2_metrics {
        sums.bytes = sums.bytes.saturating_add(l2.total_package_size);
        sums.interface = Some(l2.ifindex).filter(|index| *index > 0).or(sums.interface);
        sums.add(&[
            ("packets", u64::from(l2.total_package_count)),
            ("l2_to_queue_ns", l2.total_package_to_queue_duration),
            ("queue_wait_ns", l2.total_rcv_package_from_queue_duration),
        ]);
    }
    if let Some(l3) = &read.l3_metrics {
        sums.add(&[
            ("l3_ns", l3.total_duration),
            ("l3_receive_ns", l3.total_recv_duration),
            ("l3_local_ns", l3.total_local_duration),
            ("netfilter_count", l3.total_net_filter_count),
            ("netfilter_ns", l3.total_net_filter_duration),
        ]);
    }
    if let Some(l4) = &read.l4_metrics {
        sums.add(&[("l4_ns", l4.total_duration)]);
    }
}
